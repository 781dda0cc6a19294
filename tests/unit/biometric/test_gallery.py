"""1:N search, on invented minutiae."""

from __future__ import annotations

import numpy as np
import pytest

from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.template import FingerTemplate, make_template
from idverify.biometric.gallery import FingerGallery
from idverify.biometric.gallery.finger import _BASIS, _CHUNK
from idverify.errors import ConfigurationError
from tests.unit.biometric.finger.prints import invented, moved


@pytest.fixture(scope="module")
def matcher() -> FingerMatcher:
    return FingerMatcher(threads=1)


@pytest.fixture(scope="module")
def templates(matcher: FingerMatcher) -> list[FingerTemplate]:
    return [make_template(invented(seed), model=matcher.model) for seed in range(150)]


@pytest.fixture
def gallery(matcher: FingerMatcher, templates: list[FingerTemplate]) -> FingerGallery:
    found = FingerGallery(matcher)
    for number, template in enumerate(templates):  # more than it has room for at first
        found.add(f"finger {number}", template)
    return found


def again(matcher: FingerMatcher, seed: int) -> FingerTemplate:
    return make_template(
        moved(invented(seed), turn=9, shift=(7, -4), jitter=2, keep=0.8, seed=seed), model=matcher.model
    )


def test_the_basis_is_orthonormal() -> None:
    assert _BASIS.shape == (312, 45)
    assert np.allclose(_BASIS.T @ _BASIS, np.eye(45), atol=1e-5)


def test_a_finger_is_found_among_many(gallery: FingerGallery, matcher: FingerMatcher) -> None:
    for seed in (0, 63, 64, 149):
        best, *others = gallery.search(again(matcher, seed), candidates=10)
        assert best.key == f"finger {seed}"
        assert best.score.value > 0.4
        assert all(c.score.value < 0.3 for c in others)


def test_fmr_is_that_of_the_whole_search(gallery: FingerGallery, matcher: FingerMatcher) -> None:
    probe = again(matcher, 5)
    best = gallery.search(probe, candidates=2)[0]
    single = matcher.compare(probe, make_template(invented(5), model=matcher.model))
    assert best.score.value == pytest.approx(single.value, abs=1e-6)
    assert single.fmr is not None
    assert single.fmr_bounds is not None
    assert best.score.fmr == pytest.approx(150 * single.fmr)
    assert best.score.fmr_bounds == pytest.approx(tuple(min(1.0, 150 * b) for b in single.fmr_bounds))


def test_chunks_give_what_one_product_gives(matcher: FingerMatcher, templates: list[FingerTemplate]) -> None:
    gallery = FingerGallery(matcher)
    for number in range(_CHUNK + 20):
        gallery.add(str(number), templates[number % 150])
    found = gallery.similarities(templates[7])
    assert found.shape == (_CHUNK + 20,)
    assert np.allclose(found[:20], found[150:170], atol=1e-5)
    assert np.allclose(found[_CHUNK:], found[_CHUNK - 450 : _CHUNK - 430], atol=1e-5)
    assert found.argmax() % 150 == 7


def test_a_removed_finger_is_gone(gallery: FingerGallery, matcher: FingerMatcher) -> None:
    probe = again(matcher, 20)
    gallery.remove("finger 20")
    assert len(gallery) == 149
    assert "finger 20" not in gallery
    assert all(c.key != "finger 20" for c in gallery.search(probe, candidates=149, limit=149))
    assert gallery.search(again(matcher, 149))[0].key == "finger 149"  # took the place of the removed one
    assert not gallery._vectors[:, 149].any()
    gallery.add("finger 20", probe)
    assert gallery.search(probe)[0].key == "finger 20"


def test_callers_mistakes(gallery: FingerGallery, templates: list[FingerTemplate]) -> None:
    empty = make_template(invented(1).best(2))
    with pytest.raises(ConfigurationError, match="of that name"):
        gallery.add("finger 1", templates[0])
    with pytest.raises(ConfigurationError, match="too few"):
        gallery.add("new", empty)
    with pytest.raises(ConfigurationError, match="no print"):
        gallery.remove("new")
    with pytest.raises(ConfigurationError):
        gallery.search(templates[0], candidates=0)
    assert gallery.search(empty)[0].score.value == 0
    assert "finger" not in repr(gallery).lower().replace("fingergallery", "")


def test_memory_is_told(gallery: FingerGallery, matcher: FingerMatcher) -> None:
    assert FingerGallery(matcher).search(make_template(invented(1))) == ()
    assert 150 * 40 * 45 * 4 < gallery.nbytes < 256 * 9_000
