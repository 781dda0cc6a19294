"""A whole read at the lowest log level, searched for every piece of holder data and for the keys."""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import fields
from datetime import UTC, date, datetime
from functools import cache

import pytest

from idverify import Consent, verify
from idverify.chip import secure_messaging
from idverify.chip.access.password import AccessPassword
from idverify.chip.chip_proof import gate_chip_results
from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import TrustStore
from idverify.chip.session import DocumentSession
from idverify.chip.transport.base import Transport
from idverify.chip.transport.memory import MemoryTransport
from idverify.chip.transport.pcsc import open_reader
from idverify.chip.transport.trace import RecordingTransport
from idverify.emulator import Card, Fault, FaultKind, citizen_card
from idverify.emulator.pcsc_stack import VirtualReaderStack
from idverify.errors import IdVerifyError
from idverify.observability import JsonFormatter

AT = datetime(2026, 6, 1, tzinfo=UTC)
BY_CHANCE = re.compile(r"[0-9a-f]{16,}|(?<=[0-9]\.)[0-9]+")
SHORT = re.compile(r"[0-9a-f]{,11}")


@cache
def card() -> Card:
    return citizen_card(seed="no holder data")


def pieces_of_the_holder() -> dict[str, str]:
    """Every text that would give the holder away, by what it is."""
    found: dict[str, str] = {}
    holder = card().holder
    for field in fields(holder):
        value = getattr(holder, field.name)
        if isinstance(value, date):
            for form in ("%Y-%m-%d", "%d/%m/%Y", "%y%m%d", "%Y%m%d", "%d%m%Y"):
                found[f"{field.name} {form}"] = value.strftime(form)
        elif isinstance(value, str) and len(value) > 6 and field.name != "nationality":
            found[field.name] = value
            plain = unicodedata.normalize("NFD", value.replace("đ", "d").replace("Đ", "D"))
            found[f"{field.name} plain"] = "".join(c for c in plain if not unicodedata.combining(c))
    found["family name"] = holder.full_name.split()[-1] + " " + holder.full_name.split()[0]
    found["document number"] = holder.number[-9:]
    found["CAN"] = card().can or ""
    for i, line in enumerate(card().mrz.split()):
        found[f"MRZ line {i + 1}"] = line
        found[f"MRZ line {i + 1} part"] = line[:15]
    assert len(found) > 20
    return {k: v for k, v in found.items() if len(v) >= 6}


