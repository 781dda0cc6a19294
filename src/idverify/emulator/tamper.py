"""Attacks on emulated cards: what a counter must not accept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from idverify.chip.lds.files import FileId
from idverify.chip.lds.security_infos import PaceInfo, SecurityInfos
from idverify.emulator._random import SeededRandom
from idverify.emulator.active_auth import ActiveAuthKey
from idverify.emulator.card import Card
from idverify.emulator.chip_auth import ChipAuthKey
from idverify.emulator.groups import DhKey, DhPrimeGroup
from idverify.emulator.image import CardImage
from idverify.emulator.keys import EcKey, PrivateKey, RsaKey, make_key
from idverify.emulator.personalise import sign
from idverify.emulator.pki import TestPki
from idverify.errors import ConfigurationError


def flip_byte(card: Card, file: FileId, offset: int = -1, *, mask: int = 0x01) -> Card:
    """The card with one byte of a file changed, its length kept.

    Args:
        card: the card.
        file: which file.
        offset: which byte; a negative one counts from the end.
        mask: bits to invert, 1 … 255.

    Raises:
        ConfigurationError: the card has no such file.
    """
    raw = bytearray(_file(card.image, file))
    raw[offset] ^= mask
    return with_files(card, {file: bytes(raw)})


def with_files(card: Card, files: Mapping[FileId, bytes | None]) -> Card:
    """The card with other files, not signed anew; None takes a file away."""
    merged = {**card.image.files, **files}
    return _made(card, files=MappingProxyType({f: raw for f, raw in merged.items() if raw is not None}))


def foreign_csca(card: Card) -> Card:
    """The card signed by an authority with every name of its own one, but other keys."""
    return Card(sign(card.image, _authority(card).impostor()))


def expired_dsc(card: Card) -> Card:
    """The card signed by a document signer whose certificate ended in 2021."""
    authority = _authority(card)
    return Card(sign(card.image, authority, signer=authority.expired_dsc()))


def other_dsc(card: Card, number: int = 2, **changes: object) -> Card:
    """The card signed by another document signer of its authority; see :meth:`TestPki.issue_dsc` for ``changes``."""
    authority = _authority(card)
    return Card(sign(card.image, authority, signer=authority.issue_dsc(number, **changes)))  # type: ignore[arg-type]


def copied_card(card: Card) -> Card:
    """A copy: every file, but not the private keys of active and chip authentication."""
    image = card.image
    aa = image.active_auth
    return _made(
        card,
        active_auth=replace(aa, key=_another(aa.key)) if aa else None,
        chip_auth=tuple(replace(k, key=_another_agreement_key(k)) for k in image.chip_auth),
    )


def downgraded_card(card: Card, *mappings: str) -> Card:
    """The card with an EF.CardAccess that offers only these mappings of PACE (``GM``, ``IM``, ``CAM``).

    The chip is the genuine one and can do all that it could; with none given it has no EF.CardAccess. So a card looks
    to a reader when somebody stands between them, for nobody signs EF.CardAccess.

    Raises:
        ConfigurationError: the card has no EF.CardAccess.
    """
    raw = _file(card.image, FileId.CARD_ACCESS)
    if not mappings:
        return with_files(card, {FileId.CARD_ACCESS: None})
    infos = SecurityInfos.parse_card_access(raw).infos
    kept = [i for i in infos if not isinstance(i, PaceInfo) or i.mapping in mappings]
    return with_files(card, {FileId.CARD_ACCESS: SecurityInfos.of(kept).encode()})


def with_active_auth_key(card: Card, key: ActiveAuthKey, *, signed: bool = False) -> Card:
    """A copy with a key pair of the attacker's in DG15; ``signed`` has it signed by the authority too."""
    from idverify.chip.lds.dg15 import DG15

    files = {**card.image.files, FileId.DG15: DG15.encode(key.key.spki())}
    image = replace(card.image, files=MappingProxyType(files), active_auth=key)
    return Card(sign(image, _authority(card)) if signed else image)


def _made(card: Card, **fields: object) -> Card:
    return Card(replace(card.image, **fields))  # type: ignore[arg-type]


def _file(image: CardImage, file: FileId) -> bytes:
    try:
        return image.files[file]
    except KeyError:
        raise ConfigurationError(f"the card has no {file.label}") from None


def _authority(card: Card) -> TestPki:
    authority = card.image.authority
    if not isinstance(authority, TestPki):
        raise ConfigurationError("the card was not signed by a test authority")
    return authority


def _another(key: PrivateKey) -> PrivateKey:
    kind = f"rsa-{key.n.bit_length()}" if isinstance(key, RsaKey) else key.curve.name
    return make_key(kind, "another key than the card's")


def _another_agreement_key(entry: ChipAuthKey) -> EcKey | DhKey:
    rng = SeededRandom("another key than the card's")
    if isinstance(entry.key, DhKey):
        return DhKey(entry.key.group, DhPrimeGroup(entry.key.group).draw(rng))
    return EcKey.generate(entry.key.curve, rng)
