from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest

from idverify.biometric.evaluation import calibrate_faces, error_curve, evaluate_faces, plot_det, read_pairs, sweep
from idverify.biometric.evaluation.det import det_points
from idverify.biometric.evaluation.face import FaceVectors, Ways, all_pair_scores, fold_accuracy
from idverify.biometric.face import FaceMatcher
from idverify.errors import ConfigurationError, ImageError
from tests.shared import shared
from tests.unit.biometric.pictures import FILES, picture

PAIRS = "2\t1\nOne\t1\t2\nOne\t1\tTwo\t1\nOne\t2\t3\nTwo\t1\tThree\t1\n"
LAYOUT = {
    "One/One_0001": "portrait", "One/One_0002": "live", "One/One_0003": "congress", "Two/Two_0001": "other",
    "Three/Three_0001": "astronaut",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for place, name in LAYOUT.items():
        path = tmp_path / "images" / f"{place}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(FILES[name], path)
    (tmp_path / "pairs.txt").write_text(PAIRS, encoding="utf-8")
    return tmp_path


def test_pairs_of_both_header_forms() -> None:
    listed = read_pairs(PAIRS)
    assert listed.folds == 2
    assert listed.images == tuple(sorted(f"{place}.jpg" for place in LAYOUT))
    assert [(p.genuine, p.fold) for p in listed.pairs] == [(True, 0), (False, 0), (True, 1), (False, 1)]
    assert listed.images[listed.pairs[3].b] == "Three/Three_0001.jpg"
    single = read_pairs("1\nOne 1 2\nOne 1 Two 1\n")
    assert (single.folds, len(single.pairs)) == (1, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2 1\nOne 1 2\n",
        "1 1\nOne 1 two\nOne 1 Two 1\n",
        "0 0\n",
        "1\n../x 1 2\nOne 1 Two 1\n",
        "1\n.. 1 2\nA 1 B 1\n",
        "1 1 1\n",
        "1\nOne 1\nA 1 B 1\n",
    ],
)
def test_other_files_are_our_error(text: str) -> None:
    with pytest.raises(ConfigurationError):
        read_pairs(text)


def test_pairs_protocol_and_scores(folder: Path, matcher: FaceMatcher) -> None:
    seen: list[tuple[int, int]] = []
    out = folder / "scores.csv"
    found = evaluate_faces(
        folder / "pairs.txt",
        folder / "images",
        matcher=matcher,
        scores=out,
        on_progress=lambda a, b: seen.append((a, b)),
    )
    assert (found.images, found.genuine, found.impostor, found.fte) == (5, 2, 2, 0.0)
    assert (found.accuracy_mean, found.accuracy_std, found.eer) == (1.0, 0.0, 0.0)
    assert found.fnmr_at_fmr == {"0.01": 0.0, "0.001": 0.0}
    assert found.threshold_at_fmr["0.01"] < 0.3
    assert seen == [(i, 5) for i in range(1, 6)]
    with out.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [r["genuine"] for r in rows] == ["1", "0", "1", "0"]
    assert rows[1]["a"] == "One/One_0001.jpg"
    assert rows[1]["b"] == "Two/Two_0001.jpg"
    assert float(rows[0]["score"]) > 0.6 > 0.3 > float(rows[1]["score"])
    answer = found.to_json()
    wanted = (
        "accuracy_mean accuracy_std eer fnmr_at_fmr threshold_at_fmr fte images genuine impostor ms_per_image_median"
    )
    assert set(wanted.split()) <= set(answer)
    assert answer["ms_per_image_median"] > 1


def test_all_pairs_compares_every_two(folder: Path, matcher: FaceMatcher) -> None:
    out = folder / "scores.csv"
    found = evaluate_faces(folder / "pairs.txt", folder / "images", all_pairs=True, matcher=matcher, scores=out)
    assert (found.genuine, found.impostor) == (3, 7)
    with out.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 10
    assert sum(int(r["genuine"]) for r in rows) == 3
    assert all((r["a"].split("/")[0] == r["b"].split("/")[0]) == (r["genuine"] == "1") for r in rows)


