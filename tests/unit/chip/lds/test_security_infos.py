"""SecurityInfos of EF.CardAccess, DG14 and EF.CardSecurity."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import needs_shared, shared

from idverify import _tlv
from idverify.chip.lds import _der
from idverify.chip.lds import security_infos as si
from idverify.chip.lds.security_infos import SecurityInfos
from idverify.errors import MalformedDataError

CITIZEN = bytes.fromhex(
    json.loads((Path(__file__).parents[3] / "vectors" / "lds.json").read_text("utf-8"))["card_access_citizen"]
)


def test_card_access_of_the_citizen_card() -> None:
    infos = SecurityInfos.parse_card_access(CITIZEN)
    ta, ca, pace = infos.infos
    assert ta == si.TerminalAuthenticationInfo(version=1)
    assert isinstance(ca, si.ChipAuthenticationInfo)
    assert (ca.key_agreement, ca.cipher, ca.version, ca.key_id) == ("ECDH", "AES-128", 1, None)
    assert isinstance(pace, si.PaceInfo)
    assert (pace.key_agreement, pace.mapping, pace.cipher) == ("ECDH", "GM", "AES-128")
    assert (pace.version, pace.parameter_id) == (2, 13)
    assert infos.pace == (pace,)
    assert infos.chip_authentication == (ca,)
    assert infos.terminal_authentication == (ta,)
    assert infos.active_authentication is None
    assert infos.encode() == infos.raw == CITIZEN


def index() -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(shared("vectors/cardaccess/index.json").read_text("utf-8"))
    return found


@needs_shared
def test_every_card_access_of_the_index() -> None:
    entries = index()
    assert len(entries) == 7
    for entry in entries:
        raw = shared(f"vectors/{entry['file']}").read_bytes()
        infos = SecurityInfos.parse(raw)
        wanted = entry["security_infos"]
        assert isinstance(wanted, list)
        assert [i.protocol for i in infos.infos] == [w["oid"] for w in wanted]
        assert infos.trailing == entry["trailing_bytes"]
        assert infos.encode() == infos.raw == raw[: len(raw) - infos.trailing]
        for info, facts in zip(infos.infos, wanted, strict=True):
            numbers = [
                getattr(info, n)
                for n in ("version", "parameter_id", "key_id")
                if isinstance(getattr(info, n, None), int)
            ]
            if not isinstance(info, si.UnknownSecurityInfo):
                assert numbers == facts.get("integers", [])


@needs_shared
def test_explicit_parameters_are_found_for_their_pace_info() -> None:
    infos = SecurityInfos.parse(shared("vectors/cardaccess/npa_test_card_v1_0.bin").read_bytes())
    found = infos.find_pace_domain_parameters(infos.pace[0])
    assert found is not None
    assert found.standardized_id is None
    assert found.domain_parameter.startswith(b"\x30\x81\xf0")


@needs_shared
def test_privileged_terminal_infos_are_read_inside() -> None:
    infos = SecurityInfos.parse(shared("vectors/cardaccess/npa_ca_version_3.bin").read_bytes())
    (inner,) = infos.of_type(si.PrivilegedTerminalInfo)
    ca, parameters = inner.infos
    assert isinstance(ca, si.ChipAuthenticationInfo)
    assert ca.key_id == 73
    assert isinstance(parameters, si.ChipAuthenticationDomainParameterInfo)
    assert (parameters.standardized_id, parameters.key_id) == (13, 73)
    assert [p.mapping for p in infos.pace] == ["GM", "CAM"]


def card_security_content(name: str) -> bytes:
    """The SecurityInfos inside the CMS of an EF.CardSecurity."""
    raw = shared(f"vectors/cardsecurity/{name}.bin").read_bytes()
    oid = _der.encode_oid("0.4.0.127.0.7.3.2.1")
    wrapped = _tlv.parse(_tlv.read_tlv(raw, raw.index(oid) + len(oid)).value, 0x04, what="x")
    return wrapped.value


@needs_shared
def test_every_card_security_of_the_index() -> None:
    entries = json.loads(shared("vectors/cardsecurity/index.json").read_text("utf-8"))
    assert len(entries) == 3
    for entry in entries:
        infos = SecurityInfos.parse(card_security_content(Path(entry["file"]).stem))
        assert [i.protocol for i in infos.infos] == entry["security_info_oids"]
        assert not infos.of_type(si.UnknownSecurityInfo)
        assert infos.encode() == infos.raw
        assert len(infos.chip_authentication_keys) == 1
        assert infos.of_type(si.RestrictedIdentificationInfo)[0].version == 1
        assert infos.of_type(si.CardInfo)[0].url


ALGORITHM = si.standardized_algorithm_identifier(13)
SPKI = _tlv.encode(0x30, ALGORITHM, _tlv.encode(0x03, b"\0\4" + bytes(64)))
EXAMPLES: list[si.SecurityInfo] = [
    si.PaceInfo(si.ID_PACE + ".2.4", 2, 16),
    si.PaceInfo(si.ID_PACE + ".6.2"),
    si.PaceInfo(si.ID_PACE + ".1.1", 2, 200),
    si.PaceDomainParameterInfo(si.ID_PACE + ".4", ALGORITHM, 255),
    si.ChipAuthenticationInfo(si.ID_CA_DH + ".1"),
    si.ChipAuthenticationInfo(si.ID_CA_ECDH + ".3", 2, 1 << 31),
    si.ChipAuthenticationDomainParameterInfo(si.ID_CA_ECDH, ALGORITHM, 0),
    si.ChipAuthenticationPublicKeyInfo(si.ID_PK_ECDH, SPKI, 7),
    si.ChipAuthenticationPublicKeyInfo(si.ID_PK_DH, SPKI),
    si.TerminalAuthenticationInfo(version=2),
    si.TerminalAuthenticationInfo(version=1, cvca_fid=0x011C),
    si.TerminalAuthenticationInfo(version=1, cvca_fid=0x011C, cvca_sfi=0x1C),
    si.ActiveAuthenticationInfo("0.4.0.127.0.7.1.1.4.1.3"),
    si.RestrictedIdentificationInfo(si.ID_RI_ECDH + ".3", 1, 2, True, 256),
    si.RestrictedIdentificationInfo(si.ID_RI_DH + ".1", 1, 2, False),
    si.RestrictedIdentificationDomainParameterInfo(si.ID_RI_ECDH, ALGORITHM),
    si.CardInfo("https://card.example"),
    si.CardInfo("https://card.example", b"\x05\0"),
    si.PrivilegedTerminalInfo((si.ChipAuthenticationInfo(si.ID_CA_ECDH + ".2", 2, 1),)),
    si.EfDirInfo(bytes.fromhex("61094f07a0000002471001")),
    si.UnknownSecurityInfo("1.2.3.4", b"\x02\1\5"),
    si.UnknownSecurityInfo("2.999.1", b""),
]


@pytest.mark.parametrize("info", EXAMPLES, ids=lambda i: type(i).__name__)
def test_what_is_written_is_read(info: si.SecurityInfo) -> None:
    encoded = SecurityInfos.of([info]).encode()
    (found,) = SecurityInfos.parse(encoded).infos
    assert found == info
    assert type(found) is type(info)
    assert found.raw == info.encode()


@given(st.lists(st.sampled_from(EXAMPLES), max_size=8))
@settings(deadline=None)
def test_order_is_kept_or_that_of_der(infos: list[si.SecurityInfo]) -> None:
    made = SecurityInfos.of(infos)
    assert SecurityInfos.parse(made.encode()) == made
    ordered = SecurityInfos.parse(made.encode(der_order=True))
    parts = [i.raw for i in ordered.infos]
    assert parts == sorted(parts)
    assert sorted(map(repr, ordered.infos)) == sorted(map(repr, infos))


def info(oid: str, *content: bytes) -> bytes:
    return _tlv.encode(0x31, _tlv.encode(0x30, _der.encode_oid(oid), *content))


NUMBER = _der.encode_unsigned
BROKEN = [
    ("PACE without version", info(si.ID_PACE + ".2.2")),
    ("PACE version 3", info(si.ID_PACE + ".2.2", NUMBER(3), NUMBER(13))),
    ("PACE with too much", info(si.ID_PACE + ".2.2", NUMBER(2), NUMBER(13), NUMBER(1))),
    ("PACE parameter is text", info(si.ID_PACE + ".2.2", NUMBER(2), b"\x04\1a")),
    ("PACE parameters are a number", info(si.ID_PACE + ".2", NUMBER(2))),
    ("CA version 16", info(si.ID_CA_ECDH + ".1", NUMBER(16))),
    ("CA version of nine bytes", info(si.ID_CA_ECDH + ".1", NUMBER(1 << 70))),
    ("CA empty number", info(si.ID_CA_ECDH + ".1", b"\x02\0")),
    ("PK is a number", info(si.ID_PK_ECDH, NUMBER(1))),
    ("TA FileID of one byte", info(si.ID_TA, NUMBER(1), _tlv.encode(0x30, b"\x04\1\1"))),
    ("TA FileID is empty", info(si.ID_TA, NUMBER(1), _tlv.encode(0x30))),
    ("TA short identifier of two bytes", info(si.ID_TA, NUMBER(1), _tlv.encode(0x30, b"\x04\2\1\1\x04\2\1\1"))),
    ("AA without algorithm", info(si.ID_ACTIVE_AUTHENTICATION, NUMBER(1))),
    ("AA version 2", info(si.ID_ACTIVE_AUTHENTICATION, NUMBER(2), _der.encode_oid("1.2.3"))),
    ("RI without flag", info(si.ID_RI_ECDH + ".1", _tlv.encode(0x30, NUMBER(1), NUMBER(1)))),
    ("privileged infos are no set", info(si.ID_PRIVILEGED_TERMINAL, NUMBER(1))),
    ("EF.DIR is a number", info(si.ID_EF_DIR, NUMBER(1))),
    ("content is cut off", info(si.ID_TA, b"\x02\5\1")),
]


@pytest.mark.parametrize("raw", [b for _, b in BROKEN], ids=[n for n, _ in BROKEN])
def test_broken_infos_are_refused_or_kept_with_their_problem(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        SecurityInfos.parse(raw)
    (kept,) = SecurityInfos.parse(raw, lenient=True).infos
    assert isinstance(kept, si.UnknownSecurityInfo)
    assert kept.problem
    assert SecurityInfos.of([kept]).encode() == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        CITIZEN[:-1],
        b"\x30" + CITIZEN[1:],
        b"\x31\x02\x05\x00",
        b"\x31\x02\x30\x00",
        b"\x31\x84\xff\xff\xff\xff",
        _tlv.encode(0x31, _tlv.encode(0x30, _tlv.encode(0x06, b"\x81" * 262144))),
        _tlv.encode(0x31, _tlv.encode(0x30, _tlv.encode(0x06, b"\x80\x01"))),
        _tlv.encode(0x31, _tlv.encode(0x30, _tlv.encode(0x06, b"\x2a\x81"))),
        _tlv.encode(0x31, _tlv.encode(0x30, b"\x06\1\x2a") * 129),
    ],
    ids=["empty", "cut", "sequence", "null", "no oid", "4 GB", "long oid", "padded oid", "cut oid", "too many"],
)
def test_hostile_sets_are_refused_even_leniently(raw: bytes) -> None:
    with pytest.raises(MalformedDataError):
        SecurityInfos.parse(raw, lenient=True)


def test_nesting_is_capped() -> None:
    raw = SecurityInfos.of([]).encode()
    for _ in range(6):
        raw = info(si.ID_PRIVILEGED_TERMINAL, raw)
    with pytest.raises(MalformedDataError, match="nested deeper"):
        SecurityInfos.parse(raw)


@given(st.binary(max_size=60), st.integers(0, len(CITIZEN) - 1), st.integers(0, 255))
@settings(deadline=None, max_examples=200)
def test_mutations_give_infos_or_the_one_error(insert: bytes, position: int, byte: int) -> None:
    raw = CITIZEN[:position] + bytes([byte]) + insert + CITIZEN[position + 1 :]
    with contextlib.suppress(MalformedDataError):
        SecurityInfos.parse(raw, lenient=True).encode()


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=8), st.integers(0, 2), st.integers(0, 39))
@settings(deadline=None)
def test_object_identifiers_round_trip(arcs: list[int], first: int, second: int) -> None:
    dotted = ".".join(map(str, (first, second, *arcs)))
    encoded = _der.encode_oid(dotted)
    assert _der.decode_oid(_tlv.parse(encoded, 0x06, what="x").value, what="x") == dotted


@pytest.mark.parametrize("dotted", ["1", "3.1", "1.40", "1.2.-3", "x", ""])
def test_impossible_identifiers_are_refused(dotted: str) -> None:
    with pytest.raises(ValueError):
        _der.encode_oid(dotted)


@pytest.mark.parametrize("value", [0, 1, 127, 128, 255, 256, 1 << 63])
def test_numbers_round_trip(value: int) -> None:
    encoded = _tlv.read_tlv(_der.encode_unsigned(value))
    assert int.from_bytes(encoded.value, "big", signed=True) == value
    if len(encoded.value) <= 8:
        assert _der.decode_unsigned(encoded, what="x") == value


def test_a_forgotten_leading_zero_is_forgiven() -> None:
    assert _der.decode_unsigned(_tlv.read_tlv(b"\x02\1\x80"), what="x") == 128
    with pytest.raises(ValueError, match="zero or more"):
        _der.encode_unsigned(-1)
