"""Image records of ours in another program, and its records here: the Pillow plugins of the package iso19794.

Its readers were written for an older Pillow, whose images had a mode that one could set.
"""

from __future__ import annotations

import datetime
import io
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord, FingerRepresentation
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRecord, FeaturePoint
from idverify.emulator import default_portrait
from idverify.emulator.fingers import SyntheticFinger
from idverify.formats.representation import Capture

Image = pytest.importorskip("PIL.Image", reason="Pillow comes with the extra wsq")
pytest.importorskip("iso19794", reason="not installed: pip install --no-deps iso19794==0.1.0")
from iso19794 import FAC, FIR  # noqa: E402

TAKEN = datetime.datetime(2026, 11, 26, 14, 15, 16, 291_000)
PRINT = SyntheticFinger(1).impression(0)


@cache
def settable(kind: type) -> Any:
    """The reader with a mode that can be set."""
    return type("Settable", (kind,), {"mode": property(lambda s: s._mode, lambda s, v: setattr(s, "_mode", v))})


def written(algorithm: str, *, certified: bool) -> bytes:
    picture = Image.fromarray(PRINT)
    picture.header = {
        "capture_datetime": TAKEN,
        "capture_device_vendor_id": b"\xab\xcd",
        "capture_device_type_id": b"\x12\x34",
        "quality_records": [FIR.FIRQualityRecord(77, b"\0\1", b"\0\2"), FIR.FIRQualityRecord(7, b"\0\3", b"\0\4")],
        "certification_records": [FIR.FIRCertificationRecord(b"\x78\xab", b"\1")] if certified else [],
        "position": "LEFT_INDEX_FINGER",
        "number": 1,
        "scale_units": "PPCM",
        "horizontal_scan_sampling_rate": 197,
        "vertical_scan_sampling_rate": 197,
        "horizontal_image_sampling_rate": 197,
        "vertical_image_sampling_rate": 197,
        "image_compression_algo": algorithm,
        "impression_type": "LIVESCAN_ROLLED",
    }
    stream = io.BytesIO()
    FIR._save(picture, stream, "")
    return stream.getvalue()


@pytest.mark.parametrize("certified", [False, True])
@pytest.mark.parametrize(
    ("algorithm", "form", "name"),
    [
        ("RAW", ImageFormat.RAW, "uncompressed"),
        ("JPEG", ImageFormat.JPEG, "JPEG"),
        ("JPEG2000_LOSSY", ImageFormat.J2K, "JPEG 2000, lossy"),
        ("JPEG2000_LOSSLESS", ImageFormat.J2K, "JPEG 2000, lossless"),
    ],
)
def test_its_finger_records_of_2011_are_read_and_written_back(
    algorithm: str, form: ImageFormat, name: str, certified: bool
) -> None:
    raw = written(algorithm, certified=certified)
    record = FingerImageRecord.parse(raw)
    (image,) = record.images
    assert (record.edition, record.certified, record.problems) == (2011, certified, ())
    assert (image.position_name, image.width, image.height) == ("left index", PRINT.shape[1], PRINT.shape[0])
    assert (image.image_format, record.compression_name(image), image.quality) == (form, name, 77)
    assert record.pixels_per_inch(image) == pytest.approx((500.4, 500.4), abs=0.1)
    assert image.representation is not None
    capture = image.representation.capture
    assert capture.time == bytes.fromhex("07ea0b1a0e0f100123")
    assert (capture.vendor, capture.device, capture.qualities) == (0xABCD, 0x1234, ((77, 1, 2), (7, 3, 4)))
    assert capture.certifications == (((0x78AB, 1),) if certified else ())
    if form is ImageFormat.RAW:
        assert image.image == PRINT.tobytes()
    assert record.encode() == raw


def test_it_reads_a_finger_record_of_2011_written_here() -> None:
    capture = Capture(time=bytes.fromhex("07ea0b1a0e0f100123"), qualities=((60, 1, 2),), certifications=((3, 4),))
    images = tuple(
        FingerImage(
            image=pixels.tobytes(), image_format=ImageFormat.RAW, position=position, width=pixels.shape[1],
            height=pixels.shape[0], view_number=1, representation=FingerRepresentation(compression=0, capture=capture),
        )
        for position, pixels in ((7, PRINT), (2, np.ascontiguousarray(PRINT[:200, :100])))
    )  # fmt: skip
    found = settable(FIR.FIRImageFile)(io.BytesIO(FingerImageRecord(images=images, certified=True).encode()))
    assert (found.info["nb_representation"], found.info["nb_position"], found.info["certification_flag"]) == (
        2,
        2,
        True,
    )
    found.load()
    assert (np.asarray(found) == PRINT).all()
    header = found.header
    assert (header["position"], header["number"], header["scale_units"]) == ("LEFT_INDEX_FINGER", 1, "PPI")
    assert [q.score for q in header["quality_records"]] == [60]
    assert header["certification_records"] == [FIR.FIRCertificationRecord(b"\0\3", b"\4")]
    assert (header["image_compression_algo"], header["horizontal_image_sampling_rate"]) == ("RAW", 500)
    assert header["capture_datetime"].replace(microsecond=0) == TAKEN.replace(microsecond=0)


def test_it_reads_a_face_record_of_2005_written_here() -> None:
    face = FaceImage.of(default_portrait(), width=300, height=400)
    points = (FeaturePoint(1, 0x31, 5, 6),)
    record = FaceRecord((replace(face, points=points, gender=2),))
    found = settable(FAC.FACImageFile)(io.BytesIO(record.encode()))
    assert (found.info["version"], found.info["nb_facial_images"], found.size) == ("010", 1, (300, 400))
    assert (found.header["gender"], found.header["face_image_type"]) == ("F", "FULL_FRONTAL")
    assert [(p.x, p.y) for p in found.header["landmark_points"]] == [(5, 6)]
    found.load()
    assert np.asarray(found).shape == (400, 300, 3)
