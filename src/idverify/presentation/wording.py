"""Every check, reason, status and outcome in plain words, in Vietnamese and English."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from idverify.decision import Decision, ScoreLike
from idverify.presentation import _texts
from idverify.presentation._texts import CheckText, Text
from idverify.report import CheckId, CheckResult, CheckStatus, Reason, VerificationReport

__all__ = [
    "CHALLENGE_AGAIN",
    "CheckGroup",
    "CheckRow",
    "CheckText",
    "Text",
    "advice",
    "check_title",
    "decision_reason",
    "explain",
    "grouped",
    "outcome",
    "phase",
    "printable",
    "prompt",
    "rate_in_words",
    "reason",
    "status",
    "subject",
    "verdict",
]

_CODE = re.compile(r"(?P<check>[a-z.-]+): (?P<word>[a-z-]+)(?: \((?P<subject>.*)\))?")
_CONCERN = (
    CheckStatus.FAILED,
    CheckStatus.ABORTED,
    CheckStatus.UNDETERMINED,
    CheckStatus.NOT_PERFORMED,
    CheckStatus.NOT_SUPPORTED,
    CheckStatus.SUCCESSFUL,
)
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_STRANGER = frozenset(f"{c}: {Reason.BELOW_THRESHOLD}" for c in (CheckId.FACE_MATCH, CheckId.FINGER_MATCH))
_UNREAD = (Reason.NOT_READ, Reason.ACCESS_REFUSED, Reason.FILE_ABSENT)
_NOT_ASKED = (Reason.NOT_REQUESTED, Reason.NOT_OFFERED, Reason.NOT_IMPLEMENTED)


def printable(text: str) -> str:
    """Foreign text that drives no terminal and hides nothing: controls, direction marks and surrogates are replaced."""
    return "".join(
        " " if c in "\n\r\t" else "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in _UNPRINTABLE else c
        for c in text
    )


def status(value: CheckStatus) -> Text:
    """The status in one or two words."""
    return _texts.STATUSES[value]


def reason(value: Reason) -> Text:
    """A reason as one sentence; its code where nobody has put it into words yet."""
    return _texts.REASONS.get(value, Text(value.value, value.value))


def check_title(check: CheckId) -> Text:
    """What the check is called."""
    words = _texts.CHECKS.get(check)
    return words.title if words is not None else Text(check.value, check.value)


def subject(label: str) -> Text:
    """What a check was about: a file with what it holds (``DG2 · ảnh chân dung``); an unknown subject as it is."""
    words = _texts.FILES.get(label)
    if words is not None:
        return Text(f"{label} · {words.vi}", f"{label} · {words.en}")
    return _texts.SUBJECTS.get(label, Text(label, label))


def advice(key: str) -> Text:
    """Advice to the person at the counter in words; other text as it is."""
    from idverify.biometric.face.quality import ADVICE

    if key in ADVICE:
        return Text(ADVICE[key]["vi"], ADVICE[key]["en"])
    return _texts.FINGER_ADVICE.get(key, Text(key, key))


def prompt(key: str) -> Text:
    """What a challenge asks of the person, in words; other text as it is."""
    from idverify.biometric.face.actions import PROMPTS

    return Text(PROMPTS[key]["vi"], PROMPTS[key]["en"]) if key in PROMPTS else Text(key, key)


CHALLENGE_AGAIN = Text("Xin làm lại một lần nữa", "Once more, please")
"""Said before another challenge."""


def phase(name: str) -> Text:
    """A phase of the work, by the lower-case name of the member; an unknown one as it is."""
    return _texts.PHASES.get(name, Text(name, name))


def outcome(value: str, *, person_checked: bool = True) -> CheckText:
    """The verdict in capital letters and what it means.

    Args:
        value: ``accept``, ``reject``, ``review`` or ``inconclusive``.
        person_checked: whether a face or a finger was compared; without it ``accept`` speaks of the data alone.
    """
    text = _texts.OUTCOMES[value]
    if not person_checked and value in _texts.OUTCOMES_WITHOUT_PERSON:
        return CheckText(text.title, _texts.OUTCOMES_WITHOUT_PERSON[value])
    return text


def verdict(decision: Decision, report: VerificationReport, scores: Iterable[ScoreLike]) -> CheckText:
    """The verdict on one transaction and what it means; of the person only where a comparison has passed or failed."""
    compared = {CheckId(f"{score.modality}.match") for score in scores}
    matched = any(report.status(check) is CheckStatus.SUCCESSFUL for check in compared)
    text = outcome(decision.outcome.value, person_checked=matched)
    if decision.reasons and all(reason in _STRANGER for reason in decision.reasons):
        return CheckText(text.title, _texts.ANOTHER_PERSON.get(decision.outcome.value, text.passed))
    return text


def explain(result: CheckResult) -> Text:
    """One sentence: how the check came out and why."""
    specific = _texts.SPECIFIC.get((result.check, result.reason))
    if result.status is CheckStatus.SUCCESSFUL:
        passed = _texts.CHECKS[result.check].passed
        if result.reason in (Reason.OK, Reason.ABOVE_THRESHOLD):
            return passed
        note = specific or reason(result.reason)
        return Text(f"{passed.vi} {note.vi}", f"{passed.en} {note.en}")
    if specific is not None:
        return specific
    if result.reason is Reason.OK:
        return Text(f"{_texts.STATUSES[result.status].vi}.", f"{_texts.STATUSES[result.status].en}.")
    return reason(result.reason)


def decision_reason(code: str, checks: Iterable[CheckResult] = ()) -> Text:
    """A reason of a decision in plain words.

    Args:
        code: ``check: reason (subject)`` as policies write it; other text is kept.
        checks: the report's results; a matching one makes the sentence more exact.
    """
    match = _CODE.fullmatch(code)
    if match is None or match["check"] not in set(CheckId):
        return Text(code, code)
    check, word, about = CheckId(match["check"]), match["word"], match["subject"]
    fitting = [
        c for c in checks if c.check is check and c.subject == about and word in (c.reason.value, c.status.value)
    ]
    if fitting:
        said = explain(min(fitting, key=lambda c: _CONCERN.index(c.status)))
    elif word in set(Reason):
        said = _texts.SPECIFIC.get((check, Reason(word))) or reason(Reason(word))
    elif word in set(CheckStatus):
        state = _texts.STATUSES[CheckStatus(word)]
        said = Text(f"{state.vi}.", f"{state.en}.")
    else:
        said = Text(word, word)
    title = check_title(check)
    if about:
        words = subject(about)
        title = Text(f"{title.vi} ({words.vi})", f"{title.en} ({words.en})")
    return Text(f"{title.vi}: {said.vi}", f"{title.en}: {said.en}")


def rate_in_words(fmr: float) -> Text:
    """A false match rate as one stranger in so many, rounded to the cautious side.

    Args:
        fmr: 0 … 1.
    """
    if fmr >= 0.5:
        return Text("mức thường thấy giữa hai người lạ", "as usual between two strangers")
    if fmr <= 0:
        return Text("không người lạ nào đạt mức này", "no stranger scores this high")
    strangers = 1 / fmr
    step = 10.0 ** max(0, math.floor(math.log10(strangers)) - 1)
    count = int(math.floor(strangers / step + 1e-9) * step)
    vi = f"{count:,}".replace(",", ".")
    return Text(f"không quá 1 trên {vi} người lạ đạt mức này", f"at most 1 in {count:,} strangers scores this high")


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One line of a report: one check, or several equal ones of the same check (data group hashes).

    Attributes:
        check: which check.
        status: how it, or all of them, came out.
        explanation: one sentence.
        subjects: what it was about.
        results: the results behind the line.
    """

    check: CheckId
    status: CheckStatus
    explanation: Text
    subjects: tuple[str, ...]
    results: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class CheckGroup:
    """The lines that answer one question of the official.

    Attributes:
        title: the question.
        status: the worst status among the results that answer it; what the document does not offer, what nobody asked
            for, groups that were not read, and a revocation that could not be looked up stand beside the answer, as
            long as there is one.
        open: number of results that stand beside the answer although they could matter.
        rows: the lines.
    """

    title: Text
    status: CheckStatus
    open: int
    rows: tuple[CheckRow, ...]


