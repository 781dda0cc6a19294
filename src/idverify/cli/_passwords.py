"""The options that open a chip: CAN, MRZ, the three MRZ fields, or the card's QR code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _ui

if TYPE_CHECKING:
    from collections.abc import Sequence

    from idverify.chip.access.password import AccessPassword

_PANEL = "Opening the chip"
_HOW = "'-' reads it from standard input."

CanOption = Annotated[
    str | None,
    typer.Option(
        "--can", metavar="N", envvar="IDVERIFY_CAN", rich_help_panel=_PANEL, help=f"Card access number. {_HOW}"
    ),
]
MrzOption = Annotated[
    str | None,
    typer.Option(
        "--mrz", metavar="TEXT", envvar="IDVERIFY_MRZ", rich_help_panel=_PANEL, help=f"Machine readable zone. {_HOW}"
    ),
]
NumberOption = Annotated[
    str | None,
    typer.Option(
        "--number",
        metavar="N",
        envvar="IDVERIFY_NUMBER",
        rich_help_panel=_PANEL,
        help=f"Document number (citizen card: 9 digits), with --birth and --expiry. {_HOW}",
    ),
]
BirthOption = Annotated[
    str | None,
    typer.Option("--birth", metavar="YYMMDD", envvar="IDVERIFY_BIRTH", rich_help_panel=_PANEL, help="Date of birth."),
]
ExpiryOption = Annotated[
    str | None,
    typer.Option(
        "--expiry", metavar="YYMMDD", envvar="IDVERIFY_EXPIRY", rich_help_panel=_PANEL, help="Date of expiry."
    ),
]
QrOption = Annotated[
    str | None,
    typer.Option(
        "--qr", metavar="TEXT", envvar="IDVERIFY_QR", rich_help_panel=_PANEL, help=f"Text of the card's QR code. {_HOW}"
    ),
]
ReaderOption = Annotated[
    str | None,
    typer.Option("--reader", metavar="NAME", help="Reader whose name contains NAME; else the first with a card."),
]

_SECRET_PARAMETERS = ("can", "mrz", "number", "birth", "expiry", "qr")


_STDIN = "idverify.standard-input"


def given(context: typer.Context, text: str | None, option: str) -> str | None:
    """The value of an option for a secret: ``-`` is standard input, which one option of a command can have.

    At a terminal it is asked for and not shown.

    Raises:
        typer.BadParameter: another option has read standard input.
    """
    if text != "-":
        return text
    if (first := context.meta.setdefault(_STDIN, option)) != option:
        raise typer.BadParameter(f"{first} already reads standard input", param_hint=option)
    if sys.stdin.isatty() and option != "--mrz":  # two or three lines
        return str(typer.prompt(option.lstrip("-"), hide_input=True, err=True)).strip()
    return sys.stdin.read().strip()


def passwords(
    context: typer.Context,
    *,
    can: str | None,
    mrz: str | None,
    number: str | None,
    birth: str | None,
    expiry: str | None,
    qr: str | None,
) -> tuple[AccessPassword, ...]:
    """The passwords that the options give, in the order in which the chip is to be tried.

    Raises:
        typer.BadParameter: none, an incomplete set, or a value that cannot be one.
    """
    from idverify.chip import cccd
    from idverify.chip.access.password import AccessPassword
    from idverify.errors import ConfigurationError, MalformedDataError

    can, mrz, qr = given(context, can, "--can"), given(context, mrz, "--mrz"), given(context, qr, "--qr")
    number = given(context, number, "--number")
    found: list[AccessPassword] = []
    try:
        if can is not None:
            found.append(AccessPassword.can(can))
        if qr is not None:
            found.append(AccessPassword.can(cccd.parse_qr(qr).number.can.reveal()))
        if mrz is not None:
            found.append(AccessPassword.from_mrz_text(mrz))
        if number is not None or birth is not None or expiry is not None:
            if number is None or birth is None or expiry is None:
                raise typer.BadParameter("--number, --birth and --expiry belong together")
            found.append(AccessPassword.mrz(number, birth, expiry))
    except (ConfigurationError, MalformedDataError) as error:
        raise typer.BadParameter(str(error)) from None
    if not found:
        raise typer.BadParameter("one of --can, --mrz, --qr, or --number with --birth and --expiry is needed")
    warn(context, _SECRET_PARAMETERS, "IDVERIFY_CAN …")
    return tuple(found)


def warn(context: typer.Context, secrets: Sequence[str], environment: str) -> None:
    """Arguments stand in the process list, where every user of the machine can read them."""
    shown = [
        f"--{name.replace('_', '-')}"
        for name in secrets
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
        and context.params.get(name) not in (None, "-")
    ]
    if shown:
        _ui.note(
            f"note: {', '.join(shown)} on the command line can be seen in the process list; "
            f"give '-' and standard input, or the environment ({environment}), instead"
        )
