"""What every command shares: exit codes, consoles, errors as one line, progress, JSON."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console

from idverify._logging import redact
from idverify.errors import IdVerifyError, ServiceUnavailableError
from idverify.presentation.wording import printable

P = ParamSpec("P")
R = TypeVar("R")

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print exactly one JSON object on standard output, and nothing else there.")
]
"""``--json`` of every command that has an answer for machines."""

_EXTRAS = {"smartcard": "pcsc", "matplotlib": "eval", "typer": "cli", "rich": "cli"}
_PROGRESS_AFTER = 0.5


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    REJECTED = 3
    REVIEW = 4


OUTCOME_EXIT: Mapping[str, Exit] = {
    "accept": Exit.OK,
    "reject": Exit.REJECTED,
    "review": Exit.REVIEW,
    "inconclusive": Exit.REVIEW,
}


def stdout() -> Console:
    """The console of the answer."""
    return Console(file=sys.stdout, highlight=False, soft_wrap=False)


def stderr() -> Console:
    """The console of progress, notes and errors."""
    return Console(file=sys.stderr, highlight=False, soft_wrap=True)


def say(text: str, *, style: str = "") -> None:
    """One line of the answer, never broken."""
    stdout().print(printable(text), style=style, markup=False, soft_wrap=True)


def note(text: str) -> None:
    """One dim line on standard error."""
    stderr().print(printable(text), style="dim", markup=False)


def print_json(answer: Mapping[str, Any]) -> None:
    """The one JSON object of a command; in ASCII where standard output cannot take its text as it is."""
    text = json.dumps(answer, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # an old encoding, or a file's name that is no text
        text = json.dumps(answer, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show_what_can_be() -> None:
    """From here on a sign that a stream's encoding lacks is shown as a question mark, and ends no command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def print_error(kind: str, message: str) -> None:
    """The one JSON object of a command that failed; nothing where standard output takes nothing."""
    with contextlib.suppress(OSError):
        print_json({"error": {"type": kind, "message": message}})


def leave(code: Exit) -> None:
    """End the command with an exit code.

    Raises:
        typer.Exit: for every code but 0.
    """
    if code is not Exit.OK:
        raise typer.Exit(int(code))


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose technical failures are one clear line on standard error and exit code 1.

    With ``--json`` the same text also stands in ``{"error": {"type", "message"}}`` on standard output.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (IdVerifyError, OSError, ModuleNotFoundError) as error:
            kind, message = _line(error)
            if kwargs.get("as_json"):
                print_error(kind, message)
            stderr().print(f"idverify: {message}", style="red", markup=False)
            raise typer.Exit(int(Exit.FAILURE)) from None

    return run


def _line(error: Exception) -> tuple[str, str]:
    """The kind of an error and one line about it, without holder data."""
    kind, text = type(error).__name__, str(error)
    if isinstance(error, ModuleNotFoundError):
        top = (error.name or "").split(".")[0]
        extra = f"[{_EXTRAS[top]}]" if top in _EXTRAS else ""
        return kind, f"this command needs {top}: pip install 'idverify-emrtd{extra}'"
    if isinstance(error, OSError) and not isinstance(error, IdVerifyError):
        where = f"{Path(error.filename).name}: " if isinstance(error.filename, str | os.PathLike) else ""
        text = f"{where}{error.strerror or error}"
    if isinstance(error, ServiceUnavailableError) and "smartcard" in text:
        text = f"{text} (pip install 'idverify-emrtd[pcsc]')"
    return kind, redact(printable(" ".join(text.split()))) or kind


class Progress:
    """Progress of a longer task on standard error, shown once it has lasted half a second."""

    def __init__(self) -> None:
        self._console = stderr()
        self._bar: Any = None
        self._task: Any = None
        self._begun = time.monotonic()

    def update(self, text: str, done: float | None = None, total: float | None = None) -> None:
        """Say what is being done, and how much of it.

        Args:
            text: what is being done.
            done: how much is done, or None where that is not known.
            total: how much there is.
        """
        if not self._console.is_terminal or time.monotonic() - self._begun < _PROGRESS_AFTER:
            return
        if self._bar is None:
            self._bar = _bar(self._console)
            self._bar.start()
            self._task = self._bar.add_task(text, total=None)
        self._bar.update(self._task, description=text, completed=done or 0, total=total)

    def tell(self, text: str) -> None:
        """One line to the person, above the bar, at once and also where standard error is no terminal."""
        console = self._bar.console if self._bar is not None else self._console
        console.print(f"➤ {printable(text)}", style="bold", markup=False)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar(console: Console) -> Any:
    from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as RichProgress

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=30), TimeElapsedColumn())
    return RichProgress(*columns, console=console, transient=True)


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """A progress display for the length of a block."""
    display = Progress()
    try:
        yield display
    finally:
        display.close()


def moment(text: str | None) -> Any:
    """A time-zone aware datetime from an ISO date or time; now where None. A date means its noon in UTC.

    Raises:
        typer.BadParameter: not an ISO date.
    """
    from datetime import UTC, datetime, timedelta

    if text is None:
        return datetime.now(UTC).astimezone()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no ISO date (2026-05-17 or 2026-05-17T09:30:00+07:00)") from None
    if len(text) <= len("2026-05-17"):
        at += timedelta(hours=12)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
