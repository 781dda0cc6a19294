"""Landmarks of a face in ISO/IEC 39794-5: the MPEG-4 feature points, as the older standard's records have them too.

::

    LandmarkBlock ::= SEQUENCE {
      landmarkKind        [0] base [0] mpeg4FeaturePoint [0] CHOICE { code [0], extensionBlock [1] { fallback [0] } },
      landmarkCoordinates [1] base [0] coordinateCartesian2DBlock [0] { x [0], y [1] } OPTIONAL }

after ``id-icao-iso-iec-39794-5-ed-1-v1``. Landmarks of other kinds, or without such coordinates, are skipped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from idverify import _tlv
from idverify.chip.lds import _der
from idverify.chip.lds.iso19794_5 import MAX_POINTS, FeaturePoint
from idverify.chip.lds.iso39794 import Part, Representation
from idverify.errors import MalformedDataError

LANDMARKS: Final = 0xA9
_WHAT: Final = "ISO/IEC 39794-5 landmarks"
_MPEG4: Final = 1
_CODE: Final = ((0xA0, 0xA0, 0xA0, 0x80), (0xA0, 0xA0, 0xA0, 0xA1, 0x80))
_PLACE: Final = (0xA1, 0xA0, 0xA0)
# MPEGFeaturePointCode counts through the groups of ISO/IEC 14496-2: 2.1 … 2.14, 3.1 … 3.14, and so on
_GROUPS: Final = ((2, 14), (3, 14), (4, 6), (5, 4), (6, 4), (7, 1), (8, 10), (9, 15), (10, 10), (11, 6), (12, 4))
_POINTS: Final = tuple(group << 4 | point for group, count in _GROUPS for point in range(1, count + 1))
_CODES: Final = {point: code for code, point in enumerate(_POINTS)}


def read_landmarks(face: Representation) -> tuple[FeaturePoint, ...]:
    """The MPEG-4 feature points of a face representation.

    Raises:
        MalformedDataError: no readable landmark blocks, or more than
            :data:`~idverify.chip.lds.iso19794_5.MAX_POINTS`.
    """
    blocks = face.find(LANDMARKS)
    found: list[FeaturePoint] = []
    for count, child in enumerate(_tlv.iter_tlv(blocks or b"", what=_WHAT)):
        if count >= MAX_POINTS:
            raise MalformedDataError(f"{_WHAT}: more than {MAX_POINTS}")
        objects = _der.expect(child, _der.SEQUENCE, what=_WHAT).children(what=_WHAT)
        block = Representation(Part.FACE_IMAGE, tuple((o.tag, o.value) for o in objects))
        code = next((n for path in _CODE if (n := block.number(*path)) is not None), None)
        x, y = block.number(*_PLACE, 0x80), block.number(*_PLACE, 0x81)
        if code is not None and code < len(_POINTS) and x is not None and y is not None:
            found.append(FeaturePoint(_MPEG4, _POINTS[code], x, y))
    return tuple(found)


def write_landmarks(points: Iterable[FeaturePoint]) -> tuple[tuple[int, bytes], ...]:
    """Landmark blocks of feature points as an object of a face representation; nothing for no points.

    Raises:
        MalformedDataError: a point that is none of MPEG-4.
    """
    blocks = []
    for point in points:
        code = _CODES.get(point.code) if point.kind == _MPEG4 else None
        if code is None:
            raise MalformedDataError(f"{_WHAT}: point {point.code >> 4}.{point.code & 15} is none of MPEG-4")
        kind = _nested((0xA0, 0xA0, 0xA0, 0xA1, 0x80), bytes([code]))
        place = b"".join(_tlv.encode(t, v.to_bytes(v.bit_length() // 8 + 1, "big")) for t, v in
                         ((0x80, point.x), (0x81, point.y)))  # fmt: skip
        blocks.append(_tlv.encode(_der.SEQUENCE, kind, _nested(_PLACE, place)))
    return ((LANDMARKS, b"".join(blocks)),) if blocks else ()


def _nested(path: tuple[int, ...], value: bytes) -> bytes:
    for tag in reversed(path):
        value = _tlv.encode(tag, value)
    return value
