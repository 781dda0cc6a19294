"""Graphs that onnxruntime has optimised before, kept in a folder of one user's: a start that is a little shorter.

Nothing is kept unless a folder is named, by ``ModelRegistry(graphs=…)`` or ``IDVERIFY_GRAPH_CACHE``. A kept graph
stands for a model file whose SHA-256 was verified a moment ago, and bears a name that hashes everything it hangs on:
that SHA-256, the version of onnxruntime, provider and options, and the processor with its instruction sets. Its own
SHA-256 stands at its head and is checked before onnxruntime sees a byte. Where anything is wrong the graph is made anew
from the model; no cache ever is an error.

The hash tells damage, not malice: whoever may write into the folder decides what runs. So folder and files must belong
to the user of this process and be writable by nobody else (on POSIX systems; elsewhere the system's rights are
trusted), and are opened without following links.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from idverify._logging import get_logger
from idverify.errors import ConfigurationError

FOLDER_VARIABLE: Final = "IDVERIFY_GRAPH_CACHE"
MAX_GRAPH_BYTES: Final = 1024 * 1024 * 1024
MAX_GRAPHS: Final = 64
"""Graphs that a folder keeps; the oldest make room."""
_SUFFIX: Final = ".graph"
_DRAFT: Final = "draft-"
_HEAD: Final = b"idverify graph 1\n"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeptGraph:
    """A graph in the folder.

    Attributes:
        name: hash of what it hangs on.
        size: bytes of its file.
    """

    name: str
    size: int


class GraphCache:
    """A folder of optimised graphs. Safe to use from many threads and processes at once."""

    def __init__(self, folder: Path) -> None:
        """Names the folder; it is made, for this user alone, when the first graph is kept."""
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where the graphs lie."""
        return self._folder

    def read(self, name: str) -> bytes | None:
        """The graph of that name; None where there is none, or one that is damaged or somebody else's."""
        try:
            with self._opened() as folder, _file(self._folder, folder, name + _SUFFIX) as descriptor:
                _own(os.fstat(descriptor), stat.S_ISREG)
                with os.fdopen(os.dup(descriptor), "rb") as stream:
                    head, graph = stream.read(len(_HEAD) + 32), stream.read(MAX_GRAPH_BYTES)
        except FileNotFoundError:
            return None
        except (OSError, _NotOursError) as error:
            _log.warning("an optimised graph is not used: %s", _why(error))
            return None
        if head != _HEAD + _digest(name, graph):
            _log.warning("an optimised graph is damaged; it is made anew")
            return None
        return graph

    def keep(self, name: str, graph: bytes) -> None:
        """Keeps a graph, all of it or nothing; where that cannot be, nothing happens."""
        if len(graph) > MAX_GRAPH_BYTES - 1024:
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._opened():
                self._publish(name, _HEAD + _digest(name, graph) + graph)
                self._make_room()
        except (OSError, _NotOursError) as error:
            _log.warning("an optimised graph is not kept: %s", _why(error))

    @contextlib.contextmanager
    def draft(self) -> Iterator[Path | None]:
        """A file that onnxruntime may write a graph to, gone after the block; None where there can be none."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._opened():
                made = tempfile.TemporaryDirectory(prefix=_DRAFT, dir=self._folder, ignore_cleanup_errors=True)
        except (OSError, _NotOursError) as error:
            _log.warning("an optimised graph is not kept: %s", _why(error))
            yield None
            return
        with made as folder:
            yield Path(folder) / "graph.onnx"

    def entries(self) -> tuple[KeptGraph, ...]:
        """What is kept.

        Raises:
            ConfigurationError: the folder belongs to somebody else, others may write into it, or it cannot be read.
        """
        try:
            with self._opened():
                files = sorted(self._folder.glob("*" + _SUFFIX))
                return tuple(KeptGraph(file.stem, file.lstat().st_size) for file in files)
        except FileNotFoundError:
            return ()
        except (OSError, _NotOursError) as error:
            raise ConfigurationError(f"the folder of optimised graphs cannot be used: {_why(error)}") from None

    def clear(self) -> int:
        """Deletes all graphs, and what a process that was killed left behind; how many graphs there were.

        Raises:
            ConfigurationError: as :meth:`entries`.
        """
        found = self.entries()
        for entry in found:
            with contextlib.suppress(FileNotFoundError):  # somebody else was faster
                (self._folder / (entry.name + _SUFFIX)).unlink()
        for draft in self._folder.glob(_DRAFT + "*"):
            if draft.is_dir() and not draft.is_symlink():
                shutil.rmtree(draft, ignore_errors=True)
            else:
                draft.unlink(missing_ok=True)
        return len(found)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int | None]:
        """The folder's descriptor, once it is known to be ours; None where the system has no such thing."""
        if os.name != "posix":
            yield None
            return
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            _own(os.fstat(descriptor), stat.S_ISDIR)
            yield descriptor
        finally:
            os.close(descriptor)

    def _publish(self, name: str, data: bytes) -> None:
        descriptor, draft = tempfile.mkstemp(prefix=_DRAFT, dir=self._folder)  # for this user alone
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, self._folder / (name + _SUFFIX))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise

    def _make_room(self) -> None:
        files = [(file.lstat().st_mtime, file) for file in self._folder.glob("*" + _SUFFIX)]
        for _, file in sorted(files)[:-MAX_GRAPHS]:
            with contextlib.suppress(FileNotFoundError):
                file.unlink()


class _NotOursError(Exception):
    """A folder or file that somebody else may have written."""


def _own(found: os.stat_result, kind: Callable[[int], bool]) -> None:
    if not kind(found.st_mode):
        raise _NotOursError("it is of another kind than it should be")
    if os.name != "posix":
        return
    if found.st_uid != os.geteuid():
        raise _NotOursError("it belongs to another user")
    if found.st_mode & 0o022:
        raise _NotOursError("others may write to it")


@contextlib.contextmanager
def _file(path: Path, folder: int | None, name: str) -> Iterator[int]:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path / name, flags) if folder is None else os.open(name, flags, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, _NotOursError) else type(error).__name__


def _digest(name: str, graph: bytes) -> bytes:
    found = hashlib.sha256(name.encode() + b"\n")
    found.update(graph)
    return found.digest()


def graph_name(model_sha256: str, **hangs_on: object) -> str:
    """The name of a model's optimised graph: SHA-256 over all that it hangs on.

    Args:
        model_sha256: of the verified model file.
        hangs_on: version, provider and options of the runtime, as JSON can write them.
    """
    told = json.dumps({"model": model_sha256, "processor": processor(), **hangs_on}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


@functools.cache
def processor() -> tuple[str, ...]:
    """The processor and its instruction sets: onnxruntime lays graphs out for them."""
    found = [platform.system(), platform.machine(), platform.processor()]
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
        first = stream.read(1 << 20).partition("\n\n")[0]
        wanted = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "Features", "CPU part")
        found += [line for line in first.splitlines() if line.partition(":")[0].strip() in wanted]
    return tuple(found)


def cache_of_environment() -> GraphCache | None:
    """The folder that ``IDVERIFY_GRAPH_CACHE`` names, or None."""
    named = os.environ.get(FOLDER_VARIABLE)
    return GraphCache(Path(named)) if named else None
