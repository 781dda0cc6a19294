"""LDIF as the ICAO public key directory publishes it (RFC 2849; ICAO 9303-12 §6.2)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from idverify.errors import MalformedDataError

MAX_VALUE_BYTES: Final = 16 * 1024 * 1024
MAX_ENTRIES: Final = 500_000


@dataclass(frozen=True, slots=True)
class LdifEntry:
    """One record.

    Attributes:
        line: number of its first line, from 1.
        dn: distinguished name of the directory entry.
        values: attribute name in small letters, without options such as ``;binary``, and value, in order.
        damaged: names of the attributes whose value cannot be decoded.
    """

    line: int
    dn: str
    values: tuple[tuple[str, bytes], ...] = field(repr=False)
    damaged: tuple[str, ...] = ()


def looks_like(data: bytes) -> bool:
    """Whether the bytes begin as an LDIF file does."""
    for line in data[:4096].lstrip(b"\xef\xbb\xbf").splitlines():
        text = line.strip().lower()
        if text and not text.startswith(b"#"):
            return text.startswith((b"dn:", b"version:"))
    return False


def parse(data: bytes) -> Iterator[LdifEntry]:
    """The records of an LDIF file, one after the other; change records give the values that they add.

    A line that is none and a value that cannot be decoded spoil their own record only.

    Raises:
        MalformedDataError: a value longer than :data:`MAX_VALUE_BYTES`, or more than :data:`MAX_ENTRIES` records.
    """
    dn, first, count = "", 0, 0
    change = operation = ""
    values: list[tuple[str, bytes]] = []
    damaged: list[str] = []
    for number, line in _unfold(data):
        if not line:
            if dn:
                count += 1
                if count > MAX_ENTRIES:
                    raise MalformedDataError(f"LDIF: more than {MAX_ENTRIES} records")
                yield LdifEntry(first, dn, tuple(values), tuple(damaged))
            dn, values, damaged, change, operation = "", [], [], "", ""
            continue
        if line == b"-" and change == "modify":
            operation = ""
            continue
        name, colon, rest = line.partition(b":")
        key = name.split(b";")[0].decode("ascii", "replace").strip().lower()
        if not colon or not key:
            damaged.append("line")
            continue
        if rest.startswith(b"<"):
            damaged.append(key)  # a value in a file or behind a URL is not fetched
            continue
        try:
            value = base64.b64decode(rest[1:].strip(), validate=True) if rest.startswith(b":") else rest.strip()
        except (binascii.Error, ValueError):
            damaged.append(key)
            continue
        if key == "dn" and not dn:
            dn, first = value.decode("utf-8", "replace"), number
        elif key == "changetype":
            change = value.decode("ascii", "replace").lower()
        elif change == "modify" and key in ("add", "replace", "delete") and not operation:
            operation = key  # RFC 2849: the attribute's name is the value, its values follow up to a line "-"
        elif key != "version" and change != "delete" and operation != "delete":
            values.append((key, value))


def _unfold(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Logical lines with the number of their first line; an empty one ends each record."""
    current: list[bytes] = []
    size = start = number = 0
    for number, physical in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if physical.startswith(b" ") and current:
            size += len(physical)
            if size > MAX_VALUE_BYTES:
                raise MalformedDataError(f"LDIF: the value at line {start} is beyond the cap")
            current.append(physical[1:])
            continue
        if current and not current[0].startswith(b"#"):
            yield start, b"".join(current)
        current, size, start = [], len(physical), number
        if physical.strip():
            current = [physical]
        else:
            yield number, b""
    if current and not current[0].startswith(b"#"):
        yield start, b"".join(current)
    yield number + 1, b""
