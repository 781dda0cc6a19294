"""The card of ``demo`` and ``emulate``: an invented person, a test authority, public-domain pictures."""

from __future__ import annotations

import base64
import enum
import functools
import textwrap
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idverify.cli import _files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.emulator.card import Card
    from idverify.emulator.fingers import SyntheticFinger
    from idverify.emulator.keys import EcKey, RsaKey

_SEED = 1
_PRINT_BYTES = 15_000
"""About what a chip stores of one finger."""


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


def demo_card(portrait: Path | None, *, profile: str = "cccd-2021", fingers: Mapping[int, bytes] | None = None) -> Card:
    """A card of an invented person.

    Args:
        portrait: any picture, made a chip's portrait; the sample where None.
        profile: what card it is.
        fingers: pictures for DG3 by position; the profile's own where None.

    Raises:
        ConfigurationError: no such profile, or a picture cannot be stored.
    """
    from idverify.emulator.personalise import personalise
    from idverify.emulator.portrait import chip_portrait

    image = chip_portrait(_files.read_picture(portrait)) if portrait is not None else None
    return personalise(profile, seed=_SEED, portrait=image, fingers=fingers)


# ---- fingers, and the terminal that may read them ----------------------------------------------------------------

_FINGERS = {2: 1, 7: 2}
"""Seeds of the invented fingers by position: right and left index finger."""
_STRANGER = 3
LIVE_TRIES = 2
"""Live impressions of each finger that are written out."""


@functools.cache
def _finger(seed: int) -> SyntheticFinger:
    from idverify.emulator.fingers import SyntheticFinger

    return SyntheticFinger(seed)


def stored_fingers() -> dict[int, bytes]:
    """The prints of DG3: JPEG 2000 of the first impression of two invented fingers."""
    from idverify.biometric.codecs import encode_jpeg2000
    from idverify.biometric.image import as_image

    return {
        position: encode_jpeg2000(as_image(_finger(seed).impression(0)), max_bytes=_PRINT_BYTES)
        for position, seed in _FINGERS.items()
    }


def storable_finger(picture: bytes) -> bytes:
    """A print as DG3 takes it: WSQ, PNG, JPEG and JPEG 2000 as they are, other pictures as PNG.

    Raises:
        ImageError: no picture.
    """
    from idverify.biometric.codecs import CHIP_FORMATS, ImageFormat, decode_image, encode_png, probe_image

    if probe_image(picture).format in CHIP_FORMATS | {ImageFormat.WSQ}:
        return picture
    return encode_png(decode_image(picture))


def live_finger() -> dict[int, Any]:
    """Another impression of the right index finger."""
    return {2: _finger(_FINGERS[2]).impression(1)}


def live_fingers() -> dict[str, bytes]:
    """Live prints as PNG by name: ``2-1`` is the first one of finger 2; ``stranger`` is of nobody on the card."""
    from idverify.biometric.codecs import encode_png
    from idverify.biometric.image import as_image

    prints = {
        f"{position}-{number}": _finger(seed).impression(number)
        for position, seed in _FINGERS.items()
        for number in range(1, LIVE_TRIES + 1)
    }
    prints["stranger"] = _finger(_STRANGER).impression(1)
    return {name: encode_png(as_image(picture)) for name, picture in prints.items()}


def credentials() -> TerminalCredentials:
    """The terminal that these cards let in."""
    from idverify.chip.access.terminal_auth import TerminalCredentials
    from idverify.chip.access.terminal_key import InMemoryTerminalKey

    certificates, key = terminal()
    return TerminalCredentials.load(certificates.values(), InMemoryTerminalKey.load(key))


def terminal() -> tuple[dict[str, bytes], bytes]:
    """The card verifiable certificates of the terminal that these cards let in, by name, and its key in PEM."""
    from idverify.emulator import TestCvPki

    authority = TestCvPki(_SEED)
    certificates = {"cvca": authority.cvca.der, "dv": authority.dv.der, "terminal": authority.terminal.der}
    return certificates, pem(authority.terminal.key)


def pem(key: EcKey | RsaKey) -> bytes:
    """A private key as PKCS #8 in PEM (RFC 7468 §10)."""
    from idverify.emulator import pkcs8

    lines = textwrap.wrap(base64.b64encode(pkcs8(key)).decode(), 64)
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""]).encode()
