"""The options that open a chip: CAN, MRZ, the three MRZ fields, or the card's QR code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _ui

if TYPE_CHECKING:
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


def _value(text: str | None, option: str, used: list[str]) -> str | None:
    if text != "-":
        return text
    if used:
        raise typer.BadParameter(f"{used[0]} already reads standard input", param_hint=option)
    used.append(option)
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

    used: list[str] = []
    can, mrz, qr = _value(can, "--can", used), _value(mrz, "--mrz", used), _value(qr, "--qr", used)
    number = _value(number, "--number", used)
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
    _warn(context)
    return tuple(found)


def _warn(context: typer.Context) -> None:
    """Arguments stand in the process list, where every user of the machine can read them."""
    shown = [
        f"--{name}"
        for name in _SECRET_PARAMETERS
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE" and context.params.get(name) != "-"
    ]
    if shown:
        _ui.note(
            f"note: {', '.join(shown)} on the command line can be seen in the process list; "
            "give '-' and standard input, or the environment (IDVERIFY_CAN …), instead"
        )
