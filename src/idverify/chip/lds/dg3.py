"""DG3: encoded fingers (ICAO 9303-10 §4.7.3), behind extended access control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds import cbeff, iso19794_4
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord
from idverify.chip.lds.iso39794 import DataBlock, Part
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
            found += (
                FingerImage(image=r.image, image_format=r.image_format, position=r.position or 0, width=0, height=0)
                for r in block.representations
            )
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
                expected = subtype(record.images[0].position)
                if header.biometric_subtype not in (None, 0, expected):
                    problems.append("the biometric subtype is not that of the record")
                records.append(record)
            elif header.format_type == Part.FINGER_IMAGE.format_type:
                blocks.append(_block(instance.data))
            else:
                raise MalformedDataError("DG3: the format type is no finger image")
        return cls(
            raw=raw,
            instances=group.instances,
            records=tuple(records),
            data_blocks=tuple(blocks),
            problems=tuple(dict.fromkeys(problems)),
        )

    @staticmethod
    def encode(records: Sequence[FingerImageRecord], *, discretionary: bytes = b"") -> bytes:
        """The file with one template a record.

        Args:
            records: ISO/IEC 19794-4 records; none for a chip without fingers.
            discretionary: random bytes for an empty file, so that it differs from chip to chip.
        """
        instances = (
            cbeff.BiometricInstance(
                cbeff.BiometricHeader.make(
                    format_type=iso19794_4.FORMAT_TYPE,
                    biometric_type=_FINGER,
                    biometric_subtype=subtype(record.images[0].position),
                ),
                record.encode(),
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


def _block(data: bytes) -> DataBlock:
    block = DataBlock.parse(data)
    if block.part is not Part.FINGER_IMAGE:
        raise MalformedDataError("DG3: the data block is no finger image")
    for representation in block.representations:
        _ = representation.image, representation.position  # refuse here what cannot be read later
    return block
