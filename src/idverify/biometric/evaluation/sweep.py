"""A counter's real limits: how the miss rate grows as one picture of each pair gets worse.

The threshold stays where the clean pictures' calibration put it, as at a counter, which cannot know how bad a picture
is. One side of each genuine pair is degraded, the other stays clean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from idverify.biometric.codecs import decode_image, encode_jpeg, encode_jpeg2000
from idverify.biometric.evaluation.face import PairsFile
from idverify.biometric.evaluation.metrics import wilson_interval
from idverify.biometric.face.matcher import FaceMatcher, FaceTemplate
from idverify.biometric.image import Image, grey
from idverify.errors import BiometricError, ConfigurationError

Degradation = Callable[[Image], Image]


def resolution(share: float) -> Degradation:
    """Shrinks both sides by ``share``, as a person farther off."""

    def run(image: Image) -> Image:
        import cv2

        height, width = image.shape[:2]
        size = max(1, round(width * share)), max(1, round(height * share))
        return Image(np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)))

    return run


def jpeg(quality: int) -> Degradation:
    """JPEG of a quality, 1 … 100."""
    return lambda image: decode_image(encode_jpeg(image, quality=quality))


def chip(size: int, *, width: int = 240, height: int = 320, colour: bool = False) -> Degradation:
    """As on a chip: cut to the form, scaled to ``width`` × ``height`` pixels, JPEG 2000 of ``size`` octets.

    Args:
        size: octets of the JPEG 2000 file, at most.
        width: pixels in a row.
        height: rows.
        colour: whether colour stays; else grey, which is the harder case.
    """

    def run(image: Image) -> Image:
        import cv2

        rows, columns = image.shape[:2]
        wide = min(columns, round(rows * width / height))
        left = (columns - wide) // 2
        part = cv2.resize(image[:, left : left + wide], (width, height), interpolation=cv2.INTER_AREA)
        kept = part if colour else np.repeat(grey(Image(part))[:, :, np.newaxis], 3, axis=2)
        return decode_image(encode_jpeg2000(Image(np.ascontiguousarray(kept)), max_bytes=size))

    return run


def blur(sigma: float) -> Degradation:
    """Gaussian blur, standard deviation in pixels."""

    def run(image: Image) -> Image:
        import cv2

        return Image(np.ascontiguousarray(cv2.GaussianBlur(image, (0, 0), sigma)))

    return run


def roll(degrees: float) -> Degradation:
    """The picture turned about its middle: a leaning head."""

    def run(image: Image) -> Image:
        import cv2

        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        return Image(np.ascontiguousarray(cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)))

    return run


def light(factor: float) -> Degradation:
    """Less or more light: a factor on the pixels, cut off at white."""
    return lambda image: Image(np.clip(np.rint(image * np.float32(factor)), 0, 255).astype(np.uint8))


def side_light(share: float) -> Degradation:
    """Light from one side: the other side keeps ``share`` of it."""

    def run(image: Image) -> Image:
        ramp = np.linspace(1, share, image.shape[1], dtype=np.float32)[np.newaxis, :, np.newaxis]
        return Image(np.rint(image * ramp).astype(np.uint8))

    return run


def noise(sigma: float) -> Degradation:
    """Sensor noise, standard deviation in grey levels, the same for the same picture."""

    def run(image: Image) -> Image:
        rng = np.random.default_rng(int(image.astype(np.uint64).sum()))
        return Image(np.clip(np.rint(image + rng.normal(0, sigma, image.shape)), 0, 255).astype(np.uint8))

    return run


STANDARD: Mapping[str, Degradation] = MappingProxyType(
    {
        "clean": lambda image: image,
        "half size": resolution(0.5),
        "third size": resolution(1 / 3),
        "quarter size": resolution(0.25),
        "JPEG quality 30": jpeg(30),
        "JPEG quality 10": jpeg(10),
        "chip, JPEG 2000 of 15 KB": chip(15_000),
        "chip, JPEG 2000 of 8 KB": chip(8_000),
        "chip, JPEG 2000 of 3 KB": chip(3_000),
        "blur 2 pixels": blur(2),
        "blur 4 pixels": blur(4),
        "roll 15 degrees": roll(15),
        "roll 30 degrees": roll(30),
        "a third of the light": light(1 / 3),
        "a tenth of the light": light(0.1),
        "three times the light": light(3),
        "light from one side": side_light(0.15),
        "noise 20": noise(20),
    }
)
"""The degradations that :func:`sweep_faces` tries where none are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRow:
    """One degradation.

    Attributes:
        name: what was done.
        genuine: pairs compared.
        missed: pairs below the threshold, those without a face included.
        no_face: degraded pictures in which no face was found.
        mean: mean score of the pairs that gave one.
    """

    name: str
    genuine: int
    missed: int
    no_face: int
    mean: float

    @property
    def fnmr(self) -> float:
        """Share of pairs missed."""
        return self.missed / self.genuine

    def to_json(self) -> dict[str, Any]:
        """The row as plain values."""
        return {
            "name": self.name, "genuine": self.genuine, "fnmr": self.fnmr,
            "fnmr_interval": list(wilson_interval(self.missed, self.genuine)), "no_face": self.no_face,
            "mean": self.mean,
        }  # fmt: skip