def pieces_of_files() -> dict[str, bytes]:
    return {f"{f.label} at {i}": raw[i : i + 12] for f, raw in card().files.items()
            if f.number is not None for i in range(8, max(len(raw) - 12, 9), max(len(raw) // 7, 1))}  # fmt: skip


def says(folded: str, piece: str) -> bool:
    """Whether a text in small letters has a piece.

    Ciphertext, digests and fractions of seconds are so many that six given digits come up in them by chance, so short
    pieces are not looked for there; ``assert_clean`` looks for what they are in hexadecimal.
    """
    return piece in (BY_CHANCE.sub(" ", folded) if SHORT.fullmatch(piece) else folded)


def assert_clean(text: str, keys: list[bytes]) -> None:
    assert text, "nothing was written, so nothing was tested"
    folded = text.casefold()
    for what, piece in pieces_of_the_holder().items():
        assert not says(folded, piece.casefold()), f"{what} was written"
        assert piece.encode().hex() not in folded, f"{what} was written in hexadecimal"
        assert base64.b64encode(piece.encode()).decode()[:10] not in text, f"{what} was written in base64"
    binary = pieces_of_files() | {f"key {i}": key for i, key in enumerate(keys)}
    packed = folded.replace(" ", "").replace("\\x", "").replace(":", "")
    for what, raw in binary.items():
        assert raw.hex() not in packed, f"bytes of {what} were written"
        assert ", ".join(map(str, raw[:8])) not in text, f"bytes of {what} were written as a list"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any logger says, from level 1 up, with tracebacks."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s %(threadName)s %(message)s %(args)s"))
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(n) for n in list(logging.root.manager.loggerDict) if n.startswith("idverify"))]
    before = [(logger, logger.level) for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(1)
    yield text
    root.removeHandler(handler)
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The keys of every secure session of the reader."""
    seen: list[bytes] = []
    made = secure_messaging.SecureMessaging.__init__

    def spy(self, cipher, ks_enc, ks_mac, **more) -> None:
        seen.extend((ks_enc, ks_mac))
        made(self, cipher, ks_enc, ks_mac, **more)

    monkeypatch.setattr(secure_messaging.SecureMessaging, "__init__", spy)
    return seen


def everything(transport: Transport, password: AccessPassword, said: list[str]) -> None:
    """Read, prove, verify; collect whatever the objects show of themselves."""
    session = DocumentSession(transport, memory=LimitMemory(), on_progress=lambda p: said.append(repr(p)))
    try:
        checks = session.open(password)
        files = session.read_all()
        proofs = session.authenticate_chip()
        report = verify_document(files, trust=TrustStore.from_certificates(card().trust_anchors), at=AT)
        said += [repr(checks), repr(proofs), repr(report), str(report.to_dict()), repr(session.stats)]
        said += [repr(gate_chip_results(proofs, report)), repr(password), f"{password}", repr(session.unreadable)]
        assert FileId.DG2 in files
    except IdVerifyError as error:
        said += [str(error), repr(error), repr(error.__cause__)]
    finally:
        session.close()


def test_a_whole_read_in_memory(log: io.StringIO, keys: list[bytes]) -> None:
    said: list[str] = []
    trace = io.StringIO()
    everything(RecordingTransport(MemoryTransport(card().fresh()), trace), AccessPassword.can(card().can), said)
    assert "00B09C00" in log.getvalue(), "traffic is logged at this level"
    assert len(keys) >= 4
    assert_clean(log.getvalue() + trace.getvalue() + "\n".join(said), keys)


def test_the_search_finds_what_it_looks_for(keys: list[bytes]) -> None:
    shown = [card().can, card().mrz.split()[0], card().holder.full_name.upper(), card().files[FileId.DG13].hex()]
    dates = [f"{v:%y%m%d}" for f in fields(card().holder) if isinstance(v := getattr(card().holder, f.name), date)]
    assert dates
    for piece in (*shown, *dates, "x" * 9):
        text = f"so it says {piece} here"
        if piece == "x" * 9:
            assert_clean(text, keys)
        else:
            with pytest.raises(AssertionError):
                assert_clean(text, keys)


@pytest.mark.parametrize("kind", [FaultKind.REMOVE, FaultKind.FLIP, FaultKind.TRUNCATE, FaultKind.STATUS])
def test_reads_that_break(log: io.StringIO, keys: list[bytes], kind: FaultKind) -> None:
    said: list[str] = []
    for at in (3, 6, 9, 12, 15):
        faults = [Fault(kind, at, value=0x6F00 if kind is FaultKind.STATUS else 5)]
        everything(MemoryTransport(card().fresh(faults=faults)), AccessPassword.can(card().can), said)
    assert_clean(log.getvalue() + "\n".join(said), keys)


def test_a_wrong_password(log: io.StringIO, keys: list[bytes]) -> None:
    said: list[str] = []
    wrong = f"{(int(card().can) + 1) % 1000000:06d}"
    everything(MemoryTransport(card().fresh()), AccessPassword.can(wrong), said)
    text = log.getvalue() + "\n".join(said)
    assert_clean(text, keys)
    assert not says(text.casefold(), wrong)


@pytest.mark.parametrize("wrong", [False, True])
def test_spans_metrics_and_structured_logs_of_whole_transactions(keys: list[bytes], wrong: bool) -> None:
    from tests.integration.test_observability import LIVE, Observed, matcher  # skips without OpenTelemetry's SDK

    text, told = io.StringIO(), Observed()
    handler, logger = logging.StreamHandler(text), logging.getLogger("idverify")
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(1)
    can = f"{(int(card().can) + wrong) % 1000000:06d}"
    try:
        for faults in ([], [Fault(FaultKind.REMOVE, 9)], [Fault(FaultKind.FLIP, 12, value=5)]):
            with contextlib.suppress(IdVerifyError):
                verify(
                    MemoryTransport(card().fresh(faults=faults)), AccessPassword.can(can), live=LIVE, at=AT,
                    trust=TrustStore.from_certificates(card().trust_anchors), matcher=matcher(),
                    consent=Consent(reference="the form of " + card().holder.full_name, purpose="test"),
                )  # fmt: skip
        said = told.everything() + text.getvalue()
    finally:
        told.close()
        logger.removeHandler(handler)
        logger.setLevel(before)
    assert "idverify.transaction" in said
    assert "00B0" in said or wrong, "traffic is logged at this level"
    assert_clean(said, keys)
    assert not says(said.casefold(), can)


@pytest.mark.pcsc
def test_a_whole_read_through_pcscd(stack: VirtualReaderStack, log: io.StringIO, keys: list[bytes]) -> None:
    said: list[str] = []
    with stack.insert(card().fresh()):
        transport = open_reader(stack.reader(0))
        everything(transport, AccessPassword.can(card().can), said)
        said.append(repr(transport))
        transport.close()
    assert_clean(log.getvalue() + "\n".join(said), keys)
