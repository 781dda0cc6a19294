"""The trust store's file: one snapshot, indexed, read without decoding what is not asked for.

Layout: magic and version, length of the header, the header (JSON), its SHA-256, then sections. ``entries`` holds
records of a fixed size; ``subjects``, ``keys``, ``countries`` and ``prints`` are the record numbers in the order of
that attribute, so that a look-up is a binary search; ``sources`` is JSON; ``blobs`` holds the encodings one behind the
other. The header carries the SHA-256 of every section but the blobs, whose parts are checked by their own fingerprint
when they are read. A file is never changed in place: a new one takes its name.
"""

from __future__ import annotations

import bisect
import contextlib
import hashlib
import json
import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from idverify._file_lock import exclusive
from idverify.errors import TrustStoreError

MAGIC: Final = b"IDVTRUST"
VERSION: Final = 1
FILE_NAME: Final = "trust.idvstore"
"""Name of the file inside a directory that is a trust store."""

_PREFIX: Final = struct.Struct(">8sII")
_RECORD: Final = struct.Struct(">QIBB2sI16s20s32s")
_TABLES: Final = ("subjects", "keys", "countries", "prints")
_MAX_HEADER: Final = 1 << 20
_NO_KEY: Final = bytes(20)
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """One entry of the file.

    Attributes:
        kind: number of the entry's kind.
        country: two capital letters, or two zero bytes.
        source: index into the sources.
        name: 16 bytes to find it by name.
        key_id: 20 bytes to find it by key identifier; zeros where there is none.
        fingerprint: SHA-256 of the encoding.
        data: the encoding.
    """

    kind: int
    country: bytes
    source: int
    name: bytes = field(repr=False)
    key_id: bytes = field(repr=False)
    fingerprint: bytes = field(repr=False)
    data: bytes = field(repr=False)


def fold_key_id(key_id: bytes | None) -> bytes:
    """A key identifier of any length as 20 bytes."""
    if not key_id:
        return _NO_KEY
    return key_id if len(key_id) == 20 else hashlib.sha256(key_id).digest()[:20]


def content_id(records: Iterable[tuple[int, bytes]]) -> str:
    """Identity of a store's content: SHA-256 over the sorted kinds and fingerprints, hexadecimal."""
    state = hashlib.sha256(b"idverify trust store 1")
    for kind, fingerprint in sorted(records):
        state.update(bytes([kind]) + fingerprint)
    return state.hexdigest()


def build(records: Sequence[Record], sources: Sequence[dict[str, Any]]) -> bytes:
    """The bytes of a store file. The same content gives the same bytes."""
    ordered = sorted(records, key=lambda r: (r.kind, r.fingerprint))
    packed, blobs, offset = [], [], 0
    for r in ordered:
        packed.append(
            _RECORD.pack(offset, len(r.data), r.kind, 0, r.country, r.source, r.name, r.key_id, r.fingerprint)
        )
        blobs.append(r.data)
        offset += len(r.data)
    keys = {
        "subjects": lambda i: ordered[i].name,
        "keys": lambda i: ordered[i].key_id,
        "countries": lambda i: ordered[i].country,
        "prints": lambda i: ordered[i].fingerprint,
    }
    sections: dict[str, bytes] = {"entries": b"".join(packed)}
    for table in _TABLES:
        numbers = sorted(range(len(ordered)), key=keys[table])
        sections[table] = struct.pack(f">{len(numbers)}I", *numbers)
    sections["sources"] = json.dumps(list(sources), sort_keys=True, separators=(",", ":")).encode()
    sections["blobs"] = b"".join(blobs)
    layout, position = {}, 0
    for name, data in sections.items():
        checksum = "" if name == "blobs" else hashlib.sha256(data).hexdigest()
        layout[name] = [position, len(data), checksum]
        position += len(data)
    header = json.dumps(
        {
            "id": content_id((r.kind, r.fingerprint) for r in ordered),
            "count": len(ordered),
            "sections": layout,
        },
        sort_keys=True,
        separators=(",", ":"),
    ).encode()
    return b"".join(
        (_PREFIX.pack(MAGIC, VERSION, len(header)), header, hashlib.sha256(header).digest(), *sections.values())
    )


