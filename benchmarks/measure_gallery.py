"""The first stage of the finger gallery: templates a second and core, bytes a print, and how much it finds.

Run as ``python -m benchmarks.measure_gallery DIR``; DIR holds pictures in FVC's layout, or folders of them. Every print
is searched among all the others; a stored print of the same finger counts as found where at most that share of the
strange ones comes before it. Times are of the processor, one thread.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation.finger import find_impressions
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.gallery import FingerGallery

SHARES = (0.0, 0.01, 0.05, 0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prints", type=int, default=8192, help="size of the gallery whose search is timed")
    args = parser.parse_args()
    matcher = FingerMatcher(threads=1)
    impressions = find_impressions(args.folder)
    templates = [matcher.template(decode_image(i.file.read_bytes())) for i in impressions]
    names = np.array([f"{i.database}/{i.finger}" for i in impressions])
    gallery = FingerGallery(matcher)
    for number, template in enumerate(templates):
        gallery.add(str(number), template)
    before = []
    for number, template in enumerate(templates):
        score = gallery.similarities(template)
        same = names == names[number]
        before += [float((score[~same] >= score[mate]).mean()) for mate in np.flatnonzero(same) if mate != number]
    found = ", ".join(f"{(np.array(before) <= s).mean():.1%} within {s:.0%}" for s in SHARES)
    print(f"{len(templates)} prints, {len(before)} genuine pairs: {found}")
    for number in range(len(templates), args.prints):
        gallery.add(str(number), templates[number % len(templates)])
    gallery.similarities(templates[0])
    times = []
    for template in templates[:9]:
        start = time.process_time()
        gallery.similarities(template)
        times.append(time.process_time() - start)
    rate = len(gallery) / float(np.median(times))
    each = gallery.nbytes / len(gallery)
    print(f"{len(gallery)} prints: {rate:,.0f} templates a second and core, {each:,.0f} bytes each")


if __name__ == "__main__":
    main()
