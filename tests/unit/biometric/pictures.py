"""The pictures of the tests, decoded."""

from __future__ import annotations

from pathlib import Path

from idverify.biometric import Image, decode_image

ROOT = Path(__file__).resolve().parents[3]
DEMO = ROOT / "src" / "idverify" / "emulator" / "pictures"
MORE = ROOT / "tests" / "pictures"

FILES = {
    "portrait": DEMO / "portrait.jpg",
    "live": DEMO / "live.jpg",
    "other": DEMO / "other.jpg",
    "congress": MORE / "president-congress.jpg",
    "astronaut": MORE / "astronaut.jpg",
}


def raw(name: str) -> bytes:
    return FILES[name].read_bytes()


def picture(name: str) -> Image:
    return decode_image(raw(name))
