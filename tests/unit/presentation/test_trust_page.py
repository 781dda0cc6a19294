"""The page of a trust store: complete, self-contained, and safe whatever stands in certificates and file names."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime

from lxml import etree

from idverify.chip.pki import countries
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.coverage import coverage
from idverify.chip.pki.trust_store import EntryKind, Provenance, TrustStoreBuilder
from idverify.emulator.certificates import Name
from idverify.emulator.pki import TestPki
from idverify.presentation._tiles import ALIASES, COLUMNS, NAMES, PLACES, ROWS
from idverify.presentation.trust_page import trust_page
from tests.unit.chip.pki.test_coverage import AT, mixed


def parsed(html: str) -> etree._Element:
    return etree.fromstring(html, etree.HTMLParser())


def test_every_place_is_its_own_and_has_a_name() -> None:
    assert len(PLACES) == len(set(PLACES.values())) == 201
    assert set(PLACES) <= set(NAMES)
    assert all(0 <= row < ROWS and 1 <= column <= COLUMNS for row, column in PLACES.values())
    assert all(countries.alpha3(code) or code == "KS" for code in PLACES)
    assert set(ALIASES.values()) <= set(NAMES)


def test_every_country_stands_on_the_map_and_in_the_table() -> None:
    found = coverage(mixed(), AT)
    page = parsed(trust_page(found))
    linked = {a.get("href") for a in page.iterfind(".//svg//a")}
    rows = {"#" + row.get("id") for row in page.iterfind(".//tr[@id]")}
    assert linked == rows == {"#c-DE", "#c-FR", "#c-NL", "#c-VN"}
    kinds = {a.get("href"): a.find("g").get("class") for a in page.iterfind(".//svg//a")}
    assert kinds == {"#c-DE": "t-middle", "#c-FR": "t-short", "#c-NL": "t-expired", "#c-VN": "t-long"}
    dots = {
        a.get("href"): a.find(".//circle").get("class")
        for a in page.iterfind(".//svg//a[g]")
        if a.find(".//circle") is not None
    }
    assert dots == {"#c-VN": "dot fresh", "#c-DE": "dot stale", "#c-FR": "dot stale"}
    vietnam = " ".join(page.find(".//tr[@id='c-VN']").itertext())
    assert "Viet Nam" in vietnam
    assert "2031-11-22" in vietnam
    text = " ".join(page.itertext())
    assert "signed under a root that the operator named" in text
    assert found.store in text


def test_the_page_loads_nothing_and_lets_only_its_own_style_in() -> None:
    html = trust_page(coverage(mixed(), AT))
    page = parsed(html)
    assert not page.findall(".//script")
    assert not page.findall(".//link")
    assert not page.findall(".//img")
    assert not [e for e in page.iter() if any(k.startswith("on") or k in ("src", "style") for k in e.attrib)]
    assert all(e.get("href").startswith("#") for e in page.iterfind(".//*[@href]"))
    (style,) = page.findall(".//style")
    digest = base64.b64encode(hashlib.sha256(style.text.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.find(".//meta[@http-equiv]").get("content")
    assert "http" not in re.sub(r"Content-Security-Policy|http-equiv", "", html)
    assert "prefers-color-scheme:dark" in style.text


def test_markup_in_names_and_files_is_text() -> None:
    evil = TestPki(5, country="<b", organisation='"><script>alert(1)</script>')
    builder = TrustStoreBuilder()
    source = Provenance("<img src=x onerror=alert(1)>.cer", "<u>", issuer="<i>signer</i>", added="2026-01-01")
    builder.add(Certificate.parse(evil.csca.der), EntryKind.CSCA, source)
    other = TestPki(6, country="XK", organisation="Kosovo")
    builder.add(Certificate.parse(other.csca.der), EntryKind.CSCA, source)
    nobody = TestPki(7).issue_csca(name=Name("", "Nobody", "U", "CN"))
    builder.add(Certificate.parse(nobody.der), EntryKind.CSCA, source)
    html = trust_page(coverage(builder.build(), AT))
    page = parsed(html)
    assert not page.findall(".//script")
    assert not page.findall(".//img")
    assert not page.findall(".//u")
    assert "<img src=x onerror=alert(1)>.cer" in " ".join(page.itertext())
    assert page.find(".//svg//a[@href='#c-XK']") is not None


def test_an_empty_store_and_one_without_lists_say_so() -> None:
    empty = trust_page(coverage(TrustStoreBuilder().build(), datetime(2026, 1, 1, tzinfo=UTC)))
    assert "no revocation list" in empty
    assert len(parsed(empty).findall(".//g[@class='t-none']")) == len(PLACES)
