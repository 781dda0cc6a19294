"""``idverify policy list|show|check|dry-run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _policy, _ui
from idverify.errors import PolicyError

if TYPE_CHECKING:
    from idverify.dry_run import DryRun

_PolicyArgument = Annotated[str, typer.Argument(metavar="NAME|FILE", help="A policy's name, or a TOML file.")]
_COLOURS = {"accept": "green", "reject": "red", "review": "yellow", "inconclusive": "yellow", "none": "dim"}
_SHOWN = 40
_HINT = "NAME|FILE"


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="Policies: what there is, is a file right, what would it decide.")
    group.command("list", help="The policies that come with the library.")(list_)
    group.command("show", help="A policy as a TOML file to start from; --full writes everything out.")(show)
    group.command("check", help="Whether a policy file can be used, and what it lets through.")(check)
    group.command("dry-run", help="What a policy would have decided on recorded report.json files.")(dry)
    app.add_typer(group, name="policy")


@_ui.guarded
def list_(as_json: _ui.JsonOption = False) -> None:
    """List the policies."""
    from idverify.decision import NAMES, named

    policies = [named(name) for name in NAMES]
    if as_json:
        _ui.print_json({"policies": [{"id": p.id, "about": p.about} for p in policies]})
        return
    width = max(len(p.id) for p in policies)
    for policy in policies:
        _ui.say(f"{policy.id:{width}}  {policy.about}")


@_ui.guarded
def show(
    policy: _PolicyArgument,
    full: Annotated[bool, typer.Option("--full", help="Write out what is inherited.")] = False,
    as_json: _ui.JsonOption = False,
) -> None:
    """Show a policy."""
    from idverify._policy_file import to_toml
    from idverify.decision import is_file, source_of

    chosen = _policy.named(policy, hint=_HINT)
    if as_json:
        _ui.print_json(chosen.to_mapping())
        return
    text = None if full else Path(policy).read_text("utf-8") if is_file(policy) else source_of(policy)
    for line in (text or to_toml(chosen)).rstrip("\n").split("\n"):
        _ui.say(line)


@_ui.guarded
def check(policy: _PolicyArgument, as_json: _ui.JsonOption = False) -> None:
    """Exit code 0: can be used; 1: cannot, with the path of everything that is wrong."""
    from idverify._policy_file import weaknesses
    from idverify.decision import load

    try:
        chosen = load(policy)
    except PolicyError as error:
        if as_json:
            _ui.print_json({"usable": False, "problems": list(error.problems), "notes": []})
        else:
            for problem in error.problems:
                _ui.say(f"✗ {problem}", style="red")
        raise typer.Exit(int(_ui.Exit.FAILURE)) from None
    notes = weaknesses(chosen)
    if as_json:
        _ui.print_json({"usable": True, "id": chosen.id, "problems": [], "notes": list(notes)})
        return
    _ui.say(f"✓ {chosen.id}: can be used", style="green")
    for note in notes:
        _ui.say(f"  ! {note}", style="yellow")


@_ui.guarded
def dry(
    policy: _PolicyArgument,
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT…", help="report.json files, or folders that hold such files.")
    ],
    as_json: _ui.JsonOption = False,
) -> None:
    """Judge recorded reports again. Exit code 1 where a file is no report."""
    from idverify.dry_run import dry_run

    chosen = _policy.named(policy, hint=_HINT)
    with _ui.progress() as display:
        display.update("reports")
        run = dry_run(chosen, reports)
    if as_json:
        _ui.print_json(run.to_dict())
    else:
        _show(run)
    if not run.verdicts and not run.problems:
        _ui.stderr().print(
            "idverify: there is no report there: give report.json files, or folders of them", style="red"
        )
    _ui.leave(_ui.Exit.FAILURE if run.problems or not run.verdicts else _ui.Exit.OK)


def _show(run: DryRun) -> None:
    from rich.table import Table
    from rich.text import Text

    _ui.say(f"{len(run.verdicts)} reports under {run.policy}: {len(run.changes)} would have another outcome")
    table = Table(box=None, header_style="dim")
    for title in ("was", "would be", "reports"):
        table.add_column(title, justify="right" if title == "reports" else "left")
    for (old, new), number in sorted(run.table().items()):
        table.add_row(Text(old, style=_COLOURS[old]), Text(new, style=_COLOURS[new]), str(number))
    _ui.stdout().print(table)
    for verdict in run.changes[:_SHOWN]:
        old = verdict.old.outcome.value if verdict.old else "none"
        _ui.say(f"{verdict.name}: {old} → {verdict.new.outcome.value}")
        for label, decision in (("was", verdict.old), ("now", verdict.new)):
            if decision is not None and decision.reasons:
                _ui.say(f"  {label}: {'; '.join(decision.reasons)}", style="dim")
    if len(run.changes) > _SHOWN:
        _ui.say(f"… and {len(run.changes) - _SHOWN} more (--json shows all)", style="yellow")
    for name, problem in run.problems:
        _ui.say(f"  ! {name}: {problem}", style="red")
