"""Learns and tries the weights that tell a covered mouth: src/idverify/biometric/face/mouth.json.

Usage: python models/recipes/mouth_visible.py --faces DIR [--out mouth.json] [--sheet pictures.png]

DIR has a subfolder a person with pictures in it. Masks are drawn over every face (drawn_masks.py), the picture is
stored as JPEG again, and the face is looked for anew, as a camera would. Half of the people teach, the other half are
tried; then each kind of mask is left out of the teaching in turn. The threshold is 0.5, chosen before anything was
measured. All chance comes from the files' names.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from drawn_masks import BESIDE, KINDS, draw

from idverify.biometric import Image, as_image, decode_image, encode_jpeg
from idverify.biometric.face import DetectedFace, DetectorOptions, FaceDetector, main_face
from idverify.biometric.face.mouth import FEATURES, SMALLEST, features
from idverify.biometric.image import grey
from idverify.biometric.models import default_registry

RIDGE = 300.0
"""Penalty on the squared weights of standardised features, for weights of examples that sum to their number."""
WORSE = ("grey", "half size", "blur 2", "JPEG quality 10", "a third of the light", "noise 15")
_MARKS = ("yaw beyond 25 degrees", "darkest tenth of the faces")


@dataclass(frozen=True, slots=True)
class Example:
    """One picture as numbers; ``kind`` is empty for an uncovered face, ``change`` for a picture as it was."""

    name: str
    person: str
    kind: str
    change: str
    numbers: np.ndarray
    luma: float
    yaw: float


class Eye:
    """Finds the main face of a picture as FaceMatcher does."""

    def __init__(self) -> None:
        registry = default_registry()
        session = registry.session(registry.default("face-detection").id, threads=1)
        self.detector = FaceDetector(session, DetectorOptions())

    def find(self, image: Image) -> DetectedFace | None:
        faces = self.detector.detect(image)
        return self.detector.straighten(image, main_face(faces, image)) if faces else None


def worse(image: Image, change: str, rng: np.random.Generator) -> Image:
    """The picture, spoilt."""
    if change == "grey":
        return as_image(grey(image))
    if change == "half size":
        return as_image(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    if change == "blur 2":
        return as_image(cv2.GaussianBlur(image, (0, 0), 2.0))
    if change == "JPEG quality 10":
        return decode_image(encode_jpeg(image, quality=10))
    if change == "a third of the light":
        return as_image((image / 3).astype(np.uint8))
    if change == "noise 15":
        return as_image(np.clip(np.rint(image + rng.normal(0, 15, image.shape)), 0, 255).astype(np.uint8))
    return image


def teaches(person: str) -> bool:
    """Whether a person is of the half that teaches."""
    return zlib.crc32(person.encode()) % 2 == 0


def versions(path: Path, image: Image, face: DetectedFace) -> Iterator[tuple[str, str, Image]]:
    """Kind, change and picture: uncovered, with each mask, with cloth beside the mouth, and some of them spoilt."""
    rng = np.random.default_rng(zlib.crc32(path.name.encode()))
    bare = teaches(path.parent.name)
    for kind in ("", *KINDS, *BESIDE):
        drawn = as_image(draw(image, face.landmarks, kind, rng)) if kind else image
        stored = decode_image(encode_jpeg(drawn, quality=int(rng.integers(70, 96))))
        yield kind, "", stored
        changes = WORSE if kind == "" else [WORSE[rng.integers(len(WORSE))]]
        for change in changes if not bare or kind == "" or rng.random() < 0.5 else ():
            yield kind, change, worse(stored, change, rng)


def read(folder: Path, eye: Eye) -> tuple[list[Example], dict[str, int], dict[str, int]]:
    """All examples; and by kind how many pictures there were, and in how many no face was found."""
    examples, drawn, lost = [], dict.fromkeys(("", *KINDS), 0), dict.fromkeys(("", *KINDS), 0)
    for path in sorted(folder.glob("*/*.jpg")):
        image = decode_image(path.read_bytes())
        first = eye.find(image)
        if first is None:
            lost[""] += 1
            continue
        for kind, change, picture in versions(path, image, first):
            face = eye.find(picture)
            if change == "" and kind in drawn:
                drawn[kind] += 1
                lost[kind] += face is None
            if face is None or face.inter_eye < SMALLEST:
                continue
            x, y, w, h = (int(v) for v in face.box)
            part = picture[max(y, 0) : y + h, max(x, 0) : x + w]
            examples.append(
                Example(
                    path.name, path.parent.name, kind, change, features(picture, face.landmarks).astype(np.float32),
                    float(part.mean()), abs(_yaw(face)),
                )
            )  # fmt: skip
    return examples, drawn, lost


def _yaw(face: DetectedFace) -> float:
    from idverify.biometric.face import head_pose

    return head_pose(face.landmarks)[0]


def learn(numbers: np.ndarray, visible: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge logistic regression by Newton's method, both classes of equal weight; weights for raw features."""
    mean, spread = numbers.mean(axis=0, dtype=np.float64), numbers.std(axis=0, dtype=np.float64) + 1e-3
    x = np.hstack([(numbers - mean) / spread, np.ones((len(numbers), 1))])
    weight = np.where(visible, 1 / visible.sum(), 1 / (~visible).sum()) * len(visible) / 2
    penalty = np.append(np.full(FEATURES, RIDGE), 1e-6)
    found = np.zeros(FEATURES + 1)
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        slope = x.T @ (weight * (p - visible)) + penalty * found
        bend = (x * (weight * np.maximum(p * (1 - p), 1e-6))[:, np.newaxis]).T @ x + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        found -= step
        if np.abs(step).max() < 1e-5:
            break
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ mean)


