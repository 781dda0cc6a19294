from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from idverify.biometric import as_image
from idverify.biometric.face import ARCFACE_TEMPLATE, align_face, similarity_transform
from idverify.errors import BiometricError


@given(
    st.floats(0.05, 20),
    st.floats(-3.1, 3.1),
    st.floats(-500, 500),
    st.floats(-500, 500),
    st.integers(2, 9),
    st.integers(0, 99),
)
def test_known_similarity_is_found_exactly(scale: float, turn: float, x: float, y: float, n: int, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-50, 50, (n, 2))
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    found = similarity_transform(points, points @ rotation.T + [x, y])
    assert np.allclose(found[:, :2], rotation, atol=1e-6 * scale)
    assert np.allclose(found[:, 2], [x, y], atol=1e-4)


def test_mirrored_points_are_not_mirrored_back() -> None:
    matrix = similarity_transform(ARCFACE_TEMPLATE * [-1, 1], ARCFACE_TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_noisy_points_are_fitted_as_an_independent_solver_does() -> None:
    rng = np.random.default_rng(3)
    source = rng.uniform(0, 100, (5, 2))
    target = source * 1.7 + [4, -9] + rng.normal(0, 3, (5, 2))
    # Least squares over (a, b, tx, ty) of [[a, -b], [b, a]]: the same minimum in closed form.
    rows = np.concatenate(
        [np.column_stack([source[:, 0], -source[:, 1], np.ones(5), np.zeros(5)]),
         np.column_stack([source[:, 1], source[:, 0], np.zeros(5), np.ones(5)])]
    )  # fmt: skip
    a, b, tx, ty = np.linalg.lstsq(rows, np.concatenate([target[:, 0], target[:, 1]]), rcond=None)[0]
    assert np.allclose(similarity_transform(source, target), [[a, -b, tx], [b, a, ty]], atol=1e-9)


@pytest.mark.parametrize(
    "points", [np.zeros((5, 2)), np.full((5, 2), 7.0), np.full((5, 2), np.nan), np.zeros((1, 2)), np.zeros((5, 3))]
)
def test_degenerate_points_are_our_error(points: np.ndarray) -> None:
    with pytest.raises(BiometricError):
        similarity_transform(points, ARCFACE_TEMPLATE[: len(points)])


def marked(landmarks: np.ndarray, size: int, radius: int) -> np.ndarray:
    picture = np.zeros((size, size, 3), np.uint8)
    for x, y in landmarks:
        cv2.circle(picture, (round(x), round(y)), radius, (255, 255, 255), -1)
    return picture


def centroids(crop: np.ndarray) -> np.ndarray:
    count, _, _, found = cv2.connectedComponentsWithStats((crop[:, :, 0] > 60).astype(np.uint8))
    return found[1:count]


@pytest.mark.parametrize("scale", [0.7, 1.0, 2.5, 6.0])
@pytest.mark.parametrize("turn", [0.0, 0.4, -1.2])
@pytest.mark.parametrize("crop_scale", [1.0, 1.1])
def test_marks_come_to_the_template_at_every_size_and_angle(scale: float, turn: float, crop_scale: float) -> None:
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = ARCFACE_TEMPLATE.mean(axis=0)
    landmarks = (ARCFACE_TEMPLATE - middle) @ rotation.T + 500
    crop = align_face(
        as_image(marked(landmarks, 1000, max(2, round(3 * scale)))),
        landmarks.astype(np.float32),
        side=128,
        crop_scale=crop_scale,
    )
    wanted = ((ARCFACE_TEMPLATE - 56) / crop_scale + 56) * 128 / 112
    assert crop.shape == (128, 128, 3)
    found = centroids(crop)
    assert len(found) == 5
    for mark in wanted:
        assert np.abs(found - mark).sum(axis=1).min() < 1.5


def test_large_faces_do_not_alias() -> None:
    board = np.indices((1200, 1200)).sum(axis=0) % 2 * 255
    landmarks = (ARCFACE_TEMPLATE * 8 + 100).astype(np.float32)
    crop = align_face(as_image(board.astype(np.uint8)), landmarks, side=112)
    assert np.abs(crop[10:-10, 10:-10].astype(int) - 127).max() < 16


def test_impossible_size_is_our_error() -> None:
    image = as_image(np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(BiometricError, match="too far apart"):
        align_face(image, (ARCFACE_TEMPLATE * 1e6).astype(np.float32), side=112)
