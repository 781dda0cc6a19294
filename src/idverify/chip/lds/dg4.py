"""DG4: encoded irises (ICAO 9303-10 §4.7.4), behind extended access control."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds import cbeff, iso19794_6
from idverify.chip.lds.iso19794_6 import IrisImage, IrisImageRecord
from idverify.chip.lds.iso39794 import DataBlock, Part
from idverify.errors import MalformedDataError

TAG: Final = 0x76
_IRIS: Final = 0x10
_HEADER_VERSION: Final = 0x0101


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
            found += (
                IrisImage(image=r.image, image_format=r.image_format, eye=r.position or 0)
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
                if header.biometric_subtype not in (None, 0, record.images[0].eye):
                    problems.append("the biometric subtype is not that of the record")
                records.append(record)
            elif header.format_type == Part.IRIS_IMAGE.format_type:
                blocks.append(_block(instance.data))
            else:
                raise MalformedDataError("DG4: the format type is no iris image")
        return cls(
            raw=raw,
            instances=group.instances,
            records=tuple(records),
            data_blocks=tuple(blocks),
            problems=tuple(dict.fromkeys(problems)),
        )

    @staticmethod
    def encode(records: Sequence[IrisImageRecord], *, discretionary: bytes = b"") -> bytes:
        """The file with one template a record; see :meth:`idverify.chip.lds.dg3.DG3.encode`."""
        instances = (
            cbeff.BiometricInstance(
                cbeff.BiometricHeader.make(
                    format_type=iso19794_6.FORMAT_TYPE,
                    biometric_type=_IRIS,
                    biometric_subtype=record.images[0].eye,
                    version=_HEADER_VERSION,
                ),
                record.encode(),
            )
            for record in records
        )
        return cbeff.encode_group(TAG, instances, discretionary=discretionary)


def _block(data: bytes) -> DataBlock:
    block = DataBlock.parse(data)
    if block.part is not Part.IRIS_IMAGE:
        raise MalformedDataError("DG4: the data block is no iris image")
    for representation in block.representations:
        _ = representation.image, representation.position  # refuse here what cannot be read later
    return block
