"""Passive authentication and the trust store.

Targets on one core, with stores of 1,000 and of 20,000 certificates: opening a store from its index 20 ms; finding an
authority 0.1 ms; passive authentication of a document 5 ms; importing a list of 588 entries with progress 2 s. Every
figure is processor time, since the machine may have other work.
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


@pytest.fixture(scope="module", params=[1_000, 20_000])
def stored(request: pytest.FixtureRequest, pki: TestPki, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store")
    build(pki, request.param).save(path)
    return path


def test_open_store(benchmark: Any, stored: Path) -> None:
    store = benchmark(TrustStore.open, stored)
    assert len(store) in (1_000, 20_000)


def test_find_candidates(benchmark: Any, stored: Path, pki: TestPki) -> None:
    """Both ways to the issuer's certificate: by its key identifier, and by its name alone."""
    store, dsc = TrustStore.open(stored), Certificate.parse(pki.dsc.der)
    assert dsc.authority_key_id is not None
    key_id, file = dsc.authority_key_id.key_id or b"", store._file
    found = benchmark(
        lambda: (next(iter(file.find("keys", key_id))), next(iter(file.find("subjects", dsc.issuer.key))))
    )
    assert found[0] == found[1]


@pytest.mark.parametrize("kind", ["brainpoolP256r1", "secp256r1", "rsa-2048"])
def test_passive_authentication(benchmark: Any, kind: str, stored: Path) -> None:
    """A document of one of the ten countries: two thousand certificates of the large store are its country's."""
    pki = TestPki("bench", csca_key=kind, dsc_key=kind)
    builder = TrustStoreBuilder(TrustStore.open(stored))
    builder.add(Certificate.parse(pki.csca.der), EntryKind.CSCA)
    place = stored / kind
    place.mkdir(exist_ok=True)
    builder.build().save(place)
    store = TrustStore.open(place)
    files = {**groups(), FileId.DG2: b"\x75\x82\x50\x00" + bytes(20 * 1024)}
    files[FileId.SOD] = pki.sod(files)
    report = benchmark(verify_document, files, trust=store, at=AT)
    assert report.status(CheckId.DSC_CHAIN) is CheckStatus.SUCCESSFUL


def test_passive_authentication_just_after_opening(benchmark: Any, stored: Path, pki: TestPki) -> None:
    """Opening included, nothing decoded yet: what one ``idverify check`` pays."""
    files = dict(groups())
    files[FileId.SOD] = pki.sod(files)
    report = benchmark(lambda: verify_document(files, trust=TrustStore.open(stored), at=AT))
    assert report.status(CheckId.DSC_CHAIN) is CheckStatus.SUCCESSFUL


def test_import_master_list(benchmark: Any) -> None:
    path, root = shared("vectors/masterlists/de_ml_2025_06_25.ml"), shared("vectors/masterlists/de_csca_2024.cer")
    raw, trusted = path.read_bytes(), Certificate.parse(root.read_bytes())

    def load() -> int:
        importer = Importer(roots=[trusted], on_progress=lambda name, done, total: None)
        importer.add_bytes(raw, path.name)
        return importer.result().usable

    assert benchmark.pedantic(load, rounds=3) == 559
