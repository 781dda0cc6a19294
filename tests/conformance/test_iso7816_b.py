"""Unit ISO7816_B: basic access control, secure messaging, and a revoked signer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.crl import RevocationList
from idverify.chip.pki.trust_store import EntryKind, TrustStore, TrustStoreBuilder
from idverify.emulator import Card
from idverify.errors import AccessDeniedError, SecureMessagingError, WrongPasswordError
from idverify.report import CheckId, CheckStatus, Reason
from tests.conformance.documents import PKI, passport
from tests.conformance.inspection import Case, Raises, Refused
from tests.conformance.misbehaviour import (
    EXTERNAL_AUTHENTICATE,
    Altered,
    BrokenChannel,
    flipped,
    refusing,
    wrong_bac_cryptogram,
)


def answering(alter: Callable[[Card], Callable[[bytes, bytes], bytes]]) -> Callable[[], Card]:
    def document() -> Card:
        card = passport()
        return Altered(card, EXTERNAL_AUTHENTICATE, None, alter(card))

    return document


def broken(**damage: object) -> Case:
    return Case(lambda: BrokenChannel(passport(), **damage), Raises(SecureMessagingError))  # type: ignore[arg-type]


def wrong_checksum(apdu: bytes, answer: bytes) -> bytes:
    return answer[:-3] + bytes([answer[-3] ^ 1]) + answer[-2:]


def without_cryptogram(objects: list[bytes]) -> list[bytes]:
    """The status word alone, under a right checksum."""
    return [o for o in objects if o[0] != 0x87]


def garbled_cryptogram(objects: list[bytes]) -> list[bytes]:
    """A cryptogram whose last block decrypts to no padding."""
    return [flipped(-1)(o) if o[0] == 0x87 else o for o in objects]


def revoking(card: Card) -> TrustStore:
    builder = TrustStoreBuilder()
    builder.add(Certificate.parse(PKI.csca.der), EntryKind.CSCA)
    builder.add_revocation_list(RevocationList.parse(PKI.crl([PKI.dsc.serial])))
    return builder.build()


CASES = {
    "ISO7816_B_01": Case(answering(lambda card: wrong_checksum), Raises(AccessDeniedError)),
    "ISO7816_B_02": Case(answering(wrong_bac_cryptogram), Raises(AccessDeniedError)),
    "ISO7816_B_03": Case(answering(lambda card: refusing(0x6300)), Raises(WrongPasswordError)),
    "ISO7816_B_04": Case(
        lambda: (Altered(passport(), 0xB0, None, refusing(sw), protected=True) for sw in (0x6987, 0x6988)),
        Raises(SecureMessagingError),
        note="the chip does so in every session; a single loss is recovered from by opening the chip anew",
    ),
    "ISO7816_B_05": broken(checksum=lambda value: b""),
    "ISO7816_B_06": Case(
        lambda: BrokenChannel(passport(), damage=without_cryptogram),
        Refused(CheckId.SOD_SIGNATURE, Reason.FILE_MALFORMED, status=CheckStatus.NOT_PERFORMED),
        note="an authentic answer without data: no file can be read",
    ),
    "ISO7816_B_07": broken(damage=lambda objects: [o for o in objects if o[0] != 0x99]),
    "ISO7816_B_08": broken(checksum=lambda value: b"\x8e\x08" + flipped(0)(value)),
    "ISO7816_B_09": broken(damage=garbled_cryptogram),
    "ISO7816_B_10": Case(passport, Refused(CheckId.DSC_REVOCATION, Reason.REVOKED), trust=revoking),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
