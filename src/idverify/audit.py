"""The audit log: append-only, hash-chained, without holder data.

One JSON object a line. Each entry's hash covers its number, time, event, the hash before it and a salted digest of
its data; the data themselves can therefore be erased on request while the chain still verifies. A document appears as
a keyed pseudonym at most. An operator signs *anchors* (number and hash of an entry) and keeps them elsewhere: whoever
cuts the end off, or rewrites the whole log, contradicts an anchor.

Crash safety: an entry is one ``write`` of one line followed by ``fsync``. A line that a crash cut short is moved to
``<log>.torn`` at the next opening, and the log says so in an entry of its own; erasing rewrites a copy and renames it,
and removes ``<log>.torn``. All these files are for their owner alone, unless the log was given other rights.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from idverify._file_lock import exclusive
from idverify._secret import Secret
from idverify.audit_chain import (
    GENESIS,
    MAX_LINE,
    Anchor,
    AuditVerdict,
    Entry,
    canonical,
    chain_hash,
    digest_of,
    read_entries,
    verify_log,
)
from idverify.decision import Decision
from idverify.errors import AuditError, ConfigurationError
from idverify.report import CheckId, VerificationReport

__all__ = [
    "GENESIS", "MAX_LINE", "Anchor", "AuditLog", "AuditVerdict", "Entry", "pseudonym", "read_entries", "verify_log",
]  # fmt: skip

_BEGINNING: Final = b'{"'
_PSEUDONYM_DOMAIN: Final = b"idverify audit pseudonym v1\0"


def pseudonym(key: Secret[bytes], *, issuing_state: str, document_number: Secret[str]) -> str:
    """A keyed pseudonym of a document: the same document gives the same text, without the key nobody can tell which.

    HMAC-SHA-256 truncated to 128 bits (RFC 2104 §5), 32 hexadecimal digits.

    Raises:
        ConfigurationError: the key is shorter than 32 bytes.
    """
    if len(key.reveal()) < 32:
        raise ConfigurationError("the pseudonym key must have at least 32 random bytes")
    message = _PSEUDONYM_DOMAIN + issuing_state.encode() + b"\0" + document_number.reveal().encode()
    return hmac.new(key.reveal(), message, hashlib.sha256).hexdigest()[:32]


class AuditLog:
    """An audit log that is open for writing. Several threads need a log each; several processes may share the file.

    Args:
        path: the log file; its folder must exist.
        durability: ``fsync`` waits for the disk after each entry, ``os`` leaves that to the operating system.
        now: clock, time zone aware.

    Raises:
        AuditError: the file cannot be opened, or its last whole entry is no entry.
    """

    def __init__(
        self,
        path: Path,
        *,
        durability: Literal["fsync", "os"] = "fsync",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = path
        self._sync = durability == "fsync"
        self._now = now
        with self._locked() as file:
            self._mend(file)

    def append(self, event: str, data: Mapping[str, Any]) -> Entry:
        """Write one entry; when this returns it is on the disk.

        Raises:
            AuditError: the data are no JSON, are too large, or the disk refuses.
        """
        with self._locked() as file:
            return self._write(file, event, data, self._mend(file))

    def record(
        self, decision: Decision, report: VerificationReport, *, document: str | None = None, **context: str
    ) -> Entry:
        """Write the outcome of one transaction.

        Args:
            decision: what was decided.
            report: the evidence; only check names, statuses and reason codes enter the log.
            document: a :func:`pseudonym`, never a number.
            context: the operator's own facts (counter, branch); no holder data. A consent stands in the report: its
                purpose and the hash of its reference enter the log by themselves.
        """
        checks = [[c.check.value, c.status.value, c.reason.value, c.subject or ""] for c in report.checks]
        data: dict[str, Any] = {"decision": decision.to_dict(), "checks": checks, "trust_store": report.trust_store_id}
        if consent := [dict(c.evidence) for c in report.results(CheckId.CONSENT) if c.evidence]:
            data["consent"] = consent[0]
        if document is not None:
            data["document"] = document
        if context:
            data["context"] = dict(context)
        return self.append("transaction", data)

    def head(self) -> Entry | None:
        """The last entry, or None for an empty log."""
        with self._locked() as file:
            line, _, offset = self._tail(file)
            return Entry.parse(line) if offset else None

    def erase(self, *, document: str | None = None, older_than: timedelta | None = None) -> int:
        """Erase the data of one document's entries, or of entries older than a retention time. The chain stays whole.

        The file of torn lines goes too: whose they were cannot be told.

        Returns:
            how many entries lost their data; an ``erased`` entry with that number is appended.

        Raises:
            ConfigurationError: neither condition is given, or a time that reaches beyond the calendar.
            AuditError: the chain is broken (then nothing is changed), or the disk refuses.
        """
        if document is None and older_than is None:
            raise ConfigurationError("erase needs a document's pseudonym or a retention time")
        try:
            limit = self._now() - older_than if older_than is not None else None
        except OverflowError:
            raise ConfigurationError("the retention time reaches beyond the calendar") from None
        with self._alone():
            with self._opened() as file:  # and closed again: Windows replaces no open file
                self._mend(file)
                rights = os.fstat(file)
            count, erased, previous = 0, 0, GENESIS
            temporary = self._beside(".new")
            try:
                temporary.unlink(missing_ok=True)
                with _private(temporary, rights) as out:
                    for entry in read_entries(self._path):
                        problem = entry.problem(number=count, previous=previous)
                        if problem:
                            raise AuditError(f"nothing was erased: {problem}")
                        count, previous = count + 1, entry.hash
                        mine = document is not None and (entry.data or {}).get("document") == document
                        if entry.data is not None and (mine or (limit is not None and entry.when < limit)):
                            erased += 1
                            entry = _without_data(entry)
                        out.write(entry.line())
                    out.flush()
                    os.fsync(out.fileno())
                os.replace(temporary, self._path)
                self._beside(".torn").unlink(missing_ok=True)  # whose lines those were cannot be told
                _sync_folder(self._path.parent)
            except OSError as error:
                raise AuditError(f"nothing was erased: {error.strerror}") from error
            finally:
                temporary.unlink(missing_ok=True)
        self.append("erased", {"entries": erased})
        return erased

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(self._path.name + suffix)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Nobody else writes: no other process, and no other log of this one."""
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(exclusive(self._beside(".lock"), mode=0o600))
            except OSError as error:
                raise self._unopened(error) from error
            yield

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)
        try:
            file = os.open(self._path, flags, 0o600)
        except OSError as error:
            raise self._unopened(error) from error
        try:
            yield file
        finally:
            os.close(file)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """The open file, with nobody else writing; opened anew each time, since erasing replaces it."""
        with self._alone(), self._opened() as file:
            yield file

    def _unopened(self, error: OSError) -> AuditError:
        return AuditError(f"cannot open the audit log {self._path.name}: {error.strerror}")

    def _tail(self, file: int) -> tuple[bytes, bytes, int]:
        """Last whole line, the torn bytes after it, and the offset where those begin."""
        size = os.fstat(file).st_size
        window = 1 << 14
        while True:
            block = _read_at(file, max(0, size - window), window)
            body, newline, torn = block.rpartition(b"\n")
            _, before, line = body.rpartition(b"\n")
            if before or window >= size or window > 2 * MAX_LINE:
                break
            window *= 2
        if not newline and len(block) < size:
            raise AuditError("the last line of the audit log is longer than any entry")
        if not newline:
            return b"", block, 0
        return line, torn, size - len(torn)

    def _mend(self, file: int) -> Entry | None:
        """The last entry, None in an empty log. A line that a crash cut short is moved out of the way first.

        Raises:
            AuditError: the file is no log, and is left as it is; or the disk refuses.
        """
        line, torn, offset = self._tail(file)
        try:
            last = Entry.parse(line) if offset else None
            if last is None and torn.strip(b"\0") and torn[: len(_BEGINNING)] != _BEGINNING[: len(torn)]:
                raise AuditError("it does not begin with an entry")
        except AuditError as error:
            raise AuditError(f"{self._path.name} is no audit log that can be continued: {error}") from None
        if not torn:
            return last
        try:
            with _private(self._beside(".torn")) as aside:
                aside.write(torn + b"\n")
            os.ftruncate(file, offset)
        except OSError as error:
            raise AuditError(f"cannot mend the audit log: {error.strerror}") from error
        return self._write(file, "recovered", {"bytes": len(torn)}, last)

    def _write(self, file: int, event: str, data: Mapping[str, Any], last: Entry | None) -> Entry:
        number, previous = (last.number + 1, last.hash) if last else (0, GENESIS)
        time, salt = self._now().astimezone(UTC).isoformat(timespec="milliseconds"), secrets.token_hex(16)
        try:
            data = json.loads(canonical(dict(data)))  # as it will be read: names of members are text then
            digest = digest_of(data, salt)
            entry = Entry(
                number=number, time=time, event=event, previous=previous, digest=digest,
                hash=chain_hash(number, time, event, previous, digest), data=data, salt=salt,
            )  # fmt: skip
            line = entry.line()
        except (TypeError, ValueError, RecursionError):
            raise AuditError("event and data of an audit entry must be plain JSON") from None
        if len(line) > MAX_LINE:
            raise AuditError(f"an audit entry of {len(line)} bytes is beyond the cap of {MAX_LINE}")
        try:
            written = os.write(file, line)
            if written != len(line):
                raise AuditError("the disk took only part of an audit entry")
            if self._sync:
                os.fsync(file)
        except OSError as error:
            raise AuditError(f"cannot write the audit log: {error.strerror}") from error
        return entry


def _read_at(file: int, offset: int, count: int) -> bytes:
    """Up to ``count`` bytes from there on; only its holder moves in this descriptor, and writing is at the end."""
    os.lseek(file, offset, os.SEEK_SET)
    return os.read(file, count)


def _without_data(entry: Entry) -> Entry:
    return Entry(
        number=entry.number, time=entry.time, event=entry.event, previous=entry.previous, digest=entry.digest,
        hash=entry.hash, data=None, salt=None,
    )  # fmt: skip


def _private(path: Path, like: os.stat_result | None = None) -> BinaryIO:
    """A file to append to, made for its owner alone, or with the rights and the group of another."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
    try:
        if like is not None and hasattr(os, "fchown"):
            mode = stat.S_IMODE(like.st_mode)
            if os.fstat(handle).st_gid != like.st_gid:
                try:
                    os.fchown(handle, -1, like.st_gid)
                except OSError:  # another group must not read what the log's group may
                    mode &= ~stat.S_IRWXG
            os.fchmod(handle, mode)
        return os.fdopen(handle, "ab")
    except BaseException:
        os.close(handle)
        raise


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # which opens no folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
