"""Writers of DER, and of the not quite DER that real issuers produce (ITU-T X.690).

The emulator writes its certificates and signatures with these, so that every deviation seen in the field can be written
on purpose, and so that nothing it writes has passed through the code that later reads it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from idverify import _tlv

NULL: Final = b"\x05\x00"
_ZULU: Final = "%Y%m%d%H%M%SZ"


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE."""
    return _tlv.encode(0x30, *parts)


def set_of(*parts: bytes, sort: bool = True) -> bytes:
    """SET OF, sorted as DER asks (X.690 §11.6) unless told otherwise."""
    return _tlv.encode(0x31, *(sorted(parts) if sort else parts))


def integer(value: int) -> bytes:
    """INTEGER, minimal two's complement."""
    if value < 0:
        return _tlv.encode(0x02, value.to_bytes((-value - 1).bit_length() // 8 + 1, "big", signed=True))
    return _tlv.encode(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = b""
    for arc in (first * 40 + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(arc & 0x7F | 0x80)
        content += bytes(reversed(digits))
    return _tlv.encode(0x06, content)


def octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return _tlv.encode(0x04, value)


def bits(value: bytes, unused: int = 0) -> bytes:
    """BIT STRING of whole bytes, of which the last ``unused`` bits do not count."""
    return _tlv.encode(0x03, bytes([unused]), value)


def named_bits(*numbers: int) -> bytes:
    """BIT STRING with these named bits set, trailing zeros left out (X.690 §11.2.2)."""
    size = max(numbers) + 1
    value = sum(1 << (size - 1 - n) for n in numbers)
    unused = -size % 8
    return bits((value << unused).to_bytes((size + 7) // 8, "big"), unused)


def boolean(value: bool, *, true: int = 0xFF) -> bytes:
    """BOOLEAN; ``true`` is the byte that stands for TRUE, FF in DER."""
    return _tlv.encode(0x01, bytes([true if value else 0]))


def printable(text: str) -> bytes:
    """PrintableString."""
    return _tlv.encode(0x13, text.encode("ascii"))


def utf8(text: str) -> bytes:
    """UTF8String."""
    return _tlv.encode(0x0C, text.encode())


def ia5(text: str, tag: int = 0x16) -> bytes:
    """IA5String, or the same under an implicit tag."""
    return _tlv.encode(tag, text.encode("ascii"))


def time(moment: datetime) -> bytes:
    """UTCTime up to 2049, GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5)."""
    text = moment.strftime(_ZULU)
    return _tlv.encode(0x17, text[2:].encode()) if moment.year < 2050 else _tlv.encode(0x18, text.encode())


def generalized_time(moment: datetime, tag: int = 0x18) -> bytes:
    """GeneralizedTime, or the same under an implicit tag."""
    return _tlv.encode(tag, moment.strftime(_ZULU).encode())


def explicit(number: int, *parts: bytes) -> bytes:
    """A constructed context-specific tag around ``parts``."""
    return _tlv.encode(0xA0 | number, *parts)


def implicit(number: int, content: bytes) -> bytes:
    """A primitive context-specific tag with ``content``."""
    return _tlv.encode(0x80 | number, content)


def indefinite(tag: int, *parts: bytes) -> bytes:
    """A constructed element of indefinite length (X.690 §8.1.3.6): BER, not DER."""
    return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"


def long_form(tag: int, content: bytes, length_bytes: int) -> bytes:
    """An element whose length takes ``length_bytes`` bytes even where fewer would do: BER, not DER."""
    return _tlv.encode_tag(tag) + bytes([0x80 | length_bytes]) + len(content).to_bytes(length_bytes, "big") + content
