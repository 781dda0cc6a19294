"""``idverify verify``: the whole transaction on a card in a reader."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _output, _passwords, _progress, _trust, _ui


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", help="Read the card in a reader, prove it genuine, match the face, and decide.")(verify)


def fingers_of(given: list[str]) -> dict[int, list[Path]] | None:
    """The prints by finger; 0 for those without a position. ``./2=a.png`` is a file of that name."""
    found: dict[int, list[Path]] = {}
    for one in given:
        position, _, path = one.partition("=")
        named = bool(path) and position.isascii() and position.isdigit() and len(position) <= 2
        found.setdefault(int(position) if named else 0, []).append(Path(path if named else one))
    return found or None


@_ui.guarded
def verify(
    context: typer.Context,
    face: Annotated[Path | None, typer.Option("--face", metavar="IMAGE", help="Live picture of the person.")] = None,
    finger: Annotated[
        list[str] | None,
        typer.Option(
            "--finger",
            metavar="[POSITION=]IMAGE",
            help="Live fingerprint; again for more tries, or for other fingers: 1 right thumb … 5, 6 left thumb … 10.",
        ),
    ] = None,
    trust: _trust.TrustOption = None,
    policy: Annotated[
        str, typer.Option("--policy", metavar="NAME|FILE", help="'counter', 'strict', 'document', or a TOML file.")
    ] = "counter",
    at: Annotated[str | None, typer.Option("--at", metavar="ISO-DATE", help="Inspection time; now else.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write report.json and report.html.")] = None,
    reader: _passwords.ReaderOption = None,
    can: _passwords.CanOption = None,
    mrz: _passwords.MrzOption = None,
    number: _passwords.NumberOption = None,
    birth: _passwords.BirthOption = None,
    expiry: _passwords.ExpiryOption = None,
    qr: _passwords.QrOption = None,
    audit: _output.AuditOption = None,
    audit_key: _output.AuditKeyOption = None,
    consent: _output.ConsentOption = None,
    purpose: _output.PurposeOption = None,
    xml: _output.XmlOption = None,
    seal: _output.SealOption = None,
    show_holder: Annotated[bool, typer.Option("--holder", help="Show the holder's details (personal data).")] = False,
    as_json: _ui.JsonOption = False,
) -> None:
    """The whole transaction."""
    from idverify.chip.transport.pcsc import open_reader
    from idverify.verification import verify as run

    keys = _passwords.passwords(context, can=can, mrz=mrz, number=number, birth=birth, expiry=expiry, qr=qr)
    _output.sealing_key(seal, out)
    given = _output.consent_of(consent, purpose)
    prints = fingers_of(finger or [])
    moment, store = _ui.moment(at), _trust.load_trust(trust)
    transport = open_reader(reader)
    try:
        with _ui.progress() as display:
            result = run(
                transport,
                keys,
                live=face,
                finger=prints,
                trust=store,
                policy=policy,
                consent=given,
                at=moment,
                on_progress=_progress.reporter(display),
            )
    finally:
        transport.close()
    _output.finish(
        result, as_json=as_json, out=out, holder=show_holder, audit=audit, audit_key=audit_key, xml=xml, seal=seal
    )
