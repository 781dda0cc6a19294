"""Whether batching faces would shorten a queue: processor time a face in batches of 1, 2, 4 and 8.

    python -m benchmarks.batching

The shipped networks take one picture at a time. Here their graphs are made to take several, and one thread runs them in
turns, so that a busy machine is unjust to all sizes alike. A batch shortens the queue only where a face costs less in
it; it always makes the first of its faces wait for the last.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np
import onnx
import onnxruntime

from idverify.biometric import default_registry

SIZES = (1, 2, 4, 8)
ROUNDS = 15


def batched(path: Any) -> Any:
    """A session whose first dimension is free."""
    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del model.graph.value_info[:]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def main() -> None:
    """Print the table."""
    registry = default_registry()
    card = registry.default("face-embedding")
    session = batched(registry.path(card.id))
    spec = session.get_inputs()[0]
    shape = [s if isinstance(s, int) else 1 for s in spec.shape[1:]]
    kind = np.uint8 if "uint8" in spec.type else np.float32
    drawn = np.random.default_rng(0).integers(0, 256, (max(SIZES), *shape)).astype(kind)
    singly = np.concatenate([session.run(None, {spec.name: face[np.newaxis]})[0] for face in drawn])
    together = session.run(None, {spec.name: drawn})[0]
    print("the same numbers, to the bit" if np.array_equal(singly, together) else "other numbers than one by one")
    spent: dict[int, list[float]] = {size: [] for size in SIZES}
    for _ in range(ROUNDS + 2):
        for size in SIZES:
            faces = np.full((size, *shape), 100, kind)
            started = time.process_time()
            session.run(None, {spec.name: faces})
            spent[size].append((time.process_time() - started) * 1000 / size)
    print(f"{card.identity}: milliseconds of processor time a face")
    for size in SIZES:
        print(f"  batch of {size}: {median(spent[size][2:]):6.2f}")


if __name__ == "__main__":
    main()
