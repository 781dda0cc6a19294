"""EF.COM: versions, and which data groups there are (ICAO 9303-10 §4.6.1). Not signed: a hint, never evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.chip.lds.files import FileId
from idverify.errors import MalformedDataError

TAG: Final = 0x60
_LDS_VERSION: Final = 0x5F01
_UNICODE_VERSION: Final = 0x5F36
_TAG_LIST: Final = 0x5C
MAX_TAGS: Final = 64
_KNOWN_LDS: Final = ("0107", "0108")


@dataclass(frozen=True, slots=True, kw_only=True)
class EfCom:
    """What EF.COM says.

    Attributes:
        raw: the file as read.
        lds_version: four digits (``0107`` is 1.7), or None where missing.
        unicode_version: six digits (``040000`` is 4.0.0), or None where missing.
        tags: every tag of the list, in order, unknown ones too.
        problems: deviations from the standard that do not hinder reading.
    """

    raw: bytes = field(repr=False)
    lds_version: str | None
    unicode_version: str | None
    tags: tuple[int, ...]
    problems: tuple[str, ...] = ()

    @property
    def data_groups(self) -> tuple[FileId, ...]:
        """The listed data groups that are known, in order, each once."""
        found = (FileId.from_tag(t) for t in dict.fromkeys(self.tags))
        return tuple(f for f in found if f is not None)

    @property
    def unknown_tags(self) -> tuple[int, ...]:
        """Listed tags that belong to no data group of LDS 1."""
        return tuple(t for t in self.tags if FileId.from_tag(t) is None)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file.

        Raises:
            MalformedDataError: another tag, no tag list, or bytes that are no data objects.
        """
        what = "EF.COM"
        outer = _tlv.parse(raw, TAG, what=what, allow_trailing=True)
        objects = {c.tag: c for c in reversed(outer.children(what=what))}
        if _TAG_LIST not in objects:
            raise MalformedDataError("EF.COM: the tag list (tag 5C) is missing")
        problems: list[str] = []
        lds = _digits(objects.get(_LDS_VERSION), 4, "LDS version", problems)
        unicode_version = _digits(objects.get(_UNICODE_VERSION), 6, "Unicode version", problems)
        if lds is not None and lds not in _KNOWN_LDS:
            problems.append("the LDS version is neither 1.7 nor 1.8")
        if unicode_version is not None and unicode_version != "040000":
            problems.append("the Unicode version is not 4.0.0")
        tags = _tags(objects[_TAG_LIST].value)
        if FileId.DG1.tag not in tags or FileId.DG2.tag not in tags:
            problems.append("DG1 or DG2 is not listed")
        return cls(raw=raw, lds_version=lds, unicode_version=unicode_version, tags=tags, problems=tuple(problems))

    @staticmethod
    def encode(
        data_groups: Iterable[FileId | int], *, lds_version: str = "0107", unicode_version: str = "040000"
    ) -> bytes:
        """The file that lists ``data_groups`` (files, or bare tags) in the given order.

        Raises:
            ValueError: a file without a tag.
        """
        tags = b""
        for group in data_groups:
            tag = group.tag if isinstance(group, FileId) else group
            if tag is None:
                raise ValueError("expected data groups or tags")
            tags += _tlv.encode_tag(tag)
        return _tlv.encode(
            TAG,
            _tlv.encode(_LDS_VERSION, lds_version.encode("ascii")),
            _tlv.encode(_UNICODE_VERSION, unicode_version.encode("ascii")),
            _tlv.encode(_TAG_LIST, tags),
        )


def _digits(tlv: _tlv.Tlv | None, count: int, name: str, problems: list[str]) -> str | None:
    if tlv is None:
        problems.append(f"the {name} is missing")
        return None
    if len(tlv.value) != count or not tlv.value.isdigit():
        problems.append(f"the {name} is not {count} digits")
        return None
    return tlv.value.decode("ascii")


def _tags(data: bytes) -> tuple[int, ...]:
    """The tags that follow each other in ``data``."""
    tags = []
    position = 0
    while position < len(data):
        # a tag alone is a header whose length byte is missing: lend it one
        header = _tlv.read_header(data[position : position + _tlv.MAX_TAG_BYTES] + b"\0", what="EF.COM tag list")
        position += header.size - 1
        if position > len(data):
            raise MalformedDataError("EF.COM tag list: the last tag is cut off")
        tags.append(header.tag)
        if len(tags) > MAX_TAGS:
            raise MalformedDataError(f"EF.COM tag list: more than {MAX_TAGS} tags")
    return tuple(tags)
