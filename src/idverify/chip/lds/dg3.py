"""DG3: encoded fingers (ICAO 9303-10 §4.7.3), behind extended access control: ISO/IEC 19794-4 or ISO/IEC 39794-4."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds import cbeff, iso19794_4
from idverify.chip.lds.images import ImageFormat, grey_map
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord
from idverify.chip.lds.iso39794 import DataBlock, Part, Representation, finger_representation
from idverify.errors import MalformedDataError

TAG: Final = 0x63
_FINGER: Final = 0x08
_RIGHT: Final = 0x01
_LEFT: Final = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class DG3:
    """The fingers of the holder; none where the chip stores none.

    Attributes:
        raw: the file as read, which is what is hashed.
        instances: the biometric information templates.
        records: the ISO/IEC 19794-4 records, in order.
        data_blocks: the ISO/IEC 39794-4 blocks, in order.
        problems: deviations from the standard that did not hinder reading.
    """

    raw: bytes = field(repr=False)
    instances: tuple[cbeff.BiometricInstance, ...] = field(repr=False)
    records: tuple[FingerImageRecord, ...] = field(repr=False)
    data_blocks: tuple[DataBlock, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[FingerImage, ...]:
        """Every finger image, those of ISO/IEC 39794-4 with width and height 0."""
        found = [i for r in self.records for i in r.images]
        for block in self.data_blocks:
            found += (_finger(r) for r in block.representations)
        return tuple(found)

    @property
    def resolutions(self) -> tuple[float, ...]:
        """Horizontal pixels an inch of every image as the records say; 0 where one says nothing. They may lie."""
        found = [record.pixels_per_inch(image)[0] for record in self.records for image in record.images]
        found += (r.pixels_per_inch or 0.0 for block in self.data_blocks for r in block.representations)
        return tuple(found)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file.

        Raises:
            MalformedDataError: another structure, a record format that is not known, or lengths that are off by more
                than a few bytes.
        """
        group = cbeff.parse_group(raw, TAG, what="DG3")
        problems = list(group.problems)
        records: list[FingerImageRecord] = []
        blocks: list[DataBlock] = []
        for instance in group.instances:
            header = instance.header
            if header.format_owner != cbeff.FORMAT_OWNER_ISO:
                raise MalformedDataError("DG3: the format owner is not ISO/IEC JTC 1/SC 37")
            if header.biometric_type not in (None, _FINGER):
                problems.append("the biometric type is not the finger")
            if header.biometric_subtype is None:
                problems.append("the biometric subtype is missing")
            if header.format_type == iso19794_4.FORMAT_TYPE:
                record = FingerImageRecord.parse(instance.data)
                problems += record.problems
                records.append(record)
                position = record.images[0].position
            elif header.format_type == Part.FINGER_IMAGE.format_type:
                blocks.append(_block(instance.data))
                position = blocks[-1].representations[0].position or 0
            else:
                raise MalformedDataError("DG3: the format type is no finger image")
            if header.biometric_subtype not in (None, 0, subtype(position)):
                problems.append("the biometric subtype is not that of the record")
        return cls(
            raw=raw,
            instances=group.instances,
            records=tuple(records),
            data_blocks=tuple(blocks),
            problems=tuple(dict.fromkeys(problems)),
        )

    @staticmethod
    def encode(records: Sequence[FingerImageRecord], *, extensible: bool = False, discretionary: bytes = b"") -> bytes:
        """The file with one template a record.

        Args:
            records: ISO/IEC 19794-4 records; none for a chip without fingers.
            extensible: write ISO/IEC 39794-4 blocks instead: picture, position, impression and resolution.
            discretionary: random bytes for an empty file, so that it differs from chip to chip.

        Raises:
            MalformedDataError: a picture that ISO/IEC 39794-4 cannot hold (JPEG, packed pixels).
        """
        instances = (
            cbeff.BiometricInstance(
                cbeff.BiometricHeader.make(
                    format_type=0x0028 if extensible else iso19794_4.FORMAT_TYPE,
                    biometric_type=_FINGER,
                    biometric_subtype=subtype(record.images[0].position),
                ),
                _extensible(record) if extensible else record.encode(),
                cbeff.CONSTRUCTED_DATA if extensible else cbeff.PRIMITIVE_DATA,
            )
            for record in records
        )
        return cbeff.encode_group(TAG, instances, discretionary=discretionary)


def subtype(position: int) -> int:
    """The CBEFF biometric subtype of a finger position 1 … 10 (ICAO 9303-10 table 40); 0 for others."""
    if not 1 <= position <= 10:
        return 0
    hand, finger = (_RIGHT, position) if position <= 5 else (_LEFT, position - 5)
    return finger << 2 | hand


def _finger(representation: Representation) -> FingerImage:
    quality = representation.quality
    return FingerImage(
        image=representation.image,
        image_format=representation.image_format,
        position=representation.position or 0,
        width=0,
        height=0,
        quality=254 if quality is None else quality,
        impression_type=representation.impression or 0,
    )


def _extensible(record: FingerImageRecord) -> bytes:
    found = []
    for image in record.images:
        picture = image.image
        if image.image_format is ImageFormat.RAW:
            try:
                picture = grey_map(picture, image.width, image.height)
            except ValueError:
                raise MalformedDataError("finger image: raw pixels of 8 bits, and width and height of them") from None
        resolution = round(record.pixels_per_inch(image)[0])
        found.append(
            finger_representation(
                picture, position=image.position, impression=image.impression_type, resolution=resolution or None
            )
        )
    return DataBlock(Part.FINGER_IMAGE, tuple(found)).encode()


def _block(data: bytes) -> DataBlock:
    block = DataBlock.parse(data)
    if block.part is not Part.FINGER_IMAGE:
        raise MalformedDataError("DG3: the data block is no finger image")
    for representation in block.representations:
        _ = _finger(representation), representation.pixels_per_inch  # refuse here what cannot be read later
    return block
