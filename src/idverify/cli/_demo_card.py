"""The card of ``demo`` and ``emulate``: an invented person, a test authority, public-domain pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from idverify.cli import _files

if TYPE_CHECKING:
    from idverify.emulator import Card

_PICTURES = "pictures"
_LARGEST_PICTURE = 64 * 1024 * 1024


def picture(name: str) -> bytes:
    """One of the sample pictures: ``portrait``, ``live`` or ``other``; their sources stand beside them."""
    import idverify.emulator as package

    return (Path(package.__file__).parent / _PICTURES / f"{name}.jpg").read_bytes()


def portrait_for_chip(path: Path | None) -> bytes:
    """The portrait as a chip holds it; a picture of the user's is cut to the size and encoded anew.

    Raises:
        ImageError: it cannot be decoded.
    """
    if path is None:
        return picture("portrait")
    import cv2

    from idverify.biometric.codecs import decode_image, encode_jpeg
    from idverify.biometric.image import as_image

    image = decode_image(_files.read_capped(path, _LARGEST_PICTURE))
    height, width = image.shape[:2]
    scale = min(1.0, 640 / max(width, height))
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = as_image(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    return encode_jpeg(image, quality=80)


def demo_card(portrait: Path | None, *, seed: int = 1) -> Card:
    """A citizen card of an invented person."""
    from idverify.emulator import citizen_card

    return citizen_card(seed=seed, portrait=portrait_for_chip(portrait))
