"""One at a time, across processes: an exclusive lock on a file beside the one that it guards. Every system."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def exclusive(path: Path, *, mode: int = 0o666) -> Iterator[None]:
    """Hold the lock for the length of a block; wait for it, however long that takes.

    The system gives it back when a process dies. It does not keep threads of one process apart that share a file
    descriptor; each call opens the file anew, so that they wait for each other too.

    Args:
        path: the lock file, made where it is not there; its content means nothing.
        mode: its rights where it is made, less the umask.

    Raises:
        OSError: it cannot be opened or locked.
    """
    lock = os.open(path, os.O_RDWR | os.O_CREAT, mode)
    try:
        if sys.platform == "win32":
            _wait_windows(lock)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)  # and with it the lock is given back


def _wait_windows(lock: int) -> None:
    import msvcrt

    while True:
        try:
            return msvcrt.locking(lock, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined, no-any-return, unused-ignore]
        except OSError as error:  # LK_LOCK gives up after ten seconds
            if error.errno not in (errno.EDEADLK, errno.EACCES):
                raise