def _rows(results: Sequence[CheckResult]) -> tuple[CheckRow, ...]:
    merged: dict[tuple[CheckId, CheckStatus, Reason], list[CheckResult]] = {}
    for result in results:
        merged.setdefault((result.check, result.status, result.reason), []).append(result)
    return tuple(
        CheckRow(
            check=check,
            status=state,
            explanation=explain(group[0]),
            subjects=tuple(dict.fromkeys(r.subject for r in group if r.subject)),
            results=tuple(group),
        )
        for (check, state, _), group in merged.items()
    )


def _stands_beside(result: CheckResult) -> bool:
    if result.check is CheckId.DSC_REVOCATION and result.status is not CheckStatus.FAILED:
        return result.status is not CheckStatus.SUCCESSFUL
    if result.check is CheckId.DG_HASH and result.reason in _UNREAD:
        return True
    return result.status is CheckStatus.NOT_SUPPORTED or (
        result.status is CheckStatus.NOT_PERFORMED and result.reason in _NOT_ASKED
    )


def _group(name: str, members: Sequence[CheckResult]) -> CheckGroup:
    answering = [r for r in members if not _stands_beside(r)]
    beside = [r for r in members if _stands_beside(r) and r.status is not CheckStatus.NOT_SUPPORTED]
    return CheckGroup(
        title=_texts.GROUPS[name],
        status=min((r.status for r in answering or members), key=_CONCERN.index),
        open=len(beside) if answering else 0,
        rows=_rows(members),
    )


def grouped(results: Iterable[CheckResult]) -> tuple[CheckGroup, ...]:
    """The results as a report shows them: by question, equal results of one check on one line."""
    by_group: dict[str, list[CheckResult]] = {name: [] for name in _texts.GROUPS}
    for result in results:
        by_group[_texts.GROUP_OF_PREFIX[result.check.value.split(".")[0]]].append(result)
    return tuple(_group(name, members) for name, members in by_group.items() if members)
