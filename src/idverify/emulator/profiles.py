"""Kinds of documents that the emulator can personalise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from idverify.chip.lds.files import FileId
from idverify.crypto.block import Cipher
from idverify.emulator._apdu import SW_OK, SW_SECURITY, SW_UNKNOWN_INS, SW_WRONG
from idverify.emulator.pace import PaceOption

CCCD_CARD_ACCESS: Final = bytes.fromhex(
    "3134300D060804007F0007020202020101300F060A04007F000702020302020201013012060A04007F0007020204020202010202010D"
)
"""EF.CardAccess of the citizen card, the same on every card."""


@dataclass(frozen=True, slots=True)
class ChipAuthSpec:
    """A chip authentication key to be made.

    Attributes:
        kind: a curve's name, or ``dh-0``, ``dh-1``, ``dh-2`` for the standardised groups.
        cipher: cipher of the channel.
        key_id: its identifier, or None.
        version: 1, or 2 with terminal authentication before it.
    """

    kind: str = "brainpoolP256r1"
    cipher: Cipher = Cipher.AES128
    key_id: int | None = None
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A kind of document.

    Attributes:
        name: what :func:`~idverify.emulator.personalise` takes.
        title: one line about it.
        holder: who holds it: a citizen card's holder, or a traveller.
        groups: data groups that EF.COM lists and the chip holds.
        bac: opened by basic access control.
        pace: ways of PACE.
        can, pin: whether the chip has these passwords.
        aa: kind of active authentication key: ``rsa-2048``, a curve's name, or None.
        aa_hash: hash of active authentication.
        ca: chip authentication keys.
        ta: whether the chip does terminal authentication, 0 for not, else the version.
        card_security: whether there is an EF.CardSecurity.
        on_card: whether the chip compares fingers itself.
        atr_info, dir: whether there are EF.ATR/INFO and EF.DIR.
        card_access: the bytes of EF.CardAccess where they are fixed.
        select_mf, wrong_key: status words.
        extended_length: whether extended APDUs are understood.
        country: country code of the issuer's certificates.
        explicit_parameters: whether these spell out their curves.
        hash_name: hash of the SOD.
        lds_version: version that EF.COM and a version 1 security object say.
        security_object_v1: whether the security object is of version 1.
    """

    name: str
    title: str
    holder: Literal["citizen", "traveller"] = "traveller"
    groups: tuple[FileId, ...] = (FileId.DG1, FileId.DG2)
    bac: bool = True
    pace: tuple[PaceOption, ...] = ()
    can: bool = False
    pin: bool = False
    aa: str | None = None
    aa_hash: str = "sha256"
    ca: tuple[ChipAuthSpec, ...] = ()
    ta: int = 0
    card_security: bool = False
    on_card: bool = False
    atr_info: bool = False
    dir: bool = False
    card_access: bytes | None = None
    select_mf: int = SW_OK
    wrong_key: int = SW_WRONG
    extended_length: bool = True
    country: str = "UT"
    explicit_parameters: bool = False
    hash_name: str = "sha256"
    lds_version: str = "0107"
    security_object_v1: bool = False


_CITIZEN_GROUPS: Final = (FileId.DG1, FileId.DG2, FileId.DG3, FileId.DG13, FileId.DG14, FileId.DG15)
_BIOMETRIC: Final = (FileId.DG1, FileId.DG2, FileId.DG3, FileId.DG4, FileId.DG14)

