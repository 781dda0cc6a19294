"""The finger engine beside NIST's NBIS and SourceAFIS, in one run: same prints, same comparisons, one thread.

    python -m benchmarks.peers_finger DIR --memory
    python -m benchmarks.peers_finger DIR --nfiq2 --discard FILE.png

DIR holds prints in FVC's layout, or folders of them, as for ``idverify evaluate finger``. Every picture goes through
both engines in turn, as the bytes of a PNG file, then every pair of the protocol: a busy machine is unjust to both
alike. Times are of the processor. NBIS is what ``nbis-py`` (needed here) has of it: MINDTCT for the minutiae, less
those below the quality that is best for it here (``--sweep-nbis`` tries several), and Bozorth3, which has no template
beyond them. SourceAFIS is not run, for PyPI has it not; its row is its published result, on other prints
(https://sourceafis.machinezoo.com/benchmarks).

``--nfiq2`` compares qualities instead: ours and NFIQ 2 of the same pictures, their rank correlation and the curves of
error versus discard, judged by our scores and by those of Bozorth3, which neither measure was made for.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from benchmarks.peers_face import peak_mb

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.discard import SHARES, DiscardCurve, error_versus_discard, plot_discard
from idverify.biometric.evaluation.finger import find_impressions, pairs_of, rates_of
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import similarity
from idverify.emulator.fingers import SyntheticFinger
from idverify.errors import BiometricError

SOURCEAFIS = "| SourceAFIS 3.14.0, as published (FVC-onGoing FV-STD) | | | | 3.87 | | 6.55 | | |"
"""Its result in FVC-onGoing, where the prints are secret: a row to know the order of magnitude, not to compare with."""
NBIS_MIN_QUALITY = 0.1
"""Minutiae of NBIS that are less reliable are left out: the best of ``NBIS_QUALITIES`` for it on FVC's set B."""
NBIS_QUALITIES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
FNMR = 0.05
"""The discard curves start where so many genuine comparisons fail, whichever engine made the scores."""


class Engine(Protocol):
    """Three steps; a print that gives no template is None."""

    def sample(self, png: bytes) -> Any: ...
    def template(self, sample: Any) -> Any: ...
    def compare(self, a: Any, b: Any) -> float: ...
    def quality(self, sample: Any) -> float: ...


class Ours:
    def __init__(self) -> None:
        self.matcher = FingerMatcher(threads=1)
        self.matcher.warm_up()

    def sample(self, png: bytes) -> Any:
        try:
            return self.matcher.sample(decode_image(png))
        except BiometricError:
            return None

    def template(self, sample: Any) -> Any:
        return sample.template()

    def compare(self, a: Any, b: Any) -> float:
        return similarity(a, b)

    def quality(self, sample: Any) -> float:
        return float(sample.quality.value)


class Nbis:
    """MINDTCT and Bozorth3; the minutiae are the template."""

    def __init__(self, *, min_quality: float = NBIS_MIN_QUALITY, nfiq2: bool = False) -> None:
        self.nbis: Any = importlib.import_module("nbis")
        self.extractor = self.nbis.new_nbis_extractor(
            self.nbis.NbisExtractorSettings(
                min_quality=min_quality, get_center=False, check_fingerprint=False, compute_nfiq2=nfiq2, ppi=500.0
            )
        )

    def sample(self, png: bytes) -> Any:
        try:
            return self.extractor.extract_minutiae(png)
        except self.nbis.NbisError:
            return None

    def template(self, sample: Any) -> Any:
        return sample

    def compare(self, a: Any, b: Any) -> float:
        return float(a.compare(b))

    def quality(self, sample: Any) -> float:
        return float(sample.quality().score)


ENGINES: dict[str, Callable[[], Engine]] = {"idverify": Ours, "NBIS": Nbis}


