from __future__ import annotations

import itertools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from idverify.biometric import CHIP_FORMATS, Modality, as_image, decode_image, default_registry, encode_jpeg2000
from idverify.biometric.face import CaptureKind, FaceMatcher, FaceTemplate
from idverify.biometric.face.embed import FaceEmbedder, prepare
from idverify.errors import BiometricError, ConfigurationError, ModelError, NoFaceError
from tests.unit.biometric.pictures import FILES, picture

ONE_PERSON = ("portrait", "live", "congress")


@pytest.fixture(scope="module")
def templates(matcher: FaceMatcher) -> dict[str, FaceTemplate]:
    return {name: matcher.template(picture(name)) for name in FILES}


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations(ONE_PERSON, 2)))
def test_one_person_in_two_photographs(
    matcher: FaceMatcher, templates: dict[str, FaceTemplate], a: str, b: str
) -> None:
    score = matcher.compare(templates[a], templates[b])
    assert score.value > matcher.threshold(1e-4) + 0.2
    assert score.fmr is not None
    assert score.fmr <= 1e-5
    assert score.model == matcher.model == "lightcnn-v4-int8@1.2.0"
    assert score.modality is Modality.FACE


@pytest.mark.parametrize(
    ("a", "b"), [(a, b) for a, b in itertools.combinations(FILES, 2) if not {a, b} <= set(ONE_PERSON)]
)
def test_different_people(matcher: FaceMatcher, templates: dict[str, FaceTemplate], a: str, b: str) -> None:
    score = matcher.compare(templates[a], templates[b])
    assert score.value < matcher.threshold(1e-2)
    assert score.fmr is not None
    assert score.fmr > 1e-2


def test_comparison_does_not_depend_on_order(matcher: FaceMatcher, templates: dict[str, FaceTemplate]) -> None:
    there = matcher.compare(templates["live"], templates["portrait"])
    back = matcher.compare(templates["portrait"], templates["live"])
    assert there == back
    itself = matcher.compare(templates["live"], templates["live"])
    assert itself.value == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("budget", [15_000, 8_000])
def test_portrait_of_a_chip_grey_small_and_compressed(matcher: FaceMatcher, budget: int) -> None:
    small = cv2.resize(picture("portrait"), (240, 320), interpolation=cv2.INTER_AREA)
    luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    portrait = decode_image(encode_jpeg2000(as_image(luma), max_bytes=budget), formats=CHIP_FORMATS)
    reference = matcher.analyse(portrait, kind=CaptureKind.PORTRAIT)
    assert matcher.compare(matcher.template(picture("live")), reference.template).value > matcher.threshold(1e-5) + 0.2
    assert matcher.compare(matcher.template(picture("other")), reference.template).value < matcher.threshold(1e-2)
    assert reference.quality.kind is CaptureKind.PORTRAIT


def test_templates_of_another_model_are_refused(matcher: FaceMatcher, templates: dict[str, FaceTemplate]) -> None:
    mine = templates["live"]
    foreign = FaceTemplate(embedding=mine.embedding, model="another@1")
    for pair in [(mine, foreign), (foreign, mine), (foreign, foreign)]:
        with pytest.raises(BiometricError, match="another@1"):
            matcher.compare(*pair)


def test_templates_of_another_length_are_refused(matcher: FaceMatcher, templates: dict[str, FaceTemplate]) -> None:
    mine = templates["live"]
    short = FaceTemplate(embedding=mine.embedding[:-1], model=mine.model)  # type: ignore[arg-type]
    with pytest.raises(BiometricError, match="lengths"):
        matcher.compare(mine, short)


def test_no_face_is_its_own_error(matcher: FaceMatcher) -> None:
    with pytest.raises(NoFaceError, match="no face"):
        matcher.template(as_image(np.zeros((480, 640, 3), np.uint8)))


def test_two_people_in_the_picture_are_told(matcher: FaceMatcher) -> None:
    both = as_image(np.hstack([picture("portrait"), picture("other")]))
    sample = matcher.analyse(both)
    assert len(sample.rivals) == 1
    assert "one-person-only" in sample.quality.advice


