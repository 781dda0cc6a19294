"""What passes for a blink or a turn of the head, and which of them are not seen: on pictures that a program moves.

    python -m benchmarks.measure_challenge blinks shared/data/faces/lfw_dev/images --people 120:320 --json blinks.json
    python -m benchmarks.measure_challenge turns shared/data/faces/lfw_dev/images --people 120:200
    python -m benchmarks.measure_challenge faces shared/data/faces/lfw_dev/images --people :

One picture of each person becomes a short film. Blinks: 0.95 to 1.15 s of open eyes, then a closing of the eyes of 0.25
to 0.6 s, or an attack on the still picture; with small movements of the head, flicker, noise and JPEG, at 10, 15 or 20
frames a second and 30 to 80 pixels between the eyes; faces are found anew in every frame, and a film passes where
:class:`idverify.biometric.face.BlinkWatch` sees a blink. Turns: a whole challenge of one action, posed to a head that a
program bends and turns, and to a print that is moved for as long as the challenge lasts. Faces: photographs as they
are, nothing drawn: whether one person's turned face matches the straight one, and a stranger's does not, and what a
second look at a face says of the first. APCER is told by species and
BPCER as ISO/IEC 30107-3 asks. These are drawings of eyelids and of heads, not people: see docs/models.md.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from idverify.biometric.codecs import decode_image
from idverify.biometric.evaluation import PadItem, PadRate, pad_rates
from idverify.biometric.face import (
    BlinkWatch,
    ChallengeOptions,
    FaceMatcher,
    eye_view,
    head_pose,
    main_face,
    rivals,
    run_challenge,
)
from idverify.biometric.face.blink import MIN_INTER_EYE
from idverify.biometric.face.eyelids import Lids, close_eyes, find_eyes
from idverify.biometric.face.steady import look_again
from idverify.biometric.face.synthetic import Placing, SyntheticCamera, SyntheticPerson
from idverify.biometric.image import Image
from idverify.errors import BiometricError

Pixels = Any
SECONDS = 2.3


class Scene:
    """One picture with what is done to it. Lengths in distances between the eyes."""

    def __init__(self, image: Image, eyes: np.ndarray, begins: float, rng: np.random.Generator) -> None:
        self.image, self.eyes, self.begins, self.rng = image, eyes, begins, rng
        self.apart = float(np.hypot(*(eyes[1] - eyes[0])))
        self.rows, self.columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
        self.x, self.y = eyes.mean(axis=0)
        self.strength, self.way, self.rate = rng.uniform(0.6, 1), rng.choice([-1, 1]), rng.uniform(0.5, 8)
        self.closing, self.hold, self.opening = rng.uniform(0.07, 0.15), rng.uniform(0.25, 0.6), rng.uniform(0.1, 0.25)
        self.full = rng.uniform(0.92, 1)
        self.lids = Lids(
            way=rng.choice(["pull", "paint"]), lashes=rng.uniform(0.25, 0.9), width=rng.uniform(0.22, 0.26),
            height=rng.uniform(0.075, 0.1), lower=rng.uniform(0.05, 0.3), seed=int(rng.integers(1 << 30)),
        )  # fmt: skip
        below = int(np.clip(self.y + 0.5 * self.apart, 4, image.shape[0] - 5))
        middle = int(np.clip(self.x, 12, image.shape[1] - 13))
        self.skin = image[below - 3 : below + 4, middle - 12 : middle + 12].reshape(-1, 3).mean(axis=0)

    def course(self, at: float) -> float:
        """0 … 1 … 0: how far the event has come."""
        since = at - self.begins
        if since < self.closing:
            return max(0.0, since / self.closing)
        return min(1.0, max(0.0, 1 - (since - self.closing - self.hold) / self.opening))

    def mix(self, mask: Pixels, colour: Pixels) -> Pixels:
        """Something of one colour before the picture."""
        mask = np.clip(mask, 0, 1)[..., None]
        return self.image * (1 - mask) + colour * mask

    def across(self, at: float, speed: float) -> float:
        """Where something is that moves over the eyes."""
        return float(self.y + (at - self.begins - 0.2) * self.way * speed * self.apart)


def blink(s: Scene, at: float) -> Pixels:
    return close_eyes(s.image, s.eyes, s.course(at) * s.full, s.lids)


def still(s: Scene, at: float) -> Pixels:
    return s.image


def flicker(s: Scene, at: float) -> Pixels:
    return s.image * (1 + 0.35 * s.strength * np.sin(2 * np.pi * s.rate * at))


def band(s: Scene, at: float) -> Pixels:
    """A stripe that a screen's refreshing leaves."""
    y = (at * s.rate * 75) % 400 - 75
    stripe = np.exp(-(((s.rows - y) / (0.2 * s.apart + 6)) ** 2)) * 0.6 * s.strength * s.way
    return s.image * (1 + stripe)[..., None]


