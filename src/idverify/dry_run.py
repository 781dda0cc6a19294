"""What a policy would have decided: recorded reports judged again.

A ``report.json`` holds the evidence of one transaction and no holder data. Applied to a folder of them, a policy shows
what it would change before it is in force. What a report does not hold was not checked: a policy that asks for it gets
``not-performed`` and decides as it would at the counter, never ``accept``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from idverify.decision import Decision, Outcome, Policy
from idverify.errors import MalformedDataError
from idverify.report import VerificationReport

MAX_REPORT: Final = 1 << 20
"""Largest report that is opened, in bytes."""
MAX_REPORTS: Final = 1_000_000
_MAX_SCORES: Final = 100


@dataclass(frozen=True, slots=True)
class _Score:
    modality: str
    fmr: float | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded transaction.

    Attributes:
        report: its evidence.
        scores: its comparisons: modality and false match rate.
        decision: what was decided then; None where the file does not say.
    """

    report: VerificationReport
    scores: tuple[_Score, ...]
    decision: Decision | None

    @classmethod
    def from_json(cls, data: bytes) -> Recorded:
        """A recorded transaction from the bytes of a ``report.json``.

        Raises:
            MalformedDataError: no such report.
        """
        try:
            record = json.loads(data)
            if not isinstance(record, dict):
                raise TypeError
            json.dumps(record, ensure_ascii=False).encode()  # a lone surrogate would break whoever shows it
            scores = record.get("scores", [])
            if not isinstance(scores, list) or len(scores) > _MAX_SCORES:
                raise ValueError
            found = tuple(_Score(str(s["modality"]), _rate(s["fmr"])) for s in scores)
            told = record.get("decision")
            decision = None
            if told is not None:
                reasons = tuple(str(r) for r in told["reasons"])
                decision = Decision(Outcome(told["outcome"]), str(told["policy"]), reasons)
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
            raise MalformedDataError("no report.json of a transaction") from None
        return cls(VerificationReport.from_dict(record), found, decision)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One recorded transaction under the policy.

    Attributes:
        name: which one: the file, under the folder that was given.
        old: the decision that was made, or None.
        new: the decision that the policy would have made.
    """

    name: str
    old: Decision | None
    new: Decision

    @property
    def changed(self) -> bool:
        """Whether the outcome would have been another."""
        return self.old is not None and self.old.outcome is not self.new.outcome

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "report": self.name,
            "old": self.old.to_dict() if self.old else None,
            "new": self.new.to_dict(),
            "changed": self.changed,
        }


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a policy would have decided.

    Attributes:
        policy: its name.
        verdicts: one a report, in order of their names.
        problems: files that are no report, and why.
    """

    policy: str
    verdicts: tuple[Verdict, ...]
    problems: tuple[tuple[str, str], ...] = ()

    @property
    def changes(self) -> tuple[Verdict, ...]:
        """The verdicts whose outcome would have been another."""
        return tuple(v for v in self.verdicts if v.changed)

    def table(self) -> dict[tuple[str, str], int]:
        """How many went from which outcome to which; ``none`` where a report holds no decision."""
        return dict(Counter((v.old.outcome.value if v.old else "none", v.new.outcome.value) for v in self.verdicts))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "policy": self.policy,
            "reports": len(self.verdicts),
            "changed": len(self.changes),
            "table": [{"old": old, "new": new, "reports": n} for (old, new), n in sorted(self.table().items())],
            "verdicts": [v.to_dict() for v in self.verdicts],
            "problems": [{"report": name, "problem": problem} for name, problem in self.problems],
        }


def dry_run(policy: Policy, paths: Iterable[Path]) -> DryRun:
    """Apply a policy to recorded reports.

    Args:
        policy: the policy to try.
        paths: ``report.json`` files, and folders that are searched for ``*.json`` at every depth.

    Raises:
        MalformedDataError: more than a million files.
        OSError: a path is not there.
    """
    verdicts, problems = [], []
    for number, (name, path) in enumerate(_files(paths)):
        if number >= MAX_REPORTS:
            raise MalformedDataError(f"more than {MAX_REPORTS} reports")
        try:
            with path.open("rb") as file:
                data = file.read(MAX_REPORT + 1)
            if len(data) > MAX_REPORT:
                raise MalformedDataError(f"more than {MAX_REPORT} bytes")
            recorded = Recorded.from_json(data)
        except OSError as error:
            problems.append((name, error.strerror or type(error).__name__))
        except MalformedDataError as error:
            problems.append((name, str(error)))
        else:
            verdicts.append(Verdict(name, recorded.decision, policy.decide(recorded.report, recorded.scores)))
    return DryRun(policy.id, tuple(verdicts), tuple(problems))


def _files(paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    for path in paths:
        if path.is_dir():
            for file in sorted(f for f in path.rglob("*.json") if f.is_file()):  # no pipe that never ends
                yield str(file.relative_to(path)), file
        elif path.exists():
            yield path.name, path
        else:
            raise FileNotFoundError(2, "no such file or directory", str(path))


def _rate(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError("a rate lies between 0 and 1")
    return float(value)
