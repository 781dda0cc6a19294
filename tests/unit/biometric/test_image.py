from __future__ import annotations

import numpy as np
import pytest

from idverify.biometric.image import MAX_SIDE, as_image, check_size, grey
from idverify.errors import ImageError, MalformedDataError


def test_grey_is_repeated_in_three_channels() -> None:
    array = np.arange(6, dtype=np.uint8).reshape(2, 3)
    image = as_image(array)
    assert image.shape == (2, 3, 3)
    assert all((image[:, :, c] == array).all() for c in range(3))


def test_reversed_channels_become_contiguous() -> None:
    bgr = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    image = as_image(bgr[:, :, ::-1])
    assert image.flags["C_CONTIGUOUS"]
    assert (image[:, :, 0] == bgr[:, :, 2]).all()


def test_fitting_array_is_not_copied() -> None:
    array = np.zeros((3, 4, 3), np.uint8)
    assert as_image(array) is array


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0), np.uint8),
        np.zeros((1, MAX_SIDE + 1, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError):
        as_image(array)


def test_list_is_refused() -> None:
    with pytest.raises(MalformedDataError, match="uint8"):
        as_image([[0]])  # type: ignore[arg-type]


def test_pixel_cap_is_exact() -> None:
    check_size(100, 10, max_pixels=1000)
    with pytest.raises(ImageError, match="1000 pixels"):
        check_size(91, 11, max_pixels=1000)


def test_grey_weighs_the_channels() -> None:
    image = as_image(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8))
    assert grey(image).tolist() == [[76, 150, 29, 255]]
