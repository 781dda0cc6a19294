"""A card operating system by other authors: vsmartcard's ISO 7816 card (Debian: vsmartcard-vpicc), files of ours.

Its plain file system is run in this process. Its own passport, with basic access control, does not start under
Python 3 and sends responses without processing status (DO'99'), which ICAO 9303-11 §9.8.6.2 demands: not used here.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from idverify.chip.iso7816.limits import LimitMemory
from idverify.chip.lds.files import FileId
from idverify.chip.session import DocumentSession, ReadOptions
from idverify.chip.transport.memory import MemoryTransport
from idverify.emulator import Card, personalise

FOLDER = Path("/usr/lib/python3/site-packages/virtualsmartcard")

pytestmark = [
    pytest.mark.skipif(not FOLDER.is_dir(), reason="vsmartcard-vpicc is not installed"),
    pytest.mark.filterwarnings("ignore"),  # the other authors' code
]


@cache
def document() -> Card:
    return personalise("passport-aa-rsa", seed="foreign")


@pytest.fixture
def vicc(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The package; its ciphers, which a plain card does not need, are left out."""
    cipher, digest = types.ModuleType("Crypto.Cipher"), types.ModuleType("Crypto.Hash")
    cipher.DES3 = cipher.DES = cipher.AES = cipher.ARC4 = digest.HMAC = digest.SHA = None  # type: ignore[attr-defined]
    for name, module in {"Crypto": types.ModuleType("Crypto"), "Crypto.Cipher": cipher, "Crypto.Hash": digest}.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module("virtualsmartcard.VirtualSmartcard")
    for name in [n for n in sys.modules if n.startswith("virtualsmartcard")]:
        del sys.modules[name]


class ForeignCard:
    """The other operating system behind our interface of software cards."""

    def __init__(self, system: Any) -> None:
        self.system = system

    @property
    def atr(self) -> bytes:
        return bytes(self.system.getATR())

    def reset(self) -> None:
        self.system.reset()

    def process(self, apdu: bytes) -> bytes:
        return bytes(self.system.execute(apdu))


def foreign(vicc: Any, *, short_identifiers: bool, extended_length: bool) -> ForeignCard:
    filesystem = importlib.import_module("virtualsmartcard.SmartcardFilesystem")
    sam = importlib.import_module("virtualsmartcard.SmartcardSAM").SAM(b"1234", b"1234567890")
    directory = importlib.import_module("virtualsmartcard.ConstantDefinitions").FDB["DF"]
    root = filesystem.MF(filedescriptor=directory)
    application = filesystem.DF(parent=root, fid=4, dfname=bytes.fromhex("A0000002471001"), bertlv_data=[])
    for file, raw in document().files.items():
        if file.in_application:
            more = {"shortfid": file.sfi} if short_identifiers else {}
            application.append(
                filesystem.TransparentStructureEF(parent=application, fid=file.fid, filedescriptor=0, data=raw, **more)
            )
    root.append(application)
    sam.set_MF(root)
    return ForeignCard(vicc.Iso7816OS(root, sam, extended_length=extended_length))


@pytest.mark.parametrize("short_identifiers", [True, False])
@pytest.mark.parametrize("extended_length", [True, False])
@pytest.mark.parametrize("max_block", [100, 4096])
def test_every_file_is_read_byte_for_byte(
    vicc: Any, short_identifiers: bool, extended_length: bool, max_block: int
) -> None:
    card = foreign(vicc, short_identifiers=short_identifiers, extended_length=extended_length)
    with DocumentSession(
        MemoryTransport(card), options=ReadOptions(max_block=max_block), memory=LimitMemory()
    ) as session:
        session.open(())
        files = session.read_all()
    assert files == {f: raw for f, raw in document().files.items() if f.in_application}
    assert FileId.DG2 in files
    assert session.unreadable == {}
    assert session.stats.extended_length is (extended_length and max_block > 256)
