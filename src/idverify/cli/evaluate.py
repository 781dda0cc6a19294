"""``idverify evaluate face|finger|pad``: error rates on pictures of one's own."""

from __future__ import annotations

import enum
import itertools
from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _output, _ui

_Scores = Annotated[
    Path | None, typer.Option("--scores", metavar="FILE.csv", help="Write every comparison: a,b,genuine,score.")
]
_Det = Annotated[Path | None, typer.Option("--det", metavar="FILE.png", help="Draw the DET plot.")]


class Ways(enum.StrEnum):
    """Which picture of two is the portrait."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class Impostors(enum.StrEnum):
    """Which comparisons of different fingers are made."""

    FIRST = "first"
    ALL = "all"


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Error rates, measured on pictures of one's own.")
    group.command("face", help="Faces: LFW's pairs format, DIR/Name/Name_0001.jpg.")(face)
    group.command("finger", help="Fingers: FVC's layout, DIR/NNN_k.{png,tif,bmp}.")(finger)
    group.command("pad", help="Presentation attack detection: DIR/live/…, DIR/spoof/SPECIES/… or NAME_SPECIES.jpg.")(
        pad
    )
    app.add_typer(group, name="evaluate")


@_ui.guarded
def face(
    pairs: Annotated[Path, typer.Option("--pairs", metavar="FILE", help="Pairs in LFW's format.")],
    images: Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder with Name/Name_0001.jpg.")],
    all_pairs: Annotated[
        bool, typer.Option("--all-pairs", help="Error rates over every pair of the images named there.")
    ] = False,
    scores: _Scores = None,
    det: _Det = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="ID", help="Embedding model; the default else.")
    ] = None,
    chip: Annotated[
        int | None,
        typer.Option(
            "--chip",
            metavar="BYTES",
            min=500,
            max=1_000_000,
            help="Portraits as on a chip: grey, 240 x 320, JPEG 2000 of so many bytes.",
        ),
    ] = None,
    chip_colour: Annotated[bool, typer.Option("--chip-colour", help="Portraits of --chip keep their colour.")] = False,
    ways: Annotated[
        Ways | None,
        typer.Option("--ways", help="Which picture of two is the portrait; with --chip both in turn, else the first."),
    ] = None,
    sweep: Annotated[
        int | None,
        typer.Option(
            "--sweep", metavar="N", min=1, help="Make one picture of each of the first N genuine pairs worse, too."
        ),
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Measure the face matcher."""
    from idverify.biometric.evaluation import face as faces
    from idverify.biometric.evaluation import plot_det
    from idverify.biometric.evaluation import sweep as worse
    from idverify.biometric.face.matcher import FaceMatcher

    if chip_colour and chip is None:
        raise typer.BadParameter("it says how --chip is to be done", param_hint="--chip-colour")
    made = ways if ways is not None else Ways.FIRST if chip is None else Ways.BOTH
    _output.check_written((scores, "--scores"))
    _output.check_plots((det, "--det"))
    matcher = FaceMatcher(model=model)
    with _ui.progress() as display:
        found = faces.evaluate_faces(
            pairs,
            images,
            all_pairs=all_pairs,
            matcher=matcher,
            scores=scores,
            portrait=worse.chip(chip, colour=chip_colour) if chip is not None else None,
            ways=faces.Ways(made.value),
            on_progress=lambda done, total: display.update(f"ảnh · pictures {done}/{total}", done, total),
        )
        if det is not None:
            display.update("DET")
            plot_det({found.model: found.curve}, det, title=f"{found.genuine:,} genuine, {found.impostor:,} impostor")
        rows: tuple[worse.SweepRow, ...] = ()
        if sweep is not None:
            listed, done = faces.read_pairs_file(pairs), itertools.count(1)
            rows = worse.sweep_faces(
                listed, images, matcher=matcher, limit=sweep,
                on_row=lambda row: display.update(f"{row.name}", next(done), len(worse.STANDARD)),
            )  # fmt: skip
    answer = found.to_json()
    if rows:
        answer["sweep"] = [row.to_json() for row in rows]
    if as_json:
        _ui.print_json(answer)
        return
    _ui.say(
        f"{found.model}: {found.images:,} images, {found.genuine:,} genuine, {found.impostor:,} impostor", style="bold"
    )
    if found.ways is not faces.Ways.FIRST:
        _ui.say(
            f"  portraits          {'each of two in turn' if found.ways is faces.Ways.BOTH else 'the second of two'}"
        )
    if found.fte:
        _ui.say(f"  failure to enrol   {found.fte:.4%}")
    _ui.say(f"  accuracy           {found.accuracy_mean:.4%} ± {found.accuracy_std:.4%}")
    _ui.say(f"  EER                {found.eer:.4%}")
    for level, value in found.fnmr_at_fmr.items():
        low, high = found.fnmr_interval[level]
        threshold = found.threshold_at_fmr[level]
        _ui.say(f"  FNMR at FMR {level:8}{value:.4%}  ({low:.4%} … {high:.4%}), threshold {threshold:.4f}")
    _ui.say(f"  per image          {found.ms_per_image_median:.1f} ms (median)")
    if rows:
        _ui.say(f"  misses at FMR 1e-4, one picture of {rows[0].genuine} genuine pairs made worse", style="bold")
    for row in rows:
        _ui.say(f"  {row.name:26}{row.fnmr:6.1%}  ({row.no_face} without a face), mean score {row.mean:.3f}")


