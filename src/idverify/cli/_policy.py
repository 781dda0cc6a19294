"""``--policy NAME|FILE``, and what is taken where it is not given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _ui
from idverify.errors import PolicyError

if TYPE_CHECKING:
    from idverify.decision import Policy

PolicyOption = Annotated[
    str | None,
    typer.Option(
        "--policy",
        metavar="NAME|FILE",
        help="A policy ('policy list' has their names), or a TOML file. Without it: 'counter', with --finger alone "
        "'counter-finger', with --face and --finger 'counter-both'.",
    ),
]


def named(policy: str, *, hint: str = "--policy") -> Policy:
    """A policy by name, or from a TOML file.

    Args:
        policy: the name, or the file.
        hint: the option or argument that gave it.

    Raises:
        typer.BadParameter: neither.
    """
    from idverify.decision import load

    try:
        return load(policy)
    except PolicyError as error:
        raise typer.BadParameter(str(error), param_hint=hint) from None


def for_samples(policy: str | None, *, face: bool, finger: bool) -> Policy:
    """The policy that is asked for, else the one of a counter that has these samples.

    Raises:
        typer.BadParameter: no such policy.
    """
    counters = {(True, True): "counter-both", (False, True): "counter-finger"}
    chosen = named(policy if policy is not None else counters.get((face, finger), "counter"))
    for given, rate, option in ((face, chosen.face_fmr, "--face"), (finger, chosen.finger_fmr, "--finger")):
        if given and rate is None:
            _ui.note(f"note: policy {chosen.id} does not ask for it, so {option} decides nothing")
    return chosen