def exposure(s: Scene, at: float) -> Pixels:
    power = 1 + s.course(at) * s.strength if s.way > 0 else 1 - 0.5 * s.course(at) * s.strength
    return 255 * (s.image / 255.0) ** power


def defocus(s: Scene, at: float) -> Pixels:
    sigma = 0.06 * s.apart * s.course(at) * s.strength
    return cv2.GaussianBlur(s.image, (0, 0), sigma) if sigma > 0.1 else s.image


def hand(s: Scene, at: float) -> Pixels:
    y = s.across(at, 2.2)
    edge = np.clip((0.55 * s.apart - np.abs(s.rows - y + 3 * np.sin(s.columns / 9))) / 3 + 0.5, 0, 1)
    folds = (np.sin(s.columns / 5 + np.sin(s.rows / 13)) * 6)[..., None]
    return s.mix(edge, 0.93 * s.skin + folds)


def pen(s: Scene, at: float) -> Pixels:
    y = s.across(at, 1.5)
    edge = (0.09 * s.apart - np.abs(s.rows - y + (s.columns - s.x) * 0.1)) / 2 + 0.5
    return s.mix(edge, np.array([40.0, 40, 60]))


def strip(s: Scene, at: float) -> Pixels:
    """A strip of the skin's colour held before both eyes."""
    mask = (np.abs(s.rows - s.y) < 0.17 * s.apart) & (np.abs(s.columns - s.x) < 0.85 * s.apart) & (s.course(at) > 0)
    return s.mix(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1), s.skin * s.strength)


def patches(s: Scene, at: float) -> Pixels:
    """Two lids of paper of the skin's colour, one before each eye, exactly."""
    near = [((s.columns - x) / 0.26) ** 2 + ((s.rows - y) / 0.12) ** 2 < s.apart**2 for x, y in s.eyes]
    mask = (near[0] | near[1]) & (s.course(at) > 0)
    return s.mix(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1), s.skin * s.strength)


def shadow(s: Scene, at: float) -> Pixels:
    dark = np.exp(-(((s.rows - s.y) / (0.25 * s.apart)) ** 2)) * s.course(at) * s.strength * 0.7
    return s.image * (1 - dark)[..., None]


def glare(s: Scene, at: float) -> Pixels:
    x = s.x + (at - s.begins - 0.2) * s.way * 4 * s.apart
    spot = np.exp(-(((s.rows - s.y) / (0.3 * s.apart)) ** 2) - ((s.columns - x) / (0.4 * s.apart)) ** 2)
    return s.image + 160 * s.strength * spot[..., None]


ATTACKS: dict[str, Callable[[Scene, float], Pixels]] = {
    "still": still, "turned": still, "tilted": still, "flicker": flicker, "band": band, "exposure": exposure,
    "defocus": defocus, "hand": hand, "pen": pen, "strip": strip, "patches": patches, "shadow": shadow, "glare": glare,
}  # fmt: skip


def film(
    image: Image, eyes: np.ndarray, species: str | None, rng: np.random.Generator
) -> Iterator[tuple[Image, float]]:
    """Frames with their times."""
    scene = Scene(image, eyes, rng.uniform(0.95, 1.15), rng)
    scale = rng.uniform(30, 80) / scene.apart
    fps, quality, noise, light = (
        int(rng.choice([10, 15, 20])),
        int(rng.integers(55, 96)),
        rng.uniform(1, 6),
        rng.uniform(0, 0.06),
    )
    act = ATTACKS[species] if species is not None else blink
    place, drift, lean, size = np.zeros(2), rng.normal(0, 0.4, 2), 0.0, 1.0
    wide, high = round(image.shape[1] * scale) + 60, round(image.shape[0] * scale) + 60
    for index in range(int(SECONDS * fps)):
        at = index / fps
        pixels = np.clip(act(scene, at), 0, 255).astype(np.float32)
        drift = 0.8 * drift + rng.normal(0, 0.25, 2)
        place = place + drift * scale * 10 / fps
        lean, size = lean + rng.normal(0, 0.25) * 20 / fps, size * (1 + rng.normal(0, 0.002) * 20 / fps)
        held = np.vstack(
            [cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), lean, scale * size), [0, 0, 1]]
        )
        held[:2, 2] += [wide / 2 - image.shape[1] / 2 + place[0], high / 2 - image.shape[0] / 2 + place[1]]
        if species in ("turned", "tilted"):
            held = (
                _print(np.radians(35 * scene.strength * np.sin(3.1 * (at - scene.begins))), species, wide, high) @ held
            )
        shown = cv2.warpPerspective(pixels, held, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        shown = shown * (1 + light * np.sin(2 * np.pi * scene.rate * at)) + rng.normal(0, noise, shown.shape)
        _, coded = cv2.imencode(
            ".jpg", np.clip(shown, 0, 255).astype(np.uint8)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality]
        )
        yield Image(np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])), at