def table(examples: list[Example], drawn: dict[str, int], lost: dict[str, int], out: Path) -> None:
    """Learns, prints what the people who did not teach show, and writes the weights."""
    numbers = np.array([e.numbers for e in examples])
    kinds, changes = np.array([e.kind for e in examples]), np.array([e.change for e in examples])
    visible = ~np.isin(kinds, list(KINDS))
    teach = np.array([teaches(e.person) for e in examples])
    weights, bias = learn(numbers[teach], visible[teach])
    weights = np.array([float(f"{w:.5g}") for w in weights])
    bias = float(f"{bias:.5g}")
    covered = numbers @ weights + bias < 0

    def share(of: np.ndarray, found: np.ndarray = covered) -> str:
        return f"{100 * found[of].mean():5.2f} % of {of.sum()}"

    tried = ~teach
    print("false advice, people who did not teach:")
    plain = tried & (kinds == "")
    print(f"  as they are            {share(plain & (changes == ''))}")
    for change in WORSE:
        print(f"  {change:22s} {share(plain & (changes == change))}")
    light, yaw = np.array([e.luma for e in examples]), np.array([e.yaw for e in examples])
    dark = light <= np.quantile(light[plain & (changes == "")], 0.1)
    for name, mark in zip(_MARKS, (yaw > 25, dark), strict=True):
        print(f"  {name:22s} {share(plain & (changes == '') & mark)}")
    for kind in BESIDE:
        print(f"  cloth {kind:16s} {share(tried & (kinds == kind) & (changes == ''))}")
    for e in (e for e, c, p in zip(examples, covered, plain & (changes == ""), strict=True) if c and p):
        print(f"    {e.name}")
    print("advice where it is due: all kinds taught / spoilt pictures / kind not taught; no face found")
    for kind in KINDS:
        mine = tried & (kinds == kind)
        others = teach & (kinds != kind)
        w, b = learn(numbers[others], visible[others])
        blind = numbers @ w + b < 0
        far = blind[plain & (changes == "")].mean()
        print(
            f"  {kind:14s} {share(mine & (changes == ''))} / {share(mine & (changes != ''))} / "
            f"{share(mine & (changes == ''), blind)} (false {100 * far:.2f} %); {lost[kind]} of {drawn[kind]}"
        )
    out.write_text(
        json.dumps(
            {
                "id": "mouth-visible-1",
                "recipe": "models/recipes/mouth_visible.py",
                "data": "LFW, view 2, folds 1 and 2, half of the people; masks drawn, not photographed",
                "says": "positive: the mouth is visible",
                "bias": bias,
                "weights": weights.tolist(),
            },
            indent=1,
        ).replace(",\n  ", ", ")
        + "\n",
        encoding="utf-8",
    )
    print(f"{out}: {len(weights)} weights")


def sheet(folder: Path, eye: Eye, path: Path, people: int = 8) -> None:
    """A picture of what is drawn."""
    rows = []
    for file in sorted(folder.glob("*/*.jpg"))[:: max(1, len(list(folder.glob("*/*.jpg"))) // people)][:people]:
        image = decode_image(file.read_bytes())
        face = eye.find(image)
        if face is not None:
            rows.append(np.hstack([p for _, change, p in versions(file, image, face) if change == ""]))
    cv2.imwrite(str(path), np.vstack(rows)[:, :, ::-1])


def main() -> None:
    cv2.setNumThreads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True)
    home = Path(__file__).resolve().parents[2] / "src" / "idverify" / "biometric" / "face" / "mouth.json"
    parser.add_argument("--out", type=Path, default=home)
    parser.add_argument("--sheet", type=Path, help="write a picture of the drawings and stop")
    args = parser.parse_args()
    eye = Eye()
    if args.sheet:
        sheet(args.faces, eye, args.sheet)
        return
    table(*read(args.faces, eye), args.out)


if __name__ == "__main__":
    main()
