"""Documents for the cases: a passport of an invented person, with any file replaced before or after signing."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np

from idverify._tlv import encode as tlv
from idverify.chip.lds import cbeff
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.files import FileId
from idverify.chip.lds.images import ImageFormat
from idverify.chip.lds.iso19794_4 import FingerImage, FingerImageRecord
from idverify.chip.lds.iso19794_5 import FaceImage, FaceRecord
from idverify.chip.lds.iso19794_6 import IrisImage, IrisImageRecord
from idverify.chip.lds.mrz import check_digit
from idverify.crypto.block import Cipher
from idverify.emulator import Card, ChipAuthSpec, PaceOption, Profile, Quirks, TestPki, TravelHolder, personalise
from idverify.emulator.portrait import default_portrait, image_size

PKI: Final = TestPki(5105, country="UT", csca_key="secp256r1", dsc_key="secp256r1", explicit_parameters=False)
"""The issuer of most documents here."""

HOLDER: Final = TravelHolder.invent(5105)

_G: Final = FileId

BAC: Final = Profile(
    name="conformance-bac",
    title="A passport with basic access control and chip authentication",
    groups=(_G.DG1, _G.DG2, _G.DG14),
    ca=(ChipAuthSpec("secp256r1", Cipher.AES128),),
)
PLAIN: Final = replace(BAC, name="conformance-plain", bac=False, groups=(_G.DG1, _G.DG2), ca=())
PACE: Final = replace(BAC, name="conformance-pace", bac=False, can=True, pace=(PaceOption("GM", 12, Cipher.AES128),))
CAM: Final = replace(PACE, name="conformance-cam", pace=(PaceOption("CAM", 12, Cipher.AES128),), card_security=True)
BIOMETRIC: Final = replace(BAC, name="conformance-eac", groups=(_G.DG1, _G.DG2, _G.DG3, _G.DG4, _G.DG14))
ACTIVE: Final = replace(BAC, name="conformance-aa", groups=(*BAC.groups, _G.DG15), aa="secp256r1")


def passport(
    files: Mapping[FileId, bytes] | None = None,
    *,
    stored: Mapping[FileId, bytes] | None = None,
    profile: Profile = BAC,
    pki: TestPki = PKI,
    quirks: Quirks | None = None,
    guarded: bool = True,
    **changes: Any,
) -> Card:
    """A passport.

    Args:
        files: contents to sign instead of the usual ones.
        stored: contents to store instead of the signed ones.
        profile, pki: what kind, by whom.
        quirks: deviations of the chip.
        guarded: DG3 and DG4 need terminal authentication.
        changes: see :func:`idverify.emulator.personalise`.
    """
    quirks = quirks or Quirks()
    if stored:
        quirks = replace(quirks, replace={**quirks.replace, **stored})
    card = personalise(
        profile,
        seed=5105,
        holder=HOLDER,
        portrait=small_portrait(),
        pki=pki,
        quirks=quirks,
        extra_files=dict(files or {}),
        **changes,
    )
    return card if guarded else Card(replace(card.image, guarded=frozenset()))


@functools.cache
def usual(file: FileId, profile: Profile = BAC) -> bytes:
    """The usual content of a file."""
    return passport(profile=profile).files[file]


def wrong_tag(raw: bytes, tag: int) -> bytes:
    """The file with another first tag byte."""
    return bytes([tag]) + raw[1:]


def declared(raw: bytes, delta: int) -> bytes:
    """The file whose outermost length is ``delta`` off; the content stays."""
    count = raw[1] & 0x7F if raw[1] & 0x80 else 0
    if not count:
        return raw[:1] + bytes([raw[1] + delta]) + raw[2:]
    length = int.from_bytes(raw[2 : 2 + count], "big") + delta
    return raw[:2] + length.to_bytes(count, "big") + raw[2 + count :]


# ---- DG1 -----------------------------------------------------------------------------------------------------------


def mrz(**fields: str) -> str:
    """A TD3 MRZ with right check digits but for those given.

    Args:
        fields: ``code state name number nationality birth sex expiry optional``, and check digits ``number_check
            birth_check expiry_check optional_check composite``.
    """
    lines = HOLDER.mrz.lines
    one, two = lines[0], lines[1]
    value = {
        "code": one[0:2], "state": one[2:5], "name": one[5:], "number": two[0:9], "nationality": two[10:13],
        "birth": two[13:19], "sex": two[20], "expiry": two[21:27], "optional": two[28:42],
    } | fields  # fmt: skip
    number = value["number"] + fields.get("number_check", check_digit(value["number"]))
    birth = value["birth"] + fields.get("birth_check", check_digit(value["birth"]))
    expiry = value["expiry"] + fields.get("expiry_check", check_digit(value["expiry"]))
    optional = value["optional"] + fields.get("optional_check", check_digit(value["optional"]))
    composite = fields.get("composite", check_digit(number + birth + expiry + optional))
    first = value["code"] + value["state"] + value["name"].ljust(39, "<")
    return first + number + value["nationality"] + birth + value["sex"] + expiry + optional + composite


def wrong_digit(text: str) -> str:
    """A check digit that is not the right one."""
    return str((int(check_digit(text)) + 1) % 10)


def dg1(text: str) -> bytes:
    """DG1 with that MRZ."""
    return tlv(0x61, tlv(0x5F1F, text.encode("ascii")))


# ---- biometric groups ----------------------------------------------------------------------------------------------


@functools.cache
def small_portrait() -> bytes:
    """The portrait in a size that is read quickly."""
    picture = cv2.imdecode(np.frombuffer(default_portrait(), np.uint8), cv2.IMREAD_COLOR)
    done, encoded = cv2.imencode(".jpg", cv2.resize(picture, (60, 80)), [cv2.IMWRITE_JPEG_QUALITY, 40])
    assert done
    return encoded.tobytes()


@functools.cache
def jpeg2000() -> bytes:
    """The portrait as a JP2 file."""
    picture = cv2.imdecode(np.frombuffer(default_portrait(), np.uint8), cv2.IMREAD_COLOR)
    done, encoded = cv2.imencode(".jp2", picture, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 100])
    assert done
    return encoded.tobytes()


def face(picture: bytes | None = None, **changes: Any) -> FaceImage:
    """One full frontal face."""
    picture = small_portrait() if picture is None else picture
    width, height = image_size(picture)
    return replace(FaceImage.of(picture, width=width, height=height), **changes)


def group(tag: int, *instances: tuple[dict[int, bytes], bytes]) -> bytes:
    """A biometric data group from headers (tag to value) and data blocks."""
    templates = (
        cbeff.BiometricInstance(cbeff.BiometricHeader(tuple(header.items())), data) for header, data in instances
    )
    return cbeff.encode_group(tag, templates)


FACE_HEADER: Final = {0x81: b"\x02", 0x82: b"\x00", 0x87: b"\x01\x01", 0x88: b"\x00\x08"}
FINGER_HEADER: Final = {0x81: b"\x08", 0x82: b"\x09", 0x87: b"\x01\x01", 0x88: b"\x00\x07"}
IRIS_HEADER: Final = {0x80: b"\x01\x01", 0x81: b"\x10", 0x82: b"\x01", 0x87: b"\x01\x01", 0x88: b"\x00\x09"}


def changed(header: dict[int, bytes], **objects: bytes | None) -> dict[int, bytes]:
    """A header with objects ``t87`` … replaced, or left away where None."""
    merged: dict[int, bytes | None] = {**header, **{int(k[1:], 16): v for k, v in objects.items()}}
    return {tag: value for tag, value in merged.items() if value is not None}


def dg2(header: dict[int, bytes] = FACE_HEADER, record: bytes | None = None) -> bytes:
    """DG2 with one instance."""
    return group(0x75, (header, FaceRecord((face(),)).encode() if record is None else record))


def face_record(**changes: Any) -> bytes:
    """A face record with other codes."""
    return FaceRecord((face(**changes),)).encode()


_PICTURES: Final = {
    2: b"\xff\xa0\xff\xa4\x00\x3a" + bytes(range(200)),  # begins as WSQ; nothing here decodes it
    0: bytes(range(256)) * 4,
}


def finger(position: int, compression: int = 2) -> bytes:
    """A finger image record: WSQ (2), JPEG 2000 (4) or raw (0)."""
    picture = jpeg2000() if compression == 4 else _PICTURES[compression]
    form = {0: ImageFormat.RAW, 2: ImageFormat.WSQ, 4: ImageFormat.JP2}[compression]
    image = FingerImage(image=picture, image_format=form, position=position, width=32, height=32)
    return FingerImageRecord(images=(image,), compression=compression).encode()


def fingers(*positions: int, compression: int = 2) -> bytes:
    """DG3 with one instance a finger."""
    return DG3.encode([FingerImageRecord.parse(finger(p, compression)) for p in positions])


def two_fingers(header: dict[int, bytes] = FINGER_HEADER, record: bytes | None = None) -> bytes:
    """DG3 with two fingers, the first one as given: right index, then left index."""
    second = {**FINGER_HEADER, 0x82: b"\x0a"}
    return group(0x63, (header, finger(2) if record is None else record), (second, finger(7)))


def iris(eye: int, code: int = 0x02) -> IrisImageRecord:
    """An iris record: raw (02) or JPEG 2000 (0E)."""
    picture = jpeg2000() if code == 0x0E else bytes(range(256)) * 4
    form = ImageFormat.JP2 if code == 0x0E else ImageFormat.RAW
    image = IrisImage(image=picture, image_format=form, eye=eye)
    return IrisImageRecord(images=(image,), format_code=code, width=32, height=32, depth=8)


def irises(code: int = 0x02) -> bytes:
    """DG4 with both eyes."""
    return DG4.encode([iris(1, code), iris(2, code)])


def two_irises(header: dict[int, bytes] = IRIS_HEADER, record: bytes | None = None) -> bytes:
    """DG4 with two irises, the first one as given."""
    second = {**IRIS_HEADER, 0x82: b"\x02"}
    return group(0x76, (header, iris(1).encode() if record is None else record), (second, iris(2).encode()))


def without_count(raw: bytes) -> bytes:
    """A biometric group without its number of instances."""
    inner = raw[raw.index(b"\x7f\x60") :]
    return tlv(raw[0], tlv(0x7F61, inner))


def second_without_data(raw: bytes) -> bytes:
    """A biometric group of two whose second instance has a header only."""
    whole = cbeff.parse_group(raw, raw[0], what="group")
    first, second = whole.instances
    bare = tlv(0x7F60, second.header.encode())
    return tlv(raw[0], tlv(0x7F61, tlv(0x02, b"\x02"), first.encode(), bare))