@_ui.guarded
def finger(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Pictures NNN_k, or folders of them.")],
    impostors: Annotated[
        Impostors, typer.Option("--impostors", help="first: first impressions only, as FVC does; all: every pair.")
    ] = Impostors.FIRST,
    records: Annotated[
        bool, typer.Option("--records", help="Pictures against the records (NNN_k.iso) beside the other pictures.")
    ] = False,
    scores: _Scores = None,
    det: _Det = None,
    discard: Annotated[
        Path | None, typer.Option("--discard", metavar="FILE.png", help="Draw the error-versus-discard curves.")
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Measure the finger matcher."""
    from idverify.biometric.evaluation.det import plot_det
    from idverify.biometric.evaluation.discard import plot_discard
    from idverify.biometric.evaluation.finger import evaluate_fingers

    _output.check_written((scores, "--scores"))
    _output.check_plots((det, "--det"), (discard, "--discard"))
    with _ui.progress() as display:
        found = evaluate_fingers(
            folder,
            impostors=impostors.value,
            records=records,
            scores=scores,
            on_progress=lambda done, total: display.update(f"ảnh · pictures {done}/{total}", done, total),
        )
        if det is not None:
            plot_det({found.model: found.curve}, det, title=f"{found.genuine:,} genuine, {found.impostor:,} impostor")
        if discard is not None:
            plot_discard(found.discard, discard, title="quality of fingerprints")
    if as_json:
        _ui.print_json(found.to_json())
        return
    _ui.say(
        f"{found.model}: {found.images:,} images, {found.genuine:,} genuine, {found.impostor:,} impostor", style="bold"
    )
    for label, value in (
        ("failure to extract", found.fte),
        ("EER", found.eer),
        ("FNMR at FMR 1 %", found.fmr100),
        ("FNMR at FMR 0.1 %", found.fmr1000),
        ("FNMR at zero FMR", found.zerofmr),
    ):
        _ui.say(f"  {label:20}{value:.4%}")
    for name, rates in found.databases.items():
        _ui.say(f"  {name:20}EER {rates['eer']:.4%}, FMR1000 {rates['fmr1000']:.4%}", style="dim")
    _ui.say(f"  {found.extract_ms_median:.1f} ms a picture, {found.compare_ms_median:.2f} ms a comparison (medians)")


@_ui.guarded
def pad(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Pictures under live and under spoof.")],
    threshold: Annotated[
        float, typer.Option("--threshold", min=0.0, max=1.0, help="Score from which a presentation counts as live.")
    ] = 0.5,
    as_json: _ui.JsonOption = False,
) -> None:
    """Measure presentation attack detection."""
    from idverify.biometric.evaluation.pad import PadRate, evaluate_pad

    with _ui.progress() as display:
        found = evaluate_pad(
            folder,
            threshold=threshold,
            on_progress=lambda done, total: display.update(f"ảnh · pictures {done}/{total}", done, total),
        )
    if as_json:
        _ui.print_json(found.to_json())
        return

    def say(label: str, rate: PadRate) -> None:
        low, high = rate.interval
        _ui.say(f"  {label:22}{rate.value:8.2%}  ({low:.2%} … {high:.2%}), {rate.events} of {rate.trials}")

    _ui.say(f"{found.model} at {found.threshold:g}: {len(found.items)} presentations", style="bold")
    for species, rate in found.apcer.items():
        say(f"APCER {species}", rate)
    if found.bpcer is not None:
        say("BPCER", found.bpcer)
    if found.no_response:
        _ui.say(f"  without a face        {found.no_response}, counted as refused")
    for item in found.items:
        score = "no face" if item.score is None else f"{item.score:.3f}"
        _ui.say(f"    {score:8} {item.species or 'live':10} {item.name}", style="dim")