@dataclass
class Measured:
    """Milliseconds of the processor by step, and what came out, by picture and by pair."""

    extract: list[float] = field(default_factory=list)
    build: list[float] = field(default_factory=list)
    compare: list[float] = field(default_factory=list)
    templates: list[Any] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def row(self, name: str, genuine: np.ndarray, databases: np.ndarray, peak: str) -> str:
        scores = np.array(self.scores, np.float32)
        rates = {k: 100 * v for k, v in rates_of(scores[genuine], scores[~genuine]).items()}
        each = self.by_database(genuine, databases)
        failed = sum(t is None for t in self.templates)
        times = f"{np.median(self.extract):.1f} | {np.median(self.build):.1f}"
        return (
            f"| {name} | {times} | {np.median(self.compare):.2f}, {np.mean(self.compare):.2f} | {rates['eer']:.2f} |"
            f" {', '.join(each)} | {rates['fmr1000']:.2f} | {failed} | {peak} |"
        )

    def by_database(self, genuine: np.ndarray, databases: np.ndarray) -> list[str]:
        """EER of every database, per cent."""
        scores, each = np.array(self.scores, np.float32), []
        for database in sorted(set(databases.tolist())):
            here = databases == database
            each.append(f"{100 * rates_of(scores[here & genuine], scores[here & ~genuine])['eer']:.2f}")
        return each


def timed(work: Callable[[], Any], times: list[float]) -> Any:
    start = time.process_time_ns()
    found = work()
    times.append((time.process_time_ns() - start) / 1e6)
    return found


def extract(engine: Engine, png: bytes, into: Measured) -> None:
    sample = timed(lambda: engine.sample(png), into.extract)
    into.templates.append(None if sample is None else timed(lambda: engine.template(sample), into.build))


def compare(engine: Engine, i: int, j: int, into: Measured) -> None:
    a, b = into.templates[i], into.templates[j]
    into.scores.append(0.0 if a is None or b is None else timed(lambda: engine.compare(a, b), into.compare))


def peak_of(name: str) -> str:
    """Megabytes at most, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.peers_finger", "--only", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]


def run_once(name: str) -> None:
    """What ``--only`` measures the memory of: four invented prints of 388 × 374, and their comparisons."""
    engine = ENGINES[name]()
    prints = [SyntheticFinger(f).impression(k, size=(388, 374)) for f in (1, 2) for k in (0, 1)]
    samples = [engine.sample(cv2.imencode(".png", p)[1].tobytes()) for p in prints]
    templates = [engine.template(s) for s in samples]
    for a in templates:
        for b in templates:
            engine.compare(a, b)
    print(f"{peak_mb():.0f}")


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    mean: np.ndarray = (np.cumsum(count) - (count + 1) / 2)[place]
    return mean


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's."""
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def qualities(pictures: list[bytes]) -> dict[str, np.ndarray]:
    """Of every picture; -1, below all others, where a measure gave none."""
    found: dict[str, np.ndarray] = {}
    for name, engine in {"idverify": Ours(), "NFIQ 2": Nbis(nfiq2=True)}.items():
        samples = [engine.sample(p) for p in pictures]
        found[name] = np.array([-1.0 if s is None else engine.quality(s) for s in samples])
    return found


def compare_qualities(
    pictures: list[bytes], pairs: np.ndarray, measured: dict[str, Measured], plot: Path | None
) -> None:
    values = qualities(pictures)
    none = {name: int((v < 0).sum()) for name, v in values.items()}
    both = np.all([v >= 0 for v in values.values()], axis=0)
    rho = rank_correlation(*(v[both] for v in values.values()))
    print(f"\nrank correlation (Spearman) over {both.sum()} pictures: {rho:.2f}; without a value: {none}\n")
    genuine = pairs[:, 2].astype(bool)
    curves: dict[str, DiscardCurve] = {}
    shares = (0.0, 0.1, 0.2, 0.3)
    print("| scores of | quality | " + " | ".join(f"FNMR without {s:.0%}" for s in shares) + " | area |")
    print("|---|---|" + "---|" * (len(shares) + 1))
    for engine, found in measured.items():
        for name, quality in values.items():
            lower = np.minimum(quality[pairs[:, 0]], quality[pairs[:, 1]])[genuine]
            curve = error_versus_discard(np.array(found.scores)[genuine], lower, fnmr=FNMR)
            curves[f"{engine} judged by {name}"] = curve
            rates = " | ".join(f"{100 * curve.at(s):.2f}" for s in shares)
            print(f"| {engine} | {name} | {rates} | {curve.area:.2f} |")
    if plot is not None:
        plot_discard(curves, plot, title=f"quality of fingerprints, shares to {SHARES[-1]:.0%}")


