"""Files of the logical data structure: parsing each file of a citizen card, the MRZ, and pictures' headers.

pytest benchmarks/bench_lds.py --benchmark-enable
"""

from __future__ import annotations

from typing import Any

import pytest

from idverify import FileId
from idverify.chip.lds.com import EfCom
from idverify.chip.lds.dg1 import DG1
from idverify.chip.lds.dg2 import DG2
from idverify.chip.lds.dg13_vn import CitizenDetails
from idverify.chip.lds.dg14 import DG14
from idverify.chip.lds.dg15 import DG15
from idverify.chip.lds.sod import EfSod
from idverify.cli._bench_runs import bench_card

PARSERS: dict[FileId, Any] = {
    FileId.COM: EfCom, FileId.SOD: EfSod, FileId.DG1: DG1, FileId.DG2: DG2, FileId.DG13: CitizenDetails,
    FileId.DG14: DG14, FileId.DG15: DG15,
}  # fmt: skip


@pytest.fixture(scope="module")
def files() -> Any:
    return bench_card().files


@pytest.mark.parametrize("file", PARSERS, ids=lambda f: f.label)
def test_parse(benchmark: Any, files: Any, file: FileId) -> None:
    assert benchmark(PARSERS[file].parse, files[file]) is not None


def test_mrz(benchmark: Any, files: Any) -> None:
    """Fields and check digits of the MRZ in DG1."""
    raw = files[FileId.DG1]
    assert benchmark(lambda: DG1.parse(raw).mrz.surname)
