"""``idverify emulate``: the software card in a virtual reader."""

from __future__ import annotations

import contextlib
import signal
import time
from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _demo_card, _output, _ui


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("emulate", help="Serve the software card to a virtual reader (vpcd) until stopped.")(emulate)


@_ui.guarded
def emulate(
    profile: Annotated[str, typer.Option("--profile", metavar="NAME", help="What card it is.")] = "cccd-2021",
    portrait: Annotated[
        Path | None, typer.Option("--portrait", metavar="IMAGE", help="Portrait; a sample else.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where vpcd listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="vpcd's port.")] = 35963,
    trust_out: Annotated[
        Path | None, typer.Option("--trust-out", metavar="FILE", help="Write the test authority's certificate there.")
    ] = None,
) -> None:
    """Serve a card of an invented person."""
    from idverify.chip.transport.vpcd import VpcdServer

    card = _demo_card.demo_card(portrait, profile=profile)
    if trust_out is not None:
        _output.write_private(trust_out, card.trust_anchors[0])
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with VpcdServer(card, host, port) as server:
            if not server.wait_connected(2.0):
                _ui.note(f"vpcd không trả lời, đang chờ · vpcd is not listening on {host}:{port}; waiting for it")
            while not server.wait_connected(0.5):
                pass
            _ui.say(f"CAN {card.can} · vpcd {host}:{port} · Ctrl-C")
            while True:
                time.sleep(0.5)
    except KeyboardInterrupt:
        _ui.note("đã dừng · stopped")
