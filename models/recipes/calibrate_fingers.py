"""Measures a table of finger score against false match rate on a folder in FVC's layout, or a folder of such folders.

    python models/recipes/calibrate_fingers.py DIR --data "what the pictures are" --id NAME [--records]
        [--out models/calibration]

With ``--records`` pictures are compared with the records (NNN_k.iso) beside the other pictures.
Operators should measure their own, on their sensor: see docs/fingerprint.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from idverify.biometric.evaluation.finger import PROTOCOL, calibrate_fingers, score_fingers
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.model_card import ModelCard
from idverify.biometric.models import ModelRegistry


class _Uncalibrated(ModelRegistry):
    """The registry, without the table that is about to be replaced."""

    def calibration(self, model_id: str, *, records: bool = False) -> None:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--id", required=True)
    parser.add_argument("--records", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "calibration")
    args = parser.parse_args()
    registry = _Uncalibrated()
    card: ModelCard = registry.default("finger-minutiae")
    matcher = FingerMatcher(registry, threads=1)
    found = score_fingers(args.folder, impostors="all", records=args.records, matcher=matcher)
    protocol = "every picture with the record of every other within a database" if args.records else PROTOCOL
    table = calibrate_fingers(
        found, table_id=args.id, model=card.identity, model_sha256=card.sha256, data=args.data, protocol=protocol
    )
    (args.out / f"{args.id}.json").write_text(table.to_json(), encoding="utf-8")
    print(json.dumps({"points": len(table.points), "genuine": table.genuine, "impostor": table.impostor}))


if __name__ == "__main__":
    main()
