"""DG2 in the second generation of face records: ISO/IEC 39794-5, mandatory fields only (ICAO 9303-10 §4.7.2)."""

from __future__ import annotations

from typing import Final

from idverify._tlv import encode as tlv
from idverify.chip.lds.images import sniff
from idverify.emulator import _der

_FORMAT_TYPE: Final = 0x002A
_GENERATION: Final = 3
_YEAR: Final = 2019
_JPEG: Final = 2  # ImageDataFormatCode: 2 jpeg, 3 jpeg2000Lossy
_JPEG_2000: Final = 3


def dg2_39794(picture: bytes) -> bytes:
    """The file with one face.

    Args:
        picture: JPEG or JPEG 2000.
    """
    form = sniff(picture)
    code = _JPEG_2000 if form is not None and form.jpeg2000 else _JPEG
    kind = tlv(0xA1, tlv(0xA0, tlv(0x80, bytes([code]))))
    image = tlv(0xA1, tlv(0xA0, tlv(0xA0, tlv(0x80, picture), kind)))
    representation = _der.sequence(tlv(0x80, b"\0"), image)
    version = tlv(0xA0, tlv(0x80, bytes([_GENERATION])), tlv(0x81, _YEAR.to_bytes(2, "big")))
    block = tlv(0xA1, tlv(0x65, version, tlv(0xA1, representation)))
    header = tlv(0xA1, tlv(0x87, b"\x01\x01"), tlv(0x88, _FORMAT_TYPE.to_bytes(2, "big")))
    return tlv(0x75, tlv(0x7F61, tlv(0x02, b"\x01"), tlv(0x7F60, header, tlv(0x7F2E, block))))
