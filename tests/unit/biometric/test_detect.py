from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.biometric import Image, as_image
from idverify.biometric.face import DetectorOptions, FaceDetector, FaceMatcher, head_pose, main_face, rivals
from idverify.biometric.face.detect import DetectedFace, _shrunk, suppress
from idverify.biometric.models import default_registry
from idverify.errors import NoFaceError
from tests.unit.biometric.pictures import picture


def warped(image: Image, matrix: np.ndarray, size: tuple[int, int]) -> Image:
    return as_image(cv2.warpAffine(image, matrix, size, flags=cv2.INTER_AREA, borderValue=(128, 128, 128)))


@pytest.mark.parametrize("name", ["portrait", "live", "other", "congress"])
def test_one_face_with_its_parts_in_order(matcher: FaceMatcher, name: str) -> None:
    image = picture(name)
    face = main_face(matcher.detect(image), image)
    left, right, nose, mouth_left, mouth_right = face.landmarks
    x, y, w, h = face.box
    assert face.confidence > 0.8
    assert left[0] < nose[0] < right[0]
    assert mouth_left[0] < mouth_right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])
    assert ((face.landmarks > [x, y]) & (face.landmarks < [x + w, y + h])).all()
    assert 70 < face.inter_eye < 130


@pytest.mark.parametrize("scale", [0.5, 0.8, 1.6, 4.0])
def test_landmarks_follow_the_scale(matcher: FaceMatcher, scale: float) -> None:
    image = picture("portrait")
    before = main_face(matcher.detect(image), image)
    larger = as_image(
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    )
    after = main_face(matcher.detect(larger), larger)
    assert np.abs(after.landmarks / scale - before.landmarks).max() < 0.06 * before.inter_eye


@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (2047, 1535), (4001, 3001)])
def test_large_pictures_are_shrunk_as_in_one_step(size: tuple[int, int]) -> None:
    large = cv2.resize(picture("live"), size, interpolation=cv2.INTER_LINEAR)
    small = (320, max(1, round(size[1] * 320 / size[0])))
    expected = cv2.resize(large, small, interpolation=cv2.INTER_AREA)
    found = _shrunk(large, small)
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 6
    assert np.abs(found.astype(int) - expected).mean() < 1


@pytest.mark.parametrize(("dx", "dy"), [(37, 0), (-60, 25), (113, 90)])
def test_landmarks_follow_a_shift(matcher: FaceMatcher, dx: int, dy: int) -> None:
    image = picture("live")
    first = warped(image, np.array([[1, 0, 60], [0, 1, 60]], np.float64), (720, 860))
    before = main_face(matcher.detect(first), first)
    moved = warped(image, np.array([[1, 0, dx + 60], [0, 1, dy + 60]], np.float64), (720, 860))
    after = main_face(matcher.detect(moved), moved)
    assert np.abs(after.landmarks - [dx, dy] - before.landmarks).max() < 0.12 * before.inter_eye


@pytest.mark.parametrize("degrees", [-25, -10, 10, 25])
def test_landmarks_follow_a_turn(matcher: FaceMatcher, degrees: float) -> None:
    image = picture("portrait")
    before = main_face(matcher.detect(image), image)
    matrix = cv2.getRotationMatrix2D((240, 270), degrees, 1.0)
    turned = warped(image, matrix, (480, 640))
    after = matcher.analyse(turned).face
    expected = before.landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(after.landmarks - expected).max() < 0.12 * before.inter_eye
    assert head_pose(after.landmarks)[2] == pytest.approx(head_pose(before.landmarks)[2] - degrees, abs=7)


def test_upright_faces_are_left_alone(matcher: FaceMatcher) -> None:
    image = picture("portrait")
    found = main_face(matcher.detect(image), image)
    assert np.array_equal(matcher.analyse(image).face.landmarks, found.landmarks)


def test_straightening_brings_the_score_of_a_leaning_head_back(matcher: FaceMatcher) -> None:
    portrait, live = matcher.template(picture("portrait")), picture("live")
    turned = warped(live, cv2.getRotationMatrix2D((240, 256), 25, 1.0), (480, 640))
    plain = FaceMatcher(threads=1, options=DetectorOptions(level=180.0))
    with_level = matcher.compare(matcher.template(turned), portrait).value
    assert with_level > plain.compare(plain.template(turned), portrait).value + 0.02
    assert with_level > 0.9 * matcher.compare(matcher.template(live), portrait).value


def test_small_far_face_is_found_at_a_larger_scale(matcher: FaceMatcher) -> None:
    small = cv2.resize(picture("portrait"), (60, 80), interpolation=cv2.INTER_AREA)
    scene = np.full((1000, 1280, 3), 127, np.uint8)
    scene[450:530, 900:960] = small
    image = as_image(scene)
    face = main_face(matcher.detect(image), image)
    assert face.landmarks[:, 0].min() > 900
    assert face.landmarks[:, 0].max() < 960
    session = default_registry().session("yunet-2023mar", threads=1)
    assert FaceDetector(session, DetectorOptions(sides=(320,))).detect(image) == ()


def test_small_pictures_of_a_chip(matcher: FaceMatcher) -> None:
    image = as_image(cv2.resize(picture("portrait"), (120, 160), interpolation=cv2.INTER_AREA))
    assert len(matcher.detect(image)) == 1


def test_two_people_are_both_reported(matcher: FaceMatcher) -> None:
    image = as_image(np.hstack([picture("portrait"), picture("other")]))
    faces = matcher.detect(image)
    assert len(faces) == 2
    main = main_face(faces, image)
    assert len(rivals(faces, main)) == 1
    assert rivals(faces, main)[0] is not main


def test_a_face_in_the_background_is_no_rival() -> None:
    def face(x: float, size: float) -> DetectedFace:
        return DetectedFace(box=(x, 10, size, size), landmarks=np.zeros((5, 2), np.float32), confidence=0.9)

    large, small = face(100, 100), face(10, 30)
    image = as_image(np.zeros((300, 300, 3), np.uint8))
    assert main_face([small, large], image) is large
    assert rivals([small, large], large) == ()
    assert rivals([small, large], large, share=0.05) == (small,)


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (33, 31), (480, 640)])
def test_no_face_is_an_empty_answer(matcher: FaceMatcher, shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    image = as_image(noise)
    assert matcher.detect(image) == ()
    with pytest.raises(NoFaceError):
        main_face(matcher.detect(image), image)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(w, 0) * max(h, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.integers(0, 40), st.sampled_from([0.1, 0.3, 0.7]))
def test_suppression_is_the_greedy_one(seed: int, count: int, overlap: float) -> None:
    rng = np.random.default_rng(seed)
    boxes = np.concatenate([rng.integers(0, 60, (count, 2)), rng.integers(5, 40, (count, 2))], axis=1).astype(
        np.float32
    )
    expected: list[int] = []
    for i in range(count):
        if all(iou(boxes[i], boxes[k]) <= overlap for k in expected):
            expected.append(i)
    assert suppress(boxes, overlap) == expected


def test_faces_show_no_landmarks_in_their_repr(matcher: FaceMatcher) -> None:
    assert "landmarks" not in repr(matcher.detect(picture("live"))[0])
