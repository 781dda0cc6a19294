"""Measures a table of finger score against false match rate on a folder in FVC's layout, or a folder of such folders.

    python models/recipes/calibrate_fingers.py DIR --data "what the pictures are" --id NAME [--out models/calibration]

Operators should measure their own, on their sensor: see docs/fingerprint.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from idverify.biometric.evaluation.finger import calibrate_fingers, score_fingers
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.model_card import ModelCard
from idverify.biometric.models import ModelRegistry


class _Uncalibrated(ModelRegistry):
    """The registry, without the table that is about to be replaced."""

    def calibration(self, model_id: str) -> None:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--id", required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "calibration")
    args = parser.parse_args()
    registry = _Uncalibrated()
    card: ModelCard = registry.default("finger-minutiae")
    found = score_fingers(args.folder, impostors="all", matcher=FingerMatcher(registry, threads=1))
    table = calibrate_fingers(found, table_id=args.id, model=card.identity, model_sha256=card.sha256, data=args.data)
    (args.out / f"{args.id}.json").write_text(table.to_json(), encoding="utf-8")
    print(json.dumps({"points": len(table.points), "genuine": table.genuine, "impostor": table.impostor}))


if __name__ == "__main__":
    main()
