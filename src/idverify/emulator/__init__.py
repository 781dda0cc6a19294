"""A software eMRTD and its issuer, for this library's tests and for those of integrators. Never a real document.

The chip has its own secure messaging, BAC, PACE, chip, active and terminal authentication: the reader's side of these
protocols is not used here, so that the two keep each other honest::

    card = citizen_card(seed=1)
    transport = MemoryTransport(card)                # or serve(card) to a real PC/SC stack
    password = AccessPassword.can(card.can)
"""

from idverify.emulator._random import SeededRandom
from idverify.emulator.active_auth import ActiveAuthKey
from idverify.emulator.card import Card, with_quirks
from idverify.emulator.certificates import CertificateSpec, IssuedCertificate, Name, Scheme, Validity
from idverify.emulator.chip_auth import ChipAuthKey
from idverify.emulator.cv_pki import CvIssued, TestCvPki
from idverify.emulator.faults import Fault, FaultKind
from idverify.emulator.holder import CitizenHolder, TravelHolder
from idverify.emulator.image import EMRTD_AID, CardImage
from idverify.emulator.keys import EcKey, RsaKey, make_key, pkcs8
from idverify.emulator.match_on_card import OnCardFinger, another_impression, invent_minutiae
from idverify.emulator.pace import PaceOption
from idverify.emulator.personalise import citizen_card, from_files, personalise
from idverify.emulator.pki import TestPki
from idverify.emulator.portrait import chip_portrait, default_portrait
from idverify.emulator.profiles import CCCD_CARD_ACCESS, PROFILES, ChipAuthSpec, Profile
from idverify.emulator.quirks import Quirks
from idverify.emulator.signed_data import CmsQuirks
from idverify.emulator.tamper import (
    copied_card,
    downgraded_card,
    expired_dsc,
    flip_byte,
    foreign_csca,
    other_dsc,
    with_active_auth_key,
    with_files,
)
from idverify.emulator.terminal_auth import TerminalTrust

__all__ = [
    "CCCD_CARD_ACCESS",
    "EMRTD_AID",
    "PROFILES",
    "ActiveAuthKey",
    "Card",
    "CardImage",
    "CertificateSpec",
    "ChipAuthKey",
    "ChipAuthSpec",
    "CitizenHolder",
    "CmsQuirks",
    "CvIssued",
    "EcKey",
    "Fault",
    "FaultKind",
    "IssuedCertificate",
    "Name",
    "OnCardFinger",
    "PaceOption",
    "Profile",
    "Quirks",
    "RsaKey",
    "Scheme",
    "SeededRandom",
    "TerminalTrust",
    "TestCvPki",
    "TestPki",
    "TravelHolder",
    "Validity",
    "another_impression",
    "chip_portrait",
    "citizen_card",
    "copied_card",
    "default_portrait",
    "downgraded_card",
    "expired_dsc",
    "flip_byte",
    "foreign_csca",
    "from_files",
    "invent_minutiae",
    "make_key",
    "other_dsc",
    "personalise",
    "pkcs8",
    "with_active_auth_key",
    "with_files",
    "with_quirks",
]
