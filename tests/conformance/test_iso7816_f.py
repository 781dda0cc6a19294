"""Unit ISO7816_F: active authentication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import ActiveAuthenticationInfo, SecurityInfos
from idverify.emulator import ActiveAuthKey, Card
from idverify.oids import Signature
from idverify.report import CheckId, CheckStatus, Reason
from idverify.verification import VerificationResult
from tests.conformance.documents import ACTIVE, passport, usual
from tests.conformance.inspection import Accepted, Case, Refused
from tests.conformance.misbehaviour import with_image

_AA = CheckId.ACTIVE_AUTHENTICATION


def proven(algorithm: str) -> Callable[[VerificationResult, Card], None]:
    def also(result: VerificationResult, card: Card) -> None:
        (found,) = result.report.results(_AA)
        assert found.status is CheckStatus.SUCCESSFUL
        assert algorithm in found.evidence["algorithm"]

    return also


def document(aa: str, hash_name: str) -> Card:
    return passport(profile=replace(ACTIVE, aa=aa, aa_hash=hash_name))


def rsa(hash_name: str) -> Case:
    return Case(lambda: document("rsa-1024", hash_name), Accepted(), also=proven(f"iso9796-2 {hash_name}"))


@dataclass(frozen=True, slots=True)
class WrongTrailer(ActiveAuthKey):
    """Ends the message representative with the trailer of no hash."""

    def _trailer(self) -> bytes:
        return b"\x3f\xcc"


def wrong_trailer() -> Card:
    card = document("rsa-1024", "sha256")
    key = card.image.active_auth
    assert key is not None
    return with_image(card, active_auth=WrongTrailer(key.key, key.hash_name))


def invalid_oid() -> Card:
    """DG14 names an algorithm that no key on a curve can have."""
    infos = DG14.parse(usual(FileId.DG14, ACTIVE)).security_infos.infos
    wrong = ActiveAuthenticationInfo(str(Signature.SHA256_WITH_RSA))
    changed = [wrong if isinstance(i, ActiveAuthenticationInfo) else i for i in infos]
    return passport({FileId.DG14: DG14.encode(SecurityInfos.of(changed))}, profile=ACTIVE)


CASES = {
    "ISO7816_F_01": rsa("sha1"),
    "ISO7816_F_02": Case(lambda: document("secp256r1", "sha256"), Accepted(), also=proven("ecdsa-plain sha256")),
    "ISO7816_F_04": rsa("sha224"),
    "ISO7816_F_05": rsa("sha256"),
    "ISO7816_F_06": rsa("sha384"),
    "ISO7816_F_07": rsa("sha512"),
    "ISO7816_F_08": Case(wrong_trailer, Refused(_AA, Reason.CHIP_PROOF_INVALID)),
    "ISO7816_F_09": Case(invalid_oid, Refused(_AA, Reason.ALGORITHM_UNSUPPORTED, status=CheckStatus.UNDETERMINED)),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
