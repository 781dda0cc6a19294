"""Policies as data: from a mapping as TOML gives it, with the path of everything that cannot be used; and back."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from idverify.decision import Outcome, Policy, Requirement, named
from idverify.errors import ConfigurationError, PolicyError
from idverify.face_limits import (
    DEFAULTS,
    NO_CHANGES,
    RANGES,
    CaptureKind,
    FaceLimits,
    Limit,
    LimitUse,
    check_limit,
)
from idverify.report import CheckId

E = TypeVar("E", bound=enum.StrEnum)

MAX_POLICY: Final = 256 * 1024
"""Largest policy file that is opened, in bytes."""

_GROUPS: Final = frozenset(f"DG{n}" for n in range(1, 17))
_CONSEQUENCES: Final = ("failed", "missing", "unsupported")


class _Problems:
    """What is wrong with a policy, each with its path; everything is looked at before one error tells all."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.found: list[str] = []

    def add(self, path: str, text: str) -> None:
        self.found.append(f"{self._source}: {path}: {text}" if path else f"{self._source}: {text}")

    def word(self, kind: type[E], value: object, path: str) -> E | None:
        try:
            return kind(str(value))
        except ValueError:
            self.add(path, f"{value!r} is none of {', '.join(kind)}")
            return None

    def settle(self) -> None:
        if self.found:
            raise PolicyError("; ".join(self.found), problems=tuple(self.found))


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
        raise ValueError("expected a list of texts")
    return tuple(value)


def _groups(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(v, str) and v in _GROUPS for v in value):
        raise ValueError("expected a list of DG1 … DG16")
    return tuple(value)


def _rate(value: object) -> float | None:
    if value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"expected a rate between 0 and 1, or false, got {value!r}")
    return float(value)


def _share(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"expected a share between 0 and 1, got {value!r}")
    return float(value)


def _days(value: object) -> int | None:
    if value is False:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"expected a whole number of days, at least 1, or false, got {value!r}")
    return value


def _flag(value: object) -> bool:
    if value is True or value is False:
        return value
    raise ValueError(f"expected true or false, got {value!r}")


def _outcome(value: object) -> Outcome:
    try:
        return Outcome(str(value))
    except ValueError:
        raise ValueError(f"{value!r} is none of {', '.join(Outcome)}") from None


_OPTIONS: Final[Mapping[str, Callable[[object], Any]]] = {
    "about": _text,
    "groups": _groups,
    "face_fmr": _rate,
    "finger_fmr": _rate,
    "face_pad": _share,
    "no_match": _outcome,
    "chip_proof": _flag,
    "chip_proof_absent": _outcome,
    "purposes": _texts,
    "trust_list_days": _days,
    "trust_list_old": _outcome,
}
"""Keys of a policy besides its name, its base and its checks, and how each is read."""

_KNOWN: Final = ("id", "extends", *_OPTIONS, "quality", "checks")


def from_mapping(data: Mapping[str, Any], source: str) -> Policy:
    """See :meth:`idverify.decision.Policy.from_mapping`."""
    problems = _Problems(source)
    for key in data:
        if key not in _KNOWN:
            problems.add("", f"unknown key {key!r}; known: {', '.join(_KNOWN)}")
    identity = data.get("id")
    if not isinstance(identity, str) or not identity.strip():
        problems.add("id", "expected a text")
    base = _base(data, problems)
    table = _checks(data, base, problems)
    quality = _quality(data.get("quality", {}), base.quality if base else NO_CHANGES, problems)
    options: dict[str, Any] = {key: getattr(base, key) for key in _OPTIONS if key != "about"} if base else {}
    for key, read in _OPTIONS.items():
        if key in data:
            try:
                options[key] = read(data[key])
            except ValueError as error:
                problems.add(key, str(error))
    problems.settle()
    try:
        return Policy(id=str(identity), requirements=tuple(table.values()), quality=quality, **options)
    except PolicyError as error:
        raise PolicyError(f"{source}: {error}") from None


def _base(data: Mapping[str, Any], problems: _Problems) -> Policy | None:
    if "extends" not in data:
        return None
    try:
        return named(str(data["extends"]))
    except PolicyError as error:
        problems.add("extends", str(error))
        return None


