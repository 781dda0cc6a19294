"""Unit ISO7816_D: chip authentication."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from idverify import _tlv
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import (
    ChipAuthenticationInfo,
    ChipAuthenticationPublicKeyInfo,
    SecurityInfo,
    SecurityInfos,
)
from idverify.crypto.block import Cipher
from idverify.emulator import Card, ChipAuthSpec, Quirks, _der
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import BAC, PACE, passport
from tests.conformance.inspection import Accepted, Case, Refused, inspect
from tests.conformance.misbehaviour import GENERAL_AUTHENTICATE, Witness

_CA = CheckId.CHIP_AUTHENTICATION
_DG14 = FileId.DG14


def document(*specs: ChipAuthSpec, **changes: object) -> Card:
    return passport(profile=replace(BAC, ca=specs, **changes))  # type: ignore[arg-type]


def proven(result: VerificationResult, card: Card) -> None:
    assert result.report.status(_CA) is CheckStatus.SUCCESSFUL


def works(*documents: tuple[ChipAuthSpec, ...]) -> Case:
    return Case(lambda: (document(*specs) for specs in documents), Accepted(), also=proven)


def rewritten(change: Callable[[SecurityInfo], SecurityInfo], spec: ChipAuthSpec) -> Card:
    """DG14 with infos changed, signed so; the chip keeps its keys."""
    infos = DG14.parse(document(spec).files[_DG14]).security_infos.infos
    raw = DG14.encode(SecurityInfos.of([change(i) for i in infos]))
    return passport({_DG14: raw}, profile=replace(BAC, ca=(spec,)))


def with_key(change: Callable[[bytes], bytes]) -> Callable[[SecurityInfo], SecurityInfo]:
    def apply(info: SecurityInfo) -> SecurityInfo:
        if not isinstance(info, ChipAuthenticationPublicKeyInfo):
            return info
        return ChipAuthenticationPublicKeyInfo(info.protocol, change(info.public_key), info.key_id)

    return apply


def with_key_id(number: int | None, *kinds: type[SecurityInfo]) -> Callable[[SecurityInfo], SecurityInfo]:
    def apply(info: SecurityInfo) -> SecurityInfo:
        if isinstance(info, ChipAuthenticationPublicKeyInfo) and ChipAuthenticationPublicKeyInfo in kinds:
            return ChipAuthenticationPublicKeyInfo(info.protocol, info.public_key, number)
        if isinstance(info, ChipAuthenticationInfo) and ChipAuthenticationInfo in kinds:
            return ChipAuthenticationInfo(info.protocol, info.version, number)
        return info

    return apply


def another_algorithm(spki: bytes) -> bytes:
    """The key under the identifier of another kind of key."""
    algorithm = _der.sequence(_der.oid("1.2.840.113549.1.9.1"), _der.NULL)
    return _der.sequence(algorithm, _tlv.read_tlv(spki).children()[1].raw)


def last_bit(spki: bytes) -> bytes:
    return spki[:-1] + bytes([spki[-1] ^ 1])


def fresh_keys(result: VerificationResult, card: Card) -> None:
    """A second inspection of the same card sends another ephemeral key, and both succeed."""
    proven(result, card)
    assert isinstance(card, Witness)
    first = card.data_of(GENERAL_AUTHENTICATE)
    proven(inspect(card), card)
    both = card.data_of(GENERAL_AUTHENTICATE)
    assert (len(first), len(both)) == (1, 2)
    assert both[0] != both[1]


def in_one_command(result: VerificationResult, card: Card) -> None:
    """The key of 2048 bits went out in one command of extended length."""
    proven(result, card)
    assert isinstance(card, Witness)
    command = [c for c in card.understood if c.ins == GENERAL_AUTHENTICATE][-1]  # those before belong to PACE
    assert command.extended
    assert len(command.data) > 256


_EC = ChipAuthSpec("secp256r1", Cipher.AES128)
_EC_1 = replace(_EC, key_id=1)
_DH = ChipAuthSpec("dh-1", Cipher.AES128)
REFUSED = Refused(_CA, Reason.CHIP_REFUSED)
UNUSABLE = Refused(_CA, Reason.ALGORITHM_UNSUPPORTED, status=CheckStatus.UNDETERMINED)
WRONG_KEY = Refused(_CA, Reason.CHIP_PROOF_INVALID)


def with_status_words() -> Iterable[Card]:
    for sw in (0x6A80, 0x6A88, 0x6982, 0x6985, 0x6300):
        yield Witness(document(_EC_1), lambda command, sw=sw: sw if command.p1p2 == 0x41A4 else None)  # type: ignore[misc]


CASES = {
    "ISO7816_D_01": works((_DH,), (replace(_DH, cipher=Cipher.DES3),), (ChipAuthSpec("dh-2", Cipher.AES256),)),
    "ISO7816_D_02": works(
        (_EC,), (replace(_EC, cipher=Cipher.DES3),), (ChipAuthSpec("brainpoolP256r1", Cipher.AES256),)
    ),
    "ISO7816_D_03": works((_EC_1,)),
    "ISO7816_D_04": works((_EC_1, ChipAuthSpec("brainpoolP256r1", Cipher.AES128, 2))),
    "ISO7816_D_05": works(
        (_EC_1, ChipAuthSpec("brainpoolP256r1", Cipher.AES256, 2), ChipAuthSpec("dh-1", Cipher.AES128, 3))
    ),
    "ISO7816_D_06": Case(
        lambda: rewritten(with_key_id(7, ChipAuthenticationPublicKeyInfo, ChipAuthenticationInfo), _EC_1), REFUSED
    ),
    "ISO7816_D_07": Case(lambda: rewritten(with_key(last_bit), _DH), UNUSABLE, note="a value outside its group"),
    "ISO7816_D_08": Case(lambda: rewritten(with_key(last_bit), _EC), UNUSABLE, note="a point off its curve"),
    "ISO7816_D_09": Case(lambda: passport(quirks=Quirks(ca_keeps_old_keys=True)), WRONG_KEY),
    "ISO7816_D_10": Case(lambda: Witness(passport()), Accepted(), also=fresh_keys),
    "ISO7816_D_11": Case(lambda: rewritten(with_key(another_algorithm), _DH), UNUSABLE),
    "ISO7816_D_12": Case(lambda: rewritten(with_key(another_algorithm), _EC), UNUSABLE),
    "ISO7816_D_13": Case(
        lambda: rewritten(with_key_id(2, ChipAuthenticationPublicKeyInfo), _EC_1),
        Refused(CheckId.DOCUMENT_CONTENTS, Reason.PROFILE_DEVIATION, "DG14", words="names another key"),
    ),
    "ISO7816_D_14": Case(
        lambda: Witness(passport(profile=replace(PACE, ca=(ChipAuthSpec("dh-2", Cipher.AES128),)))),
        Accepted(),
        also=in_one_command,
    ),
    "ISO7816_D_15": Case(with_status_words, REFUSED),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
