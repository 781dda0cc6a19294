"""A real PC/SC stack with virtual readers: pcscd with vsmartcard's vpcd driver.

For the demonstration and for integration tests. On Debian and Ubuntu the packages pcscd and vsmartcard-vpcd give two
virtual readers that listen on ports 35963 and 35964 of the loopback interface.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess  # starts pcscd with fixed arguments
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from idverify._logging import get_logger
from idverify.chip.transport.base import SoftCard
from idverify.chip.transport.pcsc_readers import ReaderState, list_readers, scard
from idverify.chip.transport.vpcd import DEFAULT_HOST, DEFAULT_PORT, VpcdServer
from idverify.errors import ServiceUnavailableError, TransportError, TransportTimeout

_log = get_logger(__name__)

SLOTS: Final = 2
READER_NAME: Final = "Virtual PCD"
_DRIVER_CONFIGURATION: Final = Path("/etc/reader.conf.d/vpcd")
_RUN_FILES: Final = (Path("/run/pcscd/pcscd.comm"), Path("/run/pcscd/pcscd.pid"))
_START_SECONDS: Final = 15.0
_CARD_SECONDS: Final = 10.0
_STEP_SECONDS: Final = 0.02
_POLL_SECONDS: Final = 0.4


class VirtualReaderStack:
    """Virtual readers, with a pcscd of our own where none runs.

    A running pcscd with vpcd is used as it is, and not stopped at the end. Else, as root, one is started as a child of
    this process and ended with it. A lock file lets only one stack at a time be used on a machine.

    Args:
        lock_timeout: seconds to wait for another process that uses the virtual readers.

    Use it as a context manager::

        with VirtualReaderStack() as stack, stack.insert(card):
            transport = open_reader(stack.reader(0))
    """

    def __init__(self, *, lock_timeout: float = 30.0) -> None:
        self._lock_timeout = lock_timeout
        self._lock: IO[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def why_not() -> str | None:
        """Why there is no stack to be had here, in one plain sentence; None where there should be one."""
        if not sys.platform.startswith("linux"):
            return "virtual readers need Linux with pcscd and vsmartcard-vpcd"
        try:
            scard()
        except ServiceUnavailableError as error:
            return str(error)
        if _virtual_readers():
            return None
        if not _DRIVER_CONFIGURATION.exists():
            return "the driver of the virtual reader is missing: apt install vsmartcard-vpcd"
        if _service_runs():
            return "pcscd runs, but has no virtual reader: restart it after installing vsmartcard-vpcd"
        if _find_pcscd() is None:
            return "pcscd is missing: apt install pcscd"
        if os.geteuid() != 0:
            return "pcscd does not run, and only root can start it"
        return None

    @property
    def own(self) -> bool:
        """Whether pcscd is a child of this process."""
        return self._process is not None

    def __enter__(self) -> Self:
        reason = self.why_not()
        if reason is not None:
            raise ServiceUnavailableError(reason)
        self._take_lock()
        try:
            if not _virtual_readers():
                self.start_service()
        except BaseException:
            self._release_lock()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop_service()
        self._release_lock()

    # ---- the service --------------------------------------------------------------------------------------------

    def start_service(self) -> None:
        """Start pcscd and wait for its readers; nothing where it runs.

        Raises:
            ServiceUnavailableError: it cannot be started, or ends at once.
        """
        program = _find_pcscd()
        if program is None:
            raise ServiceUnavailableError("pcscd is missing: apt install pcscd")
        if self._process is not None and self._process.poll() is None:
            return
        for path in _RUN_FILES:  # of one that was killed
            with contextlib.suppress(OSError):
                path.unlink()
        arguments = [program, "--foreground", "--critical"]
        if _knows_option(program, "--disable-polkit"):
            arguments.append("--disable-polkit")
        try:
            self._process = subprocess.Popen(  # noqa: S603 - fixed arguments, no shell
                arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise ServiceUnavailableError(f"pcscd cannot be started: {error.strerror}") from error
        deadline = time.monotonic() + _START_SECONDS
        while len(_virtual_readers()) < SLOTS:
            if self._process.poll() is not None:
                self._process = None
                raise ServiceUnavailableError("pcscd ended as soon as it was started")
            if time.monotonic() > deadline:
                self.stop_service()
                raise ServiceUnavailableError("pcscd was started, but shows no virtual reader")
            time.sleep(_STEP_SECONDS)

    def stop_service(self, *, kill: bool = False) -> None:
        """End our own pcscd, with SIGKILL where ``kill``; nothing where it is not ours."""
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    # ---- readers and cards --------------------------------------------------------------------------------------

    def reader(self, slot: int = 0) -> str:
        """The PC/SC name of a virtual reader, 0 or 1.

        Raises:
            ServiceUnavailableError: it is not there.
        """
        readers = _virtual_readers()
        if not 0 <= slot < len(readers):
            raise ServiceUnavailableError(f"there is no virtual reader number {slot}")
        return readers[slot].name

    def insert(self, card: SoftCard, slot: int = 0) -> VpcdServer:
        """Put a card into a virtual reader and wait until PC/SC sees it.

        Returns:
            the server, already started; its :meth:`~VpcdServer.stop` (or the end of a ``with`` block) takes the card
            out.

        Raises:
            TransportTimeout: PC/SC does not see the card.
            TransportError: a card of another process is in the reader.
        """
        try:
            self.wait_present(slot, present=False, timeout=4 * _POLL_SECONDS)  # one just taken out is seen for a moment
        except TransportTimeout:
            raise TransportError(f"the virtual reader {slot} holds a card already") from None
        server = VpcdServer(card, DEFAULT_HOST, DEFAULT_PORT + slot).start()
        try:
            self._wait_seated(server, slot)
        except BaseException:
            server.stop()
            raise
        return server

    def _wait_seated(self, server: VpcdServer, slot: int) -> None:
        """pcscd looks every 0.4 s, and misses a card that came back between two looks: then take it out for longer."""
        deadline = time.monotonic() + _CARD_SECONDS
        while True:
            try:
                return self.wait_present(slot, present=True, timeout=4 * _POLL_SECONDS)
            except TransportTimeout:
                if time.monotonic() > deadline:
                    raise
            server.remove()
            time.sleep(2 * _POLL_SECONDS)
            server.insert()

    def state(self, slot: int = 0) -> ReaderState | None:
        """The reader's state, or None where it is not there."""
        readers = _virtual_readers()
        return readers[slot] if 0 <= slot < len(readers) else None

    def wait_present(self, slot: int = 0, *, present: bool, timeout: float = _CARD_SECONDS) -> None:
        """Wait until PC/SC sees a card, or none, in the reader.

        Raises:
            TransportTimeout
        """
        deadline = time.monotonic() + timeout
        while (state := self.state(slot)) is None or state.present is not present:
            if time.monotonic() > deadline:
                what = "a card" if present else "an empty reader"
                raise TransportTimeout(f"PC/SC does not see {what} in the virtual reader {slot}")
            time.sleep(_STEP_SECONDS)

    # ---- the lock -----------------------------------------------------------------------------------------------

    def _take_lock(self) -> None:
        import fcntl  # not on Windows, where why_not() has said no

        path = Path(tempfile.gettempdir()) / f"idverify-virtual-readers-{os.geteuid()}.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            reason = f"the lock of the virtual readers cannot be made: {error.strerror}"
            raise ServiceUnavailableError(reason) from error
        lock = os.fdopen(descriptor, "r+")
        deadline = time.monotonic() + self._lock_timeout
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if time.monotonic() > deadline:
                    lock.close()
                    raise ServiceUnavailableError("another process uses the virtual readers") from None
                time.sleep(0.1)
            else:
                self._lock = lock
                return

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _virtual_readers() -> tuple[ReaderState, ...]:
    try:
        return tuple(r for r in list_readers() if READER_NAME in r.name)
    except TransportError:
        return ()


def _service_runs() -> bool:
    try:
        list_readers()
    except ServiceUnavailableError:
        return False
    except TransportError:
        return True
    return True


def _find_pcscd() -> str | None:
    return shutil.which("pcscd", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def _knows_option(program: str, option: str) -> bool:
    try:
        known = subprocess.run(  # noqa: S603 - fixed arguments, no shell
            [program, "--help"], capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return option.encode() in known.stdout + known.stderr