def measure(pictures: list[bytes], pairs: np.ndarray) -> dict[str, Measured]:
    engines = {name: make() for name, make in ENGINES.items()}
    found = {name: Measured() for name in engines}
    for picture in pictures:
        for name, engine in engines.items():
            extract(engine, picture, found[name])
    for i, j, _ in pairs:
        for name, engine in engines.items():
            compare(engine, i, j, found[name])
    return found


def sweep_nbis(pictures: list[bytes], pairs: np.ndarray, databases: np.ndarray) -> None:
    """Its rates at every quality that its minutiae may need, so that it is given the best one."""
    print("| NBIS, least quality of a minutia | EER | by database | FMR100 | FMR1000 | ZeroFMR |")
    print("|---|---|---|---|---|---|")
    genuine = pairs[:, 2].astype(bool)
    for quality in NBIS_QUALITIES:
        engine, found = Nbis(min_quality=quality), Measured()
        for picture in pictures:
            extract(engine, picture, found)
        for i, j, _ in pairs:
            compare(engine, i, j, found)
        scores = np.array(found.scores, np.float32)
        eer, *others = (f"{100 * v:.2f}" for v in rates_of(scores[genuine], scores[~genuine]).values())
        each = ", ".join(found.by_database(genuine, databases))
        print(f"| {quality:g} | {eer} | {each} | {' | '.join(others)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="pictures NNN_k, or folders of them")
    parser.add_argument("--impostors", choices=("first", "all"), default="all")
    parser.add_argument("--memory", action="store_true", help="peak memory of each engine, in a process of its own")
    parser.add_argument("--nfiq2", action="store_true", help="compare the qualities too (half a second a picture)")
    parser.add_argument("--discard", type=Path, help="with --nfiq2: draw the curves")
    parser.add_argument(
        "--sweep-nbis", action="store_true", help="only NBIS, at several least qualities of its minutiae"
    )
    parser.add_argument("--only", choices=tuple(ENGINES), help="run one engine a little, print this process's peak")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.only:
        run_once(args.only)
        return
    if args.folder is None:
        parser.error("which folder?")
    impressions = find_impressions(args.folder)
    pictures = [cv2.imencode(".png", decode_image(i.file.read_bytes()))[1].tobytes() for i in impressions]
    pairs = np.array(pairs_of(impressions, args.impostors), np.int64)
    databases = np.array([i.database for i in impressions])[pairs[:, 0]]
    if args.sweep_nbis:
        sweep_nbis(pictures, pairs, databases)
        return
    report(pictures, pairs, databases, memory=args.memory, nfiq2=args.nfiq2, plot=args.discard)


def report(
    pictures: list[bytes], pairs: np.ndarray, databases: np.ndarray, *, memory: bool, nfiq2: bool, plot: Path | None
) -> None:
    measured = measure(pictures, pairs)
    genuine = pairs[:, 2].astype(bool)
    print(f"{len(pictures)} pictures, {genuine.sum()} genuine and {(~genuine).sum()} impostor comparisons;")
    print(
        f"databases: {', '.join(sorted(set(databases.tolist())))}; milliseconds of the processor, rates in per cent\n"
    )
    print("| engine | extraction, median | template | comparison: median, mean | EER | by database | FMR1000 |", end="")
    print(" without template | peak MB |\n|---|---|---|---|---|---|---|---|---|")
    for name, found in measured.items():
        print(found.row(name, genuine, databases, peak_of(name) if memory else ""))
    print(SOURCEAFIS)
    if nfiq2:
        compare_qualities(pictures, pairs, measured, plot)


if __name__ == "__main__":
    main()
