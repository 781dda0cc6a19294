"""The FVC protocol, with pictures of invented fingers and with a matcher that answers from a table."""

from __future__ import annotations

import csv
import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from idverify.biometric.codecs import encode_png
from idverify.biometric.evaluation.finger import (
    calibrate_fingers,
    evaluate_fingers,
    find_impressions,
    pairs_of,
    score_fingers,
)
from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.records import encode_record
from idverify.biometric.image import as_image
from idverify.emulator.fingers import SyntheticFinger
from idverify.errors import ConfigurationError


def lay(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"")


def test_pairs_of_fvc(tmp_path: Path) -> None:
    """10 fingers of 8 impressions: 280 genuine, 45 or 2,880 impostor comparisons a database (FVC2002)."""
    for database in ("db1", "db2"):
        lay(tmp_path / database, [f"{100 + f}_{k}.png" for f in range(1, 11) for k in range(1, 9)])
    lay(tmp_path / "db1", ["101_1.iso", "notes.png", "x_1.png"])
    found = find_impressions(tmp_path)
    assert len(found) == 160
    for impostors, count in (("first", 45), ("all", 2880)):
        pairs = pairs_of(found, impostors)  # type: ignore[arg-type]
        assert sum(g for *_, g in pairs) == 560
        assert sum(not g for *_, g in pairs) == 2 * count
        assert all(found[i].database == found[j].database for i, j, _ in pairs)


def test_whole_evaluation(
    tmp_path: Path, matcher: FingerMatcher, loop: SyntheticFinger, whorl: SyntheticFinger
) -> None:  # fmt: skip
    for finger, impression in itertools.product((loop, whorl), range(2)):
        picture = finger.impression(impression, difficulty=0.3)
        (tmp_path / f"{finger.seed}_{impression}.png").write_bytes(encode_png(as_image(picture)))
    blank = as_image(np.full((300, 300), 200, np.uint8))
    (tmp_path / "13_0.png").write_bytes(encode_png(blank))
    csv_file = tmp_path / "scores.csv"
    seen: list[tuple[int, int]] = []
    found = evaluate_fingers(
        tmp_path, impostors="all", matcher=matcher, scores=csv_file, on_progress=lambda *x: seen.append(x)
    )
    answer = found.to_json()
    assert {"eer", "fmr100", "fmr1000", "zerofmr", "fte", "genuine", "impostor", "extract_ms_median",
            "compare_ms_median"} <= set(answer)  # fmt: skip
    assert (found.genuine, found.impostor, found.images) == (2, 8, 5)
    assert found.eer == found.zerofmr == 0
    assert found.fte == pytest.approx(0.2)
    assert seen[-1] == (5, 5)
    rows = list(csv.DictReader(csv_file.read_text().splitlines()))
    assert len(rows) == 10
    assert sum(int(r["genuine"]) for r in rows) == 2
    assert all(float(r["score"]) == 0 for r in rows if "13_0" in r["a"] + r["b"])
    with pytest.raises(ConfigurationError, match="more comparisons"):
        calibrate_fingers(score_fingers(tmp_path, matcher=matcher), table_id="t", model="m", model_sha256="0", data="d")


def test_pictures_against_records(
    tmp_path: Path, matcher: FingerMatcher, loop: SyntheticFinger, whorl: SyntheticFinger
) -> None:  # fmt: skip
    for finger, number in itertools.product((loop, whorl), range(2)):
        file = tmp_path / f"{finger.seed}_{number}.png"
        picture = finger.impression(number, difficulty=0.3)
        file.write_bytes(encode_png(as_image(picture)))
        found = matcher.sample(picture).minutiae
        stretched = dataclasses.replace(found, y=found.y * 2, height=2 * found.height)  # a frame that lies
        file.with_suffix(".iso").write_bytes(encode_record((stretched,)))
    found = evaluate_fingers(tmp_path, impostors="all", records=True, matcher=matcher)
    assert (found.genuine, found.impostor, found.eer) == (4, 8, 0)
    (tmp_path / "12_1.iso").unlink()
    with pytest.raises(ConfigurationError, match="no record"):
        score_fingers(tmp_path, records=True, matcher=matcher)


def test_callers_mistakes(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no folder"):
        find_impressions(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="no pictures"):
        find_impressions(tmp_path)
    with pytest.raises(ConfigurationError, match="impostors"):
        score_fingers(tmp_path, impostors="some")  # type: ignore[arg-type]
