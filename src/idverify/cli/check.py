"""``idverify check``: passive authentication of files that were read elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _files, _output, _policy, _trust, _ui


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check", help="Prove a directory of raw files genuine, or an EF_SOD.bin alone, without a card.")(check)


@_ui.guarded
def check(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Directory of 'idverify read', or an EF_SOD.bin.")],
    trust: _trust.TrustOption = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="ISO-DATE", help="Inspection time that validity is judged at; now else."),
    ] = None,
    policy: Annotated[
        str | None, typer.Option("--policy", metavar="NAME|FILE", help="Policy; 'document', or 'security-object' else.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write report.json and report.html.")] = None,
    audit: _output.AuditOption = None,
    audit_key: _output.AuditKeyOption = None,
    xml: _output.XmlOption = None,
    seal: _output.SealOption = None,
    show_holder: Annotated[bool, typer.Option("--holder", help="Show the holder's details (personal data).")] = False,
    as_json: _ui.JsonOption = False,
) -> None:
    """Offline passive authentication."""
    from idverify.verification import verify_files

    outputs = _output.Outputs(out=out, xml=xml, audit=audit, audit_key=audit_key, seal=seal)
    chosen = _policy.named(policy) if policy is not None else None
    moment = _ui.moment(at)
    files = _files.load_directory(directory)
    with _ui.progress() as display:
        display.update("trust store")
        store = _trust.load_trust(trust)
        display.update("passive authentication")
        result = verify_files(files, trust=store, at=moment, policy=chosen)
    _output.finish(result, outputs, as_json=as_json, holder=show_holder)
