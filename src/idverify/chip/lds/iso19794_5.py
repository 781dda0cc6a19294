"""Face image record, ISO/IEC 19794-5, as DG2 holds it: the editions of 2005 (version 010, §5) and 2011 (030, §5).

ICAO 9303-10 §4.7.2 asks for the edition of 2005. The later one begins each representation with the capture head of
ISO/IEC 19794-1:2011 and says the length of the picture.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final, Self

from idverify.chip.lds.images import ImageFormat, sniff
from idverify.errors import MalformedDataError
from idverify.formats.representation import SLACK, Capture, Reader, check_end, check_length

FORMAT_TYPE: Final = 0x0008
_MAGIC: Final = b"FAC\0"
_VERSION: Final = b"010\0"
_RECORD_HEADER: Final = struct.Struct(">4s4sIH")
_FACE_HEADER: Final = struct.Struct(">IHBBB3s2s3s3s")
_IMAGE_HEADER: Final = struct.Struct(">BBHHBBHH")
_POINT: Final = struct.Struct(">BBHHH")
_VERSION_2011: Final = b"030\0"
_RECORD_2011: Final = struct.Struct(">4s4sIHBH")
_FACE_2011: Final = struct.Struct(">HBBBB3s2s3s3s")
_IMAGE_2011: Final = struct.Struct(">BBHHBHBB")

MAX_FACES: Final = 16
MAX_POINTS: Final = 1024

_GENDERS: Final = (0, 1, 2, 0xFF)
_HAIR: Final = (*range(8), 0xFF)
_MAX_POSE: Final = 181  # 0 unspecified, 1 to 181 for -180 to +180 degrees in steps of two
_IMAGE_TYPES: Final = range(5)
_DATA_TYPES: Final = {0: (ImageFormat.JPEG,), 1: (ImageFormat.JP2, ImageFormat.J2K)}
_DATA_TYPES_2011: Final = {**_DATA_TYPES, 2: _DATA_TYPES[1], 3: (ImageFormat.PNG,)}


@dataclass(frozen=True, slots=True)
class FeaturePoint:
    """One feature point (§5.6).

    Attributes:
        kind: feature point type; 1 is MPEG-4.
        code: major and minor code in one byte.
        x, y: position in pixels.
        reserved: 16 reserved bits.
    """

    kind: int
    code: int
    x: int
    y: int
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceRepresentation:
    """What a representation of the 2011 edition says besides.

    Attributes:
        capture: date, device and quality records; certification records there are none in part 5.
        subject_height: centimetres, 0 unspecified; personal data.
        sampling_rate_level: spatial sampling rate level, 0 … 7 by the head's width in pixels.
        post_acquisition: bits of the processing after capture.
        cross_reference: number of another representation that this one was made from; 0 for none.
        extended: three-dimensional information and data, as it is; personal data.
    """

    capture: Capture = field(default_factory=Capture)
    subject_height: int = field(default=0, repr=False)
    sampling_rate_level: int = 0
    post_acquisition: int = 0
    cross_reference: int = 0
    extended: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceImage:
    """One face with its picture.

    Attributes:
        image: the encoded picture, personal data.
        image_format: what the picture's first bytes show, or else what the record says.
        width, height: pixels as the record says; often wrong in the field, so decode to know.
        gender, eye_color, hair_color: codes of §5.5; 0 is unspecified.
        property_mask, expression, pose, pose_uncertainty: bytes of §5.5.
        points: feature points.
        image_type: 0 basic, 1 full frontal, 2 token frontal, 3 and 4 post-processed.
        data_type: 0 JPEG, 1 JPEG 2000; in the 2011 edition 2 JPEG 2000 without loss, 3 PNG.
        color_space, source_type, device_type, quality: codes of §5.7. In the 2011 edition the source and device types
            are in the capture head, and the quality is the first score of its quality records.
        representation: what only the 2011 edition says; None in the edition of 2005.
        problems: deviations that did not hinder reading.
    """

    image: bytes = field(repr=False)
    image_format: ImageFormat
    width: int
    height: int
    gender: int = field(default=0, repr=False)
    eye_color: int = field(default=0, repr=False)
    hair_color: int = field(default=0, repr=False)
    property_mask: bytes = field(default=bytes(3), repr=False)
    expression: bytes = field(default=bytes(2), repr=False)
    pose: bytes = field(default=bytes(3), repr=False)
    pose_uncertainty: bytes = field(default=bytes(3), repr=False)
    points: tuple[FeaturePoint, ...] = field(default=(), repr=False)
    image_type: int = 1
    data_type: int = 0
    color_space: int = 1
    source_type: int = 0
    device_type: int = 0
    quality: int = 0
    representation: FaceRepresentation | None = None
    problems: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, image: bytes, *, width: int, height: int) -> Self:
        """A full frontal face with the given JPEG or JPEG 2000 picture.

        Raises:
            MalformedDataError: the picture is neither.
        """
        form = sniff(image)
        if form is None or not (form is ImageFormat.JPEG or form.jpeg2000):
            raise MalformedDataError("face image: expected JPEG or JPEG 2000")
        return cls(image=image, image_format=form, width=width, height=height, data_type=int(form.jpeg2000))

    def encode(self) -> bytes:
        """Facial information, feature points, image information and image data, edition of 2005."""
        length = _FACE_HEADER.size + len(self.points) * _POINT.size + _IMAGE_HEADER.size + len(self.image)
        return b"".join(
            (
                _FACE_HEADER.pack(
                    length,
                    len(self.points),
                    self.gender,
                    self.eye_color,
                    self.hair_color,
                    self.property_mask,
                    self.expression,
                    self.pose,
                    self.pose_uncertainty,
                ),
                *(_POINT.pack(p.kind, p.code, p.x, p.y, p.reserved) for p in self.points),
                _IMAGE_HEADER.pack(
                    self.image_type,
                    self.data_type,
                    self.width,
                    self.height,
                    self.color_space,
                    self.source_type,
                    self.device_type,
                    self.quality,
                ),
                self.image,
            )
        )

    def encode_2011(self) -> bytes:
        """The representation, edition of 2011.

        Raises:
            ValueError: a number that does not fit its field.
        """
        more = self.representation or FaceRepresentation()
        try:
            body = b"".join(
                (
                    more.capture.encode(certified=False),
                    _FACE_2011.pack(
                        len(self.points),
                        self.gender,
                        self.eye_color,
                        self.hair_color,
                        more.subject_height,
                        self.property_mask,
                        self.expression,
                        self.pose,
                        self.pose_uncertainty,
                    ),
                    *(_POINT.pack(p.kind, p.code, p.x, p.y, p.reserved) for p in self.points),
                    _IMAGE_2011.pack(
                        self.image_type,
                        self.data_type,
                        self.width,
                        self.height,
                        more.sampling_rate_level,
                        more.post_acquisition,
                        more.cross_reference,
                        self.color_space,
                    ),
                    struct.pack(">I", len(self.image)),
                    self.image,
                    more.extended,
                )
            )
            return struct.pack(">I", 4 + len(body)) + body
        except struct.error:
            raise ValueError("a number does not fit its field") from None


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """A face image record.

    Attributes:
        faces: at least one; an edition of 2011 is one whose faces have a ``representation``.
        temporal_semantics: how several faces hang together in the 2011 edition; 0 for one, or none.
        problems: deviations of the record itself; those of a face are with the face.
    """

    faces: tuple[FaceImage, ...]
    temporal_semantics: int = 0
    problems: tuple[str, ...] = field(default=(), compare=False)

    @property
    def edition(self) -> int:
        """2005 or 2011."""
        return 2011 if any(f.representation for f in self.faces) else 2005

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a record; declared lengths up to :data:`SLACK` bytes off are tolerated.

        Raises:
            MalformedDataError: no face record of version 010 or 030, no face, or lengths that do not fit.
        """
        what = "face record"
        if data[:8] == _MAGIC + _VERSION_2011:
            return cls._parse_2011(data)
        if len(data) < _RECORD_HEADER.size:
            raise MalformedDataError(f"{what}: {len(data)} bytes are no record")
        magic, version, length, count = _RECORD_HEADER.unpack_from(data)
        if magic != _MAGIC:
            raise MalformedDataError(f"{what}: the format identifier is not FAC")
        if version != _VERSION:
            raise MalformedDataError(f"{what}: the version is neither 010 nor 030")
        if not 1 <= count <= MAX_FACES:
            raise MalformedDataError(f"{what}: {count} faces; expected 1 to {MAX_FACES}")
        problems: list[str] = []
        check_length(length, data, what, problems)
        faces = []
        position = _RECORD_HEADER.size
        for index in range(count):
            face, position = _face(data, position, last=index == count - 1)
            faces.append(face)
        return cls(tuple(faces), problems=tuple(problems))

    @classmethod
    def _parse_2011(cls, data: bytes) -> Self:
        what = "face record"
        reader = Reader(data, what)
        _, _, length, count, flag, semantics = _RECORD_2011.unpack(reader.take(_RECORD_2011.size))
        if not 1 <= count <= MAX_FACES:
            raise MalformedDataError(f"{what}: {count} faces; expected 1 to {MAX_FACES}")
        problems: list[str] = []
        check_length(length, data, what, problems)
        if flag:
            problems.append("the certification flag is set, which part 5 does not have")
        faces = tuple(_face_2011(reader) for _ in range(count))
        check_end(reader.left, what, problems)
        return cls(faces, semantics, tuple(problems))

    def encode(self) -> bytes:
        """The record in its edition."""
        if self.edition == 2011:
            body = b"".join(f.encode_2011() for f in self.faces)
            size = _RECORD_2011.size + len(body)
            return _RECORD_2011.pack(_MAGIC, _VERSION_2011, size, len(self.faces), 0, self.temporal_semantics) + body
        body = b"".join(f.encode() for f in self.faces)
        return _RECORD_HEADER.pack(_MAGIC, _VERSION, _RECORD_HEADER.size + len(body), len(self.faces)) + body


