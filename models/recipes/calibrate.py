"""Measures a calibration table of the default embedding model on a folder of faces, a subfolder a person.

Usage: python models/recipes/calibrate.py --faces DIR --id TABLE --data "what the pictures are, in words"

Writes models/calibration/TABLE.json; name TABLE in the model's card to use it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from idverify.biometric import default_registry
from idverify.biometric.evaluation import calibrate_faces
from idverify.biometric.face import FaceMatcher


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--id", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "calibration")
    args = parser.parse_args()
    names = sorted(p.relative_to(args.faces).as_posix() for p in args.faces.glob("*/*.jpg"))
    table = calibrate_faces(
        FaceMatcher(threads=args.threads),
        table_id=args.id,
        model_sha256=default_registry().default("face-embedding").sha256,
        data=args.data,
        folder=args.faces,
        images=names,
    )
    path = args.out / f"{args.id}.json"
    path.write_text(table.to_json(), encoding="utf-8")
    print(f"{path}: {len(table.points)} points, {table.genuine} genuine and {table.impostor} impostor pairs")


if __name__ == "__main__":
    main()
