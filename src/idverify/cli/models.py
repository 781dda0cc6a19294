"""``idverify models list|verify|cache|build|add|calibrate``."""

from __future__ import annotations

import enum
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _files, _ui
from idverify.errors import ConfigurationError, ModelError

_ARGUMENTS = {"lightcnn_v4": ("build",)}
"""What a recipe is given besides its defaults."""

_NO_BUILD = frozenset({"calibrate", "calibrate_fingers", "leader_distil"})
"""Recipes that measure or train on pictures of one's own: they build no model file by themselves."""


_PICTURES = frozenset({".jpg", ".jpeg", ".png"})
_LARGEST_LICENCE = 1024 * 1024

_Registry = Annotated[
    Path, typer.Option("--registry", metavar="DIR", help="A registry of your own; made from that of the package.")
]


class ChannelOrder(enum.StrEnum):
    """Order of the colours that a network takes."""

    RGB = "RGB"
    BGR = "BGR"


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="The model registry: what there is, is it intact, how it is built.")
    group.command("list", help="Every model: task, size, licence, training data.")(list_models)
    group.command("verify", help="Check size, SHA-256, graph and calibration table of every model.")(verify)
    group.command("cache", help="The folder of optimised graphs: what it keeps, and emptying it.")(cache)
    group.command("build", help="Rebuild model files from their pinned packages (in a checkout).")(build)
    group.command("add", help="Try a face embedding network and add it to a registry of your own.")(add)
    group.command("calibrate", help="Measure score against false match rate on your pictures.")(calibrate)
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
def verify(
    providers: Annotated[
        list[str] | None,
        typer.Option(
            "--provider", metavar="NAME", help="Try an execution provider of onnxruntime too; repeat it in order."
        ),
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Verify the models; exit code 1 where one is missing or altered, or a provider does not give its numbers."""
    from idverify.biometric.models import CPU, default_registry

    with _ui.progress() as display:
        display.update("models")
        checks = default_registry().verify(providers=tuple(providers) if providers else CPU)
    if as_json:
        answer = []
        for c in checks:
            told: dict[str, object] = {"id": c.card.id, "version": c.card.version, "ok": c.problem is None}
            told["problem"] = c.problem
            if providers:
                told |= {"difference": c.difference, "time_by_provider": dict(c.shares or {})}
            answer.append(told)
        _ui.print_json({"models": answer})
    else:
        for c in checks:
            line = f"✓ {c.card.identity}" if c.problem is None else f"✗ {c.card.identity}: {c.problem}"
            _ui.say(line, style="green" if c.problem is None else "red")
            if c.difference is not None:
                shares = ", ".join(f"{name} {share:.0%}" for name, share in (c.shares or {}).items())
                _ui.say(f"  difference {c.difference:.1e} of its length; of the time {shares}", style="dim")
    _ui.leave(_ui.Exit.OK if all(c.problem is None for c in checks) else _ui.Exit.FAILURE)


@_ui.guarded
def cache(
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", envvar="IDVERIFY_GRAPH_CACHE", help="The folder."),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Delete the graphs.")] = False,
    as_json: _ui.JsonOption = False,
) -> None:
    """Show or empty the folder of optimised graphs; exit code 2 where others may write into it."""
    from idverify.biometric.graph_cache import GraphCache

    if folder is None:
        raise typer.BadParameter("no folder is named: --dir DIR, or IDVERIFY_GRAPH_CACHE", param_hint="--dir")
    kept = GraphCache(folder)
    found = kept.entries()
    if clear:
        kept.clear()
    if as_json:
        graphs = [{"name": entry.name, "size": entry.size} for entry in found]
        _ui.print_json({"folder": str(folder), "graphs": graphs, "cleared": clear})
        return
    size = sum(entry.size for entry in found) / 1e6
    _ui.say(f"{len(found)} graphs, {size:.1f} MB" + (": đã xoá · deleted" if clear else ""))


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


@_ui.guarded
def add(
    file: Annotated[Path, typer.Argument(metavar="FILE.onnx", help="One square colour picture in, one vector out.")],
    registry: _Registry,
    model: Annotated[str, typer.Option("--id", metavar="ID", help="Its name within the registry.")],
    version: Annotated[str, typer.Option("--version", metavar="TEXT")],
    license_name: Annotated[str, typer.Option("--license", metavar="SPDX", help="Licence of the weights.")],
    license_file: Annotated[Path, typer.Option("--license-file", metavar="FILE", help="Its text.")],
    source: Annotated[str, typer.Option("--source", metavar="TEXT", help="Whence the file comes.")],
    training_data: Annotated[
        str, typer.Option("--training-data", metavar="TEXT", help="What is known and unknown, in plain words.")
    ],
    channel_order: Annotated[ChannelOrder, typer.Option("--channel-order")] = ChannelOrder.RGB,
    mean: Annotated[float, typer.Option("--mean", help="Subtracted, on the scale 0 … 255; for float inputs.")] = 127.5,
    std: Annotated[float, typer.Option("--std", help="Divides after that.")] = 127.5,
    crop_scale: Annotated[float, typer.Option("--crop-scale", help="Crop, against ArcFace's frame.")] = 1.0,
    default: Annotated[bool, typer.Option("--default", help="Make it the registry's default.")] = False,
    as_json: _ui.JsonOption = False,
) -> None:
    """Add a model; it is run on made-up pictures before it is written down."""
    from idverify.biometric.registration import add_embedding_model, create_registry

    license_text = _files.read_capped(license_file, _LARGEST_LICENCE).decode("utf-8", "replace")
    if not (registry / "manifest.toml").exists():
        create_registry(registry)
    card = add_embedding_model(
        registry, file, model_id=model, version=version, license=license_name, license_text=license_text,
        source=source, training_data=training_data, channel_order=channel_order.value, mean=(mean,) * 3,
        std=(std,) * 3, crop_scale=crop_scale, default=default,
    )  # fmt: skip
    if as_json:
        _ui.print_json({"id": card.id, "version": card.version, "sha256": card.sha256, "dimension": card.output_dim})
        return
    width, height = card.input_size
    _ui.say(f"✓ {card.identity}: {width} × {height} pixels, {card.output_dim} numbers", style="green")
    _ui.say("chưa có bảng sai số · no table of error rates yet: idverify models calibrate", style="dim")


@_ui.guarded
def calibrate(
    registry: Annotated[Path, typer.Option("--registry", metavar="DIR", help="A registry of your own.")],
    model: Annotated[str, typer.Option("--model", metavar="ID", help="The model to measure.")],
    faces: Annotated[Path, typer.Option("--faces", metavar="DIR", help="Pictures, a subfolder a person.")],
    data: Annotated[str, typer.Option("--data", metavar="TEXT", help="What the pictures are, in words.")],
    table: Annotated[str | None, typer.Option("--table", metavar="ID", help="Name of the table.")] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Measure a table and attach it to the model; what the model had before is replaced."""
    from idverify.biometric.evaluation import calibrate_faces
    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.biometric.models import ModelRegistry
    from idverify.biometric.registration import attach_calibration

    known = ModelRegistry(registry / "manifest.toml")
    card = known.card(model)
    names = sorted(p.relative_to(faces).as_posix() for p in faces.glob("*/*") if p.suffix.lower() in _PICTURES)
    with _ui.progress() as display:
        made = calibrate_faces(
            FaceMatcher(known, model=model),
            table_id=table or f"{card.id}-{card.version}-own",
            model_sha256=card.sha256,
            data=data,
            folder=faces,
            images=names,
            on_progress=lambda done, total: display.update(f"ảnh · pictures {done}/{total}", done, total),
        )
    attach_calibration(registry, model, made)
    points = [{"score": p.score, "fmr": p.fmr, "low": p.low, "high": p.high, "fnmr": p.fnmr} for p in made.points]
    if as_json:
        _ui.print_json({"table": made.id, "genuine": made.genuine, "impostor": made.impostor, "points": points})
        return
    _ui.say(f"✓ {made.id}: {made.genuine:,} genuine, {made.impostor:,} impostor", style="green")
    for point in made.points:
        interval = f"{point.low:.2g} … {point.high:.2g}"
        _ui.say(f"  FMR {point.fmr:<8.2g} ({interval})  score {point.score:.4f}  FNMR {point.fnmr:.4%}")
