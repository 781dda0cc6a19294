"""Optimised graphs that are kept: right ones are used, all others are made anew, and no start fails because of them."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from idverify.biometric import ModelRegistry, graph_cache
from idverify.biometric.graph_cache import FOLDER_VARIABLE, GraphCache, graph_name
from idverify.errors import ConfigurationError, ModelError

YUNET = "yunet-2023mar"
posix = pytest.mark.skipif(os.name != "posix", reason="rights of POSIX systems")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "graphs"


class Opened:
    """Which graphs onnxruntime was given, and whether it was to optimise them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.graphs: list[tuple[bytes, bool]] = []
        made = ort.InferenceSession

        def session(model: bytes, options: Any, **more: Any) -> Any:
            level = options.graph_optimization_level != ort.GraphOptimizationLevel.ORT_DISABLE_ALL
            self.graphs.append((model, level))
            return made(model, options, **more)

        monkeypatch.setattr(ort, "InferenceSession", session)


def numbers(folder: Path | None) -> dict[str, np.ndarray]:
    picture = np.random.default_rng(5).integers(0, 256, (1, 3, 96, 128)).astype(np.float32)
    return dict(ModelRegistry(graphs=folder).session(YUNET, threads=1).run({"input": picture}))


def same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    return all(np.allclose(found[name], wanted[name], rtol=1e-5, atol=1e-6) for name in wanted)


def kept(folder: Path) -> Path:
    (file,) = folder.glob("*.graph")
    return file


def test_nothing_is_kept_unless_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    numbers(None)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    numbers(None)
    assert len(GraphCache(folder).entries()) == 1


def test_the_second_start_takes_the_kept_graph_and_gives_the_same_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, opened = numbers(None), Opened(monkeypatch)
    assert same(numbers(folder), wanted)
    model = ModelRegistry().load(YUNET)
    (first, as_it_was), (second, optimised_again) = opened.graphs  # the model, and its graph for the test
    assert (first, as_it_was, optimised_again) == (model, True, False)
    assert same(numbers(folder), wanted)
    assert opened.graphs[2:] == [(second, False)]
    assert second != model