def _print(angle: float, way: str, wide: int, high: int) -> np.ndarray:
    """A flat picture turned about its upright axis, or tilted about the level one, before a lens."""
    far = 4 * wide
    along, back = np.cos(angle), -np.sin(angle) / far
    turned = [[along, 0, 0], [0, 1, 0], [back, 0, 1]] if way == "turned" else [[1, 0, 0], [0, along, 0], [0, back, 1]]
    middle = np.array([[1, 0, wide / 2], [0, 1, high / 2], [0, 0, 1]])
    return np.asarray(middle @ np.array(turned) @ np.linalg.inv(middle))


def seen(frames: Iterator[tuple[Image, float]], matcher: FaceMatcher) -> bool | None:
    """Whether a blink was seen; None where it could not be told."""
    watch, found = BlinkWatch(), False
    for image, at in frames:
        try:
            face = matcher.inspect(image).face
            view = eye_view(image, face.landmarks)
        except BiometricError:
            continue
        if watch.ready:
            found = watch.feed(view, at) or found
        elif face.inter_eye >= MIN_INTER_EYE * 0.8:
            watch.look(view)
    return found if watch.ready else None


def people(folder: Path, matcher: FaceMatcher) -> Iterator[tuple[str, Image, np.ndarray]]:
    """One picture of each person who looks into the camera, in the order of their names."""
    for person in sorted(p for p in folder.iterdir() if p.is_dir()):
        for path in sorted(person.glob("*.jpg")):
            image = decode_image(path.read_bytes())
            try:
                face = matcher.inspect(image).face
            except BiometricError:
                continue
            yaw, pitch, _ = head_pose(face.landmarks)
            if abs(yaw) < 12 and abs(pitch) < 25:
                yield person.name, image, find_eyes(image, face.landmarks)
                break


def measure_blinks(folder: Path, begin: int, end: int, attacks: int, matcher: FaceMatcher) -> list[PadItem]:
    """A film of a blink and some of attacks for each person."""
    items: list[PadItem] = []
    for number, (name, image, eyes) in enumerate(people(folder, matcher)):
        if number >= end:
            break
        if number < begin:
            continue
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        for species in (None, *rng.choice(list(ATTACKS), attacks, replace=False)):
            found = seen(film(image, eyes, species, rng), matcher)
            items.append(PadItem(name=name, species=species, score=None if found is None else float(found)))
    return items


PRINTS: dict[str, Callable[[np.ndarray, int], Placing]] = {
    "print shifted": lambda r, i: Placing(shift=(40 * np.sin(i * r[0] / 4), 25 * np.sin(i * r[1] / 5)), noise=3),
    "print turned": lambda r, i: Placing(yaw=45 * np.sin(i * r[0] / 4), noise=3),
    "print turned and shifted": lambda r, i: Placing(
        yaw=35 * np.sin(i * r[0] / 4), shift=(30 * np.sin(i * r[1] / 4), 20 * np.sin(i * r[2] / 3)), noise=3
    ),
    "print nearer and farther": lambda r, i: Placing(
        scale=1 + 0.3 * np.sin(i * r[0] / 5), shift=(10 * np.sin(i * r[1]), 0), noise=3
    ),
}  # fmt: skip


def measure_turns(folder: Path, begin: int, end: int, attacks: int, matcher: FaceMatcher) -> list[PadItem]:
    """A challenge to a head that turns and to prints that are moved, for each person who is alone in the picture."""
    items: list[PadItem] = []
    why: Counter[str] = Counter()
    for number, (name, image, _) in enumerate(people(folder, matcher)):
        if number >= end:
            break
        if number < begin:
            continue
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        found_faces = matcher.detect(image)
        face = main_face(found_faces, image)
        if rivals(found_faces, face):
            continue
        for species in (None, *rng.choice(list(PRINTS), attacks, replace=False)):
            size = (320, 240) if rng.random() < 0.5 else (400, 300)
            rates, who = rng.uniform(0.2, 1, 3), SyntheticPerson(noise=3)
            script = who if species is None else [PRINTS[species](rates, max(0, i - 2)) for i in range(80)]
            source = SyntheticCamera(image, face, script, size=size, flat=species is not None, seed=number)
            found = run_challenge(
                source, matcher, options=ChallengeOptions(actions=1), rng=rng.bytes,
                on_prompt=who.hear,
            )  # fmt: skip
            items.append(PadItem(name=name, species=species, score=float(found.passed)))
            if species is None and not found.passed:
                why[found.reason.value] += 1
    print("heads that did not pass:", ", ".join(f"{count} {reason}" for reason, count in why.most_common()) or "none")
    return items


