"""``idverify demo``: a whole transaction on a software card."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from idverify.cli import _demo_card, _files, _output, _policy, _progress, _ui
from idverify.errors import TransportError

if TYPE_CHECKING:
    from idverify.chip.transport.base import Transport
    from idverify.emulator.card import Card


_LOCK_SECONDS = 10.0
"""How long to wait for another process that uses the virtual readers."""


class Way(enum.StrEnum):
    """How the demo's card is reached."""

    AUTO = "auto"
    MEMORY = "memory"
    PCSC = "pcsc"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo", help="Read, verify and match a software card of an invented person.")(demo)


@contextlib.contextmanager
def reached(card: Card, way: Way) -> Iterator[Transport]:
    """The card through a PC/SC service with a virtual reader, or in this process.

    Raises:
        TransportError: ``pcsc`` was asked for and there is no such service.
    """
    if way is Way.MEMORY:
        with _in_memory(card) as transport:
            yield transport
        return
    with contextlib.ExitStack() as stack:
        try:
            transport = stack.enter_context(_over_pcsc(card))
        except TransportError as error:
            if way is Way.PCSC:
                raise
            _ui.note(f"không có PC/SC, thẻ chạy trong bộ nhớ · no PC/SC stack, the card runs in memory: {error}")
            transport = stack.enter_context(_in_memory(card))
        yield transport


@contextlib.contextmanager
def _in_memory(card: Card) -> Iterator[Transport]:
    from idverify.chip.transport.memory import MemoryTransport

    with contextlib.closing(MemoryTransport(card)) as transport:
        yield transport


@contextlib.contextmanager
def _over_pcsc(card: Card) -> Iterator[Transport]:
    from idverify.chip.transport.pcsc import open_reader
    from idverify.emulator.pcsc_stack import VirtualReaderStack

    with (
        VirtualReaderStack() as stack,
        stack.insert(card),
        contextlib.closing(open_reader(stack.reader())) as transport,
    ):
        yield transport


@_ui.guarded
def demo(
    transport: Annotated[
        Way, typer.Option("--transport", help="auto: a real PC/SC stack with a virtual reader where there is one.")
    ] = Way.AUTO,
    live: Annotated[Path | None, typer.Option("--live", metavar="IMAGE", help="Live picture; a sample else.")] = None,
    portrait: Annotated[
        Path | None, typer.Option("--portrait", metavar="IMAGE", help="Portrait on the chip; a sample else.")
    ] = None,
    attack: Annotated[
        _demo_card.Attack | None, typer.Option("--attack", help="Forge the card first: nothing of this is accepted.")
    ] = None,
    finger: Annotated[
        bool,
        typer.Option(
            "--finger", help="Put invented fingers behind terminal authentication, and compare a live one too."
        ),
    ] = False,
    policy: _policy.PolicyOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write report.json and report.html there.")
    ] = None,
    consent: _output.ConsentOption = None,
    purpose: _output.PurposeOption = None,
    xml: _output.XmlOption = None,
    seal: _output.SealOption = None,
    as_json: _ui.JsonOption = False,
) -> None:
    """Everything, on a card that is made for the purpose."""
    from idverify.chip.access.password import AccessPassword
    from idverify.chip.pki.trust_store import TrustStore
    from idverify.verification import verify

    outputs = _output.Outputs(out=out, xml=xml, seal=seal)
    given = _output.consent_of(consent, purpose)
    chosen = _policy.for_samples(policy, face=True, finger=finger)
    probe = _files.read_picture(live) if live is not None else _demo_card.picture("live")
    with _ui.progress() as display:
        display.update("làm thẻ · making the card")
        card = _demo_card.demo_card(portrait, fingers=_demo_card.stored_fingers() if finger else None)
        trust = TrustStore.from_certificates(card.trust_anchors)
        if attack is not None:
            card = _demo_card.attacked(card, attack)
        with reached(card, transport) as way:
            _ui.note(f"transport: {way.kind}")
            result = verify(
                way,
                AccessPassword.can(card.can or ""),
                live=probe,
                finger=_demo_card.live_finger() if finger else None,
                terminal=_demo_card.credentials() if finger else None,
                trust=trust,
                policy=chosen,
                consent=given,
                at=_ui.moment(None),
                on_progress=_progress.reporter(display),
            )
    _output.finish(result, outputs, as_json=as_json, holder=True)