@pytest.mark.parametrize("model", ["lightcnn-v4-int8", "fr-liveness", "leader-fast"])
def test_every_model_of_the_package_can_be_kept(folder: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = next(c.id for c in ModelRegistry().cards if c.file == f"{model}.onnx")
    ModelRegistry(graphs=folder).session(name)
    opened = Opened(monkeypatch)
    ModelRegistry(graphs=folder).session(name)
    assert [level for _, level in opened.graphs] == [False]


def test_rights_are_for_this_user_alone(folder: Path) -> None:
    numbers(folder)
    if os.name == "posix":
        assert folder.stat().st_mode & 0o777 == 0o700
        assert kept(folder).stat().st_mode & 0o777 == 0o600
    assert [p.name for p in folder.iterdir()] == [kept(folder).name]


def flip(data: bytes) -> bytes:
    return data[:-1000] + bytes([data[-1000] ^ 1]) + data[-999:]


@pytest.mark.parametrize(
    "damage",
    [flip, lambda d: d[: len(d) // 2], lambda d: d + b"\0", lambda _: b"", lambda d: b"x" + d[1:], lambda d: d[:20]],
    ids=["one bit", "half", "longer", "empty", "other head", "head alone"],
)
def test_a_damaged_graph_is_made_anew(
    folder: Path, damage: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = numbers(folder)
    whole = kept(folder).read_bytes()
    kept(folder).write_bytes(damage(whole))
    opened = Opened(monkeypatch)
    assert same(numbers(folder), wanted)
    assert opened.graphs[0][1]  # the model, not the damaged graph
    assert GraphCache(folder).read(kept(folder).stem) is not None


def test_a_graph_under_another_name_is_not_taken(folder: Path) -> None:
    """A graph of another model, put where this one's is looked for."""
    numbers(folder)
    name = kept(folder).stem
    GraphCache(folder).keep("0" * 64, b"another graph")
    (folder / ("0" * 64 + ".graph")).replace(folder / f"{name}.graph")
    assert GraphCache(folder).read(name) is None


def test_bytes_that_are_no_graph_are_made_anew_although_their_hash_is_right(folder: Path) -> None:
    wanted = numbers(folder)
    name = kept(folder).stem
    GraphCache(folder).keep(name, b"no graph at all")
    assert same(numbers(folder), wanted)
    assert GraphCache(folder).read(name) not in (None, b"no graph at all")


def test_an_altered_model_is_refused_whatever_is_kept(folder: Path, tmp_path: Path) -> None:
    numbers(folder)
    registry = ModelRegistry(graphs=folder)
    altered = tmp_path / "files"
    altered.mkdir()
    (altered / registry.card(YUNET).file).write_bytes(flip(registry.load(YUNET)))
    with pytest.raises(ModelError, match="SHA-256"):
        ModelRegistry(search=[altered], graphs=folder).session(YUNET)


def test_a_graph_that_gives_other_numbers_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idverify.biometric.runtime._apart", lambda a, b: 0.001)
    numbers(folder)
    assert list(folder.iterdir()) == []


def test_the_name_hangs_on_everything_that_the_graph_hangs_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {graph_name("a" * 64, version="1"), graph_name("b" * 64, version="1"), graph_name("a" * 64, version="2")}
    monkeypatch.setattr(graph_cache, "processor", lambda: ("another processor",))
    names.add(graph_name("a" * 64, version="1"))
    assert len(names) == 4
    assert all(len(name) == 64 for name in names)


@posix
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_into_which_others_may_write_is_not_used(
    folder: Path, mode: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = numbers(folder)
    folder.chmod(mode)
    opened = Opened(monkeypatch)
    with caplog.at_level(logging.WARNING, "idverify"):
        assert same(numbers(folder), wanted)
    assert all(level for _, level in opened.graphs)
    assert "others may write" in caplog.text
    with pytest.raises(ConfigurationError, match="others may write"):
        GraphCache(folder).entries()
    assert kept(folder).exists()


@posix
def test_a_file_into_which_others_may_write_is_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = numbers(folder)
    kept(folder).chmod(0o666)
    opened = Opened(monkeypatch)
    assert same(numbers(folder), wanted)
    assert opened.graphs[0][1]
    assert kept(folder).stat().st_mode & 0o777 == 0o600


@posix
def test_what_belongs_to_another_user_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = numbers(folder)
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    opened = Opened(monkeypatch)
    assert same(numbers(folder), wanted)
    assert all(level for _, level in opened.graphs)
    with pytest.raises(ConfigurationError, match="another user"):
        GraphCache(folder).clear()


@posix
@pytest.mark.parametrize("what", ["folder", "file", "fifo"])
def test_links_and_pipes_are_not_followed(folder: Path, tmp_path: Path, what: str) -> None:
    wanted = numbers(folder)
    elsewhere = tmp_path / "elsewhere"
    if what == "folder":
        folder.rename(elsewhere)
        folder.symlink_to(elsewhere)
    elif what == "file":
        place = kept(folder)
        place.rename(elsewhere)
        place.symlink_to(elsewhere)
    else:
        place = kept(folder)
        place.unlink()
        os.mkfifo(place)
        assert GraphCache(folder).read(place.stem) is None
    assert same(numbers(folder), wanted)
    if what == "file":
        assert not kept(folder).is_symlink()


def test_a_folder_that_cannot_be_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert same(numbers(tmp_path / "file" / "graphs"), numbers(None))
    assert same(numbers(tmp_path / "file"), numbers(None))


def test_a_graph_that_cannot_be_written_is_no_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk: onnxruntime cannot write, or what it wrote cannot be read."""

    @contextlib.contextmanager
    def nowhere(_: GraphCache) -> Iterator[Path]:
        yield folder / "nowhere" / "graph.onnx"

    monkeypatch.setattr(GraphCache, "draft", nowhere)
    assert same(numbers(folder), numbers(None))
    assert not folder.exists()


def test_eight_processes_start_at_once(folder: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from idverify.biometric import ModelRegistry;"
        "s = ModelRegistry(graphs=Path(sys.argv[1])).session('yunet-2023mar', threads=1);"
        "x = np.random.default_rng(5).integers(0, 256, (1, 3, 96, 128)).astype(np.float32);"
        "import hashlib; print(hashlib.sha256(s.run({'input': x})['cls_8'].tobytes()).hexdigest())"
    )
    command = [sys.executable, "-c", code, str(folder)]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    told = {process.communicate(timeout=120)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0] * 8
    assert told == {hashlib.sha256(numbers(None)["cls_8"].tobytes()).hexdigest()}
    assert len(GraphCache(folder).entries()) == 1
    assert GraphCache(folder).read(kept(folder).stem) is not None
    assert [p.name for p in folder.iterdir()] == [kept(folder).name]


def test_graphs_are_listed_and_cleared_with_what_killed_processes_left(folder: Path) -> None:
    cache = GraphCache(folder)
    assert cache.entries() == ()
    assert cache.clear() == 0
    for number in range(3):
        cache.keep(f"{number:064x}", b"graph")
    (folder / "draft-left").write_bytes(b"half")
    (folder / "draft-folder").mkdir()
    (folder / "draft-folder" / "graph.onnx").write_bytes(b"half")
    (folder / "of somebody else.txt").write_bytes(b"stays")
    assert len(cache.entries()) == 3
    assert cache.clear() == 3
    assert [p.name for p in folder.iterdir()] == ["of somebody else.txt"]


def test_old_graphs_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_cache, "MAX_GRAPHS", 2)
    cache = GraphCache(folder)
    for number in range(4):
        cache.keep(f"{number:064x}", b"graph")
        os.utime(folder / f"{number:064x}.graph", (number, number))
    assert [entry.name[-1] for entry in cache.entries()] == ["2", "3"]
