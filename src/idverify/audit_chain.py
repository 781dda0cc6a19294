"""The chain of an audit log: its entries, the anchors that an operator signs, and the walk over a whole log.

:mod:`idverify.audit` writes it, and says what it is good for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from idverify.errors import AuditError

GENESIS: Final = "0" * 64
"""What stands as the hash before the first entry."""
MAX_LINE: Final = 1 << 20
"""Longest line of a log, in bytes."""
_ANCHOR_DOMAIN: Final = b"idverify audit anchor v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of the log.

    Attributes:
        number: 0, 1, 2 …
        time: when it was written (UTC, ISO 8601).
        event: what happened: ``transaction``, ``erased``, ``recovered`` or a word of the caller's.
        previous: hash of the entry before, 64 hexadecimal digits.
        digest: salted SHA-256 of the data.
        hash: SHA-256 over the fields above.
        data: the data, or None once erased.
        salt: the salt of the digest, or None once erased.
    """

    number: int
    time: str
    event: str
    previous: str
    digest: str
    hash: str
    data: Mapping[str, Any] | None = field(repr=False)
    salt: str | None = field(repr=False)

    @property
    def when(self) -> datetime:
        """The time as a datetime."""
        return datetime.fromisoformat(self.time)

    def line(self) -> bytes:
        """The line of the log file, with its newline."""
        record: dict[str, Any] = {
            "number": self.number, "time": self.time, "event": self.event, "previous": self.previous,
            "digest": self.digest, "hash": self.hash,
        }  # fmt: skip
        if self.data is not None:
            record |= {"data": self.data, "salt": self.salt}
        return canonical(record) + b"\n"

    def problem(self, *, number: int, previous: str) -> str | None:
        """What is wrong with this entry at this place of the chain, or None."""
        if self.number != number:
            return f"expected entry {number}, found {self.number}"
        if self.previous != previous:
            return f"entry {number} does not follow the entry before it"
        if self.hash != chain_hash(self.number, self.time, self.event, self.previous, self.digest):
            return f"entry {number} was changed"
        if self.data is not None and self.digest != digest_of(self.data, self.salt or ""):
            return f"the data of entry {number} were changed"
        return None

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """An entry from its line.

        Raises:
            AuditError: the line is no entry.
        """
        try:
            record = json.loads(line.decode("utf-8"))
            entry = cls(
                number=record["number"], time=record["time"], event=record["event"], previous=record["previous"],
                digest=record["digest"], hash=record["hash"], data=record.get("data"), salt=record.get("salt"),
            )  # fmt: skip
            # as it was written, byte for byte: no second key of a name, no further key, no text that no file can hold
            whole = entry.line() == line.removesuffix(b"\n") + b"\n" and _is_entry(entry)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            whole = False
        if not whole:
            raise AuditError("a line of the audit log is no entry") from None
        return entry


def _is_entry(entry: Entry) -> bool:
    """Whether the fields, which come from a file, are of their types."""
    texts = (entry.time, entry.event, entry.previous, entry.digest, entry.hash)
    return (
        type(entry.number) is int
        and entry.number >= 0
        and all(isinstance(t, str) for t in texts)
        and entry.when.tzinfo is not None
        and (entry.data is None or (isinstance(entry.data, dict) and isinstance(entry.salt, str)))
    )


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(data: Mapping[str, Any], salt: str) -> str:
    return hashlib.sha256(salt.encode() + b"\0" + canonical(data)).hexdigest()


def chain_hash(number: int, time: str, event: str, previous: str, digest: str) -> str:
    return hashlib.sha256(canonical([number, time, event, previous, digest])).hexdigest()


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed statement that the log had this entry with this hash.

    Attributes:
        number: number of the entry.
        hash: its hash.
        signature: Ed25519 (RFC 8032) over both.
    """

    number: int
    hash: str
    signature: bytes

    @staticmethod
    def message(number: int, digest: str) -> bytes:
        """What is signed: a domain, the number in eight bytes, and the 32 bytes of the hash."""
        return _ANCHOR_DOMAIN + number.to_bytes(8, "big") + bytes.fromhex(digest)

    @classmethod
    def sign(cls, entry: Entry, key: ed25519.Ed25519PrivateKey) -> Anchor:
        """An anchor for an entry."""
        return cls(entry.number, entry.hash, key.sign(cls.message(entry.number, entry.hash)))

    def verify(self, key: ed25519.Ed25519PublicKey) -> bool:
        """Whether the signature is the operator's."""
        try:
            key.verify(self.signature, self.message(self.number, self.hash))
        except (InvalidSignature, ValueError):
            return False
        return True

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps({"number": self.number, "hash": self.hash, "signature": self.signature.hex()})

    @classmethod
    def from_json(cls, text: str) -> Anchor:
        """Back from :meth:`to_json`.

        Raises:
            AuditError: no anchor.
        """
        try:
            record = json.loads(text)
            anchor = cls(int(record["number"]), str(record["hash"]), bytes.fromhex(record["signature"]))
            cls.message(anchor.number, anchor.hash)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            raise AuditError("not an anchor of an audit log") from None
        return anchor


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditVerdict:
    """What a walk over the whole log found.

    Attributes:
        entries: number of entries that are whole.
        erased: how many of them had their data erased.
        problems: what is wrong, in words; empty for a whole log.
        head: hash of the last whole entry.
    """

    entries: int
    erased: int
    problems: tuple[str, ...]
    head: str

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def read_entries(path: Path) -> Iterator[Entry]:
    """The entries of a log file in order, a torn last line left out.

    Raises:
        AuditError: the file cannot be read, or a line is no entry, or longer than any.
    """
    try:
        with path.open("rb") as file:
            for line in iter(lambda: file.readline(MAX_LINE), b""):
                if len(line) == MAX_LINE and not line.endswith(b"\n"):
                    raise AuditError("a line of the audit log is longer than any entry")
                if not line.endswith(b"\n"):
                    return
                yield Entry.parse(line)
    except OSError as error:
        raise AuditError(f"cannot read the audit log {path.name}: {error.strerror}") from error


def verify_log(
    path: Path, *, anchors: tuple[Anchor, ...] = (), key: ed25519.Ed25519PublicKey | None = None
) -> AuditVerdict:
    """Walk over the whole log and hold it against the anchors.

    Args:
        path: the log file.
        anchors: what the operator signed earlier.
        key: the operator's key; without it the anchors' signatures are reported as unchecked problems.

    Raises:
        AuditError: the file cannot be read.
    """
    problems: list[str] = []
    wanted: dict[int, list[Anchor]] = {}
    for anchor in anchors:
        wanted.setdefault(anchor.number, []).append(anchor)
        if key is None or not anchor.verify(key):
            problems.append(f"the anchor at entry {anchor.number} is not signed by the given key")
    previous, count, erased = GENESIS, 0, 0
    try:
        for entry in read_entries(path):
            problem = entry.problem(number=count, previous=previous)
            if problem:
                problems.append(problem)
                break
            if any(anchor.hash != entry.hash for anchor in wanted.pop(count, ())):
                problems.append(f"entry {count} is not the one that was anchored")
            previous, count, erased = entry.hash, count + 1, erased + (entry.data is None)
    except AuditError as error:
        if not path.is_file():
            raise
        problems.append(f"after entry {count - 1}: {error}" if count else f"at the beginning: {error}")
    problems.extend(f"the log ends before the anchored entry {number}" for number in sorted(wanted) if number >= count)
    return AuditVerdict(entries=count, erased=erased, problems=tuple(problems), head=previous)
