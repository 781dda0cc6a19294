"""EF.COM, DG1, DG14 and DG15: published files byte for byte, and what must be refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import needs_shared, shared

from idverify import _tlv
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.files import DATA_GROUPS, FileId
from idverify.chip.lds.security_infos import (
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    SecurityInfos,
    TerminalAuthenticationInfo,
)
from idverify.errors import MalformedDataError

PUBLISHED: dict[str, str] = json.loads((Path(__file__).parents[3] / "vectors" / "lds.json").read_text("utf-8"))
COM = bytes.fromhex(PUBLISHED["com_lds_1_7"])
SPKI = _tlv.encode(0x30, bytes.fromhex("300d06092a864886f70d0101010500"), _tlv.encode(0x03, b"\0" + bytes(140)))


def indexed(prefix: str) -> list[tuple[str, bytes, dict[str, object]]]:
    entries = json.loads(shared("vectors/lds/index.json").read_text("utf-8"))
    return [
        (e["file"], shared("vectors/" + e["file"]).read_bytes(), e)
        for e in entries
        if Path(e["file"]).name.startswith(prefix) and "altered" not in e["file"]
    ]


def test_published_com() -> None:
    com = EfCom.parse(COM)
    assert (com.lds_version, com.unicode_version) == ("0107", "040000")
    assert com.data_groups == (FileId.DG1, FileId.DG2, FileId.DG4, FileId.DG12)
    assert com.problems == ()
    assert com.raw == COM
    assert EfCom.encode(com.data_groups) == COM


def test_a_strange_version_is_named_not_refused() -> None:
    com = EfCom.parse(bytes.fromhex(PUBLISHED["com_lds_15_99"]))
    assert com.lds_version == "1599"
    assert com.problems == ("the LDS version is neither 1.7 nor 1.8",)


@needs_shared
def test_every_com_of_the_index() -> None:
    found = indexed("com")
    assert len(found) == 6
    for _, raw, facts in found:
        com = EfCom.parse(raw)
        assert com.lds_version == facts["lds_version"]
        assert com.unicode_version == facts["unicode_version"]
        assert bytes(com.tags).hex() == facts["tag_list"]
        assert EfCom.encode(com.tags, lds_version=str(com.lds_version)) == raw


def test_unknown_tags_are_kept() -> None:
    raw = EfCom.encode([FileId.DG1, FileId.DG2, 0x7F7E, 0x60, FileId.DG16, FileId.DG1])
    com = EfCom.parse(raw)
    assert com.tags == (0x61, 0x75, 0x7F7E, 0x60, 0x70, 0x61)
    assert com.unknown_tags == (0x7F7E, 0x60)
    assert com.data_groups == (FileId.DG1, FileId.DG2, FileId.DG16)
    with pytest.raises(ValueError, match="tags"):
        EfCom.encode([FileId.ATR_INFO])


@given(st.lists(st.sampled_from(DATA_GROUPS), unique=True))
@settings(deadline=None)
def test_com_round_trip(groups: list[FileId]) -> None:
    assert EfCom.parse(EfCom.encode(groups)).data_groups == tuple(groups)


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        (_tlv.encode(0x60, b"\x5c\2\x61\x75"), "the LDS version is missing"),
        (_tlv.encode(0x60, b"\x5f\x01\x040107\x5c\2\x61\x75"), "the Unicode version is missing"),
        (EfCom.encode([0x61, 0x75], lds_version="1.7x"), "the LDS version is not 4 digits"),
        (EfCom.encode([0x61, 0x75], unicode_version="050000"), "the Unicode version is not 4.0.0"),
        (EfCom.encode([0x75]), "DG1 or DG2 is not listed"),
    ],
)
def test_deviations_of_com_are_named(raw: bytes, problem: str) -> None:
    assert problem in EfCom.parse(raw).problems


@pytest.mark.parametrize(
    "raw",
    [
        b"\x61" + COM[1:],
        COM[:-1],
        b"\x60\x15" + COM[2:],
        _tlv.encode(0x60, b"\x5f\x01\x040107\x5f\x36\x06040000"),
        _tlv.encode(0x60, b"\x5c\x02\x61\x7f"),
        _tlv.encode(0x60, b"\x5c\x06\x7f\xff\xff\xff\xff\x01"),
        b"\x60\x84\xff\xff\xff\xff" + COM[2:],
        EfCom.encode([0x61] * 65),
    ],
    ids=["tag", "cut", "too short", "no list", "half a tag", "long tag", "4 GB", "too many"],
)
def test_com_refused(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        EfCom.parse(raw)


@pytest.mark.parametrize("name", ["dg1_td1", "dg1_td2", "dg1_td3"])
def test_published_dg1(name: str) -> None:
    raw = bytes.fromhex(PUBLISHED[name])
    dg1 = DG1.parse(raw)
    assert dg1.mrz.check_digits_ok
    assert dg1.mrz.format.name.lower() == name[-3:]
    assert DG1.encode(dg1.mrz) == raw == dg1.raw
    assert repr(dg1) == "DG1()"


@needs_shared
def test_every_dg1_of_the_index() -> None:
    found = [f for f in indexed("dg1") if not Path(f[0]).name.startswith(("dg11", "dg12", "dg14", "dg15"))]
    assert len(found) == 8
    for name, raw, _ in found:
        dg1 = DG1.parse(raw)
        assert DG1.encode(dg1.mrz) == raw
        assert dg1.mrz.check_digits["composite"] is not name.endswith("composite_4.bin")
    altered = DG1.parse(shared("vectors/lds/etsi_eacaa/altered/dg1_country_changed.bin").read_bytes())
    original = DG1.parse(shared("vectors/lds/etsi_eacaa/dg1.bin").read_bytes())
    assert altered.mrz.issuing_state != original.mrz.issuing_state


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x62" + bytes.fromhex(PUBLISHED["dg1_td3"])[1:],
        bytes.fromhex(PUBLISHED["dg1_td3"])[:-1],
        b"\x61\x5a" + bytes.fromhex(PUBLISHED["dg1_td3"])[2:],
        _tlv.encode(0x61, b"\x5f\x1e\x00"),
        _tlv.encode(0x61, _tlv.encode(0x5F1F, b"P<UTO")),
        _tlv.encode(0x61, _tlv.encode(0x5F1F, b"\xe9" * 88)),
        _tlv.encode(0x61, _tlv.encode(0x5F1F, b"p" * 88)),
    ],
    ids=["empty", "tag", "cut", "length too small", "no mrz", "short", "not ascii", "lower case"],
)
def test_dg1_refused(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        DG1.parse(raw)


@needs_shared
def test_every_dg14_of_the_index() -> None:
    found = indexed("dg14")
    assert len(found) == 4
    for _, raw, facts in found:
        infos = DG14.parse(raw).security_infos
        assert [i.protocol for i in infos.infos] == facts["security_infos"]
        assert DG14.encode(infos) == raw
        assert isinstance(infos.infos[0], ChipAuthenticationPublicKeyInfo)
        assert isinstance(infos.infos[1], ChipAuthenticationInfo)
        assert isinstance(infos.infos[2], TerminalAuthenticationInfo)
    with pytest.raises(MalformedDataError, match="version 16"):
        DG14.parse(shared("vectors/lds/etsi_eacaa/altered/dg14_chip_authentication_info_version_16.bin").read_bytes())


def test_dg14_tolerates_what_follows_and_keeps_the_raw_bytes() -> None:
    infos = SecurityInfos.of([ChipAuthenticationInfo("0.4.0.127.0.7.2.2.3.2.2", 1, 5)])
    inside = _tlv.encode(0x6E, infos.encode() + b"\x04\1\1")
    dg14 = DG14.parse(inside + b"\0\0")
    assert dg14.security_infos == infos
    assert dg14.security_infos.trailing == 3
    assert dg14.raw == inside + b"\0\0"


@needs_shared
def test_every_dg15_of_the_index() -> None:
    found = indexed("dg15")
    assert len(found) == 5
    for name, raw, facts in found:
        dg15 = DG15.parse(raw)
        assert dg15.algorithm == ("1.2.840.10045.2.1" if str(facts["key"]).startswith("ec") else "1.2.840.113549.1.1.1")
        assert DG15.encode(dg15.public_key) == raw == dg15.raw
        if name.startswith("lds/bsi"):
            assert dg15.public_key == shared("vectors/lds/bsi_tr03105_5/dg15_public_key.bin").read_bytes()
    with pytest.raises(MalformedDataError, match="expected tag 6F, got 70"):
        DG15.parse(shared("vectors/lds/etsi_eacaa/altered/dg15_wrong_tag_70.bin").read_bytes())
    DG15.parse(shared("vectors/lds/etsi_eacaa/altered/dg15_exponent_65538.bin").read_bytes())


@pytest.mark.parametrize(
    "raw",
    [
        _tlv.encode(0x6F, b""),
        _tlv.encode(0x6F, b"\x02\1\1"),
        _tlv.encode(0x6F, _tlv.encode(0x30, b"\x30\0", b"\x03\1\0")),
        _tlv.encode(0x6F, _tlv.encode(0x30, b"\x30\2\5\0", b"\x03\1\0")),
        _tlv.encode(0x6F, _tlv.encode(0x30, bytes.fromhex("300306012a"), b"\x04\1\0")),
        DG15.encode(SPKI)[:-1],
    ],
    ids=["empty", "number", "no algorithm", "null algorithm", "no bit string", "cut"],
)
def test_dg15_refused(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        DG15.parse(raw)


Parser = Callable[[bytes], object]
PARSERS: list[tuple[Parser, bytes]] = [
    (EfCom.parse, COM),
    (DG1.parse, bytes.fromhex(PUBLISHED["dg1_td1"])),
    (DG14.parse, DG14.encode(SecurityInfos.parse(bytes.fromhex(PUBLISHED["card_access_citizen"])))),
    (DG15.parse, DG15.encode(SPKI)),
]


@given(st.sampled_from(PARSERS), st.data())
@settings(deadline=None, max_examples=300)
def test_mutated_files_give_a_view_or_the_one_error(
    parser: tuple[Callable[[bytes], object], bytes], data: st.DataObject
) -> None:
    parse, original = parser
    raw = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(MalformedDataError):
        parse(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@pytest.mark.parametrize(("parse", "raw"), PARSERS, ids=["com", "dg1", "dg14", "dg15"])
def test_every_truncation_is_refused(parse: Callable[[bytes], object], raw: bytes) -> None:
    for end in range(len(raw)):
        with pytest.raises(MalformedDataError):
            parse(raw[:end])


def test_names_of_files() -> None:
    assert FileId.DG13.number == 13
    assert FileId.COM.number is None
    assert FileId.SOD.file_name == "EF_SOD.bin"
    assert FileId.ATR_INFO.file_name == "EF_ATR_INFO.bin"
    assert FileId.data_group(2) is FileId.DG2
    assert FileId.from_tag(0x75) is FileId.DG2
    assert FileId.from_tag(0x60) is None
    assert [f.number for f in DATA_GROUPS] == list(range(1, 17))
    with pytest.raises(KeyError):
        FileId.data_group(17)
