"""Unit ISO7816_G: PACE. The chips here have no other access control, and most are opened with their CAN alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import pytest

from idverify import _tlv
from idverify._tlv import encode as tlv
from idverify.chip.access.password import AccessPassword
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import (
    CardInfo,
    ChipAuthenticationPublicKeyInfo,
    PaceDomainParameterInfo,
    PaceInfo,
    SecurityInfo,
    SecurityInfos,
    TerminalAuthenticationInfo,
)
from idverify.chip.pki.cms import SignedData
from idverify.crypto import curves
from idverify.crypto.block import Cipher
from idverify.emulator import Card, ChipAuthSpec, PaceOption, Profile, Quirks, _der
from idverify.emulator.keys import explicit_parameters
from idverify.errors import (
    AccessDeniedError,
    MalformedDataError,
    ProtocolError,
    WrongPasswordError,
)
from idverify.oids import DomainParameters
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import CAM, PACE, PKI, passport, usual
from tests.conformance.inspection import Accepted, Case, Raises, Reaction, Refused
from tests.conformance.misbehaviour import (
    GENERAL_AUTHENTICATE,
    MANAGE_ENVIRONMENT,
    Alter,
    Altered,
    Witness,
    added,
    flipped,
    refusing,
    retagged,
    valued,
)

_CA = CheckId.CHIP_AUTHENTICATION
_ACCESS, _SECURITY = FileId.CARD_ACCESS, FileId.CARD_SECURITY
_DH_PARAMETERS = (0, 1, 2)
_EC_PARAMETERS = range(8, 19)
_NOT_FOR_IM = (10,)  # p is not 3 mod 4 (ICAO 9303-11 §9.5.1)
_AES = (Cipher.AES128, Cipher.AES192, Cipher.AES256)
_DH = replace(PACE, pace=(PaceOption("GM", 0, Cipher.AES128),))
_IM = replace(PACE, pace=(PaceOption("IM", 12, Cipher.AES128),))


def offering(*options: PaceOption, profile: Profile = PACE) -> Profile:
    return replace(profile, pace=options)


def can_only(card: Card) -> Sequence[AccessPassword]:
    assert card.can is not None
    return (AccessPassword.can(card.can),)


def opened(mapping: str | None = None) -> Callable[[VerificationResult, Card], None]:
    def also(result: VerificationResult, card: Card) -> None:
        (found,) = result.report.results(CheckId.ACCESS_PACE)
        assert found.status is CheckStatus.SUCCESSFUL
        assert mapping in (None, found.evidence["mapping"])

    return also


def every(*profiles: Profile, mapping: str | None = None, note: str = "") -> Case:
    return Case(lambda: (passport(profile=p) for p in profiles), Accepted(), also=opened(mapping), note=note)


def over(mapping: str, parameters: Iterable[int], cipher: Cipher = Cipher.AES128) -> list[Profile]:
    return [offering(PaceOption(mapping, n, cipher)) for n in parameters]  # type: ignore[arg-type]


def by_cam(parameter: int, cipher: Cipher = Cipher.AES128) -> Profile:
    kind = curves.by_parameter_id(parameter).name
    return replace(CAM, pace=(PaceOption("CAM", parameter, cipher),), ca=(ChipAuthSpec(kind, Cipher.AES128),))


# ---- misbehaving chips ---------------------------------------------------------------------------------------------


def at(step: int, alter: Alter, reaction: Reaction, *profiles: Profile, note: str = "") -> Case:
    """A chip that answers so in one of the four steps, counted from 1."""

    def documents() -> Iterable[Card]:
        return (Altered(passport(profile=p), GENERAL_AUTHENTICATE, step - 1, alter) for p in profiles or (PACE,))

    return Case(documents, reaction, passwords=can_only, note=note)


def several(step: int, alters: Sequence[Alter], reaction: Reaction, profile: Profile = PACE, note: str = "") -> Case:
    """One chip for each of the alterations."""

    def documents() -> Iterable[Card]:
        return (Altered(passport(profile=profile), GENERAL_AUTHENTICATE, step - 1, alter) for alter in alters)

    return Case(documents, reaction, passwords=can_only, note=note)


def refused_at(step: int, reaction: Reaction, *statuses: int, profile: Profile = PACE, note: str = "") -> Case:
    """Chips that answer that step with a status word."""
    return several(step, [refusing(sw) for sw in statuses], reaction, profile, note)


def wrong_points(tag: int) -> list[Alter]:
    """An uncompressed point with each of its parts wrong: its form, x, y, its length; and none at all."""
    return [
        valued(tag, lambda v: b"\x05" + v[1:]),
        valued(tag, flipped(1)),
        valued(tag, flipped(-1)),
        valued(tag, lambda v: v[:-1]),
        valued(tag, lambda v: b"\x00"),
    ]


def wrong_elements(tag: int) -> list[Alter]:
    """A field element out of range or outside the subgroup: 0, 1, too great, p - 1, too long."""
    return [
        valued(tag, lambda v: bytes(len(v))),
        valued(tag, lambda v: bytes(len(v) - 1) + b"\x01"),
        valued(tag, lambda v: b"\xff" * len(v)),
        valued(tag, flipped(-1)),
        valued(tag, lambda v: v + b"\x00"),
    ]


def terminals_own(apdu: bytes, answer: bytes) -> bytes:
    """The terminal's own ephemeral key comes back (object 83 of the command)."""
    (key,) = (o.value for o in _tlv.read_tlv(apdu[5 : 5 + apdu[4]]).children() if o.tag == 0x83)
    return tlv(0x7C, tlv(0x84, key)) + b"\x90\x00"


