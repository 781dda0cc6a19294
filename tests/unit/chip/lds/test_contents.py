"""Are files exactly as the standards ask? Each deviation is played in the conformance suite; this holds for all."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.shared import needs_shared, shared

from idverify.chip.lds.com import EfCom
from idverify.chip.lds.contents import check_contents
from idverify.chip.lds.files import FileId
from idverify.emulator import PROFILES, citizen_card, personalise
from idverify.report import CheckId, CheckStatus, Reason

CARD = citizen_card(seed=41)
JUDGED = ("EF.COM", "DG1", "DG2", "DG3", "DG4", "DG14", "DG15", "EF.CVCA", "EF.ATR/INFO")


@pytest.mark.parametrize("profile", PROFILES)
def test_what_the_emulator_writes_is_exact(profile: str) -> None:
    files = personalise(profile, seed=41).files
    results = check_contents(files)
    assert {r.subject for r in results} == {f.label for f in files if f.label in JUDGED}
    assert {(r.check, r.status, r.reason) for r in results} == {
        (CheckId.DOCUMENT_CONTENTS, CheckStatus.SUCCESSFUL, Reason.OK)
    }


def test_a_file_that_is_not_there_has_no_result() -> None:
    assert check_contents({}) == ()
    assert check_contents({FileId.DG13: b"\x6d\x00"}) == ()


def test_deviations_are_named_and_values_are_not() -> None:
    raw = CARD.files[FileId.DG1]
    changed = raw[:-35] + b"7" + raw[-34:]  # somewhere in the MRZ's last lines
    (result,) = check_contents({FileId.DG1: changed})
    assert (result.status, result.reason) == (CheckStatus.FAILED, Reason.PROFILE_DEVIATION)
    assert "check digit" in result.evidence["deviations"] or "name" in result.evidence["deviations"]
    number = CARD.holder.number
    assert number not in str(result.to_dict())
    assert number[-9:] not in str(result.to_dict())


def test_bytes_behind_a_file_are_a_deviation() -> None:
    (result,) = check_contents({FileId.COM: CARD.files[FileId.COM] + b"\0"})
    assert result.reason is Reason.PROFILE_DEVIATION
    assert "length" in result.evidence["deviations"]


def test_a_tag_of_no_data_group_is_a_deviation() -> None:
    (result,) = check_contents({FileId.COM: EfCom.encode([FileId.DG1, FileId.DG2, 0x7E])})
    assert "belongs to no data group" in result.evidence["deviations"]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(CARD.files, key=lambda f: f.label)), st.binary(max_size=80), st.integers(0, 60))
def test_no_bytes_make_it_raise(file: FileId, noise: bytes, position: int) -> None:
    raw = CARD.files[file]
    for hostile in (noise, raw[:position] + noise + raw[position + len(noise) :], raw[:position]):
        for result in check_contents({file: hostile}):
            assert result.status in (CheckStatus.SUCCESSFUL, CheckStatus.FAILED)


@needs_shared
@pytest.mark.parametrize("name", ["bsi_tr03105_5", "jmrtd_bsi2008", "nl_test_2006"])
def test_the_published_sets_are_exact(name: str) -> None:
    folder = shared(f"vectors/lds/{name}")
    files = {f: p.read_bytes() for f in FileId if (p := folder / f"{f.label.lower().removeprefix('ef.')}.bin").exists()}
    results = check_contents(files)
    assert results
    assert not [(r.subject, r.evidence) for r in results if r.status is not CheckStatus.SUCCESSFUL]
