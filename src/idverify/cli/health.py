"""``idverify health``: whether everything is there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _trust, _ui


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("health", help="Whether readers, models and trust store are there and right.")(health)


@_ui.guarded
def health(
    trust: Annotated[
        Path | None, typer.Option("--trust", metavar="PATH", help="The trust store; that of this user else.")
    ] = None,
    trust_days: Annotated[
        int | None, typer.Option("--trust-days", metavar="N", min=1, help="Greatest age of its newest list, in days.")
    ] = None,
    readers: Annotated[bool, typer.Option("--readers/--no-readers", help="Look for readers.")] = True,
    models: Annotated[bool, typer.Option("--models/--no-models", help="Look at the models.")] = True,
    as_json: _ui.JsonOption = False,
) -> None:
    """Exit code 0: everything is right; 4: somebody should look; 1: something does not work."""
    from idverify.healthcheck import HealthStatus
    from idverify.healthcheck import health as look

    store = trust if trust is not None else _trust.default_store()
    found = look(trust=store, trust_list_days=trust_days, readers=readers, models=models)
    if as_json:
        _ui.print_json(found.to_dict())
    else:
        marks = {HealthStatus.OK: ("✓", "green"), HealthStatus.DEGRADED: ("!", "yellow")}
        for item in found.items:
            mark, colour = marks.get(item.status, ("✗", "red"))
            _ui.say(f"{mark} {item.name:8}{item.problem or _said(item.name, item.facts)}", style=colour)
    codes = {HealthStatus.OK: _ui.Exit.OK, HealthStatus.DEGRADED: _ui.Exit.REVIEW}
    _ui.leave(codes.get(found.status, _ui.Exit.FAILURE))


def _said(name: str, facts: object) -> str:
    known = facts if isinstance(facts, dict) else {}
    if name == "trust":
        days = known["days"]
        age = "age unknown" if days is None else f"newest list {days} days old"
        return f"{known['anchors']} trust anchors, {age}"
    if name == "readers":
        return ", ".join(f"{r['name']}{' (card)' if r['card'] else ''}" for r in known["readers"])
    return f"{len(known['models'])} models, unaltered"
