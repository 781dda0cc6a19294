"""Record what goes over the wire, and play it back.

A recording is a text file of JSON lines. The first line describes the way (``version``, ``kind``, ``atr``,
``max_apdu_size``); every other line is one exchange: ``n`` counting from 1, ``ms`` it took, ``header`` (CLA INS P1
P2), ``lc``, ``le`` and ``ext`` of the command, ``length`` and ``sw`` of the response, or ``error`` with the name of the
exception that broke it; or it is an ``event`` (``reconnect``).

By default no data are stored: only the names of what is selected (a plain SELECT) are. With ``include_data=True``,
``command`` and ``response`` carry every byte: keys can be worked out of them by whoever knows the password, and files
before access control are plain. Use it with test cards only.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Final

from idverify import errors
from idverify.chip.transport.base import Transport
from idverify.errors import ConfigurationError, IdVerifyError, MalformedDataError, TransportError

VERSION: Final = 1
_MAX_LINE: Final = 400_000
_MAX_EXCHANGES: Final = 100_000
_SELECT: Final = b"\xa4"


class RecordingTransport:
    """A transport that writes down every exchange of another one.

    Args:
        inner: the way to the card.
        sink: a path (created readable by its owner only, replaced if there) or an open text file (left open).
        include_data: store commands and responses in full. For test cards only.
        clock: seconds, growing.
    """

    def __init__(
        self,
        inner: Transport,
        sink: str | os.PathLike[str] | IO[str],
        *,
        include_data: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._include_data = include_data
        self._clock = clock
        self._count = 0
        self._owned: IO[str] | None = None
        if isinstance(sink, (str, os.PathLike)):
            try:
                descriptor = os.open(sink, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                if hasattr(os, "fchmod") and stat.S_ISREG(os.fstat(descriptor).st_mode):
                    os.fchmod(descriptor, 0o600)  # one that was there with other rights; another's is refused
            except OSError as error:
                raise ConfigurationError(f"the trace cannot be written: {error.strerror}") from error
            self._owned = os.fdopen(descriptor, "w", encoding="utf-8")
            self._sink: IO[str] = self._owned
        else:
            self._sink = sink
        self._write(
            {
                "version": VERSION,
                "kind": inner.kind,
                "atr": inner.atr.hex().upper(),
                "max_apdu_size": inner.max_apdu_size,
                "data": include_data,
            }
        )

    @property
    def kind(self) -> str:
        """The inner transport's kind."""
        return self._inner.kind

    @property
    def atr(self) -> bytes:
        """The inner transport's ATR."""
        return self._inner.atr

    @property
    def max_apdu_size(self) -> int:
        """The inner transport's limit."""
        return self._inner.max_apdu_size

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        """Pass the command on, and write the exchange down."""
        self._count += 1
        line: dict[str, Any] = {"n": self._count, **_describe(apdu)}
        if self._include_data:
            line["command"] = apdu.hex().upper()
        started = self._clock()
        try:
            response = self._inner.transmit(apdu, timeout=timeout)
        except IdVerifyError as error:
            line["error"] = type(error).__name__
            raise
        else:
            line["length"] = max(len(response) - 2, 0)
            line["sw"] = response[-2:].hex().upper()
            if self._include_data:
                line["response"] = response.hex().upper()
            return response
        finally:
            line["ms"] = round((self._clock() - started) * 1000, 3)
            self._write(line)

    def reconnect(self) -> None:
        """Reconnect the inner transport, and note it."""
        self._write({"event": "reconnect"})
        self._inner.reconnect()

    def close(self) -> None:
        """Close the inner transport and the trace file if this object opened it."""
        self._inner.close()
        if self._owned is not None:
            self._owned.close()
            self._owned = None

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._sink.closed:
            return
        try:
            self._sink.write(json.dumps(line, separators=(",", ":")) + "\n")
        except OSError as error:
            raise TransportError(f"the trace cannot be written: {error.strerror}") from error


