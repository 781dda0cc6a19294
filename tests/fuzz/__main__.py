"""Fuzz the parsers. ``make fuzz``, or from the repository's root::

    python -m tests.fuzz --seconds 600                    every target in turn, with the mutator of this folder
    python -m tests.fuzz --target sod --seconds 60        one target
    python -m tests.fuzz --engine atheris --target sod    coverage-guided, where atheris is installed (group ``fuzz``)
    python -m tests.fuzz --target sod --replay FILE       one input again, with its traceback

The only outcomes that are allowed are a value, or an exception of the library's own tree, within two seconds and
within the memory limit. Findings are kept in ``out/fuzz``; the exit status is 1 where there are any.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import sys
import time
from pathlib import Path

from tests.fuzz import engine
from tests.fuzz.targets import TARGETS, Target

MEMORY = 4 << 30
"""Address space of a run: numpy, OpenCV and the libraries take about half of it."""


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only this; may be repeated")
    parser.add_argument("--seconds", type=float, default=120.0, help="time for all targets together")
    parser.add_argument("--seed", default="0", help="fixes the mutator's sequence")
    parser.add_argument("--engine", choices=("mutator", "atheris"), default="mutator")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="where findings and the report go")
    parser.add_argument("--replay", type=Path, help="run this input alone")
    options = parser.parse_args()
    _limit_memory()
    chosen = [TARGETS[name] for name in options.target or TARGETS]
    if options.replay:
        for target in chosen:
            target.run(options.replay.read_bytes())
        return 0
    if options.engine == "atheris":
        return _atheris(chosen, options)
    return _mutator(chosen, options)


def _mutator(chosen: list[Target], options: argparse.Namespace) -> int:
    engine.quiet()
    started, tallies = time.perf_counter(), []
    share = options.seconds / len(chosen)
    print(f"{'target':<20}{'executions':>12}{'per second':>12}{'slowest ms':>12}{'findings':>10}")
    for target in chosen:
        tally = engine.run(target, seconds=share, seed=options.seed)
        tallies.append(tally)
        rate = tally.executions / tally.seconds if tally.seconds else 0
        figures = f"{tally.executions:>12}{rate:>12.0f}{tally.slowest * 1000:>12.1f}{len(tally.findings):>10}"
        print(f"{tally.target:<20}{figures}", flush=True)
        for finding in tally.findings.values():
            print(f"  {finding.kind} at {finding.where}: {finding.save(options.out)}")
    total, found = sum(t.executions for t in tallies), sum(len(t.findings) for t in tallies)
    seconds = time.perf_counter() - started
    print(f"{len(tallies)} targets, {total} executions in {seconds:.0f} s ({total / seconds:.0f}/s), {found} findings")
    options.out.mkdir(parents=True, exist_ok=True)
    report = {
        "engine": "mutator", "seed": options.seed, "seconds": round(seconds, 1), "executions": total, "findings": found,
        "targets": {t.target: {"executions": t.executions, "seconds": round(t.seconds, 2),
                               "slowest_ms": round(t.slowest * 1000, 1), "findings": len(t.findings)} for t in tallies},
    }  # fmt: skip
    (options.out / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 1 if found else 0


def _atheris(chosen: list[Target], options: argparse.Namespace) -> int:
    """One target under libFuzzer: coverage of the library and of asn1crypto guides it."""
    if len(chosen) != 1:
        print("atheris runs one target: give --target", file=sys.stderr)
        return 2
    for name in [n for n in sys.modules if n.startswith(("idverify", "tests.fuzz.targets", "asn1crypto"))]:
        del sys.modules[name]
    import atheris

    with atheris.instrument_imports(include=["idverify", "asn1crypto"]):
        targets = importlib.import_module("tests.fuzz.targets")  # anew, so that it is instrumented
    target = targets.TARGETS[chosen[0].name]
    tree = sys.modules["idverify.errors"].IdVerifyError
    work = options.out / "corpus" / target.name
    work.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.corpus()):
        (work / f"seed-{number:03d}").write_bytes(data)

    def one(data: bytes) -> None:
        with contextlib.suppress(tree):
            target.run(data)

    arguments = [
        sys.argv[0], str(work), f"-max_total_time={int(options.seconds)}", "-max_len=65536", "-timeout=2",
        f"-artifact_prefix={options.out}/{target.name}-", "-print_final_stats=1", "-rss_limit_mb=2048",
    ]  # fmt: skip
    atheris.Setup(arguments, one)
    atheris.Fuzz()
    return 0


def _limit_memory() -> None:
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))


if __name__ == "__main__":
    sys.exit(main())
