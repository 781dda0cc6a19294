"""A transaction with a fingerprint: DG3 opened by terminal authentication, a live print against it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

import idverify
from idverify import AccessPassword, CheckId, CheckStatus, MemoryTransport, Outcome, Reason, TrustStore, verify
from idverify.biometric import as_image, decode_image, encode_wsq
from idverify.biometric.finger.engine import FingerMatcher
from idverify.chip.access.terminal_auth import TerminalCredentials
from idverify.chip.access.terminal_key import InMemoryTerminalKey
from idverify.chip.lds.files import FileId
from idverify.cli._samples import fingers_of
from idverify.decision import COUNTER
from idverify.emulator import Card, Quirks, TestCvPki, personalise, pkcs8
from idverify.emulator.biometrics import dg3
from idverify.emulator.fingers import SyntheticFinger

AT = datetime(2026, 6, 1, tzinfo=UTC)
POLICY = replace(COUNTER, id="finger", face_fmr=None, finger_fmr=1e-3)
AUTHORITY = TestCvPki(3)


def picture(seed: int, impression: int) -> bytes:
    good, encoded = cv2.imencode(".png", SyntheticFinger(seed).impression(impression))
    assert good
    return bytes(encoded)


def jpeg2000(seed: int, impression: int) -> bytes:
    good, encoded = cv2.imencode(".jp2", SyntheticFinger(seed).impression(impression))
    assert good
    return bytes(encoded)


@cache
def card() -> Card:
    return personalise("passport-eac", seed=9, cv_pki=AUTHORITY, fingers={2: jpeg2000(1, 0), 7: jpeg2000(2, 0)})


@cache
def other_card(encoding: str, form: str) -> Card:
    """The same prints as WSQ, PNG or PGM, in another edition of the records."""
    prints = {2: SyntheticFinger(1).impression(0), 7: SyntheticFinger(2).impression(0)}
    if form == "wsq":
        pytest.importorskip("_wsq", reason="the extra wsq is not installed")
        fingers = {n: encode_wsq(as_image(p)) for n, p in prints.items()}
    else:
        fingers = {n: bytes(cv2.imencode(".png", p)[1].tobytes()) for n, p in prints.items()}
    quirks = Quirks(dg3_encoding=encoding)  # type: ignore[arg-type]
    return personalise("passport-eac", seed=9, cv_pki=AUTHORITY, fingers=fingers, quirks=quirks)


@cache
def matcher() -> FingerMatcher:
    return FingerMatcher(threads=1)


def credentials() -> TerminalCredentials:
    key = InMemoryTerminalKey.from_der(pkcs8(AUTHORITY.terminal.key))
    return TerminalCredentials.load([*AUTHORITY.chain, AUTHORITY.cvca.der], key)


def run(finger: object, *, terminal: bool = True, chip: Card | None = None) -> idverify.VerificationResult:
    chip = chip or card()
    return verify(
        MemoryTransport(chip.fresh()),
        AccessPassword.from_mrz_text(chip.mrz),
        trust=TrustStore.from_certificates(chip.trust_anchors),
        finger=finger,  # type: ignore[arg-type]
        finger_matcher=matcher(),
        terminal=credentials() if terminal else None,
        policy=POLICY,
        at=AT,
    )


def test_another_impression_of_the_finger_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "live.png"
    path.write_bytes(picture(1, 3))
    result = run(path)
    assert result.decision.outcome is Outcome.ACCEPT, result.decision
    assert result.report.status(CheckId.TERMINAL_AUTHENTICATION) is CheckStatus.SUCCESSFUL
    assert [c.status for c in result.report.results(CheckId.DG_HASH) if c.subject == "DG3"] == [CheckStatus.SUCCESSFUL]
    (score,) = result.scores
    assert (score.modality, score.fmr is not None and score.fmr <= 1e-3) == ("finger", True)


@pytest.mark.parametrize(
    ("encoding", "form"),
    [("19794-4", "wsq"), ("19794-4:2011", "wsq"), ("39794-4", "wsq"), ("19794-4:2011", "png"), ("39794-4", "png")],
)
def test_every_record_and_picture_of_a_chip(encoding: str, form: str) -> None:
    chip = other_card(encoding, form)
    assert run(picture(1, 3), chip=chip).decision.outcome is Outcome.ACCEPT
    assert run(picture(77, 0), chip=chip).decision.outcome is Outcome.REJECT


def test_wsq_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    chip = other_card("19794-4", "wsq")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(idverify.errors.ConfigurationError, match="extra 'wsq'"):
        run(picture(1, 3), chip=chip)


def test_a_resolution_that_cannot_be_is_not_believed() -> None:
    """A record that declares 1 dpi: 500 is taken, as for minutiae records."""
    files = {FileId.DG3: dg3({2: jpeg2000(1, 0)}, resolution=1)}
    chip = personalise("passport-eac", seed=9, cv_pki=AUTHORITY, extra_files=files)
    assert run(picture(1, 3), chip=chip).decision.outcome is Outcome.ACCEPT


def test_several_tries_count_together() -> None:
    blank = np.full((400, 300, 3), 255, np.uint8)
    assert run([blank, picture(2, 2)]).decision.outcome is Outcome.ACCEPT


def test_another_finger_is_rejected() -> None:
    result = run(picture(77, 0))
    assert result.decision.outcome is Outcome.REJECT
    assert "finger.match: below-threshold" in result.decision.reasons


def test_a_blank_print_is_inconclusive() -> None:
    result = run(np.full((400, 300, 3), 255, np.uint8))
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    assert [c.reason for c in result.report.results(CheckId.FINGER_MATCH)] == [Reason.POOR_QUALITY]


def test_without_rights_the_finger_is_inconclusive() -> None:
    result = run(picture(1, 3), terminal=False)
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    assert [c.reason for c in result.report.results(CheckId.FINGER_MATCH)] == [Reason.NOT_READ]


def quality(data: bytes) -> int:
    return matcher().sample(decode_image(data)).quality.value


def test_of_more_comparisons_than_the_table_covers_the_best_prints_decide() -> None:
    """Two tries against two stored fingers: four comparisons, and the table ends at 1 in 2,304 for one."""
    table = matcher().calibration
    assert table is not None
    assert 3 * table.smallest_fmr > 1e-3 > 2 * table.smallest_fmr
    for finger in ([picture(1, 2), picture(1, 3)], {2: [picture(1, 2), picture(1, 3), picture(1, 4)]}):
        result = run(finger)
        assert result.decision.outcome is Outcome.ACCEPT
        (score,) = result.scores
        assert score.threshold == pytest.approx(table.threshold(5e-4))
        assert score.fmr == pytest.approx(2 * table.fmr(score.value))
    stranger = run([picture(77, 0), picture(77, 1)])
    assert stranger.decision.outcome is Outcome.REJECT
    assert [s.threshold for s in stranger.scores] == [pytest.approx(table.threshold(5e-4))]


def test_a_good_score_of_a_print_that_is_not_the_best_is_neither_accepted_nor_rejected() -> None:
    """With it there are more comparisons than the table covers, whichever place it was given in."""
    strange, own = picture(77, 0), picture(1, 3)
    assert quality(strange) > quality(own)
    for finger in ([strange, own], [own, strange]):
        result = run(finger)
        assert result.decision.outcome is Outcome.INCONCLUSIVE
        assert result.decision.reasons == ("finger.match: not-calibrated",)
        assert [(s.fmr, s.threshold) for s in result.scores] == [(None, None)]


def test_too_many_tries_are_refused() -> None:
    with pytest.raises(idverify.errors.ConfigurationError, match="at most"):
        run([picture(1, 0)] * 11)


def test_fingers_are_compared_by_position() -> None:
    """The chip holds 2 and 7: two live fingers by their names are two comparisons, not four."""
    result = run({2: picture(77, 0), 7: [picture(2, 2)]})
    assert result.decision.outcome is Outcome.ACCEPT
    (score,) = result.scores
    table = matcher().calibration
    assert table is not None
    assert score.fmr == pytest.approx(2 * table.fmr(score.value))
    assert score.threshold == pytest.approx(table.threshold(5e-4))
    assert score.value >= score.threshold


def test_the_right_print_under_a_wrong_position_is_rejected() -> None:
    assert run({7: picture(1, 3)}).decision.outcome is Outcome.REJECT
    assert run({0: picture(1, 3)}).decision.outcome is Outcome.ACCEPT


def test_a_finger_that_is_not_enrolled_is_inconclusive() -> None:
    result = run({3: picture(1, 3)})
    assert result.decision.outcome is Outcome.INCONCLUSIVE
    assert [c.reason for c in result.report.results(CheckId.FINGER_MATCH)] == [Reason.SAMPLE_MISSING]


@pytest.mark.parametrize("fingers", [{11: []}, {-1: []}, {"2": []}])
def test_strange_positions_are_refused(fingers: object) -> None:
    with pytest.raises(idverify.errors.ConfigurationError, match="position"):
        run(fingers)


def test_tries_of_all_fingers_count_together() -> None:
    with pytest.raises(idverify.errors.ConfigurationError, match="at most"):
        run({2: [picture(1, 0)] * 6, 7: [picture(2, 0)] * 5})


def test_positions_on_the_command_line() -> None:
    given = fingers_of(["a.png", "2=b.png", "7=c.png", "2=d=e.png", "./2=f.png"])
    assert given == {0: [Path("a.png"), Path("./2=f.png")], 2: [Path("b.png"), Path("d=e.png")], 7: [Path("c.png")]}
    assert fingers_of([]) is None


def test_a_terminal_key_that_does_not_belong_is_an_error_not_a_result() -> None:
    stranger = InMemoryTerminalKey.from_der(pkcs8(TestCvPki(4).terminal.key))
    with pytest.raises(idverify.errors.TerminalKeyError, match="belong"):
        verify(
            MemoryTransport(card().fresh()),
            AccessPassword.from_mrz_text(card().mrz),
            trust=TrustStore.from_certificates(card().trust_anchors),
            terminal=TerminalCredentials.load([*AUTHORITY.chain, AUTHORITY.cvca.der], stranger),
            policy="document",
            at=AT,
        )
