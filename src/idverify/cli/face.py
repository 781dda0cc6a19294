"""``idverify face compare``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _files, _ui

if TYPE_CHECKING:
    from idverify.biometric.face.matcher import FaceMatcher, FaceSample

_LARGEST_PICTURE = 64 * 1024 * 1024


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Faces: compare two pictures.")
    group.command("compare", help="Compare the faces of two pictures.")(compare)
    app.add_typer(group, name="face")


def _sample(matcher: FaceMatcher, path: Path) -> FaceSample:
    from idverify.biometric.codecs import decode_image
    from idverify.errors import BiometricError, ImageError

    try:
        return matcher.analyse(decode_image(_files.read_capped(path, _LARGEST_PICTURE)))
    except (ImageError, BiometricError) as error:
        raise type(error)(f"{path.name}: {error}") from None


@_ui.guarded
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A picture.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another picture.")],
    fmr: Annotated[
        float, typer.Option("--fmr", min=1e-9, max=0.5, help="False match rate that the threshold stands for.")
    ] = 1e-4,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="Embedding model; the default else.")
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Exit code 0: the same person at that rate; 3: not; 4: the model has no table of error rates."""
    from idverify.biometric.face.matcher import FaceMatcher
    from idverify.presentation import rate_in_words

    matcher = FaceMatcher(model=model)
    with _ui.progress() as display:
        display.update("face models")
        first, second = _sample(matcher, a), _sample(matcher, b)
    score = matcher.compare(first.template, second.template)
    table = matcher.calibration
    threshold = matcher.threshold(fmr) if table is not None else None
    # FMR decides, as in policies; the threshold is shown
    match = None if score.fmr is None else score.fmr <= fmr
    if as_json:
        _ui.print_json(
            {
                "score": {
                    "modality": "face",
                    "value": score.value,
                    "threshold": threshold,
                    "fmr": score.fmr,
                    "model": score.model,
                },
                "match": match,
                "at_fmr": fmr,
                "calibration": score.calibration,
                "quality": [first.template.quality, second.template.quality],
                "faces": [1 + len(first.rivals), 1 + len(second.rivals)],
            }
        )
    else:
        words = {
            True: ("green", "CÙNG MỘT NGƯỜI · SAME PERSON"),
            False: ("red", "KHÁC NGƯỜI · DIFFERENT PERSONS"),
            None: ("yellow", "CHƯA CÓ BẢNG SAI SỐ · NO TABLE OF ERROR RATES"),
        }[match]
        _ui.say(words[1], style=f"bold {words[0]}")
        limit = f", ngưỡng · threshold {threshold:.3f} (FMR {fmr:g})" if threshold is not None else ""
        _ui.say(f"độ giống · similarity {score.value:.3f}{limit}")
        if score.fmr is not None:
            said = rate_in_words(score.fmr)
            _ui.say(f"{said.vi} · {said.en}", style="dim")
        for path, sample in ((a, first), (b, second)):
            if sample.rivals:
                _ui.say(
                    f"{path.name}: nhiều khuôn mặt · {1 + len(sample.rivals)} faces, the largest was taken",
                    style="yellow",
                )
            for advice in sample.quality.advice:
                _ui.say(f"{path.name}: {advice}", style="dim")
        _ui.say(f"{score.model}, {score.calibration or 'uncalibrated'}", style="dim")
    _ui.leave({True: _ui.Exit.OK, False: _ui.Exit.REJECTED, None: _ui.Exit.REVIEW}[match])
