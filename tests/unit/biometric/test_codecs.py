from __future__ import annotations

import io
import struct
import time
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idverify.biometric import (
    CHIP_FORMATS,
    Image,
    ImageFormat,
    as_image,
    decode_image,
    encode_jpeg,
    encode_jpeg2000,
    encode_png,
    probe_image,
)
from idverify.biometric import _headers as headers
from idverify.errors import ConfigurationError, ImageError
from tests.unit.biometric.pictures import picture, raw

SMALL: Image = as_image(np.ascontiguousarray(picture("portrait")[100:140, 200:264]))


def encoded(suffix: str, image: Image = SMALL) -> bytes:
    return bytes(cv2.imencode(suffix, image[:, :, ::-1])[1].tobytes())


def codestream() -> bytes:
    jp2 = encode_jpeg2000(SMALL)
    return jp2[jp2.index(b"jp2c") + 4 :]


SAMPLES = {
    "jpeg": encode_jpeg(SMALL),
    "progressive": bytes(cv2.imencode(".jpg", SMALL, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()),
    "png": encode_png(SMALL),
    "jp2": encode_jpeg2000(SMALL),
    "j2k": codestream(),
    "bmp": encoded(".bmp"),
    "webp": encoded(".webp"),
    "tiff": encoded(".tiff"),
    "pgm": b"P5\n# a comment\n64 40\n255\n" + SMALL[:, :, 0].tobytes(),
    "ppm": encoded(".ppm"),
}


@pytest.mark.parametrize(
    ("name", "loss"), [("png", 0), ("ppm", 0), ("bmp", 0), ("tiff", 0), ("jp2", 0), ("j2k", 0), ("jpeg", 8)]
)
def test_every_format_keeps_the_pixels(name: str, loss: float) -> None:
    decoded = decode_image(SAMPLES[name])
    assert decoded.shape == SMALL.shape
    assert decoded.flags["C_CONTIGUOUS"]
    assert np.abs(decoded.astype(int) - SMALL.astype(int)).mean() <= loss


@pytest.mark.parametrize("name", SAMPLES)
def test_header_says_what_the_decoder_finds(name: str) -> None:
    header = probe_image(SAMPLES[name])
    assert (header.height, header.width) == SMALL.shape[:2]
    assert header.bits == 8
    assert decode_image(SAMPLES[name]).shape == (header.height, header.width, 3)


def test_grey_and_sixteen_bit_and_alpha_become_rgb_bytes() -> None:
    luma = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1024
    deep = decode_image(bytes(cv2.imencode(".png", luma)[1].tobytes()))
    assert deep.shape == (8, 8, 3)
    assert np.abs(deep[:, :, 0].astype(int) - (luma >> 8)).max() <= 1
    alpha = np.dstack([SMALL[:, :, ::-1], np.zeros(SMALL.shape[:2], np.uint8)])
    assert (decode_image(bytes(cv2.imencode(".png", alpha)[1].tobytes())) == SMALL).all()


def test_grey_jpeg2000_of_a_chip() -> None:
    luma = cv2.cvtColor(picture("portrait"), cv2.COLOR_RGB2GRAY)
    data = bytes(cv2.imencode(".jp2", luma, [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])[1].tobytes())
    decoded = decode_image(data, formats=CHIP_FORMATS)
    assert probe_image(data).components == 1
    assert (decoded == luma[:, :, np.newaxis]).all()


def with_orientation(data: bytes, value: int, order: str = "<") -> bytes:
    mark = b"II*\0" if order == "<" else b"MM\0*"
    block = b"Exif\0\0" + mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, value, 0, 0)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_undone_as_another_reader_does(value: int, order: str) -> None:
    from PIL import Image as Pillow
    from PIL import ImageOps

    data = with_orientation(SAMPLES["jpeg"], value, order)
    with Pillow.open(io.BytesIO(data)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB")).astype(int)
    upright = decode_image(data)
    assert probe_image(data).orientation == value
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).mean() < 2
    assert decode_image(data, upright=False).shape == SMALL.shape


@pytest.mark.parametrize(
    "block", [b"", b"II*\0", b"II*\0\xff\xff\xff\x7f", b"XX*\0\x08\0\0\0", b"MM\0*\0\0\0\x08\xff\xff"]
)
def test_malformed_exif_means_upright(block: bytes) -> None:
    assert headers.exif_orientation(block) == 1


def test_format_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(ImageError, match="bmp picture is not accepted here"):
        decode_image(SAMPLES["bmp"], formats=CHIP_FORMATS)
    assert decode_image(SAMPLES["j2k"], formats={ImageFormat.JPEG2000}).shape == SMALL.shape