def test_repr_holds_no_biometric_data(templates: dict[str, FaceTemplate], matcher: FaceMatcher) -> None:
    for text in (repr(templates["live"]), repr(matcher.analyse(picture("live")))):
        assert "array" not in text
        assert "embedding" not in text
        assert "crop" not in text


def test_template_cannot_be_changed(templates: dict[str, FaceTemplate]) -> None:
    with pytest.raises(ValueError, match="read-only"):
        templates["live"].embedding[0] = 0.0


def test_many_threads_get_the_same_templates(templates: dict[str, FaceTemplate]) -> None:
    fresh = FaceMatcher(threads=1)
    jobs = [name for name in FILES for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda name: fresh.template(picture(name)), jobs))
    for name, result in zip(jobs, results, strict=True):
        assert np.array_equal(result.embedding, templates[name].embedding)


def test_wrong_models_are_refused_before_anything_is_loaded() -> None:
    with pytest.raises(ConfigurationError, match="no model 'nothing'"):
        FaceMatcher(model="nothing")
    with pytest.raises(ConfigurationError, match="not embedding and detector"):
        FaceMatcher(model="yunet-2023mar")


def test_embedding_does_not_need_the_exact_crop(matcher: FaceMatcher, templates: dict[str, FaceTemplate]) -> None:
    image = picture("live")
    framed = as_image(cv2.copyMakeBorder(image, 80, 10, 10, 120, cv2.BORDER_CONSTANT, value=(90, 90, 90)))
    assert matcher.compare(matcher.template(framed), templates["live"]).value > 0.9


def test_preparation_follows_the_card(matcher: FaceMatcher) -> None:
    from dataclasses import replace

    from idverify.biometric import TensorSpec, default_registry

    card = default_registry().card("lightcnn-v4-int8")
    crop = as_image(np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8))
    assert (prepare(crop, card)[0] == crop).all()
    float_card = replace(
        card, input_layout="NCHW", channel_order="BGR", mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0),
        inputs=(TensorSpec(name="image", dtype="float32", shape=(1, 3, 128, 128)),),
    )  # fmt: skip
    fed = prepare(crop, float_card)
    assert fed.shape == (1, 3, 128, 128)
    assert fed.dtype == np.float32
    assert fed[0, 0, 5, 7] == (crop[5, 7, 2] - 1.0) / 2.0
    assert fed[0, 2, 5, 7] == (crop[5, 7, 0] - 3.0) / 8.0


def test_a_picture_and_its_mirror_image_go_in_one_run_where_the_network_takes_both(matcher: FaceMatcher) -> None:
    """One run or two: the same vector. A network that takes one picture is run twice."""
    registry = default_registry()
    card = registry.default("face-embedding")
    session = registry.session(card.id, threads=1)
    runs: list[int] = []

    class Counted:
        def run(self, inputs: Mapping[str, np.ndarray], /) -> Mapping[str, np.ndarray]:
            runs.append(len(inputs["image"]))
            return session.run(inputs)

    one = replace(card, inputs=tuple(replace(spec, shape=(1, *spec.shape[1:])) for spec in card.inputs))
    crop = matcher.analyse(picture("portrait")).crop
    (both,) = FaceEmbedder(Counted(), card).embed([crop], mirror=True)
    (apart,) = FaceEmbedder(Counted(), one).embed([crop], mirror=True)
    assert runs == [2, 1, 1]
    assert np.array_equal(both, apart)
    (plain,) = FaceEmbedder(Counted(), card).embed([crop])
    assert 0.8 < float(plain @ both) < 0.9999


def test_a_network_that_gives_too_few_numbers_is_our_error(matcher: FaceMatcher) -> None:
    card = default_registry().default("face-embedding")

    class Short:
        def run(self, inputs: Mapping[str, np.ndarray], /) -> Mapping[str, np.ndarray]:
            return {"embedding": np.ones((1, card.output_dim + len(inputs) - 1), np.float32)}

    crop = matcher.analyse(picture("portrait")).crop
    with pytest.raises(ModelError, match="no embedding"):
        FaceEmbedder(Short(), card).embed([crop], mirror=True)