# ---- EF.CardAccess and EF.CardSecurity -----------------------------------------------------------------------------

_USUAL = SecurityInfos.parse(usual(_ACCESS, PACE)).infos
_CAM_SIGNED = SecurityInfos.parse(SignedData.parse(usual(_SECURITY, CAM)).content).infos
_OPTION = PACE.pace[0]


def access(*infos: SecurityInfo, profile: Profile = PACE) -> Callable[[], Card]:
    raw = SecurityInfos.of(infos).encode()
    return lambda: passport(profile=replace(profile, card_access=raw))


def signed(infos: Iterable[SecurityInfo]) -> Callable[[], Card]:
    raw = PKI.card_security(SecurityInfos.of(infos).encode())
    return lambda: passport(stored={_SECURITY: raw}, profile=CAM)


def another_key(info: SecurityInfo) -> SecurityInfo:
    if not isinstance(info, ChipAuthenticationPublicKeyInfo):
        return info
    return ChipAuthenticationPublicKeyInfo(info.protocol, PKI.dsc.key.spki(explicit=True), info.key_id)


def explicit(curve: str, protocol: str, number: int) -> PaceDomainParameterInfo:
    """The curve's numbers, spelled out."""
    algorithm = _der.sequence(_der.oid(DomainParameters.EC_PUBLIC_KEY), explicit_parameters(curves.by_name(curve)))
    return PaceDomainParameterInfo(protocol.rpartition(".")[0], algorithm, number)


def referenced(result: VerificationResult, card: Card) -> None:
    """MSE:Set AT named one of the offered protocols, and with several parameters which ones (object 84)."""
    opened()(result, card)
    assert isinstance(card, Witness)
    (data,) = [c.data for c in card.understood if c.ins == MANAGE_ENVIRONMENT and c.p1p2 == 0xC1A4]
    found = {o.tag: o.value for o in _tlv.iter_tlv(data)}
    offered = SecurityInfos.parse(card.files[_ACCESS]).pace
    chosen = [i for i in offered if _der.oid(i.protocol)[2:] == found[0x80]]
    assert found[0x83] == b"\x02"
    assert [i.parameter_id for i in chosen if bytes([i.parameter_id or 0]) == found.get(0x84)]


