"""One self-contained HTML page about a trust store: which countries it covers, for how long, and from which lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from idverify._version import __version__
from idverify.chip.pki.coverage import Country, Coverage, Freshness, Horizon
from idverify.chip.pki.trust_store import Anchor
from idverify.presentation._page import both, escape, page
from idverify.presentation._tiles import ALIASES, COLUMNS, NAMES, PLACES, ROWS
from idverify.presentation.wording import Text

CSS: Final = (Path(__file__).parent / "trust.css").read_text(encoding="utf-8")

_PITCH: Final = 44
_SIDE: Final = 41
_OLD_DAYS: Final = 90
"""Lists older than this are marked: states publish new ones every few weeks (no standard gives a limit)."""

_HORIZONS: Final = {
    Horizon.LONG: Text("còn hạn từ 5 năm", "valid for 5 years or more"),
    Horizon.MIDDLE: Text("còn hạn 1–5 năm", "valid for 1 to 5 years"),
    Horizon.SHORT: Text("còn hạn dưới 1 năm", "valid for less than a year"),
    Horizon.EXPIRED: Text("đã hết hạn", "expired"),
    Horizon.NONE: Text("không có trong kho", "not in the store"),
}
_REVOCATION: Final = {
    Freshness.FRESH: Text("còn hiệu lực", "current"),
    Freshness.STALE: Text("quá hạn", "stale"),
    Freshness.UNVERIFIED: Text("chưa xác minh được", "not verified"),
    Freshness.NONE: Text("không có", "none"),
}
_ANCHORS: Final = {
    Anchor.OPERATOR: Text("do người vận hành đưa vào", "named by the operator"),
    Anchor.ROOT: Text("ký dưới gốc do người vận hành chỉ định", "signed under a root that the operator named"),
    Anchor.STORE: Text("ký dưới chứng thư đã có trong kho", "signed under a certificate the store already had"),
    Anchor.LIST: Text("ký dưới chứng thư của chính danh sách", "signed under a certificate of the list itself"),
    Anchor.UNVERIFIED: Text("không ai bảo đảm", "nobody vouches for it"),
}
_CLASS: Final = {Freshness.FRESH: "good", Freshness.STALE: "warn", Freshness.UNVERIFIED: "bad", Freshness.NONE: ""}


def trust_page(found: Coverage) -> str:
    """The page of what a store covers; it holds no data of any document."""
    body = "\n".join(
        (
            _header(found),
            _figures(found),
            _map(found),
            _endings(found),
            _sources(found),
            _revocation_lists(found),
            _countries(found),
            _footer(found),
        )
    )
    return page(escape(f"Kho tin cậy · Trust store · {found.at:%Y-%m-%d} · idverify"), CSS, body)


def name_of(code: str) -> str:
    """Short English name of a code, or the code itself."""
    return NAMES.get(_place(code), code or "no country")


def _day(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d}" if moment else "–"


def _header(found: Coverage) -> str:
    zone = escape(found.at.strftime("%Z") or found.at.strftime("%z"))
    return (
        f"<header><h1>{both(Text('Kho tin cậy', 'Trust store'))}</h1>"
        f'<div class="when">{found.at:%d/%m/%Y %H:%M}<small>{zone}</small></div></header>'
    )


def _figures(found: Coverage) -> str:
    """Five numbers that say whether there is something to do."""
    covered = found.covered
    authorities, valid = sum(c.authorities for c in covered), sum(c.valid for c in covered)
    soon = sum(c.horizon in (Horizon.SHORT, Horizon.EXPIRED) for c in covered)
    states = [r.state for r in found.revocation_lists]
    fresh = states.count(Freshness.FRESH)
    age = max(0, (found.at - found.dated).days) if found.dated else None
    old = "warn" if age is None or age > _OLD_DAYS else ""
    rows: Sequence[tuple[str, str, Text]] = (
        ("", f"{len(covered)}", Text("quốc gia, vùng và tổ chức", "countries, territories, organisations")),
        ("", f"{authorities}", Text(f"chứng thư CSCA, {valid} còn hạn", f"CSCA certificates, {valid} of them valid")),
        (
            "warn" if soon else "",
            f"{soon}",
            Text("nước hết hạn hoặc còn dưới 1 năm", "countries expired, or within a year"),
        ),
        (
            "warn" if fresh < len(states) or not states else "",
            f"{fresh} / {len(states)}",
            Text("danh sách thu hồi còn hiệu lực", "revocation lists that are current"),
        ),
        (
            old,
            "–" if age is None else f"{age}",
            Text("ngày tuổi của danh sách mới nhất", "days, age of the newest list"),
        ),
    )
    tiles = "".join(f'<div class="tile {c}"><b>{escape(value)}</b>{both(text)}</div>' for c, value, text in rows)
    return f'<div class="tiles">{tiles}</div>'


# ---- the map -----------------------------------------------------------------------------------------------------


def _map(found: Coverage) -> str:
    known = {_place(c.code): c for c in found.countries}
    tiles = "".join(_tile(code, known.get(code), *PLACES[code]) for code in sorted(PLACES, key=lambda c: PLACES[c]))
    others = [c for c in found.countries if known.get(_place(c.code)) is not c or _place(c.code) not in PLACES]
    title = "Bản đồ các nước · Map of countries"
    hatch = (
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect width="7" height="7" class="hatch-ground"/><path d="M0 0V7" class="hatch-line"/></pattern></defs>'
    )
    heading = both(Text("Bản đồ", "Map"))
    note = both(
        Text(
            "Mỗi ô là một mã phát hành giấy tờ; con số là số chứng thư CSCA.",
            "A tile is a code that issues documents; the number counts its CSCA certificates. The table below says the "
            "same in words.",
        )
    )
    return (
        f'<section><h2>{heading}</h2><p class="note">{note}</p><div class="map">'
        f'<svg viewBox="{_PITCH} 0 {COLUMNS * _PITCH} {ROWS * _PITCH}" role="group" aria-label="{title}">'
        f"{hatch}{tiles}</svg></div>{_legend()}{_others(others)}</section>"
    )


def _place(code: str) -> str:
    return ALIASES.get(code, code)


def _tile(code: str, country: Country | None, row: int, column: int) -> str:
    horizon = country.horizon if country else Horizon.NONE
    x, y = column * _PITCH, row * _PITCH
    inside = f'<rect class="box" x="{x + 1}" y="{y + 1}" width="{_SIDE}" height="{_SIDE}" rx="7"/>'
    if country is None or not country.authorities:
        middle = f'<text class="code" x="{x + 21.5}" y="{y + 26.5}" text-anchor="middle">{code}</text>'
        label = f"{name_of(code)}: {_HORIZONS[Horizon.NONE].en}"
        inside = f"<title>{escape(label)}</title>{inside}{middle}"
        return f'<g class="t-none">{inside}</g>'
    label = (
        f"{name_of(code)}: {country.authorities} CSCA, {country.valid} valid, until {_day(country.until)}; "
        f"revocation list: {_REVOCATION[country.revocation].en}"
    )
    dot = ""
    if country.revocation is not Freshness.NONE:
        kind = "fresh" if country.revocation is Freshness.FRESH else "stale"
        dot = f'<circle class="dot {kind}" cx="{x + 33.5}" cy="{y + 31}" r="3.6"/>'
    return (
        f'<a href="#c-{country.code}" aria-label="{escape(label)}"><g class="t-{horizon}">'
        f"<title>{escape(label)}</title>{inside}"
        f'<text class="code" x="{x + 7.5}" y="{y + 19}">{code}</text>'
        f'<text class="number" x="{x + 7.5}" y="{y + 35}">{country.authorities}</text>{dot}</g></a>'
    )


def _legend() -> str:
    keys = "".join(
        f'<li><span class="key k-{h}"></span><span>{both(text)}</span></li>' for h, text in _HORIZONS.items()
    )
    lists = (
        ("disc", Text("danh sách thu hồi còn hiệu lực", "current revocation list")),
        ("ring", Text("danh sách thu hồi quá hạn hoặc chưa xác minh", "revocation list stale or not verified")),
    )
    keys += "".join(f'<li><span class="key {kind}"></span><span>{both(text)}</span></li>' for kind, text in lists)
    return f'<ul class="legend">{keys}</ul>'


def _others(countries: Sequence[Country]) -> str:
    if not countries:
        return ""
    named = ", ".join(f"{escape(name_of(c.code))} ({c.authorities})" for c in countries)
    return f'<p class="others">{both(Text("Ngoài bản đồ", "Not on the map"))}: {named}</p>'


# ---- the chart ---------------------------------------------------------------------------------------------------


def _endings(found: Coverage) -> str:
    """How many authorities end in which year."""
    if not found.endings:
        return ""
    this = found.at.year
    first, last = min(*found.endings, this), max(*found.endings, this)
    first, last = max(first, this - 30), min(last, this + 50)
    years = range(first, last + 1)
    most = max(found.endings.values())
    width, height, foot, head = 1232, 190, 26, 20
    step = width / len(years)
    parts = [f'<path class="base" d="M0 {height - foot + 0.5}H{width}"/>']
    for number, year in enumerate(years):
        x, count = number * step, found.endings.get(year, 0)
        tall = (height - foot - head) * count / most
        if count:
            kind = "bar past" if year < this else "bar"
            parts.append(
                f'<rect class="{kind}" x="{x + step * 0.12:.1f}" y="{height - foot - tall:.1f}" '
                f'width="{step * 0.76:.1f}" height="{tall:.1f}" rx="2"><title>{year}: {count}</title></rect>'
                f'<text class="value" x="{x + step / 2:.1f}" y="{height - foot - tall - 5:.1f}" '
                f'text-anchor="middle">{count}</text>'
            )
        if year % 5 == 0 or len(years) < 16:
            parts.append(
                f'<text class="axis" x="{x + step / 2:.1f}" y="{height - 7}" text-anchor="middle">{year}</text>'
            )
    passed = (found.at - datetime(this, 1, 1, tzinfo=found.at.tzinfo)).days / 365
    now = (this - first + passed) * step
    parts.append(f'<path class="now" d="M{now:.1f} {head - 12}V{height - foot}"/>')
    label = "Year of the end of validity and number of CSCA certificates: " + ", ".join(
        f"{year} {count}" for year, count in sorted(found.endings.items())
    )
    heading = both(Text("Năm hết hạn của các CSCA", "Years in which CSCA certificates end"))
    note = both(Text("Đường đứt nét là thời điểm của trang này.", "The dashed line is the time of this page."))
    return (
        f'<section><h2>{heading}</h2><p class="note">{note}</p><div class="map"><svg viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(label)}">{"".join(parts)}</svg></div></section>'
    )


# ---- tables ------------------------------------------------------------------------------------------------------


def _table(title: Text, columns: Sequence[tuple[Text, str]], rows: Iterable[str], note: str = "") -> str:
    heads = "".join(f'<th scope="col" class="{kind}">{both(text)}</th>' for text, kind in columns)
    said = f'<p class="note">{note}</p>' if note else ""
    return (
        f'<section><h2>{both(title)}</h2>{said}<div class="scroll"><table><caption>{escape(title.en)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def _sources(found: Coverage) -> str:
    def row(number: int) -> str:
        source = found.sources[number]
        origin = source.provenance
        when = origin.dated or origin.added or ""
        signer = f"<small>{escape(origin.issuer)}</small>" if origin.issuer else ""
        days = source.age.days if source.age is not None else None
        old = "n warn" if days is None or days > _OLD_DAYS else "n"
        doubtful = ' class="bad"' if origin.anchor is Anchor.UNVERIFIED else ""
        return (
            f'<tr><th scope="row">{escape(origin.source)}{signer}</th><td class="w">{escape(origin.method)}</td>'
            f"<td{doubtful}>{both(_ANCHORS[origin.anchor])}</td>"
            f'<td class="n">{source.entries}</td><td class="d">{escape(when[:10]) or "–"}</td>'
            f'<td class="{old}">{"–" if days is None else max(0, days)}</td></tr>'
        )

    columns = (
        (Text("Nguồn", "Source, and who signed it"), ""), (Text("Loại", "Kind"), ""),
        (Text("Vì sao được tin", "Why it is believed"), ""), (Text("Số mục", "Entries"), "n"),
        (Text("Ngày ký", "Signed, else added"), "d"), (Text("Tuổi (ngày)", "Age in days"), "n"),
    )  # fmt: skip
    shown = range(min(len(found.sources), 60))
    note = ""
    if len(found.sources) > len(shown):
        rest = len(found.sources) - len(shown)
        note = both(Text(f"và {rest} nguồn khác", f"the {len(shown)} newest; {rest} more are in the store"))
    return _table(Text("Nguồn gốc", "Provenance"), columns, map(row, shown), note)


def _revocation_lists(found: Coverage) -> str:
    if not found.revocation_lists:
        words = both(
            Text(
                "Kho không có danh sách thu hồi: không biết giấy tờ nào đã bị thu hồi.",
                "The store has no revocation list: whether a document signer was revoked is not known.",
            )
        )
        return f'<section><h2>{both(Text("Thu hồi", "Revocation"))}</h2><p class="note warn">{words}</p></section>'
    rows = (
        f'<tr><th scope="row"><span class="cc">{escape(r.country or "–")}</span> {escape(r.issuer)}</th>'
        f'<td class="d">{_day(r.this_update)}</td><td class="d">{_day(r.next_update)}</td>'
        f'<td class="n">{r.revoked}</td><td class="{_CLASS[r.state]}">{both(_REVOCATION[r.state])}</td></tr>'
        for r in found.revocation_lists
    )
    columns = (
        (Text("Cơ quan phát hành", "Issuer"), ""), (Text("Ngày phát hành", "This update"), "d"),
        (Text("Lần tới", "Next update"), "d"), (Text("Đã thu hồi", "Revoked"), "n"), (Text("Tình trạng", "State"), ""),
    )  # fmt: skip
    return _table(Text("Thu hồi", "Revocation"), columns, rows)


def _countries(found: Coverage) -> str:
    def row(country: Country) -> str:
        horizon = _HORIZONS[country.horizon]
        anchor = f' id="c-{country.code}"' if country.code.isalnum() and country.code.isascii() else ""
        return (
            f'<tr{anchor}><th scope="row"><span class="cc">{escape(country.code or "–")}</span> '
            f"{escape(name_of(country.code))}</th>"
            f'<td class="n">{country.authorities}</td><td class="n">{country.valid}</td>'
            f'<td class="d">{_day(country.until)}</td>'
            f'<td><span class="swatch k-{country.horizon}"></span>{both(horizon)}</td>'
            f'<td class="n">{country.signers}</td>'
            f'<td class="{_CLASS[country.revocation]}">{both(_REVOCATION[country.revocation])}</td></tr>'
        )

    columns = (
        (Text("Nước", "Country"), ""), (Text("CSCA", "CSCA"), "n"), (Text("Còn hạn", "Valid now"), "n"),
        (Text("Hạn cuối", "Valid until"), "d"), (Text("Tình trạng", "State"), ""),
        (Text("DSC", "Document signers"), "n"), (Text("Thu hồi", "Revocation list"), ""),
    )  # fmt: skip
    return _table(Text("Theo nước", "By country"), columns, map(row, found.countries))


def _footer(found: Coverage) -> str:
    more = f"; {found.unreadable} entries cannot be read" if found.unreadable else ""
    return (
        f"<footer><p>id {escape(found.store)}</p>"
        f"<p>idverify {__version__} · {found.deviation_lists} deviation lists{more}</p></footer>"
    )
