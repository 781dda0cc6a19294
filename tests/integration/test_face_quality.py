"""A policy's limits of pictures in the transaction: what is refused, what is taken again, what stands in the report."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from idverify import CheckId, CheckStatus, Outcome, Policy, Reason, VerificationResult
from idverify.biometric.codecs import decode_image, encode_jpeg
from idverify.biometric.image import as_image
from idverify.decision import COUNTER
from idverify.dry_run import dry_run
from idverify.engine.transaction import Attempt
from idverify.report import CheckResult
from tests.integration.test_verification import LIVE, genuine, matcher, run
from tests.unit.biometric.pictures import ROOT
from tests.unit.presentation.test_schema import SCHEMA


def policy(**tables: object) -> Policy:
    data = {"id": "own", "extends": "counter", "checks": {"face.quality": {"failed": "review"}}, "quality": tables}
    return Policy.from_mapping(data)


def of(result: VerificationResult, subject: str) -> CheckResult:
    return next(c for c in result.report.results(CheckId.FACE_QUALITY) if c.subject == subject)


LARGE_EYES = {"inter-eye-distance": {"worst": 5_000, "best": 6_000}}


def test_limits_for_live_frames_decide_in_the_transaction() -> None:
    plain = run(genuine().fresh(), policy=policy())
    assert plain.decision.outcome is Outcome.ACCEPT
    assert [c.subject for c in plain.report.results(CheckId.FACE_QUALITY)] == ["live"], "as without limits"
    result = run(genuine().fresh(), policy=policy(live=LARGE_EYES))
    found = of(result, "live")
    assert (found.status, found.reason) == (CheckStatus.FAILED, Reason.POOR_QUALITY)
    assert result.decision.outcome is Outcome.REVIEW
    assert result.decision.reasons == ("face.quality: poor-quality (live)",)
    assert result.advice[0] == "come-closer"
    assert result.scores, "the comparison is made all the same"
    jsonschema.validate(json.loads(json.dumps(result.to_dict())), SCHEMA)


def test_limits_for_portraits_make_a_check_of_the_portrait() -> None:
    good = run(genuine().fresh(), policy=policy(portrait={"inter-eye-distance": {"worst": 10, "best": 30}}))
    assert good.decision.outcome is Outcome.ACCEPT
    assert of(good, "DG2").status is CheckStatus.SUCCESSFUL
    assert of(good, "DG2").evidence["inter-eye-distance"] != of(good, "live").evidence["inter-eye-distance"]
    bad = run(genuine().fresh(), policy=policy(portrait=LARGE_EYES))
    assert of(bad, "live").status is CheckStatus.SUCCESSFUL
    assert of(bad, "DG2").status is CheckStatus.FAILED
    assert bad.decision.reasons == ("face.quality: poor-quality (DG2)",)


def test_another_picture_is_asked_for_where_the_policys_limits_are_not_kept() -> None:
    small = encode_jpeg(as_image(cv2.resize(decode_image(LIVE.read_bytes()), None, fx=0.6, fy=0.6)))
    causes: list[Attempt] = []

    def camera(attempt: Attempt) -> bytes:
        causes.append(attempt)
        return small if attempt.number == 0 else LIVE.read_bytes()

    eyes = float(of(run(genuine().fresh(), policy=policy()), "live").evidence["inter-eye-distance"])
    limits = policy(live={"inter-eye-distance": {"worst": eyes * 0.8, "best": eyes * 0.9}})
    result = run(genuine().fresh(), live=camera, policy=limits)
    assert result.decision.outcome is Outcome.ACCEPT
    assert [a.number for a in causes] == [0, 1]
    assert causes[1].advice[0] == "come-closer"
    causes.clear()
    run(genuine().fresh(), live=camera, policy=COUNTER)
    assert len(causes) == 1, "the library's own limits take it"


def test_raw_values_in_reports_are_judged_again_by_a_dry_run(tmp_path: Path) -> None:
    result = run(genuine().fresh(), policy=policy())
    (tmp_path / "report.json").write_text(json.dumps(result.to_dict()))
    eyes = float(of(result, "live").evidence["inter-eye-distance"])
    for worst, outcome in ((eyes - 1, Outcome.ACCEPT), (eyes + 1, Outcome.REVIEW)):
        new = policy(live={"inter-eye-distance": {"worst": worst, "best": worst + 1}})
        (verdict,) = dry_run(new, [tmp_path]).verdicts
        assert verdict.new.outcome is outcome
    (verdict,) = dry_run(policy(portrait={"yaw": {"worst": 20}}), [tmp_path]).verdicts
    assert verdict.new.reasons == ("face.quality: not-performed (DG2)",), "nobody measured the portrait"
    assert verdict.new.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("name", ["natural-colour", "background-uniformity"])
def test_colours_of_skin_and_room_stay_out_of_reports_unless_a_policy_decides_by_them(name: str) -> None:
    assert name not in of(run(genuine().fresh(), policy=policy()), "live").evidence
    limits = policy(live={name: {"worst": 99.0, "best": 0.0}})
    assert float(of(run(genuine().fresh(), policy=limits), "live").evidence[name]) >= 0


def test_several_faces_stay_refused_whatever_the_limits() -> None:
    one = decode_image(LIVE.read_bytes())
    two = as_image(np.hstack([one, one]))
    result = run(genuine().fresh(), live=two, policy=policy(live={"yaw": {"worst": 80}}))
    assert of(result, "live").reason is Reason.SEVERAL_FACES
    assert result.decision.outcome is Outcome.REVIEW


def test_a_mask_is_advised_against_and_not_held_against_anybody() -> None:
    drawing = runpy.run_path(str(ROOT / "models" / "recipes" / "drawn_masks.py"))
    image = decode_image(LIVE.read_bytes())
    landmarks = matcher().inspect(image).face.landmarks
    masked = as_image(drawing["draw"](image, landmarks, "surgical", np.random.default_rng(3)))
    result = run(genuine().fresh(), live=masked, policy=policy())
    assert "remove-mask" in result.advice
    assert of(result, "live").status is CheckStatus.SUCCESSFUL
    assert "mouth-visible" not in of(result, "live").evidence
    assert not any(reason.startswith("face.quality") for reason in result.decision.reasons)
    bare = policy(live={"mouth-visible": {"worst": 0.1, "best": 0.9}})
    refused = run(genuine().fresh(), live=masked, policy=bare)
    assert "face.quality: poor-quality (live)" in refused.decision.reasons
    assert run(genuine().fresh(), policy=bare).decision.outcome is Outcome.ACCEPT
