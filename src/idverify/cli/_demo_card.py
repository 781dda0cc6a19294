"""The card of ``demo`` and ``emulate``: an invented person, a test authority, public-domain pictures."""

from __future__ import annotations

import enum
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from idverify.cli import _files
from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from idverify.emulator.card import Card

LARGEST_PICTURE = 64 * 1024 * 1024
"""Largest picture file that is opened."""


class Attack(enum.StrEnum):
    """What is wrong with the card of a demonstration."""

    PORTRAIT = "portrait"
    NAME = "name"
    CITIZEN = "citizen"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    EXPIRED_SIGNER = "expired-signer"
    COPY = "copy"


def attacked(card: Card, attack: Attack) -> Card:
    """The card after an attack: another byte in a file, a foreign issuer, an expired signer, or a copied chip."""
    from idverify import emulator
    from idverify.chip.lds.files import FileId

    files = {
        Attack.PORTRAIT: FileId.DG2,
        Attack.NAME: FileId.DG1,
        Attack.CITIZEN: FileId.DG13,
        Attack.SIGNATURE: FileId.SOD,
    }
    if attack in files:
        return emulator.flip_byte(card, files[attack])
    if attack is Attack.ISSUER:
        return emulator.foreign_csca(card)
    return emulator.expired_dsc(card) if attack is Attack.EXPIRED_SIGNER else emulator.copied_card(card)


def picture(name: str) -> bytes:
    """One of the sample pictures: ``portrait``, ``live`` or ``other``; their sources stand beside them."""
    return resources.files("idverify.emulator").joinpath("pictures", f"{name}.jpg").read_bytes()


def demo_card(portrait: Path | None, *, profile: str = "cccd-2021") -> Card:
    """A card of an invented person.

    Args:
        portrait: any picture, made a chip's portrait; the sample where None.
        profile: what card it is.

    Raises:
        ConfigurationError: no such profile, or the picture cannot be made a portrait.
    """
    from idverify.emulator.personalise import personalise
    from idverify.emulator.portrait import chip_portrait
    from idverify.emulator.profiles import PROFILES

    if profile not in PROFILES:
        raise ConfigurationError(f"no profile {profile!r}; there are {', '.join(PROFILES)}")
    image = chip_portrait(_files.read_capped(portrait, LARGEST_PICTURE)) if portrait is not None else None
    return personalise(profile, seed=1, portrait=image)
