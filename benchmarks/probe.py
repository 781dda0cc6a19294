"""Processor time of short cases, one a floor, as one JSON object: what ``benchmarks/compare.py`` runs on each commit.

    python benchmarks/probe.py            # all
    python benchmarks/probe.py read face  # some

It keeps to names that are public and old, so that it runs against earlier commits; a case that a commit cannot run is
left out there. Times are of the process, one thread, the median of several repetitions.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import idverify
from idverify import AccessPassword, DocumentSession, MemoryTransport, TrustStore, verify, verify_files
from idverify.emulator import citizen_card

AT = datetime(2026, 6, 1, tzinfo=UTC)
PICTURES = Path(idverify.__file__).parent / "emulator" / "pictures"
SECONDS = 0.4
"""How long one case is repeated, at least three times."""

Case = Callable[[], Callable[[], object]]


@cache
def card() -> Any:
    """An emulated citizen card."""
    return citizen_card(seed=5)


@cache
def trust() -> TrustStore:
    """Its authority."""
    return TrustStore.from_certificates(card().trust_anchors)


@cache
def matcher() -> Any:
    """A face matcher with one thread."""
    from idverify import FaceMatcher

    found = FaceMatcher(threads=1)
    found.warm_up()
    return found


def _password() -> AccessPassword:
    return AccessPassword.can(str(card().can))


@cache
def files() -> dict[Any, bytes]:
    """What the card holds."""
    with DocumentSession(MemoryTransport(card().fresh())) as session:
        session.open(_password())
        return session.read_all()


def read() -> Callable[[], object]:
    """PACE, all files, the chip's proof; the emulated card's own work is in it."""

    def run() -> None:
        with DocumentSession(MemoryTransport(card().fresh())) as session:
            session.open(_password())
            session.read_all()
            session.authenticate_chip()

    return run


def passive() -> Callable[[], object]:
    """Passive authentication, document checks and policy on files."""
    known, store = files(), trust()
    return lambda: verify_files(known, trust=store, at=AT)


def lds() -> Callable[[], object]:
    """Parsing every file."""
    from idverify.chip.lds.dg1 import DG1
    from idverify.chip.lds.dg2 import DG2
    from idverify.chip.lds.dg13_vn import CitizenDetails
    from idverify.chip.lds.dg14 import DG14
    from idverify.chip.lds.sod import EfSod

    parsers = {"DG1": DG1, "DG2": DG2, "DG13": CitizenDetails, "DG14": DG14, "EF.SOD": EfSod}
    pairs = [(parsers[f.label], raw) for f, raw in files().items() if f.label in parsers]
    return lambda: [parser.parse(raw) for parser, raw in pairs]


def face() -> Callable[[], object]:
    """A live picture and a portrait: decode, find, align, measure, embed, compare."""
    from idverify.biometric import decode_image

    used, live, portrait = matcher(), (PICTURES / "live.jpg").read_bytes(), (PICTURES / "portrait.jpg").read_bytes()

    def run() -> None:
        used.compare(used.analyse(decode_image(live)).template, used.analyse(decode_image(portrait)).template)

    return run


def decide() -> Callable[[], object]:
    """A policy on the evidence of one card, a hundred times."""
    from idverify.decision import COUNTER

    report = verify_files(files(), trust=trust(), at=AT).report
    return lambda: [COUNTER.decide(report, ()) for _ in range(100)]


def audit() -> Callable[[], object]:
    """Ten entries of the audit log, the disk left to the operating system."""
    from idverify.audit import AuditLog

    result = verify_files(files(), trust=trust(), at=AT)
    log = AuditLog(Path(tempfile.mkdtemp()) / "audit.log", durability="os")
    return lambda: [log.record(result.decision, result.report) for _ in range(10)]


def transaction() -> Callable[[], object]:
    """The whole: a card that takes no time, its holder, the decision."""
    live = (PICTURES / "live.jpg").read_bytes()

    def run() -> None:
        found = verify(MemoryTransport(card().fresh()), _password(), trust=trust(), live=live, at=AT, matcher=matcher())
        if found.decision.outcome.value != "accept":
            raise RuntimeError(f"the probe's own card was not accepted: {found.decision}")

    return run


CASES: dict[str, Case] = {c.__name__: c for c in (read, passive, lds, face, decide, audit, transaction)}


def measure(run: Callable[[], object]) -> float:
    """Median milliseconds of processor time, all threads together."""
    run()
    spent: list[float] = []
    until = time.perf_counter() + SECONDS
    while len(spent) < 3 or time.perf_counter() < until:
        started = time.process_time()
        run()
        spent.append((time.process_time() - started) * 1000)
    return median(spent)


def main(names: list[str]) -> int:
    """Print the figures of the named cases, or of all."""
    figures = {}
    for name in names or CASES:
        try:
            run = CASES[name]()
        except (ImportError, AttributeError) as error:  # an older commit
            print(f"{name} cannot be run here: {error}", file=sys.stderr)
            continue
        figures[name] = measure(run)
    print(json.dumps({"library": idverify.__file__, "cpu_ms": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
