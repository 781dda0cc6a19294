"""Drives targets with mutated inputs, watches time and memory, and keeps what it finds."""

from __future__ import annotations

import faulthandler
import hashlib
import os
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from idverify.errors import IdVerifyError
from tests.fuzz.mutate import EXTREME, Mutator
from tests.fuzz.targets import Target

HANG_SECONDS: Final = 2.0
"""An input that takes more processor time is a finding."""

STUCK_SECONDS: Final = 60.0
"""Beyond this the process gives up with a traceback: the call cannot be interrupted."""


@dataclass(frozen=True)
class Finding:
    """An input that a target does not bear.

    Attributes:
        target: name of the target.
        kind: name of the exception, or ``hang``.
        where: innermost place inside the library.
        data: the input.
        detail: the traceback, or the time.
    """

    target: str
    kind: str
    where: str
    data: bytes = field(repr=False)
    detail: str = field(repr=False, default="")

    @property
    def key(self) -> tuple[str, str, str]:
        """Findings with the same key are one defect."""
        return (self.target, self.kind, self.where)

    def save(self, folder: Path) -> Path:
        """Write input and detail."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"{self.target}-{self.kind}-{hashlib.sha256(self.data).hexdigest()[:12]}"
        (folder / f"{stem}.txt").write_text(f"{self.where}\n{self.detail}\n", encoding="utf-8")
        path = folder / f"{stem}.bin"
        path.write_bytes(self.data)
        return path


@dataclass
class Tally:
    """What came of one target.

    Attributes:
        target: its name.
        executions: inputs run.
        seconds: time spent.
        slowest: seconds of the slowest input.
        findings: one for each defect.
    """

    target: str
    executions: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)


_STDERR: Final[list[IO[str]]] = []


def quiet() -> None:
    """Keep the image codecs' warnings about damaged pictures off the terminal; tracebacks still get there."""
    sys.stderr.flush()
    _STDERR.append(os.fdopen(os.dup(2), "w"))
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    sys.stderr = _STDERR[0]


def once(target: Target, data: bytes, *, hang: float = HANG_SECONDS) -> tuple[float, Finding | None]:
    """Run one input; the seconds it took, and a finding if there is one."""
    started = time.process_time()  # the machine may have other work: the input's own time counts
    try:
        target.run(data)
    except IdVerifyError:
        pass
    except Exception as error:  # noqa: BLE001 - whatever comes out is what is looked for
        frames = traceback.extract_tb(error.__traceback__)
        inside = [f for f in frames if "idverify" in f.filename] or frames
        where = f"{Path(inside[-1].filename).name}:{inside[-1].name}:{inside[-1].lineno}"
        detail = "".join(traceback.format_exception(error, limit=-12))
        return time.process_time() - started, Finding(target.name, type(error).__name__, where, data, detail)
    seconds = time.process_time() - started
    if seconds > hang:
        return seconds, Finding(target.name, "hang", f"{len(data)} bytes", data, f"{seconds:.1f} s")
    return seconds, None


def inputs(target: Target, seed: int | str) -> Iterator[bytes]:
    """The seeds, the extreme inputs (alone and behind the seeds' first bytes), then mutations without end."""
    seeds = target.corpus()
    yield from seeds
    yield from EXTREME
    for start in sorted({s[:1] for s in seeds}):  # a set's order is another one in each process
        yield from (start + e[1:] for e in EXTREME if e)
    mutator = Mutator(seeds, f"{target.name} {seed}")
    while True:
        yield mutator.draw()


def run(
    target: Target, *, seconds: float | None = None, executions: int | None = None, seed: int | str = 0,
    hang: float = HANG_SECONDS,
) -> Tally:  # fmt: skip
    """Run a target for a time or a number of inputs; whichever ends first."""
    tally, started = Tally(target.name), time.perf_counter()
    watched = bool(_STDERR)
    for data in inputs(target, seed):
        if executions is not None and tally.executions >= executions:
            break
        if seconds is not None and time.perf_counter() - started >= seconds:
            break
        if watched:
            faulthandler.dump_traceback_later(STUCK_SECONDS, exit=True, file=sys.stderr)
        spent, finding = once(target, data, hang=hang)
        tally.executions += 1
        tally.slowest = max(tally.slowest, spent)
        if finding is not None:
            tally.findings.setdefault(finding.key, finding)
    if watched:
        faulthandler.cancel_dump_traceback_later()
    tally.seconds = time.perf_counter() - started
    return tally
