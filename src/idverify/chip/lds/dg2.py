"""DG2: the encoded face (ICAO 9303-10 §4.7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds import cbeff, iso19794_5
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRecord
from idverify.errors import MalformedDataError

TAG: Final = 0x75
_FACE: Final = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class DG2:
    """The faces of the holder.

    Attributes:
        raw: the file as read, which is what is hashed.
        faces: every face of every record, in order; the first one is the portrait.
        problems: deviations from the standard that did not hinder reading.
    """

    raw: bytes = field(repr=False)
    faces: tuple[FaceImage, ...] = field(repr=False)
    problems: tuple[str, ...] = ()

    @property
    def portrait(self) -> FaceImage:
        """The first face."""
        return self.faces[0]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file: ISO/IEC 19794-5 records with JPEG or JPEG 2000 pictures.

        Raises:
            MalformedDataError: another structure, a record format that is not known, no face, or lengths that are off
                by more than a few bytes.
        """
        group = cbeff.parse_group(raw, TAG, what="DG2")
        problems = list(group.problems)
        faces: list[FaceImage] = []
        for instance in group.instances:
            header = instance.header
            if header.format_owner != cbeff.FORMAT_OWNER_ISO:
                raise MalformedDataError("DG2: the format owner is not ISO/IEC JTC 1/SC 37")
            if header.format_type != iso19794_5.FORMAT_TYPE:
                raise MalformedDataError("DG2: the format type is no face image record")
            if header.biometric_type not in (None, _FACE):
                problems.append("the biometric type is not the face")
            record = FaceRecord.parse(instance.data)
            problems += record.problems
            faces += record.faces
        if not faces:
            raise MalformedDataError("DG2: no face inside")
        problems += (p for f in faces for p in f.problems)
        return cls(raw=raw, faces=tuple(faces), problems=tuple(dict.fromkeys(problems)))

    @staticmethod
    def encode(faces: Sequence[FaceImage]) -> bytes:
        """The file with one ISO/IEC 19794-5 record a face, each in its own template.

        Raises:
            ValueError: no face.
        """
        if not faces:
            raise ValueError("expected at least one face")
        header = cbeff.BiometricHeader.make(
            format_type=iso19794_5.FORMAT_TYPE, biometric_type=_FACE, biometric_subtype=0
        )
        return cbeff.encode_group(
            TAG, (cbeff.BiometricInstance(header, FaceRecord((face,)).encode()) for face in faces)
        )