def _checks(data: Mapping[str, Any], base: Policy | None, problems: _Problems) -> dict[CheckId, Requirement]:
    table = {r.check: r for r in base.requirements} if base else {}
    checks = data.get("checks", {})
    if not isinstance(checks, Mapping):
        problems.add("checks", "expected a table")
        return table
    for name, value in checks.items():
        check = problems.word(CheckId, name, "checks")
        if check is None:
            continue
        if value is False:
            table.pop(check, None)
        elif not isinstance(value, Mapping) or not set(value) <= {*_CONSEQUENCES, "instead"}:
            problems.add(f"checks.{name}", f"expected false or a table of {', '.join((*_CONSEQUENCES, 'instead'))}")
        else:
            words = {k: problems.word(Outcome, v, f"checks.{name}.{k}") for k, v in value.items() if k != "instead"}
            other = value.get("instead")
            instead = problems.word(CheckId, other, f"checks.{name}.instead") if other is not None else None
            given = {k: w for k, w in words.items() if w is not None}
            table[check] = Requirement(check=check, instead=instead, **given)
    if not table and not problems.found:
        problems.add("checks", "a policy without any required check would accept everything")
    return table


_KINDS: Final = {kind.value: kind for kind in CaptureKind}
_MEASURES: Final = {measure.value: measure for measure in RANGES}
_LIMIT_KEYS: Final = ("worst", "best", "use")


def _quality(data: object, base: FaceLimits, problems: _Problems) -> FaceLimits:
    """``[quality.live]`` and ``[quality.portrait]`` over what the base states."""
    if not isinstance(data, Mapping) or not set(data) <= set(_KINDS):
        problems.add("quality", f"expected tables {' and '.join(_KINDS)}")
        return base
    stated = {kind: base.stated(kind) for kind in CaptureKind}
    for word, table in data.items():
        if not isinstance(table, Mapping):
            problems.add(f"quality.{word}", "expected a table")
            continue
        for name, value in table.items():
            path = f"quality.{word}.{name}"
            if name not in _MEASURES:
                problems.add(path, f"no such measure; there are {', '.join(_MEASURES)}")
                continue
            try:
                limit = _limit(value, base.of(_KINDS[word])[_MEASURES[name]])
                check_limit(_MEASURES[name], limit)
                stated[_KINDS[word]][_MEASURES[name]] = limit
            except (ValueError, ConfigurationError) as error:
                problems.add(path, str(error))
    return FaceLimits(**{kind.value: tuple(table.items()) for kind, table in stated.items()})


def _limit(value: object, base: Limit) -> Limit:
    """A limit as a policy writes it; ``false``: measured, and nothing follows."""
    if value is False:
        return replace(base, use=LimitUse.NOTED)
    if not isinstance(value, Mapping) or not value or not set(value) <= set(_LIMIT_KEYS):
        raise ValueError(f"expected false or a table of {', '.join(_LIMIT_KEYS)}")
    numbers = {key: value[key] for key in ("worst", "best") if key in value}
    if any(isinstance(n, bool) or not isinstance(n, int | float) for n in numbers.values()):
        raise ValueError("worst and best are numbers")
    word = str(value.get("use", LimitUse.DECIDES))
    if word not in set(LimitUse):
        raise ValueError(f"use: {word!r} is none of {', '.join(LimitUse)}")
    try:
        made = {key: float(number) for key, number in numbers.items()}
    except OverflowError:
        raise ValueError("worst and best are numbers") from None
    return Limit(made.get("worst", base.worst), made.get("best", base.best), LimitUse(word))


def _limits_of(quality: FaceLimits) -> dict[str, Any]:
    """What is stated, as a policy writes it."""
    stated = {kind.value: quality.stated(kind) for kind in CaptureKind}
    return {
        word: {m.value: {"worst": n.worst, "best": n.best, "use": n.use.value} for m, n in table.items()}
        for word, table in stated.items()
        if table
    }


def to_mapping(policy: Policy) -> dict[str, Any]:
    """See :meth:`idverify.decision.Policy.to_mapping`."""

    def plain(value: object) -> object:
        if value is None:
            return False
        return list(value) if isinstance(value, tuple) else value.value if isinstance(value, Outcome) else value

    return {
        "id": policy.id,
        **({"about": policy.about} if policy.about else {}),
        **{key: plain(getattr(policy, key)) for key in _OPTIONS if key != "about"},
        **({"quality": limits} if (limits := _limits_of(policy.quality)) else {}),
        "checks": {r.check.value: _words(r) for r in policy.requirements},
    }


