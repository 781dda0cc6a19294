"""What optimised graphs that are kept save of a start: processor time from the model's bytes to a session, in turns.

    python -m benchmarks.start

Each round is two fresh processes, one without and one with a folder of kept graphs that is full; both read and verify
all model files. ``IDVERIFY_GRAPH_CACHE`` names such a folder, see docs/models.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median


def child(folder: str) -> None:
    """Milliseconds of processor time for each model, and from the start of the process to the last of them."""
    import numpy as np

    from idverify.biometric import ModelRegistry
    from idverify.biometric.runtime import probe

    np.zeros(1)
    import onnxruntime  # noqa: F401 - what every start pays

    registry = ModelRegistry(graphs=Path(folder) if folder else None)
    spent: dict[str, float] = {}
    for card in registry.cards:
        began = time.process_time()
        session = registry.session(card.id, threads=1)
        spent[card.identity] = (time.process_time() - began) * 1000
        session.run(probe(card))
    spent["whole process, first inferences among it"] = time.process_time() * 1000
    print(json.dumps(spent))


def start(folder: str) -> dict[str, float]:
    """One fresh process."""
    command = [sys.executable, "-m", "benchmarks.start", "--child", folder]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--child", help="one start in this process, with this folder, or with none")
    args = parser.parse_args()
    if args.child is not None:
        child(args.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        first = start(folder)
        rounds = [(start(""), start(folder)) for _ in range(args.rounds)]
    print("| ms of processor time | without | kept | first start, which keeps them |\n|---|---|---|---|")
    for name in first:
        without, kept = (median(one[side][name] for one in rounds) for side in (0, 1))
        print(f"| {name} | {without:.1f} | {kept:.1f} | {first[name]:.1f} |")


if __name__ == "__main__":
    main()
