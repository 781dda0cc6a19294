"""Many counters on one machine, and one for a long time: throughput, latency, memory of the face chain.

    python -m benchmarks.load_face                 # memory when warm, the curve, 10,000 verifications
    python -m benchmarks.load_face --long 0        # without the long run

One verification: decode a live JPEG frame of 640 x 480 and find, align, measure and embed its face; do the same with
the chip's portrait (grey JPEG 2000, 240 x 320), or take its kept template; compare. As in a counter pool, all counters
share one matcher and as many workers as there are processors; each begins its next verification when the last is done.

The long run keeps the portraits' templates (16 of 32 cards at a time, so that one verification in about 40 makes one
anew) and prints the resident size and its slope over the second half, by least squares.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from idverify.biometric import as_image, decode_image, encode_jpeg, encode_jpeg2000
from idverify.biometric.face import CaptureKind, FaceMatcher, PassivePad, PortraitCache

PICTURES = Path(__file__).resolve().parents[1] / "src" / "idverify" / "emulator" / "pictures"
COUNTERS = (1, 2, 4, 8, 16, 32, 64)
MOST_MB = 350


def frame() -> bytes:
    """A live JPEG frame."""
    canvas = np.full((480, 640, 3), 120, np.uint8)
    upright = decode_image((PICTURES / "live.jpg").read_bytes())
    canvas[:, 140:500] = cv2.resize(upright, (360, 480), interpolation=cv2.INTER_AREA)
    return encode_jpeg(as_image(canvas), quality=90)


def portraits(count: int) -> list[bytes]:
    """Portraits as on cards, each encoded to another size, so that no two are the same file."""
    upright = decode_image((PICTURES / "portrait.jpg").read_bytes())
    small = cv2.cvtColor(cv2.resize(upright, (240, 320), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return [encode_jpeg2000(as_image(small), max_bytes=15_000 - 100 * i) for i in range(count)]


def resident_mb() -> float:
    """Resident size of this process now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def warm() -> int:
    """A process of its own: all face models loaded and warm, and nothing else done."""
    before = resident_mb()
    matcher, pad = FaceMatcher(threads=1), PassivePad(threads=1)
    matcher.warm_up()
    image = decode_image(frame())
    pad.score(image, matcher.analyse(image).face)
    after = resident_mb()
    print(f"all face models loaded and warm: {after:.0f} MB resident, of it {after - before:.0f} MB for the models")
    return 0 if after < MOST_MB else 1


def curve(work: Callable[[], object], counters: int, total: int, workers: int) -> tuple[float, float, list[float]]:
    """Seconds of the clock, seconds of the processor, and the latencies of ``total`` verifications."""
    latencies: list[float] = []
    left, lock = total, threading.Lock()
    with ThreadPoolExecutor(workers) as pool:

        def counter() -> None:
            nonlocal left
            while True:
                with lock:
                    if left == 0:
                        return
                    left -= 1
                start = time.perf_counter()
                pool.submit(work).result()
                latencies.append(time.perf_counter() - start)

        threads = [threading.Thread(target=counter) for _ in range(counters)]
        clock, processor = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - clock, time.process_time() - processor, latencies


def show_curve(work: Callable[[], object], total: int, workers: int) -> None:
    print(f"\n{workers} workers, {total} verifications a row\n")
    print("| counters | verifications a second | ms of processor time each | latency median | 95 % | 99 % |")
    print("|---|---|---|---|---|---|")
    for counters in COUNTERS:
        clock, processor, latencies = curve(work, counters, total, workers)
        marks = statistics.quantiles(latencies, n=100, method="inclusive")
        rest = " | ".join(f"{marks[i] * 1000:.0f} ms" for i in (49, 94, 98))
        print(f"| {counters} | {total / clock:.1f} | {processor / total * 1000:.1f} | {rest} |", flush=True)


def slope(sizes: Sequence[tuple[int, float]]) -> float:
    """MB a thousand verifications, over the second half, by least squares."""
    half = np.array(sizes[len(sizes) // 2 :])
    return float(np.polyfit(half[:, 0], half[:, 1], 1)[0]) * 1000


def long_run(matcher: FaceMatcher, count: int) -> bool:
    cards, live, cache = portraits(32), frame(), PortraitCache(matcher, size=16)
    sizes: list[tuple[int, float]] = []
    start = time.process_time()
    for index in range(count):
        card = cards[index * 32 // count if index % 40 else index % 32]
        score = matcher.compare(matcher.template(decode_image(live)), cache.sample(card).template)
        if score.fmr is None or score.fmr > 1e-4:
            raise SystemExit("the holder was not recognised")
        if (index + 1) % max(1, count // 20) == 0:
            sizes.append((index + 1, resident_mb()))
    took = (time.process_time() - start) / count * 1000
    print(f"\n{count} verifications, {took:.1f} ms of processor time each; resident MB:")
    print(" ".join(f"{size:.1f}" for _, size in sizes))
    growth = slope(sizes)
    print(f"slope of the second half: {growth:+.2f} MB a thousand verifications")
    return growth < 1.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warm", action="store_true", help="only the memory of warm models, in this process")
    parser.add_argument("--total", type=int, default=128, help="verifications a row of the curve")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--long", type=int, default=10_000, help="verifications of the long run; 0: none")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.warm:
        return warm()
    command = [sys.executable, "-m", "benchmarks.load_face", "--warm"]
    good = subprocess.run(command, check=False).returncode == 0
    matcher, live, (card, *_) = FaceMatcher(threads=1), frame(), portraits(1)
    matcher.warm_up()

    def verification() -> float:
        chip = matcher.template(decode_image(card), kind=CaptureKind.PORTRAIT)
        return matcher.compare(matcher.template(decode_image(live)), chip).value

    if args.total:
        show_curve(verification, args.total, args.workers)
    if args.long:
        good &= long_run(matcher, args.long)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
