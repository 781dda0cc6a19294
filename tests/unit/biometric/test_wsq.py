"""WSQ: headers walked in Python, pixels from a process of its own, and what happens to damage."""

from __future__ import annotations

import random
import sys
import time

import numpy as np
import pytest

from idverify.biometric import FINGER_FORMATS, ImageFormat, as_image, decode_image, encode_wsq, probe_image
from idverify.biometric import _wsq_process as process
from idverify.chip.lds.dg3 import DG3
from idverify.emulator.fingers import SyntheticFinger
from idverify.errors import ConfigurationError, ImageError
from tests.shared import needs_shared, shared

pytest.importorskip("_wsq", reason="the extra wsq is not installed")

PRINT = as_image(np.ascontiguousarray(SyntheticFinger(3).impression(0)[40:200, 60:200]))
WSQ = encode_wsq(PRINT)
SOF = WSQ.index(b"\xff\xa2")


def test_ridges_come_back() -> None:
    header = probe_image(WSQ)
    assert (header.format, header.height, header.width) == (ImageFormat.WSQ, *PRINT.shape[:2])
    found = decode_image(WSQ, formats=FINGER_FORMATS)
    assert found.shape == PRINT.shape
    assert np.abs(found.astype(int) - PRINT).mean() < 8
    assert 6 < PRINT[:, :, 0].size / len(WSQ) < 16


@needs_shared
def test_published_fingers() -> None:
    for image in DG3.parse(shared("vectors/lds/bsi_tr03105_5/dg3.bin").read_bytes()).images:
        found = decode_image(image.image, formats=FINGER_FORMATS)
        assert found.shape == (image.height, image.width, 3)
        assert found.std() > 40  # ridges, not a grey field


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert probe_image(WSQ).format is ImageFormat.WSQ
    for act in (lambda: decode_image(WSQ), lambda: encode_wsq(PRINT)):
        with pytest.raises(ConfigurationError, match=r"idverify-emrtd\[wsq\]"):
            act()


def sized(width: int, height: int) -> bytes:
    return WSQ[: SOF + 6] + height.to_bytes(2, "big") + width.to_bytes(2, "big") + WSQ[SOF + 10 :]


@pytest.mark.parametrize(
    "data",
    [
        sized(65_535, 65_535),
        sized(5_000, 5_000),
        sized(0, 0),
        WSQ[:SOF] + b"\xff\xa1",
        WSQ.replace(b"\xff\xa2", b"\xff\xa9", 1),
        b"\xff\xa0\xff\xa8\xff\xff",
        b"\xff\xa0" + b"\xff\xa8\0\2" * 5_000,
        WSQ[:2] + WSQ[SOF:-2] + b"\xff\xa3\0\3\0" * 70 + b"\xff\xa1",
    ],
)
def test_bombs_and_broken_markers_never_reach_the_decoder(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the decoder saw the bytes")

    monkeypatch.setattr(process, "decode", never)
    with pytest.raises(ImageError):
        decode_image(data)


def test_every_cut_is_refused() -> None:
    for end in [*range(120), *range(120, len(WSQ) - 1, 37)]:
        with pytest.raises(ImageError):
            decode_image(WSQ[:end])


def test_mutations_give_a_picture_or_the_one_error() -> None:
    rng, refused = random.Random(7), 0
    for _ in range(60):
        data = bytearray(WSQ)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            assert decode_image(bytes(data)).dtype == np.uint8
        except ImageError:
            refused += 1
    assert refused > 5


@pytest.mark.parametrize(
    "child",
    [
        "import os; os.abort()",
        "raise SystemExit(1)",
        "import sys; sys.stdout.buffer.write(b'short')",
        "import sys; sys.stdout.buffer.write(bytes(8))",
        "import time; time.sleep(60)",
    ],
)
def test_a_decoder_that_dies_or_hangs_is_a_damaged_picture(child: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_CHILD", child)
    monkeypatch.setattr(process, "SECONDS", 1)
    start = time.monotonic()
    with pytest.raises(ImageError, match="damaged"):
        decode_image(WSQ)
    assert time.monotonic() - start < 20


def test_no_process_to_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ImageError, match="no process for it"):
        decode_image(WSQ)


def test_a_program_without_an_interpreter_decodes_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = decode_image(WSQ)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr("subprocess.run", lambda *a, **k: pytest.fail("a process was started"))
    assert (decode_image(WSQ) == usual).all()
    damaged = WSQ[: SOF + 40] + bytes(len(WSQ) - SOF - 42) + WSQ[-2:]
    with pytest.raises(ImageError):
        decode_image(damaged)


def test_the_encoder_says_no_in_our_words(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def compress(*_: object) -> bytes:
            raise RuntimeError("C")

    monkeypatch.setattr(process, "_module", Broken)
    with pytest.raises(ImageError, match="WSQ"):
        encode_wsq(PRINT)
