"""The application: every command and how a run ends."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from idverify._version import __version__
from idverify.cli import (
    _ui,
    audit,
    bench,
    check,
    demo,
    emulate,
    evaluate,
    face,
    finger,
    health,
    inspect,
    models,
    policy,
    read,
    readers,
    seal,
    trust,
    verify,
)

_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Every kind of wrong usage; typer gives it no name of its own."""


class _Commands(TyperGroup):
    """The commands; wrong usage is an object too where ``--json`` was asked for."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _UsageError as error:
            if ctx.obj is _AS_JSON:
                message = getattr(error, "format_message", error.__str__)()
                _ui.print_error(type(error).__name__, " ".join(message.split()))
            raise


_AS_JSON = object()

app = typer.Typer(
    name="idverify",
    cls=_Commands,
    help="Read chip ID cards, prove them genuine, and match the holder's face.\n\n"
    "Exit codes: 0 success or accepted, 1 technical failure, 2 usage, 3 rejected, 4 review needed or inconclusive.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"idverify {__version__}\n")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose", "-v", count=True, help="Log to standard error; twice: debug; three times: card traffic."
        ),
    ] = 0,
    log_json: Annotated[bool, typer.Option("--log-json", help="What -v logs, as one JSON object a line.")] = False,
) -> None:
    del version
    if verbose:
        from idverify._logging import TRAFFIC, RedactingFilter
        from idverify.observability import JsonFormatter

        handler = logging.StreamHandler(sys.stderr)
        handler.addFilter(RedactingFilter())
        plain = logging.Formatter("%(levelname)s %(name)s: %(message)s")
        handler.setFormatter(JsonFormatter() if log_json else plain)
        logger = logging.getLogger("idverify")
        logger.addHandler(handler)
        logger.setLevel({1: logging.INFO, 2: logging.DEBUG}.get(verbose, TRAFFIC))


for _module in (
    demo,
    readers,
    read,
    check,
    verify,
    face,
    finger,
    evaluate,
    trust,
    audit,
    policy,
    seal,
    health,
    models,
    emulate,
    inspect,
    bench,
):
    _module.register(app)


def run(arguments: list[str]) -> int:
    """Run the application; return the exit code, whatever happens."""
    _ui.show_what_can_be()
    try:
        app(args=arguments, prog_name="idverify", obj=_AS_JSON if "--json" in arguments else None)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        _ui.stderr().print("idverify: stopped", style="red")
        return 130
    except Exception as error:  # noqa: BLE001 - the outermost edge: no traceback to an official
        if os.environ.get("IDVERIFY_DEBUG"):
            traceback.print_exc()
        words = f"unexpected {type(error).__name__}; set IDVERIFY_DEBUG=1 to see where, and please report it"
        if "--json" in arguments:
            _ui.print_error(type(error).__name__, words)
        _ui.stderr().print(f"idverify: {words}", style="red", markup=False)
        return int(_ui.Exit.FAILURE)
    return int(_ui.Exit.OK)
