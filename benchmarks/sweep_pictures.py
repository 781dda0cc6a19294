"""Hostile pictures: mutated JPEG, JPEG 2000 and PNG files, bombs and odd sizes.

Run as ``python -m benchmarks.sweep_pictures [mutations]`` (10 000 by default). Every answer must be a picture or an
ImageError, within a second and within memory. Prints what came out; exit status 1 where anything else did.
"""

from __future__ import annotations

import random
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from idverify.biometric import as_image, decode_image, encode_jpeg, encode_jpeg2000, encode_png
from idverify.errors import ImageError

PORTRAIT = Path(__file__).resolve().parents[1] / "src" / "idverify" / "emulator" / "pictures" / "portrait.jpg"
MAX_PIXELS = 4_000_000
MAX_SECONDS = 1.0
MAX_GROWTH_MB = 512


def samples() -> dict[str, bytes]:
    """Small pictures in each format; small ones let mutations reach every part."""
    image = as_image(cv2.resize(decode_image(PORTRAIT.read_bytes()), (120, 160), interpolation=cv2.INTER_AREA))
    jp2 = encode_jpeg2000(image, max_bytes=8_000)
    progressive = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    return {
        "JPEG": encode_jpeg(image),
        "JPEG progressive": progressive,
        "JPEG 2000 JP2": jp2,
        "JPEG 2000 codestream": jp2[jp2.index(b"jp2c") + 4 :],
        "PNG": encode_png(image),
    }


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, cut out, doubled or cut off; half of it near the front, where sizes are."""
    found = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        place = rng.randrange(min(len(found), 300) if rng.random() < 0.5 else len(found))
        kind = rng.random()
        if kind < 0.7:
            found[place] = rng.choice([0, 0xFF, 0x7F, 0x80, rng.randrange(256)])
        elif kind < 0.8:
            del found[place : place + rng.randrange(1, 9)]
        elif kind < 0.9:
            found[place:place] = found[place : place + rng.randrange(1, 65)]
        else:
            del found[max(place, 8) :]
        if not found:
            break
    return bytes(found)


def png(width: int, height: int, packed: bytes) -> bytes:
    """A PNG of a size that its data need not have."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def odd() -> dict[str, bytes]:
    """Bombs, and sizes at both ends."""
    bomb = zlib.compress(bytes(50_000_000), 9)
    one = as_image(np.zeros((1, 1, 3), np.uint8))
    made = {
        "PNG 20000 x 20000": png(20_000, 20_000, bomb),
        "PNG 16000 x 16000": png(16_000, 16_000, bomb),
        "PNG 2^31 x 1": png(2**31 - 1, 1, bomb),
        "PNG 1900 x 1900, 50 MB of zeros": png(1900, 1900, bomb),
        "PNG 0 x 0": png(0, 0, b""),
        "PNG 1 x 1": encode_png(one),
        "JPEG 1 x 1": encode_jpeg(one),
    }
    jpeg = bytearray(encode_jpeg(one))
    place = jpeg.index(b"\xff\xc0") + 5
    jpeg[place : place + 4] = struct.pack(">HH", 20_000, 20_000)
    made["JPEG that says 20000 x 20000"] = bytes(jpeg)
    jp2 = encode_jpeg2000(as_image(np.zeros((64, 64, 3), np.uint8)))
    place = jp2.index(b"\xff\x51") + 6
    made["JPEG 2000 that says 20000 x 20000"] = jp2[:place] + struct.pack(">II", 20_000, 20_000) + jp2[place + 8 :]
    return made


def answer(data: bytes) -> tuple[str, float]:
    """What decoding gave, and how long it took."""
    start = time.perf_counter()
    try:
        image = decode_image(data, max_pixels=MAX_PIXELS)
        found = "picture" if image.size and image.dtype == np.uint8 else "nonsense"
    except ImageError:
        found = "refused"
    except Exception as error:  # noqa: BLE001 - this is what is looked for
        found = f"LEAKED {type(error).__name__}"
    return found, time.perf_counter() - start


def peak_mb() -> float:
    """Largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(count: int) -> int:
    rng = random.Random(20260)
    bases = samples()
    for data in bases.values():
        answer(data)
    before, good = peak_mb(), True
    for name, data in bases.items():
        tally: Counter[str] = Counter()
        slowest = 0.0
        for _ in range(count // len(bases)):
            found, seconds = answer(mutate(data, rng))
            tally[found] += 1
            slowest = max(slowest, seconds)
        good &= set(tally) <= {"picture", "refused"} and slowest < MAX_SECONDS
        print(f"{name:22s} {dict(sorted(tally.items()))}, slowest {slowest * 1000:.0f} ms", flush=True)
    for name, data in odd().items():
        found, seconds = answer(data)
        good &= found in {"picture", "refused"} and seconds < MAX_SECONDS
        print(f"{name:34s} {len(data):7d} bytes: {found} in {seconds * 1000:.1f} ms", flush=True)
    growth = peak_mb() - before
    print(f"peak memory grew by {growth:.0f} MB")
    good &= growth < MAX_GROWTH_MB
    print("all clean" if good else "NOT CLEAN")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