def mapped(result: VerificationResult, card: Card) -> None:
    opened("CAM")(result, card)
    (proof,) = result.report.results(_CA)
    assert (proof.status, proof.subject) == (CheckStatus.SUCCESSFUL, "EF.CardSecurity")
    assert result.report.status(CheckId.CARD_SECURITY) is CheckStatus.SUCCESSFUL


_INVALID_CAM = tlv(0x30, _der.oid("0.4.0.127.0.7.2.2.4.5.2"), _der.integer(2), _der.integer(12))
PROTOCOL, MALFORMED = Raises(ProtocolError), Raises(MalformedDataError)
DENIED = Raises(AccessDeniedError)
UNPROVEN = Refused(_CA, Reason.CHIP_PROOF_INVALID, "EF.CardSecurity")

CASES = {
    "ISO7816_G_01": every(PACE, _IM, _DH, CAM, offering(PaceOption("IM", 0, Cipher.AES128))),
    "ISO7816_G_02": every(*over("GM", (*_DH_PARAMETERS, *_EC_PARAMETERS)), mapping="GM"),
    "ISO7816_G_03": every(
        *over("IM", (*_DH_PARAMETERS, *(n for n in _EC_PARAMETERS if n not in _NOT_FOR_IM))),
        mapping="IM",
        note="all but secp224r1, which ICAO 9303-11 §9.5.1 excludes",
    ),
    "ISO7816_G_04": every(
        *(offering(PaceOption(m, n, c)) for m in ("GM", "IM") for n in (0, 12) for c in Cipher),  # type: ignore[arg-type]
        *(by_cam(12, c) for c in _AES),
    ),
    "ISO7816_G_05": Case(
        access(*_USUAL, TerminalAuthenticationInfo(version=1), CardInfo("https://card.example/info")),
        Accepted(),
        also=opened("GM"),
    ),
    "ISO7816_G_06": Case(
        lambda: Witness(
            passport(
                profile=offering(
                    PaceOption("GM", 12, Cipher.DES3),
                    PaceOption("GM", 13, Cipher.AES128),
                    PaceOption("GM", 16, Cipher.AES192),
                    PaceOption("IM", 17, Cipher.AES256),
                    PaceOption("GM", 1, Cipher.AES128),
                )
            )
        ),
        Accepted(),
        also=referenced,
    ),
    "ISO7816_G_07": Case(
        lambda: Witness(
            passport(
                profile=replace(
                    offering(PaceOption("GM", 12, Cipher.AES128), PaceOption("GM", 13, Cipher.AES128)),
                    card_access=SecurityInfos.of(
                        [
                            PaceInfo(_OPTION.protocol, 2, 12),
                            PaceInfo(_OPTION.protocol, 2, 13),
                            explicit("secp256r1", _OPTION.protocol, 12),
                            explicit("brainpoolP256r1", _OPTION.protocol, 13),
                        ]
                    ).encode(),
                )
            )
        ),
        Accepted(),
        also=referenced,
        note="the parameters are spelled out",
    ),
    "ISO7816_G_08": Case(
        lambda: (passport(profile=PACE, quirks=Quirks(pace_status=sw)) for sw in (0x6A80, 0x6A88, 0x6985, 0x6700)),
        DENIED,
        passwords=can_only,
    ),
    "ISO7816_G_09": at(1, valued(0x80, flipped(0)), Raises(WrongPasswordError), PACE, _IM, _DH),
    "ISO7816_G_10": refused_at(1, DENIED, 0x6A80, 0x6700, 0x6F00),
    "ISO7816_G_11": at(1, retagged(0x80, 0x90), PROTOCOL),
    "ISO7816_G_12": refused_at(2, DENIED, 0x6A80, 0x6985, 0x6700),
    "ISO7816_G_13": at(2, retagged(0x82, 0x92), PROTOCOL),
    "ISO7816_G_14": at(2, valued(0x82, lambda value: None), PROTOCOL, PACE, _DH, note="no mapping data"),
    "ISO7816_G_15": refused_at(
        2, DENIED, 0x6A80, 0x6985, profile=_IM, note="a status word: the chip has no data to send here"
    ),
    "ISO7816_G_16": several(2, wrong_points(0x82), MALFORMED),
    "ISO7816_G_17": several(2, wrong_elements(0x82), MALFORMED, _DH),
    "ISO7816_G_18": refused_at(3, DENIED, 0x6A80, 0x6985, 0x6700),
    "ISO7816_G_19": at(3, retagged(0x84, 0x94), PROTOCOL),
    "ISO7816_G_20": at(3, valued(0x84, lambda value: None), PROTOCOL, PACE, _DH, _IM, note="no ephemeral key"),
    "ISO7816_G_21": several(3, wrong_points(0x84), MALFORMED),
    "ISO7816_G_22": several(3, wrong_elements(0x84), MALFORMED, _DH),
    "ISO7816_G_23": at(3, terminals_own, PROTOCOL, PACE, _DH, _IM),
    "ISO7816_G_24": refused_at(4, Raises(WrongPasswordError), 0x6300, 0x6A80),
    "ISO7816_G_25": at(4, retagged(0x86, 0x96), PROTOCOL),
    "ISO7816_G_26": at(4, valued(0x86, flipped(0)), DENIED, PACE, _DH, _IM, note="a wrong token"),
    "ISO7816_G_27": Case(
        lambda: (passport(stored={_ACCESS: raw}, profile=PACE) for raw in _broken_access()),
        DENIED,
        passwords=can_only,
    ),
    "ISO7816_G_28": Case(
        lambda: (access(PaceInfo(_OPTION.protocol, 2, n))() for n in (3, 7, 19, 31)), DENIED, passwords=can_only
    ),
    "ISO7816_G_29": at(4, valued(0x8A, lambda value: None), PROTOCOL, CAM),
    "ISO7816_G_30": at(4, valued(0x8A, lambda v: _der.integer(7)), MALFORMED, CAM),
    "ISO7816_G_31": at(4, valued(0x8A, flipped(0)), UNPROVEN, CAM),
    "ISO7816_G_32": at(4, retagged(0x8A, 0x8B), PROTOCOL, CAM),
    "ISO7816_G_33": at(4, valued(0x8A, lambda v: b""), PROTOCOL, CAM),
    "ISO7816_G_34": Case(lambda: passport(profile=CAM), Accepted(), also=mapped),
    "ISO7816_G_35": Case(
        lambda: Altered(passport(profile=PACE), GENERAL_AUTHENTICATE, 3, added(0x8A, bytes(48))),
        Accepted(),
        passwords=can_only,
        also=opened("GM"),
    ),
    "ISO7816_G_36": Case(
        lambda: passport(
            profile=replace(
                offering(PaceOption("GM", 12, Cipher.DES3)),
                card_access=tlv(0x31, PaceInfo("0.4.0.127.0.7.2.2.4.2.1", 2, 12).encode(), _INVALID_CAM),
            )
        ),
        Accepted(),
        also=opened("GM"),
        note="the invalid identifier is that of DH with the chip authentication mapping",
    ),
    "ISO7816_G_39": Case(signed(another_key(i) for i in _CAM_SIGNED), UNPROVEN),
    "ISO7816_G_40": Case(
        signed(i for i in _CAM_SIGNED if not isinstance(i, ChipAuthenticationPublicKeyInfo)), UNPROVEN
    ),
    "ISO7816_G_41": every(*(by_cam(n) for n in _EC_PARAMETERS), mapping="CAM"),
}


def _broken_access() -> list[bytes]:
    """EF.CardAccess with another tag, cut off, and with a broken entry inside."""
    raw = usual(_ACCESS, PACE)
    inner = bytearray(raw)
    inner[3] += 5
    return [b"\x30" + raw[1:], raw[:1] + bytes([raw[1] + 9]) + raw[2:], bytes(inner)]


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