@pytest.mark.parametrize("name", SAMPLES)
def test_every_cut_is_refused(name: str) -> None:
    data = SAMPLES[name]
    for length in [*range(min(len(data), 200)), *range(200, len(data) - 16, 97)]:
        with pytest.raises(ImageError):
            decode_image(data[:length])


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_bomb(width: int, height: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + data + png_chunk(b"IEND", b"")


def patched(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


def jpeg_sized(width: int, height: int) -> bytes:
    data = SAMPLES["jpeg"]
    return patched(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))


def j2k_sized(width: int, height: int, tile: int | None = None) -> bytes:
    data = patched(SAMPLES["j2k"], 8, struct.pack(">II", width, height))
    return patched(data, 24, struct.pack(">II", tile or width, tile or height))


BOMBS = {
    "png": png_bomb(20_000, 20_000),
    "png-wide": png_bomb(2**31 - 1, 1),
    "jpeg": jpeg_sized(65_535, 65_535),
    "jpeg-empty": jpeg_sized(0, 0),
    "j2k": j2k_sized(20_000, 20_000),
    "j2k-cap-of-its-own": j2k_sized(5_000, 5_000),
    "j2k-tiles": j2k_sized(3_000, 3_000, tile=8),
    "bmp": patched(SAMPLES["bmp"], 18, struct.pack("<ii", 30_000, 30_000)),
    "pgm": b"P5\n30000 30000\n255\n",
    "pgm-short": b"P5 # note\n9 9\n255\n" + bytes(80),
    "pgm-16-bits": b"P5\n2 2\n65535\n" + bytes(8),
    "bmp-negative": patched(SAMPLES["bmp"], 18, struct.pack("<ii", -64, 40)),
    "webp": b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff",
    "tiff": b"II*\0\x08\0\0\0\x02\0"
    + struct.pack("<HHII", 256, 4, 1, 90_000)
    + struct.pack("<HHII", 257, 4, 1, 90_000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_by_their_header(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the decoder saw the bytes")

    monkeypatch.setattr(cv2, "imdecode", never)
    start = time.thread_time()  # the machine may have other work
    with pytest.raises(ImageError):
        decode_image(BOMBS[name])
    assert time.thread_time() - start < 0.5


def test_pixel_cap_of_the_caller_holds() -> None:
    pixels = SMALL.shape[0] * SMALL.shape[1]
    assert decode_image(SAMPLES["png"], max_pixels=pixels).shape == SMALL.shape
    with pytest.raises(ImageError, match="pixels"):
        decode_image(SAMPLES["png"], max_pixels=pixels - 1)


def test_too_many_bytes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idverify.biometric.codecs.MAX_BYTES", 100)
    with pytest.raises(ImageError, match="more than 100 bytes"):
        decode_image(SAMPLES["png"])


def test_progressive_scans_are_counted() -> None:
    data = SAMPLES["progressive"]
    first = data.index(b"\xff\xda")
    (length,) = struct.unpack(">H", data[first + 2 : first + 4])
    empty_scan = data[first : first + 2 + length] + b"\0"
    with pytest.raises(ImageError, match="scans"):
        decode_image(data[:first] + empty_scan * (headers.MAX_JPEG_SCANS + 1) + data[first:])


def test_j2k_precincts_are_counted() -> None:
    data = j2k_sized(4_000, 4_000)
    cod = data.index(b"\xff\x52")
    levels = data[cod + 9]
    body = bytes([data[cod + 4] | 1]) + data[cod + 5 : cod + 14] + bytes(levels + 1)
    small = data[:cod] + b"\xff\x52" + struct.pack(">H", len(body) + 2) + body + data[cod + 14 :]
    with pytest.raises(ImageError, match="precincts"):
        decode_image(small)


def test_animations_are_refused() -> None:
    png = SAMPLES["png"]
    with pytest.raises(ImageError, match="animated"):
        decode_image(png[:33] + png_chunk(b"acTL", bytes(8)) + png[33:])
    with pytest.raises(ImageError, match="animated"):
        decode_image(b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0\x0f\0\0\x0f\0\0")


@pytest.mark.parametrize("data", [b"", b"\0", b"GIF89a" + bytes(40), b"%PDF-1.7", bytes(1000), b"\xff\xd8\xff\xd9"])
def test_unknown_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(data)


def test_one_pixel_is_a_picture() -> None:
    dot = as_image(np.full((1, 1, 3), 7, np.uint8))
    assert decode_image(encode_png(dot)).tolist() == [[[7, 7, 7]]]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_pictures_give_a_picture_or_our_error(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(SAMPLES)))
    mutated = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 12))):
        # Headers are where the trouble is: half of the changes fall into the first 200 bytes.
        top = data.draw(st.sampled_from([min(200, len(mutated)), len(mutated)]))
        mutated[data.draw(st.integers(0, top - 1))] = data.draw(st.integers(0, 255))
    start = time.thread_time()
    try:
        image = decode_image(bytes(mutated), max_pixels=1_000_000)
    except ImageError:
        pass
    else:
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        assert image.shape[0] * image.shape[1] <= 1_000_000
    assert time.thread_time() - start < 5


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\xff\x4f\xff\x51", b"BM", b"II*\0", b"MM\0*"]),
    st.binary(),
)
def test_noise_after_a_signature_is_our_error(signature: bytes, noise: bytes) -> None:
    with pytest.raises(ImageError):
        decode_image(signature + noise)


def test_jpeg2000_keeps_to_its_size() -> None:
    portrait = picture("portrait")
    data = encode_jpeg2000(portrait, max_bytes=15_000)
    assert 12_000 < len(data) <= 15_000
    assert np.abs(decode_image(data).astype(int) - portrait.astype(int)).mean() < 8
    with pytest.raises(ImageError):
        encode_jpeg2000(portrait, max_bytes=10)


def test_jpeg_quality_is_checked() -> None:
    assert len(encode_jpeg(SMALL, quality=20)) < len(encode_jpeg(SMALL, quality=95))
    with pytest.raises(ConfigurationError):
        encode_jpeg(SMALL, quality=0)


def test_errors_hold_no_pixels() -> None:
    data = raw("portrait")
    with pytest.raises(ImageError) as caught:
        decode_image(data[:-2000])
    assert len(str(caught.value)) < 200