@pytest.mark.parametrize(("all_pairs", "genuine", "impostor"), [(False, 2, 2), (True, 3, 7)])
def test_ways_say_which_picture_is_the_portrait(
    folder: Path, matcher: FaceMatcher, all_pairs: bool, genuine: int, impostor: int
) -> None:
    """Both ways are the first and the second together, and the second is the first turned round."""
    rows: dict[Ways, list[tuple[str, str, str, str]]] = {}
    for ways in Ways:
        out = folder / "scores.csv"
        found = evaluate_faces(
            folder / "pairs.txt", folder / "images", all_pairs=all_pairs, matcher=matcher, scores=out, ways=ways
        )
        times = 2 if ways is Ways.BOTH else 1
        assert (found.ways, found.genuine, found.impostor) == (ways, times * genuine, times * impostor)
        assert found.to_json()["ways"] == ways.value
        with out.open(newline="", encoding="utf-8") as stream:
            rows[ways] = sorted((r["a"], r["b"], r["genuine"], r["score"]) for r in csv.DictReader(stream))
    assert sorted(rows[Ways.FIRST] + rows[Ways.SECOND]) == rows[Ways.BOTH]
    assert sorted((b, a, same) for a, b, same, _ in rows[Ways.SECOND]) == [row[:3] for row in rows[Ways.FIRST]]
    one = {row[:2]: float(row[3]) for row in rows[Ways.FIRST]}
    other = {(b, a): float(score) for a, b, _, score in rows[Ways.SECOND]}
    assert one != other  # portraits are mirrored, live pictures are not
    assert all(abs(one[pair] - other[pair]) < 0.1 for pair in one)


def test_portraits_can_be_changed_first_and_live_pictures_are_not(folder: Path, matcher: FaceMatcher) -> None:
    """Every portrait shows the third person then: only her own live picture matches."""
    out = folder / "scores.csv"
    images = folder / "images"
    evaluate_faces(folder / "pairs.txt", images, matcher=matcher, scores=out, portrait=lambda _: picture("astronaut"))
    with out.open(newline="", encoding="utf-8") as stream:
        found = {row["b"]: float(row["score"]) for row in csv.DictReader(stream)}
    assert found.pop("Three/Three_0001.jpg") > 0.6
    assert len(found) == 3
    assert all(score < 0.3 for score in found.values())


def test_picture_without_a_face_counts_as_failure_and_never_matches(folder: Path, matcher: FaceMatcher) -> None:
    from idverify.biometric import as_image, encode_jpeg

    (folder / "images/One/One_0003.jpg").write_bytes(encode_jpeg(as_image(np.full((200, 200, 3), 90, np.uint8))))
    found = evaluate_faces(folder / "pairs.txt", folder / "images", matcher=matcher)
    assert found.fte == pytest.approx(0.2)
    assert found.fnmr_at_fmr["0.01"] == 0.5


def test_unreadable_files_are_our_errors(folder: Path, matcher: FaceMatcher) -> None:
    with pytest.raises(ConfigurationError, match="pairs file cannot be read"):
        evaluate_faces(folder / "none.txt", folder / "images", matcher=matcher)
    (folder / "images/Two/Two_0001.jpg").write_bytes(b"no picture")
    listed = read_pairs((folder / "pairs.txt").read_text())
    number = next(n for n, p in enumerate(listed.pairs, 1) if listed.images.index("Two/Two_0001.jpg") in (p.a, p.b))
    with pytest.raises(ImageError, match=rf"picture of pair {number} of the pairs file cannot be decoded"):
        evaluate_faces(folder / "pairs.txt", folder / "images", matcher=matcher)
    (folder / "images/Two/Two_0001.jpg").unlink()
    with pytest.raises(ConfigurationError, match=rf"picture of pair {number} of the pairs file is missing$") as caught:
        evaluate_faces(folder / "pairs.txt", folder / "images", matcher=matcher)
    assert "Two" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"of pair 1 .* is missing, and so are 4 others$"):
        evaluate_faces(folder / "pairs.txt", folder / "nowhere", matcher=matcher)


@pytest.mark.parametrize("ways", list(Ways))
def test_all_pair_scores_against_two_loops(ways: Ways) -> None:
    rng = np.random.default_rng(2)
    portraits, lives = rng.normal(size=(2, 300, 4)).astype(np.float32)
    present = rng.random(300) > 0.1
    subjects = rng.integers(0, 20, 300)
    genuine, impostor = all_pair_scores(FaceVectors(portraits, lives, present, ()), subjects, ways)
    expected: dict[bool, list[float]] = {True: [], False: []}
    for i in range(300):
        for j in range(300):
            if i == j or (ways is Ways.FIRST and j < i) or (ways is Ways.SECOND and j > i):
                continue
            value = float(portraits[i] @ lives[j]) if present[i] and present[j] else -1.0
            expected[bool(subjects[i] == subjects[j])].append(value)
    assert np.allclose(np.sort(genuine), np.sort(expected[True]), atol=1e-5)
    assert np.allclose(np.sort(impostor), np.sort(expected[False]), atol=1e-5)


def test_fold_threshold_comes_from_the_other_folds() -> None:
    scores = np.array([0.9, 0.1, 0.3, 0.05], np.float32)
    genuine = np.array([True, False, True, False])
    fold = np.array([0, 0, 1, 1])
    # Fold 0 is judged at (0.05 + 0.3) / 2: both right. Fold 1 at (0.1 + 0.9) / 2 = 0.5: the genuine 0.3 fails.
    mean, std = fold_accuracy(scores, genuine, fold, 2)
    assert mean == pytest.approx(0.75)
    assert std == pytest.approx(0.25 * 2**0.5)