def _face(data: bytes, start: int, *, last: bool) -> tuple[FaceImage, int]:
    """One face at ``start`` and the offset after it. The last one takes what is left where its length is off."""
    what = "face record"
    if start + _FACE_HEADER.size + _IMAGE_HEADER.size > len(data):
        raise MalformedDataError(f"{what}: cut off in the facial information")
    length, count, gender, eyes, hair, mask, expression, pose, uncertainty = _FACE_HEADER.unpack_from(data, start)
    if count > MAX_POINTS:
        raise MalformedDataError(f"{what}: {count} feature points are beyond the cap of {MAX_POINTS}")
    position = start + _FACE_HEADER.size
    image_at = position + count * _POINT.size
    if image_at + _IMAGE_HEADER.size > len(data):
        raise MalformedDataError(f"{what}: cut off in the feature points")
    points = tuple(FeaturePoint(*p) for p in _POINT.iter_unpack(data[position:image_at]))
    kind, data_type, width, height, color, source, device, quality = _IMAGE_HEADER.unpack_from(data, image_at)
    position = image_at + _IMAGE_HEADER.size
    problems = []
    end = start + length
    if end != len(data) and (last or end > len(data)):
        # length without the points, or a few bytes off: both met in the field; the file's end decides
        if not last or (abs(end - len(data)) > SLACK and end + count * _POINT.size != len(data)):
            raise MalformedDataError(f"{what}: a face declares {length} bytes, {len(data) - start} are there")
        problems.append("the declared length of the face is wrong")
        end = len(data)
    image = data[position:end]
    if not image:
        raise MalformedDataError(f"{what}: a face has no picture")
    found = sniff(image)
    declared = _DATA_TYPES.get(data_type)
    if found is None or declared is None or found not in declared:
        problems.append("the image data type is not that of the picture")
    problems += _code_problems(gender, eyes, hair, pose, uncertainty, kind)
    face = FaceImage(
        image=image,
        image_format=found or (declared[0] if declared else ImageFormat.RAW),
        width=width,
        height=height,
        gender=gender,
        eye_color=eyes,
        hair_color=hair,
        property_mask=mask,
        expression=expression,
        pose=pose,
        pose_uncertainty=uncertainty,
        points=points,
        image_type=kind,
        data_type=data_type,
        color_space=color,
        source_type=source,
        device_type=device,
        quality=quality,
        problems=tuple(problems),
    )
    return face, end