_ALL: Final = (
    Profile(
        name="cccd-2021",
        title="Viet Nam's chip-based citizen card of 2021",
        holder="citizen",
        groups=_CITIZEN_GROUPS,
        pace=(PaceOption("GM", 13, Cipher.AES128),),
        can=True,
        aa="rsa-2048",
        ca=(ChipAuthSpec(),),
        ta=1,
        card_access=CCCD_CARD_ACCESS,
        select_mf=SW_UNKNOWN_INS,
        country="VN",
        explicit_parameters=True,
    ),
    Profile(
        name="cccd-2024",
        title="Viet Nam's identity card of 1 July 2024, with data groups of the authority's own",
        holder="citizen",
        groups=(*_CITIZEN_GROUPS, FileId.DG16),
        pace=(PaceOption("GM", 13, Cipher.AES128),),
        can=True,
        aa="brainpoolP256r1",
        ca=(ChipAuthSpec(),),
        ta=1,
        card_access=CCCD_CARD_ACCESS,
        select_mf=SW_SECURITY,
        country="VN",
        explicit_parameters=True,
        hash_name="sha384",
    ),
    Profile(
        name="cccd-moc",
        title="A citizen card that compares fingers on the card",
        holder="citizen",
        groups=_CITIZEN_GROUPS,
        pace=(PaceOption("GM", 13, Cipher.AES128),),
        can=True,
        aa="brainpoolP256r1",
        ca=(ChipAuthSpec(),),
        ta=1,
        on_card=True,
        card_access=CCCD_CARD_ACCESS,
        select_mf=SW_UNKNOWN_INS,
        country="VN",
        explicit_parameters=True,
    ),
    Profile(
        name="passport-bac",
        title="A passport with basic access control and nothing else",
        wrong_key=SW_SECURITY,
        extended_length=False,
        hash_name="sha1",
    ),
    Profile(
        name="passport-open",
        title="A passport of the first generation without access control",
        bac=False,
        extended_length=False,
        hash_name="sha1",
    ),
    Profile(
        name="passport-pace-im",
        title="A passport with PACE in the integrated mapping and nothing else",
        bac=False,
        pace=(PaceOption("IM", 12, Cipher.AES128),),
        can=True,
        dir=True,
        groups=(FileId.DG1, FileId.DG2, FileId.DG14),
        ca=(ChipAuthSpec("secp256r1"),),
    ),
    Profile(
        name="passport-pace-cam",
        title="A passport with PACE in the chip authentication mapping, and the generic one beside it",
        pace=(PaceOption("CAM", 13, Cipher.AES128), PaceOption("GM", 13, Cipher.AES128)),
        can=True,
        card_security=True,
        atr_info=True,
        dir=True,
        groups=(FileId.DG1, FileId.DG2, FileId.DG14),
        ca=(ChipAuthSpec(),),
        lds_version="0108",
        security_object_v1=True,
    ),
    Profile(
        name="passport-pace-many",
        title="A passport with several PACEInfos over different parameters and ciphers",
        pace=(
            PaceOption("GM", 13, Cipher.AES128),
            PaceOption("GM", 12, Cipher.AES128),
            PaceOption("GM", 16, Cipher.AES192),
            PaceOption("GM", 17, Cipher.AES256),
            PaceOption("IM", 13, Cipher.AES256),
            PaceOption("GM", 1, Cipher.AES128),
        ),
        can=True,
        groups=(FileId.DG1, FileId.DG2, FileId.DG14),
    ),
    Profile(
        name="passport-pace-3des",
        title="A passport with PACE over 3DES and Diffie-Hellman in a prime field",
        bac=False,
        pace=(PaceOption("GM", 2, Cipher.DES3),),
        can=True,
        groups=(FileId.DG1, FileId.DG2, FileId.DG14),
        ca=(ChipAuthSpec("dh-2", Cipher.DES3),),
    ),
    Profile(
        name="passport-eac",
        title="A passport with fingerprints and irises behind terminal authentication",
        pace=(PaceOption("GM", 13, Cipher.AES128),),
        can=True,
        groups=(*_BIOMETRIC, FileId.DG15),
        aa="brainpoolP256r1",
        ca=(ChipAuthSpec(),),
        ta=1,
    ),
    Profile(
        name="passport-eac-bac",
        title="A passport of 2009: basic access control, chip authentication with 3DES, terminal authentication",
        groups=_BIOMETRIC,
        ca=(ChipAuthSpec("brainpoolP224r1", Cipher.DES3),),
        ta=1,
    ),
    Profile(
        name="eid-eac2",
        title="An identity card with the general authentication procedure: PACE, terminal and chip authentication 2",
        bac=False,
        pace=(PaceOption("GM", 13, Cipher.AES128),),
        can=True,
        pin=True,
        card_security=True,
        groups=_BIOMETRIC,
        ca=(ChipAuthSpec("brainpoolP256r1", Cipher.AES128, 1, 2),),
        ta=2,
    ),
    Profile(
        name="passport-aa-rsa",
        title="A passport with active authentication under RSA and SHA-1",
        groups=(FileId.DG1, FileId.DG2, FileId.DG15),
        aa="rsa-1024",
        aa_hash="sha1",
    ),
    Profile(
        name="passport-aa-ecdsa",
        title="A passport with active authentication under ECDSA",
        groups=(FileId.DG1, FileId.DG2, FileId.DG14, FileId.DG15),
        aa="secp256r1",
    ),
)

PROFILES: Final[Mapping[str, Profile]] = MappingProxyType({p.name: p for p in _ALL})
"""Every profile by name."""
