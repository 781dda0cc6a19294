"""Every published file of a chip that has a writer: parsed and written again, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from tests.shared import needs_shared, shared

from idverify.chip.lds import cbeff
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.details import DG11, DG12
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg3 import DG3
from idverify.chip.lds.dg4 import DG4
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.iso19794_5 import FaceRecord
from idverify.chip.lds.sod import EfSod, SecurityObject
from idverify.chip.pki.cms import SignedData

pytestmark = needs_shared


def com(raw: bytes) -> bytes:
    parsed = EfCom.parse(raw)
    return EfCom.encode(parsed.tags, lds_version=str(parsed.lds_version), unicode_version=str(parsed.unicode_version))


def faces(raw: bytes) -> bytes:
    group = cbeff.parse_group(raw, 0x75, what="DG2")
    for instance in group.instances:
        assert FaceRecord.parse(instance.data).encode() == instance.data
    return cbeff.encode_group(0x75, group.instances)


def security_object(raw: bytes) -> bytes:
    cms = EfSod.parse(raw).cms
    content = SignedData.parse(cms, what="EF.SOD").content
    assert SecurityObject.parse(content).encode() == content
    return EfSod.encode(cms)


WRITERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "com": com,
    "sod": security_object,
    "dg1": lambda raw: DG1.encode(DG1.parse(raw).mrz),
    "dg2": faces,
    "dg3": lambda raw: DG3.encode(DG3.parse(raw).records),
    "dg4": lambda raw: DG4.encode(DG4.parse(raw).records),
    "dg11": lambda raw: DG11.parse(raw).encode(),
    "dg12": lambda raw: DG12.parse(raw).encode(),
    "dg14": lambda raw: DG14.encode(DG14.parse(raw).security_infos),
    "dg15": lambda raw: DG15.encode(DG15.parse(raw).public_key),
}
NO_WHOLE_FILES: Final = ("dg2_jpeg2000_header_only", "dg2_jpeg_header_only", "dg7_empty_image")
"""They declare more bytes than they have, and are refused elsewhere."""


def files() -> list[Path]:
    found = sorted(shared("vectors/lds").rglob("*.bin"))
    return [f for f in found if "altered" not in f.parts and "key" not in f.stem and f.stem not in NO_WHOLE_FILES]


@pytest.mark.parametrize("name", WRITERS)
def test_published_files_are_written_again_byte_for_byte(name: str) -> None:
    chosen = [f for f in files() if f.stem.partition("_")[0] == name]
    assert chosen
    for file in chosen:
        raw = file.read_bytes()
        assert WRITERS[name](raw) == raw, f"{file.parent.name}/{file.name}"


def test_no_published_file_is_left_out() -> None:
    assert len(files()) >= 30
    assert {f.stem.partition("_")[0] for f in files()} == set(WRITERS)
