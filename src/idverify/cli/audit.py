"""``idverify audit verify|list|anchor|pseudonym|erase``: the audit log."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _files, _ui
from idverify.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_LogArgument = Annotated[Path, typer.Argument(metavar="LOG", help="The audit log.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(no_args_is_help=True, help="The audit log: is it whole, what does it say, what must go.")
    group.command("verify", help="Walk over the whole chain and hold it against signed anchors.")(verify)
    group.command("list", help="The entries: time and outcome; there is no holder data in them.")(list_)
    group.command("erase", help="Erase the data of old entries, or of one document's; the chain stays whole.")(erase)
    group.command("anchor", help="Sign the log's last entry, so that nobody can cut it off unnoticed.")(anchor_)
    group.command("pseudonym", help="The pseudonym of a document, to find or erase its entries.")(pseudonym)
    app.add_typer(group, name="audit")


def _key(path: Path) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_files.read_capped(path))
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{path.name}: no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{path.name}: anchors are signed with Ed25519, this is another kind of key")
    return key


@_ui.guarded
def verify(
    log: _LogArgument,
    anchor: Annotated[
        list[Path] | None,
        typer.Option("--anchor", metavar="FILE", help="Anchors that the operator signed, one a line."),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PEM", help="The operator's public key (Ed25519).")
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Exit code 0: whole; 3: something is wrong; 1: the log cannot be read."""
    from idverify.audit import Anchor, verify_log

    lines = [line for path in anchor or () for line in _files.read_capped(path).decode("utf-8", "replace").splitlines()]
    anchors = tuple(Anchor.from_json(line) for line in lines if line.strip())
    verdict = verify_log(log, anchors=anchors, key=_key(key) if key is not None else None)
    if as_json:
        _ui.print_json(
            {
                "whole": verdict.whole,
                "entries": verdict.entries,
                "erased": verdict.erased,
                "anchors": len(anchors),
                "problems": list(verdict.problems),
                "head": verdict.head,
            }
        )
    else:
        word, colour = ("NGUYÊN VẸN · WHOLE", "green") if verdict.whole else ("KHÔNG NGUYÊN VẸN · NOT WHOLE", "red")
        _ui.say(word, style=f"bold {colour}")
        _ui.say(f"{verdict.entries} entries, {verdict.erased} erased, {len(anchors)} anchors, head {verdict.head[:16]}")
        for problem in verdict.problems:
            _ui.say(f"  ! {problem}", style="red")
    _ui.leave(_ui.Exit.OK if verdict.whole else _ui.Exit.REJECTED)


@_ui.guarded
def anchor_(
    log: _LogArgument,
    key: Annotated[
        Path | None,
        typer.Option(
            "--key",
            metavar="PEM",
            help="The operator's private key (Ed25519); a passphrase comes from IDVERIFY_OPERATOR_PASSPHRASE. "
            "Without it: what a key elsewhere has to sign.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Append the anchor to this file.")] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Exit code 0: signed; 3: the log is not whole, and nothing was signed."""
    from idverify.audit import Anchor, read_entries, verify_log

    verdict = verify_log(log)
    last = next((e for e in read_entries(log) if e.number == verdict.entries - 1), None) if verdict.whole else None
    if last is None:
        problem = verdict.problems[0] if verdict.problems else "the log has no entry"
        if as_json:
            _ui.print_json({"signed": False, "problem": problem})
        else:
            _ui.say(f"not signed: {problem}", style="bold red")
        _ui.leave(_ui.Exit.REJECTED)
        return
    if key is None:
        line = {"number": last.number, "hash": last.hash, "message": Anchor.message(last.number, last.hash).hex()}
        _ui.print_json(line)
        return
    made = Anchor.sign(last, _private_key(key)).to_json()
    if out is not None:
        try:
            with out.open("a", encoding="ascii") as file:
                file.write(made + "\n")
        except OSError as error:
            raise ConfigurationError(f"{out}: cannot be written ({error.strerror})") from error
    if as_json:
        _ui.print_json({"signed": True, "number": last.number, "hash": last.hash, "path": str(out) if out else None})
    else:
        _ui.say(f"entry {last.number} is signed; keep {out} where the log is not" if out else made)


def _private_key(path: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    passphrase = os.environ.get("IDVERIFY_OPERATOR_PASSPHRASE")
    try:
        key = load_pem_private_key(_files.read_capped(path), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError(
            f"{path.name}: no private key in PEM that can be opened (a passphrase: IDVERIFY_OPERATOR_PASSPHRASE)"
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path.name}: anchors are signed with Ed25519, this is another kind of key")
    return key


@_ui.guarded
def pseudonym(
    key: Annotated[Path, typer.Option("--key", metavar="KEYFILE", help="The key of --audit-key.")],
    state: Annotated[str, typer.Option("--state", metavar="VNM", help="Issuing state as in the MRZ.")] = "VNM",
    as_json: _ui.JsonOption = False,
) -> None:
    """Ask for the document's number (a citizen card: the 12 digits), or read it from standard input; print its
    pseudonym.
    """
    from idverify import audit
    from idverify._secret import Secret
    from idverify.sealing import read_key

    secret = read_key(key)
    typed = typer.prompt("number", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    number = Secret(str(typed).strip().upper())
    if not number.reveal():
        raise typer.BadParameter("no number was given")
    made = audit.pseudonym(secret, issuing_state=state.strip().upper(), document_number=number)
    if as_json:
        _ui.print_json({"pseudonym": made})
    else:
        _ui.stdout().print(made, markup=False)


@_ui.guarded
def erase(
    log: _LogArgument,
    older_than: Annotated[
        int | None, typer.Option("--older-than", metavar="DAYS", min=1, help="Entries older than so many days.")
    ] = None,
    document: Annotated[
        str | None, typer.Option("--document", metavar="PSEUDONYM", help="Entries of the document of that pseudonym.")
    ] = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Erase data; an entry says how many entries lost theirs."""
    from datetime import timedelta

    from idverify.audit import AuditLog

    if older_than is None and document is None:
        raise typer.BadParameter("say what to erase: --older-than DAYS, --document PSEUDONYM, or both")
    if not log.is_file():
        raise ConfigurationError(f"{log.name}: no such file")
    age = timedelta(days=older_than) if older_than is not None else None
    count = AuditLog(log).erase(document=document, older_than=age)
    if as_json:
        _ui.print_json({"erased": count})
    else:
        _ui.say(f"{count} entries lost their data; the chain stays whole")


@_ui.guarded
def list_(log: _LogArgument, as_json: _ui.JsonOption = False) -> None:
    """List the entries, without verifying them."""
    from idverify.audit import read_entries

    rows = [
        {"number": e.number, "time": e.time, "event": e.event, "data": dict(e.data) if e.data is not None else None}
        for e in read_entries(log)
    ]
    if as_json:
        _ui.print_json({"entries": rows})
        return
    for row in rows:
        data = row["data"]
        decision = data.get("decision", {}) if isinstance(data, dict) else {}
        about = decision.get("outcome", "") if isinstance(decision, dict) else ""
        _ui.say(f"{row['number']:>6}  {row['time']}  {row['event']:14}{about if data is not None else '(erased)'}")
