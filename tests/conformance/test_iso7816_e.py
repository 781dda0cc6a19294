"""Unit ISO7816_E: terminal authentication, after chip authentication, and what it opens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import pytest

from idverify._tlv import encode as tlv
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.files import FileId
from idverify.crypto.block import Cipher
from idverify.emulator import Card, ChipAuthSpec, CvIssued, Profile, TestCvPki
from idverify.emulator.terminal_auth import RIGHT_DG3, RIGHT_DG4, ROLE_CVCA, ROLE_DV_DOMESTIC, ROLE_TERMINAL
from idverify.errors import ProtocolError
from idverify.report import CheckId, CheckStatus, Reason
from tests.conformance.extended import (
    EAC,
    EAC_PACE,
    TERMINAL,
    Inspected,
    authority,
    credentials,
    document,
    procedure,
    trusting,
    usual_credentials,
)
from tests.conformance.inspection import Accepted, Case, Raises, Reaction, Refused
from tests.conformance.misbehaviour import with_image

_G = FileId
_BOTH = RIGHT_DG3 | RIGHT_DG4
BOTH = ("DG3", "DG4")


def displayed(*groups: str, reason: Reason = Reason.OK) -> Callable[[Inspected, Card], None]:
    """The chip accepted the terminal, and these groups were read."""

    def also(result: Inspected, card: Card) -> None:
        (found,) = result.report.results(TERMINAL)
        assert (found.status, found.reason) == (CheckStatus.SUCCESSFUL, reason)
        assert result.biometric == groups

    return also


def nothing_displayed(result: Inspected, card: Card) -> None:
    assert result.biometric == ()


def case(
    make: Callable[[], Card],
    has: Callable[[], TerminalCredentials],
    reaction: Reaction | None = None,
    also: Callable[[Inspected, Card], None] | None = None,
    note: str = "",
) -> Case:
    if also is None:
        also = nothing_displayed if isinstance(reaction, Refused) else displayed(*BOTH)
    return Case(make, reaction or Accepted(), procedure=procedure(has), also=also, note=note)


def algorithm(kind: str, hash_name: str, *, pss: bool = True, note: str = "", profile: Profile = EAC) -> Case:
    def pki() -> TestCvPki:
        return authority(kind, hash_name, pss=pss)

    return case(lambda: document(pki(), profile), lambda: usual_credentials(pki()), note=note)


def has() -> TerminalCredentials:
    return usual_credentials(authority())


def refused(reason: Reason) -> Refused:
    return Refused(TERMINAL, reason)


# ---- EF.CVCA -------------------------------------------------------------------------------------------------------


def naming(*references: str, padding: bytes = b"") -> Callable[[], Card]:
    raw = b"".join(tlv(0x42, r.encode()) for r in references) or padding
    return lambda: document(files={_G.CVCA: raw.ljust(36, b"\0")[: max(36, len(raw))]})


# ---- chips that behave otherwise -----------------------------------------------------------------------------------


class OtherName(Card):
    """A chip that takes itself for another document."""

    def __init__(self, card: Card) -> None:
        super().__init__(card.image)
        right = self._os._authenticate_terminal

        def authenticate(command, challenge):  # type: ignore[no-untyped-def]
            self._os._chip_name = b"M" + self._os._chip_name[1:]
            return right(command, challenge)

        self._os._authenticate_terminal = authenticate  # type: ignore[method-assign]


class OtherChallenge(Card):
    """A chip whose challenges for the terminal have another length; those of BAC are right."""

    def __init__(self, card: Card, size: int) -> None:
        super().__init__(card.image)
        right = self._os.execute

        def execute(command, room):  # type: ignore[no-untyped-def]
            data, sw = right(command, room)
            if command.ins == 0x84 and self._os.messaging is not None:
                data = (data + b"\x55")[:size]
            return data, sw

        self._os.execute = execute  # type: ignore[method-assign]


def on_another_day() -> Card:
    """The chip's date lies behind the end of every certificate but the CVCA's."""
    card = document()
    trust = card.image.terminal
    assert trust is not None
    return with_image(card, terminal=replace(trust, today=date(2049, 12, 31)))


# ---- terminals with other certificates -----------------------------------------------------------------------------


def with_rights(rights: int) -> Callable[[], TerminalCredentials]:
    return lambda: usual_credentials(authority(rights=rights))


def damaged(index: int) -> Callable[[], TerminalCredentials]:
    """The chain with the last byte of one certificate's signature changed; the CVCA's own is not at hand."""

    def make() -> TerminalCredentials:
        pki = authority()
        chain = [bytearray(c) for c in pki.chain]
        chain[index][-1] ^= 1
        return credentials(map(bytes, chain), pki.terminal)

    return make


def short_lived() -> TerminalCredentials:
    pki = authority()
    last = date(2030, 1, 1)
    dv = pki.issue("DV", 7, pki.cvca, ROLE_DV_DOMESTIC | _BOTH, expires=last)
    terminal = pki.issue("IS", 7, dv, ROLE_TERMINAL | _BOTH, expires=last)
    return credentials((dv.der, terminal.der), terminal)


def under_links(links: int, *, shown: bool = True) -> tuple[TerminalCredentials, list[CvIssued]]:
    """A terminal under the newest CVCA, with the link certificates from the first one."""
    pki = authority()
    authorities = [pki.cvca]
    for number in range(2, 2 + links):
        authorities.append(pki.issue("CVCA", number, authorities[-1], ROLE_CVCA | _BOTH))
    dv = pki.issue("DV", 16, authorities[-1], ROLE_DV_DOMESTIC | _BOTH)
    terminal = pki.issue("IS", 16, dv, ROLE_TERMINAL | _BOTH)
    certificates = [*(a.der for a in authorities), dv.der, terminal.der]
    return credentials(certificates, terminal), authorities


def linked(links: int) -> Case:
    """The trust point is the first CVCA; the chip learns the newest one."""

    def also(result: Inspected, card: Card) -> None:
        displayed(*BOTH)(result, card)
        trust = card._os._trust
        assert trust is not None
        assert trust.references[0].endswith(f"{1 + links:05d}")

    return case(document, lambda: under_links(links)[0], also=also)


def not_needed() -> Card:
    """The chip trusts the newest CVCA already."""
    newest = under_links(1)[1][-1]
    raw = tlv(0x42, newest.holder.encode()).ljust(36, b"\0")
    return trusting(document(files={_G.CVCA: raw}), newest)


def only(*groups: FileId) -> Profile:
    left = tuple(g for g in EAC.groups if g not in (_G.DG3, _G.DG4) or g in groups)
    return replace(EAC, groups=left)


def with_details() -> Card:
    profile = replace(EAC, groups=(*EAC.groups, _G.DG11, _G.DG12))
    tags = b"\x5f\x0e"
    eleven = tlv(0x6B, tlv(0x5C, tags), tlv(0x5F0E, b"MUSTER<<ERDACHT"))
    twelve = tlv(0x6C, tlv(0x5C, b"\x5f\x19"), tlv(0x5F19, b"EMULATED AUTHORITY"))
    return _listing(profile, {_G.DG11: eleven, _G.DG12: twelve})


def _listing(profile: Profile, files: dict[FileId, bytes]) -> Card:
    """A passport with groups that no profile of the emulator writes, listed in EF.COM and signed."""
    plain = replace(profile, groups=tuple(g for g in profile.groups if g not in files))
    listed = EfCom.encode(profile.groups, lds_version="0107")
    return document(profile=plain, files={**files, _G.COM: listed})


def read_details(result: Inspected, card: Card) -> None:
    displayed(*BOTH)(result, card)
    assert {_G.DG11, _G.DG12} <= set(result.files)


MALFORMED = Refused(CheckId.DOCUMENT_CONTENTS, Reason.FILE_MALFORMED, "EF.CVCA")

CASES = {
    "ISO7816_E_01": algorithm("rsa-1024", "sha1", pss=False),
    "ISO7816_E_02": algorithm("rsa-1024", "sha256", pss=False),
    "ISO7816_E_03": algorithm("rsa-1024", "sha1"),
    "ISO7816_E_04": algorithm("rsa-1024", "sha256"),
    "ISO7816_E_05": algorithm("secp256r1", "sha1"),
    "ISO7816_E_06": algorithm("secp256r1", "sha224"),
    "ISO7816_E_07": algorithm("secp256r1", "sha256"),
    "ISO7816_E_08": case(naming("UTTESTCVCA00002"), has, refused(Reason.TERMINAL_ISSUER_UNKNOWN)),
    "ISO7816_E_09": Case(naming(padding=b"\x42"), MALFORMED, procedure=procedure(has)),
    "ISO7816_E_10": Case(
        naming("UTCV00001", "UTCV00002", "UTCV00003"),
        MALFORMED,
        procedure=procedure(has),
        note="either outcome is allowed; the reader goes on, and names the file",
    ),
    "ISO7816_E_11": case(lambda: OtherName(document()), has, refused(Reason.TERMINAL_PROOF_REFUSED)),
    "ISO7816_E_12": Case(lambda: OtherChallenge(document(), 7), Raises(ProtocolError), procedure=procedure(has)),
    "ISO7816_E_13": Case(lambda: OtherChallenge(document(), 9), Raises(ProtocolError), procedure=procedure(has)),
    "ISO7816_E_14": case(document, with_rights(RIGHT_DG4), also=displayed("DG4", reason=Reason.RIGHTS_INSUFFICIENT)),
    "ISO7816_E_15": case(document, with_rights(RIGHT_DG3), also=displayed("DG3", reason=Reason.RIGHTS_INSUFFICIENT)),
    "ISO7816_E_16": case(document, with_rights(0), also=displayed(reason=Reason.RIGHTS_INSUFFICIENT)),
    "ISO7816_E_17": case(document, damaged(0), refused(Reason.TERMINAL_CERTIFICATE_REFUSED)),
    "ISO7816_E_18": case(document, damaged(1), refused(Reason.TERMINAL_CERTIFICATE_REFUSED)),
    "ISO7816_E_19": case(on_another_day, short_lived, refused(Reason.TERMINAL_CERTIFICATE_REFUSED)),
    "ISO7816_E_24": case(
        document,
        lambda: credentials((authority().terminal.der,), authority().terminal),
        refused(Reason.TERMINAL_ISSUER_UNKNOWN),
    ),
    "ISO7816_E_26": case(
        with_details, has, also=read_details, note="DG11 and DG12 need no terminal authentication here"
    ),
    "ISO7816_E_27": algorithm("rsa-1024", "sha256", profile=replace(EAC, ca=(ChipAuthSpec("dh-1", Cipher.DES3),))),
    "ISO7816_E_28": algorithm(
        "secp256r1", "sha256", profile=replace(EAC, ca=(ChipAuthSpec("secp224r1", Cipher.DES3),))
    ),
    "ISO7816_E_29": case(lambda: document(profile=only(_G.DG3)), with_rights(RIGHT_DG3), also=displayed("DG3")),
    "ISO7816_E_30": case(lambda: document(profile=only(_G.DG4)), with_rights(RIGHT_DG4), also=displayed("DG4")),
    "ISO7816_E_31": case(lambda: document(profile=EAC_PACE), has),
    "ISO7816_E_32": linked(1),
    "ISO7816_E_33": linked(2),
    "ISO7816_E_34": case(not_needed, lambda: under_links(1)[0]),
    "ISO7816_E_35": algorithm("rsa-1024", "sha512", pss=False),
    "ISO7816_E_36": algorithm(
        "rsa-2048", "sha512", note="2048 bits: 1024 are too few for this hash and a salt of its length"
    ),
    "ISO7816_E_37": algorithm("secp256r1", "sha384"),
    "ISO7816_E_38": algorithm("secp256r1", "sha512"),
}


@pytest.mark.parametrize("case", CASES)
def test_case(case: str) -> None:
    CASES[case].run()
