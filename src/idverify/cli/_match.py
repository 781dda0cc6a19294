"""Showing one comparison: the verdict at a false match rate, the score, the rate in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from idverify.cli import _ui
from idverify.presentation import rate_in_words

if TYPE_CHECKING:
    from idverify.biometric.score import Score

FmrOption = Annotated[
    float, typer.Option("--fmr", min=1e-9, max=0.5, help="False match rate that the threshold stands for.")
]

_WORDS = {
    ("face", True): ("green", "CÙNG MỘT NGƯỜI · SAME PERSON"),
    ("face", False): ("red", "KHÁC NGƯỜI · DIFFERENT PERSONS"),
    ("finger", True): ("green", "CÙNG MỘT NGÓN TAY · SAME FINGER"),
    ("finger", False): ("red", "KHÁC NGÓN TAY · DIFFERENT FINGERS"),
}


def show(
    score: Score, fmr: float, threshold: float | None, modality: str, *, as_json: bool, more: Mapping[str, Any]
) -> None:
    """Print a comparison and leave with its exit code. The false match rate decides, as in policies."""
    match = None if score.fmr is None else score.fmr <= fmr
    if as_json:
        figures = {
            "modality": modality,
            "value": score.value,
            "threshold": threshold,
            "fmr": score.fmr,
            "model": score.model,
        }
        _ui.print_json({"score": figures, "match": match, "at_fmr": fmr, "calibration": score.calibration, **more})
    else:
        colour, words = _WORDS.get((modality, match or False), ("", ""))
        if match is None:
            colour, words = "yellow", "CHƯA CÓ BẢNG SAI SỐ · NO TABLE OF ERROR RATES"
        _ui.say(words, style=f"bold {colour}")
        limit = f", ngưỡng · threshold {threshold:.3f} (FMR {fmr:g})" if threshold is not None else ""
        _ui.say(f"độ giống · similarity {score.value:.3f}{limit}")
        if score.fmr is not None:
            said = rate_in_words(score.fmr)
            _ui.say(f"{said.vi} · {said.en}", style="dim")
        _ui.say(f"{score.model}, {score.calibration or 'uncalibrated'}", style="dim")
    _ui.leave({True: _ui.Exit.OK, False: _ui.Exit.REJECTED, None: _ui.Exit.REVIEW}[match])
