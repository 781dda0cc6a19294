"""``idverify finger compare|extract``."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _files, _match, _output, _ui

if TYPE_CHECKING:
    from idverify.biometric.finger.engine import FingerMatcher
    from idverify.biometric.finger.template import FingerTemplate
    from idverify.biometric.score import Score

_DPI = Annotated[float, typer.Option("--dpi", min=100, max=2000, help="True resolution of the pictures.")]


class Format(enum.StrEnum):
    """Formats of a minutiae record."""

    ISO_2005 = "iso-2005"
    ISO_2011 = "iso-2011"
    ANSI_2004 = "ansi-2004"
    ANSI_2009 = "ansi-2009"
    NBIS_RS = "nbis-rs"


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Fingers: compare prints, extract templates.")
    group.command("compare", help="Compare two prints: pictures, or minutiae records.")(compare)
    group.command("extract", help="Write the minutiae of a picture as a record.")(extract)
    app.add_typer(group, name="finger")


def _print(matcher: FingerMatcher, path: Path, dpi: float) -> FingerTemplate | bytes:
    """The template of a picture, or a record as it is."""
    from idverify.biometric.codecs import decode_image
    from idverify.errors import ConfigurationError

    data = _files.read_capped(path, _files.LARGEST_PICTURE)
    with _files.naming(path):
        if data[:4] == b"FMR\x00":
            if not matcher.template_of_record(data):
                raise ConfigurationError("the record has no print")
            return data
        return matcher.template(decode_image(data), dpi=dpi)


def _compared(matcher: FingerMatcher, first: FingerTemplate | bytes, second: FingerTemplate | bytes) -> Score:
    if isinstance(first, bytes):
        if isinstance(second, bytes):
            return matcher.best(matcher.template_of_record(first), matcher.template_of_record(second))
        first, second = second, first
    return matcher.compare_record(first, second) if isinstance(second, bytes) else matcher.compare(first, second)


@_ui.guarded
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A picture or a record.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another one.")],
    fmr: _match.FmrOption = 1e-3,
    dpi: _DPI = 500,
    as_json: _ui.JsonOption = False,
) -> None:
    """Exit code 0: the same finger at that rate; 3: not; 4: no table of error rates covers this comparison."""
    from idverify.biometric.finger.engine import FingerMatcher

    matcher = FingerMatcher()
    with _ui.progress() as display:
        display.update("minutiae")
        first, second = _print(matcher, a, dpi), _print(matcher, b, dpi)
    score = _compared(matcher, first, second)
    records = isinstance(first, bytes) or isinstance(second, bytes)
    table = matcher.record_calibration if records else matcher.calibration
    threshold = table.threshold(fmr) if table is not None and score.fmr is not None else None
    _match.show(score, fmr, threshold, "finger", as_json=as_json, more={})


@_ui.guarded
def extract(
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="A picture of one finger.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.iso", help="The record.")],
    form: Annotated[Format, typer.Option("--format", help="Its format.")] = Format.ISO_2005,
    dpi: _DPI = 500,
    inverted: Annotated[bool, typer.Option("--inverted", help="Ridges are light on dark ground.")] = False,
    as_json: _ui.JsonOption = False,
) -> None:
    """Write a record; biometric data of a person."""
    from idverify.biometric.codecs import decode_image
    from idverify.biometric.finger.engine import FingerMatcher
    from idverify.biometric.finger.records import RecordFormat, encode_record
    from idverify.presentation.wording import advice

    _output.check_file(out, "--out")
    with _files.naming(image):
        picture = decode_image(_files.read_capped(image, _files.LARGEST_PICTURE))
        sample = FingerMatcher().sample(picture, dpi=dpi, inverted=inverted)
    record = encode_record((sample.minutiae,), RecordFormat[form.name])
    _output.write_private(out, record)
    quality = sample.quality
    if as_json:
        _ui.print_json(
            {
                "minutiae": len(sample.minutiae),
                "quality": quality.value,
                "advice": [word.value for word in quality.advice],
                "area_mm2": round(quality.area_mm2, 1),
                "bytes": len(record),
                "model": sample.model,
            }
        )
        return
    _ui.say(f"{len(sample.minutiae)} minutiae, chất lượng · quality {quality.value}, {len(record)} bytes → {out}")
    for word in quality.advice:
        words = advice(word.value)
        _ui.say(f"  {words.vi} · {words.en}", style="dim")
