"""DG4: encoded irises (ICAO 9303-10 §4.7.4), behind extended access control: ISO/IEC 19794-6 or ISO/IEC 39794-6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds import cbeff, iso19794_6
from idverify.chip.lds.images import ImageFormat, grey_map
from idverify.chip.lds.iso19794_6 import IrisImage, IrisImageRecord
from idverify.chip.lds.iso39794 import DataBlock, Part, Representation, iris_representation
from idverify.errors import MalformedDataError

TAG: Final = 0x76
_IRIS: Final = 0x10
_HEADER_VERSION: Final = 0x0101
_EDITION: Final = 2021  # of ISO/IEC 39794-6


@dataclass(frozen=True, slots=True, kw_only=True)
class DG4:
    """The irises of the holder; none where the chip stores none.

    Attributes:
        raw: the file as read, which is what is hashed.
        instances: the biometric information templates.
        records: the ISO/IEC 19794-6 records, in order.
        data_blocks: the ISO/IEC 39794-6 blocks, in order.
        problems: deviations from the standard that did not hinder reading.
    """

    raw: bytes = field(repr=False)
    instances: tuple[cbeff.BiometricInstance, ...] = field(repr=False)
    records: tuple[IrisImageRecord, ...] = field(repr=False)
    data_blocks: tuple[DataBlock, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[IrisImage, ...]:
        """Every iris image."""
        found = [i for r in self.records for i in r.images]
        for block in self.data_blocks:
            found += (_iris(r) for r in block.representations)
        return tuple(found)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file.

        Raises:
            MalformedDataError: another structure, a record format that is not known, or lengths that are off by more
                than a few bytes.
        """
        group = cbeff.parse_group(raw, TAG, what="DG4")
        problems = list(group.problems)
        records: list[IrisImageRecord] = []
        blocks: list[DataBlock] = []
        for instance in group.instances:
            header = instance.header
            if header.format_owner != cbeff.FORMAT_OWNER_ISO:
                raise MalformedDataError("DG4: the format owner is not ISO/IEC JTC 1/SC 37")
            if header.biometric_type not in (None, _IRIS):
                problems.append("the biometric type is not the iris")
            if header.biometric_subtype is None:
                problems.append("the biometric subtype is missing")
            if header.format_type == iso19794_6.FORMAT_TYPE:
                record = IrisImageRecord.parse(instance.data)
                problems += record.problems
                records.append(record)
                eye = record.images[0].eye
            elif header.format_type == Part.IRIS_IMAGE.format_type:
                blocks.append(_block(instance.data))
                if any(r.lacks_range for r in blocks[-1].representations):
                    problems.append("the range of the camera is missing")
                eye = blocks[-1].representations[0].position or 0
            else:
                raise MalformedDataError("DG4: the format type is no iris image")
            if header.biometric_subtype not in (None, 0, eye):
                problems.append("the biometric subtype is not that of the record")
        return cls(
            raw=raw,
            instances=group.instances,
            records=tuple(records),
            data_blocks=tuple(blocks),
            problems=tuple(dict.fromkeys(problems)),
        )

    @staticmethod
    def encode(
        records: Sequence[IrisImageRecord],
        *,
        extensible: bool = False,
        captured: Sequence[int] | None = None,
        discretionary: bytes = b"",
    ) -> bytes:
        """The file with one template a record; see :meth:`idverify.chip.lds.dg3.DG3.encode`.

        Args:
            records: ISO/IEC 19794-6 records; none for a chip without irises.
            extensible: write ISO/IEC 39794-6 blocks instead: picture, eye and depth.
            captured: year, month, day … of the capture, from the year on as many as are known: mandatory there.
            discretionary: random bytes for an empty file.

        Raises:
            MalformedDataError: a picture that ISO/IEC 39794-6 cannot hold (JPEG, raw pixels of more than 8 bits).
            ValueError: ``extensible`` without ``captured``.
        """
        if extensible and captured is None:
            raise ValueError("ISO/IEC 39794-6 asks for the year of the capture")
        instances = (
            cbeff.BiometricInstance(
                cbeff.BiometricHeader.make(
                    format_type=0x002C if extensible else iso19794_6.FORMAT_TYPE,
                    biometric_type=_IRIS,
                    biometric_subtype=record.images[0].eye,
                    version=_HEADER_VERSION,
                ),
                _extensible(record, captured) if captured is not None and extensible else record.encode(),
                cbeff.CONSTRUCTED_DATA if extensible else cbeff.PRIMITIVE_DATA,
            )
            for record in records
        )
        return cbeff.encode_group(TAG, instances, discretionary=discretionary)


def _iris(representation: Representation) -> IrisImage:
    quality = representation.quality
    return IrisImage(
        image=representation.image,
        image_format=representation.image_format,
        eye=representation.position or 0,
        quality=254 if quality is None else quality,
    )


def _extensible(record: IrisImageRecord, captured: Sequence[int]) -> bytes:
    found = []
    for image in record.images:
        more = image.representation
        picture, depth = image.image, more.depth if more else record.depth
        if image.image_format is ImageFormat.RAW:
            width, height = (more.width, more.height) if more else (record.width, record.height)
            try:
                picture = grey_map(picture, width, height)
            except ValueError:
                raise MalformedDataError("iris image: raw pixels of 8 bits, and width and height of them") from None
        kind = more.image_type if more else 1
        found.append(iris_representation(picture, eye=image.eye, captured=captured, kind=kind, depth=depth))
    return DataBlock(Part.IRIS_IMAGE, tuple(found), year=_EDITION).encode()


def _block(data: bytes) -> DataBlock:
    block = DataBlock.parse(data)
    if block.part is not Part.IRIS_IMAGE:
        raise MalformedDataError("DG4: the data block is no iris image")
    for representation in block.representations:
        _ = _iris(representation)  # refuse here what cannot be read later
    return block
