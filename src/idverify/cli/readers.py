"""``idverify readers``."""

from __future__ import annotations

import typer

from idverify.cli import _ui


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("readers", help="List PC/SC readers: card present or not, ATR.")(readers)


@_ui.guarded
def readers(as_json: _ui.JsonOption = False) -> None:
    """List PC/SC readers."""
    from idverify.chip.transport.pcsc import list_readers

    found = list_readers()
    if as_json:
        answer = [
            {"index": r.index, "name": r.name, "card": r.present, "mute": r.mute, "atr": r.atr.hex().upper()}
            for r in found
        ]
        _ui.print_json({"readers": answer})
        return
    if not found:
        _ui.say("Không có đầu đọc nào · no reader is connected")
        return
    from rich.table import Table

    table = Table(box=None, header_style="dim")
    for title in ("#", "Đầu đọc · Reader", "Thẻ · Card", "ATR"):
        table.add_column(title)
    for r in found:
        card = "✗ không trả lời · mute" if r.mute else "✓ có · present" if r.present else "– trống · empty"
        table.add_row(str(r.index), r.name, card, r.atr.hex(" ").upper())
    _ui.stdout().print(table)
