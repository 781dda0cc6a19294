"""``idverify emulate``: the software card in a virtual reader."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _demo_card, _files, _output, _samples, _ui
from idverify.errors import CardInUseError

if TYPE_CHECKING:
    from idverify.chip.transport.vpcd import VpcdServer
    from idverify.emulator.card import Card

_POLLED_SECONDS = 2.0
"""pcscd asks for a card more than twice a second."""
_TAKEN_SECONDS = 3.0
"""How long a reader that listens may be silent before it has another card."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("emulate", help="Serve the software card to a virtual reader (vpcd) until stopped.")(emulate)


def _profile(name: str) -> str:
    from idverify.emulator.profiles import PROFILES

    if name not in PROFILES:
        raise typer.BadParameter(f"no profile {name!r}; there are {', '.join(PROFILES)}")
    return name


@_ui.guarded
def emulate(
    profile: Annotated[
        str, typer.Option("--profile", metavar="NAME", callback=_profile, help="What card it is.")
    ] = "cccd-2021",
    portrait: Annotated[
        Path | None, typer.Option("--portrait", metavar="IMAGE", help="Portrait; a sample else.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where vpcd listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="vpcd's port.")] = 35963,
    trust_out: Annotated[
        Path | None, typer.Option("--trust-out", metavar="FILE", help="Write the test authority's certificate there.")
    ] = None,
    finger: Annotated[
        list[str] | None,
        typer.Option("--finger", metavar="POSITION=IMAGE", help="Print for DG3, at 500 dpi; again for other fingers."),
    ] = None,
    terminal_out: Annotated[
        Path | None,
        typer.Option("--terminal-out", metavar="DIR", help="Write certificates and key of the test terminal there."),
    ] = None,
    finger_out: Annotated[
        Path | None,
        typer.Option("--finger-out", metavar="DIR", help="Put two invented fingers into DG3; write live prints there."),
    ] = None,
) -> None:
    """Serve a card of an invented person."""
    from idverify.chip.transport.vpcd import VpcdServer

    if terminal_out is not None or finger_out is not None or finger:
        _let_terminals_in(profile)
    if finger and finger_out is not None:
        raise typer.BadParameter("--finger-out is for invented fingers; your own are in --finger")
    fingers = _own_fingers(finger) if finger else _demo_card.stored_fingers() if finger_out is not None else None
    card = _demo_card.demo_card(portrait, profile=profile, fingers=fingers)
    if trust_out is not None:
        _output.write_private(trust_out, card.trust_anchors[0])
    if terminal_out is not None:
        _write_terminal(terminal_out)
    if finger_out is not None:
        _write_fingers(finger_out)
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with VpcdServer(card, host, port) as server:
            _inserted(server, f"{host}:{port}")
            _ui.say(f"{_password(card)} · vpcd {host}:{port} · Ctrl-C")
            while True:
                time.sleep(0.5)
    except KeyboardInterrupt:
        _ui.note("đã dừng · stopped")


def _inserted(server: VpcdServer, address: str) -> None:
    """Wait until the reader has the card.

    Raises:
        CardInUseError: somebody listens there and takes no card.
    """
    if not server.wait_asked(_POLLED_SECONDS) and not server.listening:
        _ui.note(f"vpcd không trả lời, đang chờ · vpcd is not listening on {address}; waiting for it")
    silent = 0.0
    while not server.wait_asked(0.5):
        silent = silent + 0.5 if server.listening else 0.0
        if silent >= _TAKEN_SECONDS:
            raise CardInUseError(
                f"vpcd {address} takes no card: there is one in that reader, of another 'idverify emulate' perhaps, or "
                "something else listens there; end it, or give --port (the second virtual reader has 35964)"
            )


def _password(card: Card) -> str:
    """What opens the card, for whoever is to try it."""
    return f"CAN {card.can}" if card.can else f"MRZ {card.mrz}"


def _let_terminals_in(profile: str) -> None:
    from idverify.chip.lds.files import FileId
    from idverify.emulator.profiles import PROFILES

    if not (PROFILES[profile].ta and FileId.DG3 in PROFILES[profile].groups):
        able = ", ".join(name for name, p in PROFILES.items() if p.ta and FileId.DG3 in p.groups)
        raise typer.BadParameter(f"profile {profile!r} has no fingers that a terminal may read; these have: {able}")


def _own_fingers(given: list[str]) -> dict[int, bytes]:
    """Prints of the user's own, one a finger, in a format that DG3 takes."""
    chosen = _samples.fingers_of(given) or {}
    if 0 in chosen or any(len(prints) > 1 for prints in chosen.values()):
        raise typer.BadParameter("each finger once, as POSITION=IMAGE: 1 right thumb … 5, 6 left thumb … 10")
    return {position: _demo_card.storable_finger(_files.read_picture(path)) for position, (path,) in chosen.items()}


def _write_terminal(folder: Path) -> None:
    certificates, key = _demo_card.terminal()
    _output.private_directory(folder)
    for name, der in certificates.items():
        _output.write_private(folder / f"{name}.cvcert", der)
    _output.write_private(folder / "terminal.pem", key)


def _write_fingers(folder: Path) -> None:
    _output.private_directory(folder)
    for name, picture in _demo_card.live_fingers().items():
        _output.write_private(folder / f"{name}.png", picture)