class StoreFile:
    """Read access to the bytes of a store file. Safe to share between threads."""

    def __init__(self, data: bytes | mmap.mmap, *, name: str = "trust store") -> None:
        """Check the header and the index.

        Raises:
            TrustStoreError: no store file, of another version, cut off, or altered.
        """
        self._data = data
        self._name = name
        if len(data) < _PREFIX.size:
            raise TrustStoreError(f"{name}: not a trust store")
        magic, version, length = _PREFIX.unpack(data[: _PREFIX.size])
        if magic != MAGIC:
            raise TrustStoreError(f"{name}: not a trust store")
        if version != VERSION:
            raise TrustStoreError(f"{name}: written in format {version}; this version reads {VERSION}")
        start = _PREFIX.size + length + 32
        header = bytes(data[_PREFIX.size : start - 32])
        if length > _MAX_HEADER or hashlib.sha256(header).digest() != data[start - 32 : start]:
            raise TrustStoreError(f"{name}: the header is damaged")
        try:
            fields = _json(header)
            self.id: Final[str] = str(fields["id"])
            self.count: Final[int] = int(fields["count"])
            sections = {str(k): (start + int(v[0]), int(v[1]), str(v[2])) for k, v in fields["sections"].items()}
            self._blobs, size, _ = sections.pop("blobs")
            if self._blobs + size != len(data):
                raise TrustStoreError(f"{name}: the file is cut off")
            parts = {k: self._section(*v) for k, v in sections.items()}
            self._entries: Final[bytes] = parts["entries"]
            self._tables: Final = {t: memoryview(parts[t]).cast("B") for t in _TABLES}
            self.sources: Final[list[dict[str, Any]]] = _json(parts["sources"])
        except (KeyError, ValueError, TypeError, IndexError, AttributeError, OverflowError, RecursionError) as error:
            raise TrustStoreError(f"{name}: the header cannot be read") from error
        if not isinstance(self.sources, list):
            raise TrustStoreError(f"{name}: the sources cannot be read")
        if len(self._entries) != self.count * _RECORD.size:
            raise TrustStoreError(f"{name}: the index has another size than the header says")

    def _section(self, offset: int, length: int, checksum: str) -> bytes:
        part = bytes(self._data[offset : offset + length])
        if len(part) != length or hashlib.sha256(part).hexdigest() != checksum:
            raise TrustStoreError(f"{self._name}: the index is damaged")
        return part

    def kind(self, number: int) -> int:
        """The kind of an entry."""
        return self._entries[number * _RECORD.size + 12]

    def country(self, number: int) -> str:
        """The country of an entry, or an empty text."""
        at = number * _RECORD.size + 14
        return self._entries[at : at + 2].decode("latin-1").strip("\x00")

    def source(self, number: int) -> int:
        """Index into the sources of an entry."""
        at = number * _RECORD.size + 16
        return int.from_bytes(self._entries[at : at + 4], "big")

    def fingerprint(self, number: int) -> bytes:
        """SHA-256 of an entry's encoding."""
        return self._attribute("prints", number)

    def record(self, number: int) -> Record:
        """An entry with its encoding, checked against its fingerprint.

        Raises:
            TrustStoreError: the encoding was altered.
        """
        offset, length, kind, _, country, source, name, key_id, fingerprint = _RECORD.unpack_from(
            self._entries, number * _RECORD.size
        )
        data = bytes(self._data[self._blobs + offset : self._blobs + offset + length])
        if hashlib.sha256(data).digest() != fingerprint:
            raise TrustStoreError(f"{self._name}: an entry is damaged")
        return Record(kind, country, source, name, key_id, fingerprint, data)

    def find(self, table: str, key: bytes) -> Iterator[int]:
        """Numbers of the entries whose attribute is ``key`` (table: subjects, keys, countries or prints)."""
        numbers = self._tables[table]

        def entry(position: int) -> int:
            return int.from_bytes(numbers[4 * position : 4 * position + 4], "big")

        position = bisect.bisect_left(range(self.count), key, key=lambda p: self._attribute(table, entry(p)))
        while position < self.count and self._attribute(table, entry(position)) == key:
            yield entry(position)
            position += 1

    def _attribute(self, table: str, number: int) -> bytes:
        start, length = {"subjects": (20, 16), "keys": (36, 20), "countries": (14, 2), "prints": (56, 32)}[table]
        at = number * _RECORD.size + start
        if at + length > len(self._entries):
            raise TrustStoreError(f"{self._name}: the index is damaged")
        return self._entries[at : at + length]


def _json(raw: bytes) -> Any:
    """JSON of text that can be written again: lone surrogates, raw or escaped, are a ValueError."""
    value = json.loads(raw.decode("utf-8"))
    if b"\\u" in raw:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def locate(path: Path) -> Path:
    """The store file that ``path`` means: the file itself, or the one in that directory."""
    return path / FILE_NAME if path.is_dir() else path


def read(path: Path) -> StoreFile:
    """Open a store file for reading.

    Raises:
        TrustStoreError: it is not there, cannot be read, or is no store.
    """
    path = locate(path)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size < _PREFIX.size:
                raise TrustStoreError(f"{path.name}: not a trust store")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise TrustStoreError(f"cannot open the trust store {path.name}: {error.strerror}") from error
    return StoreFile(data, name=path.name)


def write(path: Path, data: bytes) -> None:
    """Put ``data`` in the place of the store file: whole or not at all, also when the power fails in the middle.

    Raises:
        TrustStoreError: the directory cannot be written.
    """
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view[:_CHUNK]) :]
                os.fsync(handle)
            finally:
                os.close(handle)
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if sys.platform != "win32":
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
    except OSError as error:
        raise TrustStoreError(f"cannot write the trust store {path.name}: {error.strerror}") from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other updaters away from the store file; readers are not held up.

    Temporary files that an interrupted update left behind are removed.

    Raises:
        TrustStoreError: the lock file cannot be made.
    """
    lock = path.with_name(path.name + ".lock")
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(exclusive(lock))
        except OSError as error:
            raise TrustStoreError(f"cannot lock the trust store {path.name}: {error.strerror}") from error
        for stale in path.parent.glob(f".{path.name}.*.tmp"):
            with contextlib.suppress(OSError):
                stale.unlink()
        yield
