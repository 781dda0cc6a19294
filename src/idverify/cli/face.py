"""``idverify face compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _files, _match, _ui

if TYPE_CHECKING:
    from idverify.biometric.face.matcher import FaceMatcher, FaceSample


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Faces: compare two pictures.")
    group.command("compare", help="Compare the faces of two pictures.")(compare)
    app.add_typer(group, name="face")


def _sample(matcher: FaceMatcher, path: Path) -> FaceSample:
    from idverify.biometric.codecs import decode_image

    with _files.naming(path):
        return matcher.analyse(decode_image(_files.read_capped(path, _files.LARGEST_PICTURE)))


@_ui.guarded
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A picture.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another picture.")],
    fmr: _match.FmrOption = 1e-4,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="Embedding model; the default else.")
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Exit code 0: the same person at that rate; 3: not; 4: the model has no table of error rates."""
    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.presentation.wording import advice

    matcher = FaceMatcher(model=model)
    with _ui.progress() as display:
        display.update("face models")
        first, second = _sample(matcher, a), _sample(matcher, b)
    score = matcher.compare(first.template, second.template)
    threshold = matcher.threshold(fmr) if matcher.calibration is not None else None
    if not as_json:
        for path, sample in ((a, first), (b, second)):
            if sample.rivals:
                faces = 1 + len(sample.rivals)
                _ui.say(f"{path.name}: {faces} khuôn mặt, lấy khuôn mặt lớn nhất · {faces} faces, the largest is taken")
            for key in sample.quality.advice:
                words = advice(key)
                _ui.say(f"{path.name}: {words.vi} · {words.en}", style="dim")
    more = {
        "quality": [first.template.quality, second.template.quality],
        "faces": [1 + len(first.rivals), 1 + len(second.rivals)],
        "measures": [first.quality.to_dict(), second.quality.to_dict()],
    }
    _match.show(score, fmr, threshold, "face", as_json=as_json, more=more)