@dataclass(frozen=True, slots=True)
class Poses:
    """Photographs: who, degrees of yaw at the first look and at the second (NaN: none), and the live template."""

    who: np.ndarray
    first: np.ndarray
    second: np.ndarray
    vectors: np.ndarray


def poses(folder: Path, begin: int, end: int, matcher: FaceMatcher) -> Poses:
    """Every picture of those people in which a face is found."""
    rows = []
    for number, person in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())[begin:end]):
        for path in sorted(person.glob("*.jpg")):
            image = decode_image(path.read_bytes())
            try:
                sample = matcher.analyse(image)
            except BiometricError:
                continue
            again = look_again(image, sample.face, matcher.detect)
            second = head_pose(again)[0] if again is not None else np.nan
            rows.append((number, head_pose(sample.face.landmarks)[0], second, sample.template.embedding))
    who, first, second, vectors = zip(*rows, strict=True)
    return Poses(np.array(who), np.array(first), np.array(second), np.stack(vectors))


def tell_poses(found: Poses, matcher: FaceMatcher) -> None:
    """One person's turned faces refused, strangers let through, at a challenge's FMR; and first against second look."""
    turned, straight = np.abs(found.first), np.flatnonzero(np.abs(found.first) <= 10)
    print(f"{len(found.who):,} pictures of {len(set(found.who.tolist())):,} people, {len(straight):,} of them straight")
    for low, high in ((16, 25), (25, 90)):
        there = np.flatnonzero((turned >= low) & (turned < high))
        scores = found.vectors[straight] @ found.vectors[there].T
        same = found.who[straight][:, None] == found.who[there]
        for fmr in (1e-3, 1e-2):
            passed = scores >= matcher.threshold(fmr)
            refused, genuine, let = int((~passed & same).sum()), int(same.sum()), int((passed & ~same).sum())
            print(
                f"  straight against turned by {low} to {high}, at FMR {fmr:g}: {refused} of {genuine:,} refused, "
                f"{let:,} of {int((~same).sum()):,} strangers let through ({1000 * let / (~same).sum():.2f} in 1,000)"
            )
    known = np.isfinite(found.second)
    first, second = found.first[known], found.second[known]
    print(
        f"  first and second look at {known.sum():,} faces, turned up to {np.abs(first).max():.0f} degrees: "
        f"correlation {np.corrcoef(first, second)[0, 1]:.3f}, slope {np.polyfit(first, second, 1)[0]:.3f}"
    )


def _rate(rate: PadRate) -> str:
    low, high = rate.interval
    return f"{rate.events:4d} of {rate.trials:4d}  {rate.value:7.2%}  ({low:.2%} … {high:.2%})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("blinks", "turns", "faces"))
    parser.add_argument("folder", type=Path, help="Name/Name_0001.jpg, one person a folder")
    parser.add_argument("--people", default="0:100", help="from:to in the order of names")
    parser.add_argument("--attacks", type=int, default=3, help="films of attacks a person")
    parser.add_argument("--json", type=Path, help="write the figures and every film")
    given = parser.parse_args()
    begin, _, end = given.people.partition(":")
    if given.what == "faces":
        matcher = FaceMatcher(threads=1)
        tell_poses(poses(given.folder, int(begin or 0), int(end or 1 << 30), matcher), matcher)
        return
    made = measure_turns if given.what == "turns" else measure_blinks
    items = made(given.folder, int(begin or 0), int(end or 1 << 30), given.attacks, FaceMatcher(threads=1))
    found = pad_rates(items, threshold=0.5, model=given.what)
    print(f"{given.what} that were not seen (BPCER)  {_rate(found.bpcer)}" if found.bpcer else f"no {given.what}")
    for species, rate in found.apcer.items():
        print(f"  passes (APCER): {species:25s}    {_rate(rate)}")
    attacked = [item for item in items if item.species is not None]
    if attacked:
        every = PadRate(events=sum(item.score == 1 for item in attacked), trials=len(attacked))
        print(f"  all species together                         {_rate(every)}; could not be told: {found.no_response}")
    if given.json is not None:
        given.json.write_text(json.dumps(found.to_json(), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
