"""Other minutiae networks in the shipped one's place, under the shipped matcher and constants.

    python models/recipes/leader.py --exact --out FOLDER
    python -m benchmarks.ablation_finger_network DIR FOLDER/leader-exact.onnx [OTHER.onnx ...]

DIR holds prints in FVC's layout, or folders of them, as for ``idverify evaluate finger``; all pairs are compared. The
first row is the shipped network, the others are graphs that ``models/recipes/leader.py`` writes: the original's own
weights (``--exact``), which no print of DIR shaped here, or students distilled on other prints (``--distilled``).
Agreement: of the minutiae of two networks on one picture, those of each other's nearest within 8 pixels and 30°, as a
share of the mean number; ``--invented`` measures it on so many invented fingers as well. Times are of the processor,
picture to minutiae, networks in turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.finger import find_impressions, pairs_of, rates_of
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.matcher import similarity
from idverify.biometric.finger.minutiae import Minutiae
from idverify.biometric.finger.template import FingerTemplate, make_template
from idverify.biometric.model_card import ModelCard
from idverify.biometric.models import ModelRegistry
from idverify.emulator.fingers import Sensor, SyntheticFinger
from idverify.errors import BiometricError

NEAR, ALIKE = 8.0, math.radians(30)


class Substitute(ModelRegistry):
    """The package's registry with one file in the place of the minutiae network, and no table for it."""

    def __init__(self, file: Path) -> None:
        super().__init__(search=[file.parent])
        data = file.read_bytes()
        self._changes: dict[str, Any] = {
            "file": file.name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "version": "0",
            "calibration": None, "record_calibration": None,
        }  # fmt: skip

    def card(self, model_id: str) -> ModelCard:
        return dataclasses.replace(super().card(model_id), **self._changes)


def matcher_with(file: Path | None) -> FingerMatcher:
    """A matcher on the shipped network, or on that of a file."""
    return FingerMatcher(Substitute(file) if file is not None else None, threads=1)


class Network:
    """One network and what it found."""

    def __init__(self, name: str, file: Path | None) -> None:
        self.name, self.matcher = name, matcher_with(file)
        self.matcher.warm_up()
        self.found: list[Minutiae | None] = []
        self.times: list[float] = []

    def look(self, picture: np.ndarray) -> Minutiae | None:
        start = time.process_time()
        try:
            found = self.matcher.sample(picture).minutiae
        except BiometricError:
            found = None
        self.times.append(1e3 * (time.process_time() - start))
        return found


def agreement(a: Minutiae | None, b: Minutiae | None) -> float:
    """Share of the minutiae that two networks have in common, 0 … 1."""
    if a is None or b is None:
        return float(a is b)
    apart = np.hypot(a.x[:, np.newaxis] - b.x, a.y[:, np.newaxis] - b.y)
    turn = np.abs(np.angle(np.exp(1j * (a.angle[:, np.newaxis] - b.angle))))
    apart[turn > ALIKE] = np.inf
    mate = apart.argmin(1)
    mutual = apart.argmin(0)[mate] == np.arange(len(a))
    return float((mutual & (apart.min(1) <= NEAR)).sum() / ((len(a) + len(b)) / 2))


def compared(network: Network, pairs: Sequence[tuple[int, int, bool]]) -> np.ndarray:
    """The score of every pair; 0 where a print gave no template."""
    templates: list[FingerTemplate | None] = [
        make_template(found, model=network.matcher.model) if found is not None else None for found in network.found
    ]
    scores = []
    for i, j, _ in pairs:
        a, b = templates[i], templates[j]
        scores.append(similarity(a, b) if a is not None and b is not None else 0.0)
    return np.array(scores, np.float32)


def rows(network: Network, score: np.ndarray, genuine: np.ndarray, databases: np.ndarray) -> list[str]:
    """Rates in per cent: all pooled, then each database."""
    answer = []
    names = sorted(set(databases.tolist()))
    for name in ["pooled", *(names if len(names) > 1 else [])]:
        here = databases == name if name != "pooled" else np.ones_like(genuine)
        rates = rates_of(score[here & genuine], score[here & ~genuine])
        answer.append(f"| {network.name} | {name} | " + " | ".join(f"{100 * v:.2f}" for v in rates.values()) + " |")
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--invented", type=int, default=8, metavar="COUNT")
    args = parser.parse_args()
    networks = [Network("shipped", None), *(Network(f.stem, f) for f in args.files)]
    impressions = find_impressions(args.folder)
    pairs = pairs_of(impressions, "all")
    for impression in impressions:
        picture = decode_image(impression.file.read_bytes())
        for network in networks:
            network.found.append(network.look(picture))
    genuine = np.array([same for *_, same in pairs])
    databases = np.array([impressions[i].database for i, *_ in pairs])
    print("| network | database | EER | FMR100 | FMR1000 | ZeroFMR |\n|---|---|---|---|---|---|")
    for network in networks:
        print("\n".join(rows(network, compared(network, pairs), genuine, databases)), flush=True)
    invented = [
        SyntheticFinger(seed).impression(k, sensor=sensor)
        for seed, (k, sensor) in itertools.product(range(args.invented), enumerate(Sensor))
    ]
    shipped = networks[0]
    print("\n| network | minutiae shared with the shipped one, % | on invented prints | no template | ms, median |")
    print("|---|---|---|---|---|")
    for network in networks:
        shared = [agreement(a, b) for a, b in zip(shipped.found, network.found, strict=True)]
        median = float(np.median(network.times))
        elsewhere = [agreement(shipped.look(p), network.look(p)) for p in invented]
        share = f"{100 * float(np.mean(elsewhere)):.1f}" if elsewhere else ""
        failed = sum(f is None for f in network.found)
        print(
            f"| {network.name} | {100 * float(np.mean(shared)):.1f} | {share} | {failed} | {median:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