@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_det_plot_is_written(tmp_path: Path, suffix: str, magic: bytes) -> None:
    rng = np.random.default_rng(0)
    curve = error_curve(rng.normal(2, 1, 3000), rng.normal(0, 1, 50_000))
    path = tmp_path / f"det{suffix}"
    plot_det({"two normals": curve}, path, title="Two normals")
    assert path.read_bytes().startswith(magic)
    assert path.stat().st_size > 5_000
    fmr, fnmr = det_points(curve)
    assert 100 < len(fmr) <= 4_000
    assert (np.diff(fmr) <= 0).all()
    assert (np.diff(fnmr) >= 0).all()


def test_det_plot_needs_a_known_suffix_and_a_folder(tmp_path: Path) -> None:
    curve = error_curve([0.5, 0.9], [0.1, 0.6])
    with pytest.raises(ConfigurationError, match=r"\.png"):
        plot_det({"x": curve}, tmp_path / "det.gif")
    with pytest.raises(ConfigurationError, match="cannot be written"):
        plot_det({"x": curve}, tmp_path / "none" / "det.png")


def test_calibration_needs_people(folder: Path, matcher: FaceMatcher) -> None:
    def measure(names: list[str]) -> None:
        calibrate_faces(
            matcher, table_id="t", model_sha256="0" * 64, data="test", folder=folder / "images", images=names
        )  # fmt: skip

    with pytest.raises(ConfigurationError, match="two people"):
        measure(["One/One_0001.jpg", "One/One_0002.jpg"])
    with pytest.raises(ConfigurationError, match="more people"):
        measure([f"{place}.jpg" for place in LAYOUT])


@pytest.mark.parametrize("colour", [False, True])
def test_a_chip_portrait_is_small_and_grey_unless_colour_is_asked_for(colour: bool) -> None:
    made = sweep.chip(15_000, colour=colour)(picture("astronaut"))
    assert made.shape == (320, 240, 3)
    assert bool((np.ptp(made.astype(int), axis=2) > 20).any()) is colour


def test_sweep_shows_where_a_counter_ends(folder: Path, matcher: FaceMatcher) -> None:
    tried = {
        "clean": sweep.STANDARD["clean"],
        "chip": sweep.chip(15_000),
        "half": sweep.resolution(0.5),
        "dark": sweep.light(0.2),
        "turned": sweep.roll(20),
        "blurred": sweep.blur(2),
        "noisy": sweep.noise(15),
        "one side": sweep.side_light(0.3),
        "JPEG": sweep.jpeg(20),
        "black": sweep.light(0.0),
    }
    seen: list[str] = []
    rows = sweep.sweep_faces(
        read_pairs(PAIRS), folder / "images", matcher=matcher, degradations=tried, on_row=lambda r: seen.append(r.name)
    )
    assert seen == list(tried)
    by_name = {row.name: row for row in rows}
    assert all(row.genuine == 2 for row in rows)
    assert [row.missed for row in rows] == [0] * 9 + [2]
    assert (by_name["black"].no_face, by_name["black"].mean) == (2, 0.0)
    assert all(0.4 < by_name[name].mean < by_name["clean"].mean + 0.05 for name in list(tried)[1:-1])
    assert by_name["black"].to_json()["fnmr"] == 1.0
    assert "| black | 100.0 % | 2 | 2 |" in sweep.table(rows)
    assert len(sweep.sweep_faces(read_pairs(PAIRS), folder / "images", matcher=matcher, limit=1,
                                 degradations={"clean": tried["clean"]})) == 1  # fmt: skip
    with pytest.raises(ConfigurationError, match="cannot be read"):
        sweep.sweep_faces(read_pairs(PAIRS), folder, matcher=matcher)


@pytest.mark.slow
def test_accuracy_on_labeled_faces_in_the_wild(tmp_path: Path) -> None:
    """The first fifty pairs, every two of their pictures. docs/models.md has the figures of both development folds."""
    folder = shared("faces/lfw_dev")
    lines = (folder / "pairs.txt").read_text(encoding="utf-8").splitlines()
    first = tmp_path / "pairs.txt"
    first.write_text("\n".join(["1\t25", *lines[1:26], *lines[301:326]]), encoding="utf-8")
    found = evaluate_faces(first, folder / "images", all_pairs=True, matcher=FaceMatcher(threads=1))
    assert (found.images, found.genuine, found.impostor) == (82, 54, 3267)
    assert found.fte == 0.0
    assert found.accuracy_mean >= 0.99
    assert found.eer <= 0.01
    assert found.fnmr_at_fmr["0.001"] <= 0.02
    table = FaceMatcher().calibration
    assert table is not None
    assert found.threshold_at_fmr["0.01"] == pytest.approx(table.threshold(1e-2), abs=0.03)
