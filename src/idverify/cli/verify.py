"""``idverify verify``: the whole transaction on a card in a reader."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from idverify.cli import _files, _output, _passwords, _policy, _progress, _samples, _terminal, _trust, _ui


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", help="Read the card in a reader, prove it genuine, match face or finger, and decide.")(verify)


@_ui.guarded
def verify(
    context: typer.Context,
    face: Annotated[Path | None, typer.Option("--face", metavar="IMAGE", help="Live picture of the person.")] = None,
    challenge: Annotated[
        str | None,
        typer.Option(
            "--challenge",
            metavar="CAMERA|VIDEO",
            help="In place of --face: ask the person before the camera (its number) to move; or a video file of that.",
        ),
    ] = None,
    finger: _samples.FingerOption = None,
    finger_dpi: _samples.DpiOption = 500,
    trust: _trust.TrustOption = None,
    policy: _policy.PolicyOption = None,
    at: Annotated[str | None, typer.Option("--at", metavar="ISO-DATE", help="Inspection time; now else.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write report.json and report.html.")] = None,
    reader: _passwords.ReaderOption = None,
    can: _passwords.CanOption = None,
    mrz: _passwords.MrzOption = None,
    number: _passwords.NumberOption = None,
    birth: _passwords.BirthOption = None,
    expiry: _passwords.ExpiryOption = None,
    qr: _passwords.QrOption = None,
    terminal_certificate: _terminal.CertificateOption = None,
    terminal_key: _terminal.KeyOption = None,
    terminal_pkcs11: _terminal.ModuleOption = None,
    terminal_token: _terminal.TokenOption = None,
    terminal_key_label: _terminal.LabelOption = None,
    terminal_secret: _terminal.SecretOption = None,
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

    given_terminal = _terminal.Given(
        certificates=terminal_certificate, key=terminal_key,
        module=terminal_pkcs11, token=terminal_token, label=terminal_key_label, secret=terminal_secret,
    )  # fmt: skip
    keys = _passwords.passwords(context, can=can, mrz=mrz, number=number, birth=birth, expiry=expiry, qr=qr)
    outputs = _output.Outputs(out=out, xml=xml, audit=audit, audit_key=audit_key, seal=seal)
    given = _output.consent_of(consent, purpose)
    prints = _samples.fingers_of(finger or [])
    chosen = _policy.for_samples(policy, face=face is not None or challenge is not None, finger=prints is not None)
    if challenge is not None and face is not None:
        raise typer.BadParameter("--face and --challenge: a picture or a person, not both")
    picture = _files.read_picture(face) if face is not None else None
    recorded = _progress.recording(challenge) if challenge is not None else None
    live_prints = _samples.pictures(prints) if prints is not None else None
    moment, store = _ui.moment(at), _trust.load_trust(trust)
    with _terminal.credentials(context, given_terminal, moment.date()) as terminal:
        transport = open_reader(reader)
        with contextlib.closing(transport), _ui.progress() as display:
            result = run(
                transport,
                keys,
                live=picture if challenge is None else _progress.challenge(challenge, recorded, display),
                finger=live_prints,
                finger_dpi=finger_dpi,
                terminal=terminal,
                trust=store,
                policy=chosen,
                consent=given,
                at=moment,
                on_progress=_progress.reporter(display),
            )
    _output.finish(result, outputs, as_json=as_json, holder=show_holder)
