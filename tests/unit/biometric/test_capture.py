from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from idverify.biometric import Image, as_image, encode_jpeg2000
from idverify.biometric.face import (
    ADVICE,
    CaptureEnd,
    CaptureKind,
    CaptureOptions,
    CaptureStep,
    FaceMatcher,
    FaceTemplate,
    PortraitCache,
    capture,
    fuse,
)
from idverify.biometric.frames import ArraySource, Frame
from idverify.errors import BiometricError, ConfigurationError, ImageError, NoFaceError, OperationCancelled
from tests.unit.biometric.pictures import picture


def scene(name: str, *, height: int = 400, blur: float = 0.0, light: float = 1.0) -> Image:
    """A frame of 640 × 480 with a person in it."""
    upright = picture(name)
    width = round(upright.shape[1] * height / upright.shape[0])
    canvas = np.full((480, 640, 3), 120, np.uint8)
    left = (640 - width) // 2
    canvas[480 - height :, left : left + width] = cv2.resize(upright, (width, height), interpolation=cv2.INTER_AREA)
    if blur:
        canvas = cv2.GaussianBlur(canvas, (0, 0), blur)
    return as_image(np.clip(canvas * light, 0, 255).astype(np.uint8))


EMPTY = as_image(np.full((480, 640, 3), 120, np.uint8))


def test_the_best_frame_wins_and_advice_follows_the_person(matcher: FaceMatcher) -> None:
    frames = [EMPTY, scene("live", height=150), scene("live", blur=4), scene("live"), scene("live", light=0.9)]
    steps: list[CaptureStep] = []
    found = capture(ArraySource(frames, fps=5), matcher, options=CaptureOptions(keep=2), on_step=steps.append)
    assert found.end is CaptureEnd.GOOD
    assert found.frames == 5
    assert found.frame.index in {3, 4}
    assert len(found.samples) == 2
    assert found.best.quality.scalar >= 60
    assert steps[0].advice == ("show-face",)
    assert steps[0].quality is None
    assert "come-closer" in steps[1].advice
    assert "hold-still" in steps[2].advice
    assert steps[-1].kept == 2
    assert steps[1].text() == ADVICE[steps[1].advice[0]]["en"]
    assert steps[1].text("vi") == ADVICE[steps[1].advice[0]]["vi"]
    with pytest.raises(ConfigurationError):
        steps[0].text("fr")
    score = matcher.compare(found.template, matcher.template(picture("portrait"), kind=CaptureKind.PORTRAIT))
    assert score.value > matcher.threshold(1e-5) + 0.2


def test_time_is_bounded_on_the_frames_clock(matcher: FaceMatcher) -> None:
    def endless() -> Iterator[Frame]:
        for index in range(1000):
            yield Frame(image=scene("live", blur=4), at=float(index), index=index)

    found = capture(endless(), matcher, options=CaptureOptions(seconds=2.5))
    assert (found.end, found.frames) == (CaptureEnd.TIME_OUT, 3)
    assert "hold-still" in found.advice
    found = capture(endless(), matcher, options=CaptureOptions(seconds=100, frames=2))
    assert (found.end, found.frames) == (CaptureEnd.TIME_OUT, 2)


def test_neighbours_in_time_are_kept_once(matcher: FaceMatcher) -> None:
    found = capture(ArraySource([scene("live")] * 3, fps=100), matcher, options=CaptureOptions(apart=0.5))
    assert found.end is CaptureEnd.END_OF_STREAM
    assert len(found.samples) == 1


def test_somebody_else_is_not_fused(matcher: FaceMatcher) -> None:
    frames = [scene("live"), scene("other"), scene("live", light=0.9)]
    found = capture(ArraySource(frames, fps=5), matcher)
    alone = matcher.template(frames[found.frame.index])
    assert matcher.compare(found.template, alone).value > 0.9
    assert len(found.samples) == (1 if found.frame.index == 1 else 2)


def test_no_face_and_cancelling(matcher: FaceMatcher) -> None:
    with pytest.raises(NoFaceError, match="no frame"):
        capture(ArraySource([EMPTY] * 3), matcher)
    stop = threading.Event()
    stop.set()
    with pytest.raises(OperationCancelled):
        capture(ArraySource([EMPTY]), matcher, cancel=stop)


@pytest.mark.parametrize("bad", [{"good": 0}, {"keep": 0}, {"seconds": 0.0}, {"apart": -1.0}, {"same": 2.0}])
def test_impossible_options_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError):
        CaptureOptions(**bad)  # type: ignore[arg-type]


def test_the_score_of_fused_frames_is_the_mean_of_theirs(matcher: FaceMatcher) -> None:
    a, b = matcher.template(picture("live")), matcher.template(picture("congress"))
    both = fuse([a, b])
    assert np.allclose(both.embedding, (a.embedding + b.embedding) / 2, atol=1e-6)
    assert both.model == a.model
    assert both.quality == max(q for q in (a.quality, b.quality) if q is not None)
    assert np.allclose(fuse([a]).embedding, a.embedding, atol=1e-6)
    portrait = matcher.template(picture("portrait"))
    single = [matcher.compare(t, portrait).value for t in (a, b)]
    assert matcher.compare(both, portrait).value == pytest.approx(sum(single) / 2, abs=1e-5)


def test_what_cannot_be_fused(matcher: FaceMatcher) -> None:
    a = matcher.template(picture("live"))
    opposite = FaceTemplate(embedding=-a.embedding, model=a.model)  # type: ignore[arg-type]
    for templates, word in (
        ([], "no template"),
        ([a, FaceTemplate(embedding=a.embedding, model="another@1")], "different models"),
        ([a, opposite], "nothing in common"),
    ):
        with pytest.raises(BiometricError, match=word):
            fuse(templates)


def test_a_portrait_is_embedded_once() -> None:
    matcher = FaceMatcher(threads=1)
    first = encode_jpeg2000(picture("portrait"), max_bytes=15_000)
    cache = PortraitCache(matcher, size=1)
    made = cache.sample(first)
    assert cache.sample(first) is made
    assert made.quality.kind is CaptureKind.PORTRAIT
    cache.sample(encode_jpeg2000(picture("other"), max_bytes=15_000))
    assert len(cache) == 1
    again = cache.sample(first)
    assert again is not made
    assert np.array_equal(again.template.embedding, made.template.embedding)
    cache.clear()
    assert len(cache) == 0
    with pytest.raises(ImageError):
        cache.sample(b"no picture")
    with pytest.raises(ConfigurationError):
        PortraitCache(matcher, size=0)


def test_the_mirror_image_of_a_portrait_is_taken_along() -> None:
    kinds = (CaptureKind.LIVE, CaptureKind.PORTRAIT)
    plain, default, both = (FaceMatcher(threads=1, **m) for m in ({"mirror": ()}, {}, {"mirror": kinds}))
    image = picture("live")
    assert np.array_equal(default.template(image).embedding, plain.template(image).embedding)
    portrait = default.template(image, kind=CaptureKind.PORTRAIT).embedding
    single = plain.template(image, kind=CaptureKind.PORTRAIT).embedding
    assert 0.9 < float(single @ portrait) < 0.9999
    assert 0.9 < float(both.template(image).embedding @ plain.template(image).embedding) < 0.9999
    mirrored = as_image(np.ascontiguousarray(image[:, ::-1]))
    turned = [m.template(mirrored, kind=CaptureKind.PORTRAIT).embedding for m in (plain, default)]
    assert float(turned[1] @ portrait) > float(turned[0] @ single)
