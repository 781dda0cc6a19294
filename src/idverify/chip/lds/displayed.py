"""DG5 to DG10: displayed pictures, and features whose form the issuer defines (ICAO 9303-10 §4.7.5 to §4.7.10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Self

from idverify import _tlv
from idverify.chip.lds.images import ImageFormat, sniff
from idverify.errors import MalformedDataError

_COUNT: Final = 0x02
MAX_IMAGES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DisplayedImages:
    """A file with pictures to be shown.

    Attributes:
        raw: the file as read, which is what is hashed.
        images: the encoded pictures, personal data.
        problems: deviations that did not hinder reading.
    """

    TAG: ClassVar[int]
    IMAGE_TAG: ClassVar[int]
    NAME: ClassVar[str]

    raw: bytes = field(repr=False)
    images: tuple[bytes, ...] = field(repr=False)
    problems: tuple[str, ...] = ()

    @property
    def formats(self) -> tuple[ImageFormat | None, ...]:
        """What each picture's first bytes show, or None."""
        return tuple(sniff(i) for i in self.images)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file.

        Raises:
            MalformedDataError: another tag, no count, an object of another tag than the picture's, or too many.
        """
        outer = _tlv.parse(raw, cls.TAG, what=cls.NAME, allow_trailing=True)
        count, *images = outer.children(what=cls.NAME) or (None,)
        if count is None or count.tag != _COUNT or len(count.value) != 1:
            raise MalformedDataError(f"{cls.NAME}: the number of instances (tag 02) is missing")
        if len(images) > MAX_IMAGES:
            raise MalformedDataError(f"{cls.NAME}: {len(images)} pictures are beyond the cap of {MAX_IMAGES}")
        for image in images:
            if image.tag != cls.IMAGE_TAG:
                raise MalformedDataError(f"{cls.NAME}: expected tag {cls.IMAGE_TAG:X}, got {image.tag:X}")
        differ = count.value[0] != len(images)
        return cls(
            raw=raw,
            images=tuple(i.value for i in images),
            problems=("the number of instances is wrong",) if differ else (),
        )

    @classmethod
    def encode(cls, images: Sequence[bytes]) -> bytes:
        """The file with ``images``.

        Raises:
            ValueError: more than :data:`MAX_IMAGES`.
        """
        if len(images) > MAX_IMAGES:
            raise ValueError(f"at most {MAX_IMAGES} pictures")
        count = _tlv.encode(_COUNT, bytes([len(images)]))
        return _tlv.encode(cls.TAG, count, *(_tlv.encode(cls.IMAGE_TAG, i) for i in images))


class DG5(DisplayedImages):
    """Displayed portraits (§4.7.5)."""

    __slots__ = ()
    TAG = 0x65
    IMAGE_TAG = 0x5F40
    NAME = "DG5"


class DG7(DisplayedImages):
    """Displayed signatures or usual marks (§4.7.7)."""

    __slots__ = ()
    TAG = 0x67
    IMAGE_TAG = 0x5F43
    NAME = "DG7"


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """DG6 (reserved), DG8 data features, DG9 structure features or DG10 substance features.

    Attributes:
        raw: the file as read, which is what is hashed.
        number: 6, 8, 9 or 10.
        objects: tag and value of each data object inside; the issuer alone knows their meaning.
    """

    TAGS: ClassVar[dict[int, int]] = {0x66: 6, 0x68: 8, 0x69: 9, 0x6A: 10}

    raw: bytes = field(repr=False)
    number: int
    objects: tuple[tuple[int, bytes], ...] = field(repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file.

        Raises:
            MalformedDataError: another tag, or bytes that are no data objects.
        """
        outer = _tlv.read_tlv(raw, what="data group")
        number = cls.TAGS.get(outer.tag)
        if number is None:
            raise MalformedDataError(f"data group: tag {outer.tag:X} is none of DG6, DG8, DG9 and DG10")
        children = outer.children(what=f"DG{number}")
        return cls(raw=raw, number=number, objects=tuple((c.tag, c.value) for c in children))

    def encode(self) -> bytes:
        """The file."""
        tag = next(t for t, n in self.TAGS.items() if n == self.number)
        return _tlv.encode(tag, *(_tlv.encode(t, v) for t, v in self.objects))