def sweep_faces(
    listed: PairsFile,
    folder: Path,
    *,
    fmr: float = 1e-4,
    matcher: FaceMatcher | None = None,
    degradations: Mapping[str, Degradation] | None = None,
    limit: int | None = None,
    on_row: Callable[[SweepRow], None] | None = None,
) -> tuple[SweepRow, ...]:
    """Misses of the genuine pairs under each degradation of their first picture.

    Args:
        listed: the pairs; only genuine ones are used.
        folder: of the pictures.
        fmr: where the threshold lies in the matcher's calibration table.
        matcher: the matcher; the default one where None.
        degradations: by name; :data:`STANDARD` where None.
        limit: number of pairs, the first ones; all where None.
        on_row: called after each degradation.

    Raises:
        ConfigurationError: no genuine pairs, a file cannot be read, or the matcher has no calibration.
        ImageError: a picture cannot be decoded.
        ModelError: a model is missing, altered or failed.
    """
    matcher = matcher if matcher is not None else FaceMatcher()
    threshold = matcher.threshold(fmr)
    pairs = [p for p in listed.pairs if p.genuine][:limit]
    if not pairs:
        raise ConfigurationError("the pairs file holds no pairs of one person")
    firsts = {p.a: _load(folder / listed.images[p.a]) for p in pairs}
    clean = {p.b: _template(matcher, _load(folder / listed.images[p.b])) for p in pairs}
    rows = []
    for name, degrade in (degradations if degradations is not None else STANDARD).items():
        probes = {index: _template(matcher, degrade(image)) for index, image in firsts.items()}
        scores = [_score(matcher, probes[p.a], clean[p.b]) for p in pairs]
        known = [s for s in scores if s is not None]
        row = SweepRow(
            name=name,
            genuine=len(pairs),
            missed=sum(s is None or s < threshold for s in scores),
            no_face=sum(t is None for t in probes.values()),
            mean=float(np.mean(known)) if known else 0.0,
        )
        rows.append(row)
        if on_row is not None:
            on_row(row)
    return tuple(rows)


def _load(path: Path) -> Image:
    try:
        return decode_image(path.read_bytes())
    except OSError:
        raise ConfigurationError("a picture that the pairs file names cannot be read") from None


def _template(matcher: FaceMatcher, image: Image) -> FaceTemplate | None:
    try:
        return matcher.template(image)
    except BiometricError:
        return None


def _score(matcher: FaceMatcher, a: FaceTemplate | None, b: FaceTemplate | None) -> float | None:
    return None if a is None or b is None else matcher.compare(a, b).value


def table(rows: Sequence[SweepRow]) -> str:
    """The rows as a Markdown table."""
    lines = ["| degradation of one side | missed | of | no face | mean score |", "|---|---|---|---|---|"]
    lines += [f"| {r.name} | {100 * r.fnmr:.1f} % | {r.genuine} | {r.no_face} | {r.mean:.3f} |" for r in rows]
    return "\n".join(lines)
