"""DG2: the encoded face (ICAO 9303-10 §4.7.2), after ISO/IEC 19794-5 or ISO/IEC 39794-5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds import cbeff, iso19794_5
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRecord
from idverify.chip.lds.iso39794 import DataBlock, Part, face_representation
from idverify.chip.lds.landmarks import read_landmarks, write_landmarks
from idverify.errors import MalformedDataError

TAG: Final = 0x75
_FACE: Final = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class DG2:
    """The faces of the holder.

    Attributes:
        raw: the file as read, which is what is hashed.
        faces: every face of every record, in order; the first one is the portrait.
        data_blocks: the ISO/IEC 39794-5 blocks, where the file holds such.
        problems: deviations from the standard that did not hinder reading.
    """

    raw: bytes = field(repr=False)
    faces: tuple[FaceImage, ...] = field(repr=False)
    data_blocks: tuple[DataBlock, ...] = field(default=(), repr=False)
    problems: tuple[str, ...] = ()

    @property
    def portrait(self) -> FaceImage:
        """The first face."""
        return self.faces[0]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file: ISO/IEC 19794-5 records or ISO/IEC 39794-5 blocks with JPEG or JPEG 2000 pictures.

        Raises:
            MalformedDataError: another structure, a record format that is not known, no face, or lengths that are off
                by more than a few bytes.
        """
        group = cbeff.parse_group(raw, TAG, what="DG2")
        problems = list(group.problems)
        faces: list[FaceImage] = []
        blocks: list[DataBlock] = []
        for instance in group.instances:
            header = instance.header
            if header.format_owner != cbeff.FORMAT_OWNER_ISO:
                raise MalformedDataError("DG2: the format owner is not ISO/IEC JTC 1/SC 37")
            if header.biometric_type not in (None, _FACE):
                problems.append("the biometric type is not the face")
            if header.format_type == iso19794_5.FORMAT_TYPE:
                record = FaceRecord.parse(instance.data)
                problems += record.problems
                faces += record.faces
            elif header.format_type == Part.FACE_IMAGE.format_type:
                block = DataBlock.parse(instance.data)
                blocks.append(block)
                faces += _faces(block)
            else:
                raise MalformedDataError("DG2: the format type is no face image")
        if not faces:
            raise MalformedDataError("DG2: no face inside")
        problems += (p for f in faces for p in f.problems)
        return cls(raw=raw, faces=tuple(faces), data_blocks=tuple(blocks), problems=tuple(dict.fromkeys(problems)))

    @staticmethod
    def encode(faces: Sequence[FaceImage], *, extensible: bool = False) -> bytes:
        """The file with one record a face, each in its own template.

        Args:
            faces: the faces, the portrait first.
            extensible: write ISO/IEC 39794-5 blocks (picture, size and feature points) instead of ISO/IEC 19794-5
                records.

        Raises:
            ValueError: no face.
            MalformedDataError: ``extensible``, and a picture or feature point that ISO/IEC 39794-5 cannot hold.
        """
        if not faces:
            raise ValueError("expected at least one face")
        if extensible:
            return cbeff.encode_group(TAG, (_extensible(face) for face in faces))
        header = cbeff.BiometricHeader.make(
            format_type=iso19794_5.FORMAT_TYPE, biometric_type=_FACE, biometric_subtype=0
        )
        return cbeff.encode_group(
            TAG, (cbeff.BiometricInstance(header, FaceRecord((face,)).encode()) for face in faces)
        )


def _faces(block: DataBlock) -> list[FaceImage]:
    if block.part is not Part.FACE_IMAGE:
        raise MalformedDataError("DG2: the data block is no face image")
    found = []
    for representation in block.representations:
        width, height = representation.size or (0, 0)
        form = representation.image_format
        problems = () if form is ImageFormat.JPEG or form.jpeg2000 else ("the picture is neither JPEG nor JPEG 2000",)
        found.append(
            FaceImage(
                image=representation.image,
                image_format=form,
                width=width,
                height=height,
                data_type=int(form.jpeg2000),
                points=read_landmarks(representation),
                problems=problems,
            )
        )
    return found


def _extensible(face: FaceImage) -> cbeff.BiometricInstance:
    size = (face.width, face.height) if face.width and face.height else None
    points = write_landmarks(face.points)
    block = DataBlock(Part.FACE_IMAGE, (face_representation(face.image, size=size, others=points),))
    header = cbeff.BiometricHeader.make(format_type=0x002A)
    return cbeff.BiometricInstance(header, block.encode(), cbeff.CONSTRUCTED_DATA)
