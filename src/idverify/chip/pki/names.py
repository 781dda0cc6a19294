"""Distinguished names, compared as people mean them.

Issuer and subject of one authority are often written with other string types, other letter case or other spaces in
another certificate, and so is the issuer in a CMS signer identifier. RFC 5280 §7.1 and RFC 4518 §2 say how to compare;
this is their practical core: decode every string type, NFKC, fold case, collapse spaces.
"""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from idverify import _tlv
from idverify.errors import MalformedDataError
from idverify.oids import NameAttribute

MAX_NAME_BYTES: Final = 8192

_CODECS: Final = {
    0x0C: "utf-8",
    0x12: "latin-1",  # NumericString
    0x13: "latin-1",  # PrintableString
    0x14: "latin-1",  # TeletexString, as everyone writes it
    0x16: "latin-1",  # IA5String
    0x1A: "latin-1",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
_SHORT: Final[dict[str, str]] = {
    NameAttribute.COMMON_NAME: "CN",
    NameAttribute.SERIAL_NUMBER: "serialNumber",
    NameAttribute.COUNTRY: "C",
    NameAttribute.LOCALITY: "L",
    NameAttribute.ORGANIZATION: "O",
    NameAttribute.ORGANIZATIONAL_UNIT: "OU",
}


@dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name (RFC 5280 §4.1.2.4).

    Attributes:
        raw: the DER as it stands in the certificate.
        key: 16 bytes that are equal for names that are the same by comparison.
        text: ``C=DE, O=bund, OU=bsi, CN=csca-germany`` in the order of the certificate.
        country: the country attribute in capitals, or None.
    """

    raw: bytes = field(repr=False)
    key: bytes = field(repr=False)
    text: str
    country: str | None

    @classmethod
    def parse(cls, raw: bytes) -> Name:
        """Read a Name.

        Raises:
            MalformedDataError: not a Name, or longer than :data:`MAX_NAME_BYTES`.
        """
        return _parse(raw)

    def attribute(self, oid: str) -> str | None:
        """The first value of that attribute, as text."""
        return next((value for rdn in _rdns(self.raw) for kind, value in rdn if kind == oid), None)

    def matches(self, other: Name) -> bool:
        """Whether both are the same name by comparison."""
        return self.key == other.key

    def __str__(self) -> str:
        return self.text


@functools.lru_cache(maxsize=2048)
def _parse(raw: bytes) -> Name:
    state = hashlib.sha256()
    parts: list[str] = []
    country: str | None = None
    for rdn in _rdns(raw):
        state.update(b"\x02")
        for oid, normal in sorted((oid, _normal(value)) for oid, value in rdn):
            state.update(oid.encode() + b"\x00" + normal.encode("utf-8", "surrogatepass") + b"\x01")
        for oid, value in rdn:
            parts.append(f"{_SHORT.get(oid, oid)}={_printable(value)}")
            if oid == NameAttribute.COUNTRY and country is None:
                country = value.strip().upper() or None
    return Name(raw, state.digest()[:16], ", ".join(parts), country)


def _rdns(raw: bytes) -> Iterator[list[tuple[str, str]]]:
    what = "distinguished name"
    if len(raw) > MAX_NAME_BYTES:
        raise MalformedDataError(f"{what}: {len(raw)} bytes are beyond the cap")
    for rdn in _tlv.parse(raw, 0x30, what=what).children(what=what):
        pairs = []
        for pair in rdn.children(what=what):
            parts = pair.children(what=what)
            if len(parts) != 2 or parts[0].tag != 0x06:
                raise MalformedDataError(f"{what}: an attribute without type and value")
            pairs.append((_dotted(parts[0].value), _text(parts[1].tag, parts[1].value)))
        yield pairs


@functools.lru_cache(maxsize=256)
def _dotted(content: bytes) -> str:
    if not 0 < len(content) <= 64 or content[-1] & 0x80:
        raise MalformedDataError("distinguished name: an object identifier that cannot be read")
    arcs, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _text(tag: int, value: bytes) -> str:
    codec = _CODECS.get(tag)
    if codec is None:
        return f"#{tag:02X}{value.hex()}"
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _normal(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
