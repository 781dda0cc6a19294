"""What a store covers: countries, horizons, the state of revocation lists, lists and their age."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.coverage import Coverage, Freshness, Horizon, coverage
from idverify.chip.pki.crl import RevocationList
from idverify.chip.pki.trust_store import Anchor, EntryKind, Provenance, TrustStore, TrustStoreBuilder
from idverify.emulator.certificates import Validity
from idverify.emulator.pki import TestPki

AT = datetime(2026, 6, 1, tzinfo=UTC)


def authority(country: str, days: int) -> TestPki:
    """An authority whose certificate ends so many days after the time of the tests."""
    validity = Validity(AT - timedelta(days=4000), AT + timedelta(days=days))
    return TestPki(f"coverage {country}", country=country, csca_key="secp256r1", csca_validity=validity)


LONG, MIDDLE, SHORT, ENDED = authority("VN", 2000), authority("DE", 800), authority("FR", 364), authority("NL", -1)


def mixed() -> TrustStore:
    builder = TrustStoreBuilder()
    master_list = Provenance("list.ml", "master-list", Anchor.ROOT, "CN=Signer", "2026-05-22T00:00:00+00:00")
    for pki in (LONG, MIDDLE, SHORT, ENDED):
        builder.add(Certificate.parse(pki.csca.der), EntryKind.CSCA, master_list)
    builder.add(Certificate.parse(LONG.issue_csca(2).der), EntryKind.CSCA, master_list)
    builder.add(Certificate.parse(LONG.dsc.der), EntryKind.PINNED_SIGNER, Provenance("ds.cer"))
    lists = (
        LONG.crl([1, 2], next_update=AT + timedelta(days=1)),
        LONG.crl([1], next_update=AT - timedelta(days=9), number=0),
        MIDDLE.crl(next_update=AT - timedelta(days=1)),
        SHORT.impostor().crl(),
    )
    for crl in lists:
        builder.add_revocation_list(RevocationList.parse(crl))
    return builder.build()


@pytest.fixture(scope="module")
def found() -> Coverage:
    return coverage(mixed(), AT)


def test_each_country_has_its_horizon_and_counts(found: Coverage) -> None:
    assert {c.code: (c.authorities, c.valid, c.expired, c.horizon) for c in found.countries} == {
        "VN": (2, 2, 0, Horizon.LONG),
        "DE": (1, 1, 0, Horizon.MIDDLE),
        "FR": (1, 1, 0, Horizon.SHORT),
        "NL": (1, 0, 1, Horizon.EXPIRED),
    }
    assert {c.code: c.signers for c in found.countries} == {"VN": 1, "DE": 0, "FR": 0, "NL": 0}
    assert sum(found.endings.values()) == 5
    assert found.endings[2026] == 1


def test_a_country_s_best_revocation_list_counts(found: Coverage) -> None:
    assert {c.code: c.revocation for c in found.countries} == {
        "VN": Freshness.FRESH, "DE": Freshness.STALE, "FR": Freshness.UNVERIFIED, "NL": Freshness.NONE,
    }  # fmt: skip
    vietnam = {(r.revoked, r.state) for r in found.revocation_lists if r.country == "VN"}
    assert vietnam == {(2, Freshness.FRESH), (1, Freshness.STALE)}


def test_sources_tell_their_age(found: Coverage) -> None:
    first = found.sources[0]
    assert (first.provenance.source, first.entries, first.age) == ("list.ml", 5, timedelta(days=10))
    assert found.sources[-1].age is None
    assert found.dated == AT - timedelta(days=10)


def test_everything_is_json(found: Coverage) -> None:
    answer = json.loads(json.dumps(found.to_dict()))
    assert [c["code"] for c in answer["countries"]] == ["DE", "FR", "NL", "VN"]
    assert answer["sources"][0]["days"] == 10
    assert len(answer["revocation_lists"]) == 4


def test_an_empty_store_and_progress() -> None:
    assert coverage(TrustStoreBuilder().build(), AT).countries == ()
    told: list[tuple[int, int]] = []
    coverage(mixed(), AT, on_progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 10)
    assert len(told) == 10