def _face_2011(reader: Reader) -> FaceImage:
    start = reader.at
    length = reader.number(4)
    capture = Capture.read(reader, certified=False)
    head = _FACE_2011.unpack(reader.take(_FACE_2011.size))
    count, gender, eyes, hair, height_code, mask, expression, pose, uncertainty = head
    if count > MAX_POINTS:
        raise MalformedDataError(f"{reader.what}: {count} feature points are beyond the cap of {MAX_POINTS}")
    points = tuple(FeaturePoint(*p) for p in _POINT.iter_unpack(reader.take(count * _POINT.size)))
    kind, data_type, width, height, level, processing, reference, color = reader.unpack(_IMAGE_2011)
    problems: list[str] = []
    image = reader.picture(problems)
    extended = reader.rest(start, length, problems)
    found, declared = sniff(image), _DATA_TYPES_2011.get(data_type)
    if found is None or declared is None or found not in declared:
        problems.append("the image data type is not that of the picture")
    return FaceImage(
        image=image,
        image_format=found or (declared[0] if declared else ImageFormat.RAW),
        width=width,
        height=height,
        gender=gender,
        eye_color=eyes,
        hair_color=hair,
        property_mask=mask,
        expression=expression,
        pose=pose,
        pose_uncertainty=uncertainty,
        points=points,
        image_type=kind,
        data_type=data_type,
        color_space=color,
        quality=capture.quality if capture.qualities else 0,
        representation=FaceRepresentation(
            capture=capture,
            subject_height=height_code,
            sampling_rate_level=level,
            post_acquisition=processing,
            cross_reference=reference,
            extended=extended,
        ),
        problems=tuple(problems),
    )


def _code_problems(gender: int, eyes: int, hair: int, pose: bytes, uncertainty: bytes, kind: int) -> list[str]:
    """Codes outside the tables of §5.5 and §5.7."""
    checks = (
        ("gender", gender in _GENDERS),
        ("eye color", eyes in _HAIR),
        ("hair color", hair in _HAIR),
        ("pose angle", max(pose) <= _MAX_POSE),
        ("pose angle uncertainty", max(uncertainty) <= _MAX_POSE),
        ("face image type", kind in _IMAGE_TYPES),
    )
    return [f"the {name} is not a code of the standard" for name, good in checks if not good]