def _describe(apdu: bytes) -> dict[str, Any]:
    """Header and lengths of a command (ISO/IEC 7816-4 §5.2); the data of a plain SELECT only."""
    body = apdu[4:]
    extended = len(body) > 1 and body[0] == 0
    if len(body) == 1 or (extended and len(body) == 3):
        data, le = b"", body
    elif extended:
        count = int.from_bytes(body[1:3], "big")
        data, le = body[3 : 3 + count], body[3 + count :]
    else:
        data, le = body[1 : 1 + body[0]] if body else b"", body[1 + body[0] :] if body else b""
    line: dict[str, Any] = {
        "header": apdu[:4].hex().upper(),
        "lc": len(data),
        "le": (int.from_bytes(le, "big") or (65536 if extended else 256)) if le else None,
        "ext": extended,
    }
    if apdu[1:2] == _SELECT and not apdu[0] & 0x0C and len(data) <= 16:
        line["select"] = data.hex().upper()
    return line


class ReplayTransport:
    """Plays a recording with data back: same commands, same responses.

    Args:
        source: a path, or the lines of a recording made with ``include_data=True``.

    Raises:
        ConfigurationError: the recording holds no data, or cannot be read.
        MalformedDataError: it is no recording.
    """

    kind = "replay"

    def __init__(self, source: str | os.PathLike[str] | Iterable[str]) -> None:
        if isinstance(source, (str, os.PathLike)):
            try:
                lines: Iterable[str] = Path(source).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigurationError(f"the trace cannot be read ({type(error).__name__})") from error
        else:
            lines = source
        records = [_parse_line(text) for text in lines if text.strip()]
        if not records or records[0].get("version") != VERSION:
            raise MalformedDataError(f"trace: expected a first line with version {VERSION}")
        if len(records) > _MAX_EXCHANGES:
            raise MalformedDataError(f"trace: more than {_MAX_EXCHANGES} lines")
        if records[0].get("data") is not True:
            raise ConfigurationError("this trace was recorded without data and cannot be played back")
        self._atr = _unhex(records[0], "atr")
        size = records[0].get("max_apdu_size")
        if not isinstance(size, int):
            raise MalformedDataError("trace: max_apdu_size is missing")
        self._max_apdu_size = size
        self._records = records[1:]
        self._next = 0

    @property
    def atr(self) -> bytes:
        """The recorded ATR."""
        return self._atr

    @property
    def max_apdu_size(self) -> int:
        """The recorded limit."""
        return self._max_apdu_size

    @property
    def finished(self) -> bool:
        """Whether every recorded line was used."""
        return self._next >= len(self._records)

    def transmit(self, apdu: bytes, *, timeout: timedelta | None = None) -> bytes:
        """The recorded answer to ``apdu``, which must be the recorded command.

        Raises:
            TransportError: another command than the recorded one, the end of the recording, or the recorded error
                (with its own class).
        """
        record = self._take()
        if _unhex(record, "command") != apdu:
            raise TransportError(f"replay: command {record.get('n')} differs from the recorded one")
        name = record.get("error")
        if name is not None:
            kind = getattr(errors, str(name), TransportError)
            if not (isinstance(kind, type) and issubclass(kind, TransportError)):
                kind = TransportError
            raise kind(f"replay: the recorded exchange {record.get('n')} ended in {kind.__name__}")
        return _unhex(record, "response")

    def reconnect(self) -> None:
        """Go past the recorded reconnect.

        Raises:
            TransportError: the recording has none here.
        """
        if self._take().get("event") != "reconnect":
            raise TransportError("replay: the recording has no reconnect here")

    def close(self) -> None:
        """Nothing to let go."""

    def _take(self) -> dict[str, Any]:
        if self.finished:
            raise TransportError("replay: the recording ends here")
        self._next += 1
        return self._records[self._next - 1]


def _parse_line(text: str) -> dict[str, Any]:
    if len(text) > _MAX_LINE:
        raise MalformedDataError("trace: a line is beyond the cap")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise MalformedDataError("trace: a line is no JSON object") from None
    if not isinstance(value, dict):
        raise MalformedDataError("trace: a line is no JSON object")
    return value


def _unhex(record: Mapping[str, Any], key: str) -> bytes:
    try:
        return bytes.fromhex(record[key])
    except (KeyError, TypeError, ValueError):
        raise MalformedDataError(f"trace: {key} is missing or no hexadecimal text") from None