def _words(requirement: Requirement) -> dict[str, str]:
    words: dict[str, str] = {key: getattr(requirement, key).value for key in _CONSEQUENCES}
    return words | ({"instead": requirement.instead.value} if requirement.instead is not None else {})


def to_toml(policy: Policy) -> str:
    """The policy as a TOML file that stands alone: nothing is inherited, everything is written out."""
    data = to_mapping(policy)
    checks, quality = data.pop("checks"), data.pop("quality", {})
    lines = [f"{key} = {_value(value)}" for key, value in data.items()]
    for word, limits in quality.items():
        lines += ["", f"[quality.{word}]"]
        for name, limit in limits.items():
            lines.append(f"{name} = {{{', '.join(f'{key} = {_value(value)}' for key, value in limit.items())}}}")
    for name, words in checks.items():
        lines += ["", f'[checks."{name}"]', *(f"{key} = {_value(word)}" for key, word in words.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    return re.sub("\x7f", r"\\u007F", json.dumps(value, ensure_ascii=False))


def weaknesses(policy: Policy) -> tuple[str, ...]:
    """What a policy lets through that a reader of it may not expect, as ``path: sentence``."""
    table = {r.check: r for r in policy.requirements}
    found = []
    for check, sentence in _NEEDED.items():
        requirement = table.get(check)
        if requirement is None:
            found.append(f"checks.{check}: not asked for; {sentence}")
        elif Outcome.ACCEPT in (requirement.failed, requirement.missing, requirement.unsupported):
            found.append(f"checks.{check}: accepts without success; {sentence}")
    found += [
        f"checks.{r.check}.failed: a check that was made and failed is accepted"
        for r in policy.requirements
        if r.failed is Outcome.ACCEPT and r.check not in _NEEDED
    ]
    asks_for_person = policy.face_fmr is not None or policy.finger_fmr is not None
    if not asks_for_person:
        found.append("face_fmr, finger_fmr: neither is asked for; accept says nothing about the person")
    elif policy.no_match is Outcome.ACCEPT:
        found.append("no_match: anybody is accepted")
    if asks_for_person and not policy.chip_proof:
        found.append("chip_proof: not asked for; a copy of the chip's files passes")
    if policy.face_fmr is not None and "DG2" not in policy.groups:
        found.append("groups: DG2 is not asked for; the face may be compared with a portrait that nobody has signed")
    if policy.finger_fmr is not None and "DG3" not in policy.groups:
        found.append("groups: DG3 is not asked for; the finger may be compared with a print that nobody has signed")
    if policy.face_fmr is not None and not (policy.needs(CheckId.FACE_PAD) or policy.needs(CheckId.FACE_CHALLENGE)):
        found.append("checks.face.pad: passes without a liveness test; somebody must look on")
    found += _lenient(policy)
    for key, limit in (("face_fmr", policy.face_fmr), ("finger_fmr", policy.finger_fmr)):
        if limit is not None and limit > _LARGEST_RATE:
            found.append(f"{key}: more than one stranger in a thousand passes")
    return tuple(found)


def _lenient(policy: Policy) -> list[str]:
    """What the limits of pictures let through."""
    stated = [(kind, *item) for kind in CaptureKind for item in policy.quality.stated(kind).items()]
    found = []
    if stated and not policy.requires(CheckId.FACE_QUALITY):
        found.append("quality: no check face.quality; a poor picture is taken again where that can be, never refused")
    for kind, measure, limit in stated:
        path, default = f"quality.{kind.value}.{measure.value}", DEFAULTS[kind][measure]
        if default.use is LimitUse.DECIDES and limit.use is not LimitUse.DECIDES:
            found.append(f"{path}: nothing is refused for it")
        elif (
            default.use is LimitUse.DECIDES
            and (limit.worst < default.worst) is (default.best > default.worst)
            and (limit.worst != default.worst)
        ):
            found.append(f"{path}: worse pictures pass than by the library's limit, {default.worst:g}")
    return found


_LARGEST_RATE: Final = 1e-3
"""BSI TR-03121-3 asks of border control a face FMR of at most 0.1 %."""

_NEEDED: Final[Mapping[CheckId, str]] = {
    CheckId.SOD_SIGNATURE: "a forged card passes",
    CheckId.DSC_CHAIN: "a card that anybody has signed passes",
    CheckId.DSC_VALIDITY: "a card signed outside the signer's time passes",
}
