"""Passive authentication and the trust store.

Targets on one core: passive authentication after loading, with 500 certificates: 5 ms; opening a store from its index:
50 ms at 500 certificates, 20 ms at 20,000; finding: 0.1 ms; importing a list of 559 certificates: 2 s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.shared import shared
from tests.unit.chip.pki.documents import groups

from idverify.chip.lds.files import FileId
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.importer import Importer
from idverify.chip.pki.passive_auth import verify_document
from idverify.chip.pki.trust_store import EntryKind, TrustStore, TrustStoreBuilder
from idverify.emulator.certificates import Name
from idverify.emulator.keys import make_key
from idverify.emulator.pki import TestPki
from idverify.report import CheckId, CheckStatus

AT = datetime(2026, 6, 1, tzinfo=UTC)
COUNTRIES = ("AT", "BE", "CH", "DE", "FR", "NL", "NZ", "PL", "SE", "VN")


@pytest.fixture(scope="module")
def pki() -> TestPki:
    return TestPki("bench")  # brainpoolP256r1 with explicit parameters, as the citizen card's profile


def many(pki: TestPki, count: int) -> Iterator[Certificate]:
    """Different certificates of ten countries; one key, for making keys is not what is measured."""
    key = make_key("secp256r1", "bench", "many")
    for number, country in zip(range(count), itertools.cycle(COUNTRIES)):
        name = Name(country, "Authority", "Country Signing", f"CSCA {number % 50}")
        yield Certificate.parse(pki.issue_csca(number + 10, name=name, key=key).der)


def build(pki: TestPki, count: int) -> TrustStore:
    builder = TrustStoreBuilder()
    builder.add(Certificate.parse(pki.csca.der), EntryKind.CSCA)
    for certificate in many(pki, count - 1):
        builder.add(certificate, EntryKind.CSCA)
    return builder.build()


@pytest.fixture(scope="module", params=[500, 20_000])
def stored(request: pytest.FixtureRequest, pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store")
    build(pki, request.param).save(path)
    return path


def test_open_store(benchmark: Any, stored: Path) -> None:
    store = benchmark(TrustStore.open, stored)
    assert len(store) in (500, 20_000)


def test_find_candidates(benchmark: Any, stored: Path, pki: TestPki) -> None:
    store, dsc = TrustStore.open(stored), Certificate.parse(pki.dsc.der)
    assert dsc.authority_key_id is not None
    key_id = dsc.authority_key_id.key_id
    found = benchmark(lambda: next(iter(store._file.find("keys", key_id or b""))))
    assert found >= 0


@pytest.mark.parametrize("kind", ["brainpoolP256r1", "secp256r1", "rsa-2048"])
def test_passive_authentication(benchmark: Any, kind: str, tmp_path: Path) -> None:
    pki = TestPki("bench", csca_key=kind, dsc_key=kind)
    build(pki, 500).save(tmp_path)
    store = TrustStore.open(tmp_path)
    files = {**groups(), FileId.DG2: b"\x75\x82\x50\x00" + bytes(20 * 1024)}
    files[FileId.SOD] = pki.sod(files)
    report = benchmark(verify_document, files, trust=store, at=AT)
    assert report.status(CheckId.DSC_CHAIN) is CheckStatus.SUCCESSFUL


def test_import_master_list(benchmark: Any) -> None:
    path, root = shared("vectors/masterlists/de_ml_2025_06_25.ml"), shared("vectors/masterlists/de_csca_2024.cer")
    raw, trusted = path.read_bytes(), Certificate.parse(root.read_bytes())

    def load() -> int:
        importer = Importer(roots=[trusted])
        importer.add_bytes(raw, path.name)
        return importer.result().usable

    assert benchmark.pedantic(load, rounds=3) == 559
