"""Small documents of invented people for the tests of passive authentication."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from idverify._tlv import encode
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.files import FileId
from idverify.emulator.pki import TestPki

AT = datetime(2026, 6, 1, tzinfo=UTC)


def dg1(state: str = "VNM", code: str = "I<") -> bytes:
    """DG1 with a card's MRZ; nobody's."""
    line = code[:2].ljust(2, "<") + state.ljust(3, "<")
    return encode(0x61, encode(0x5F1F, (line + "0" * 25 + "<" * 30 + "MAU<<VI<DU".ljust(30, "<")).encode()))


def groups(state: str = "VNM", code: str = "I<") -> dict[FileId, bytes]:
    """Three data groups; the second is no real picture, for its content is of no consequence here."""
    return {
        FileId.DG1: dg1(state, code),
        FileId.DG2: encode(0x75, bytes(range(200))),
        FileId.DG14: encode(0x6E, encode(0x31)),
    }


def document(
    pki: TestPki, files: Mapping[FileId, bytes] | None = None, *, com: list[FileId] | None = None, **sod: object
) -> dict[FileId, bytes]:
    """A whole document signed by ``pki``; ``sod``: arguments of :meth:`TestPki.sod`."""
    content = dict(files or groups())
    signed = pki.sod(content, **sod)  # type: ignore[arg-type]
    listed = EfCom.encode(com if com is not None else list(content))
    return {**content, FileId.COM: listed, FileId.SOD: signed}
