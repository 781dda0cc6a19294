"""One self-contained HTML page that an official can read: no scripts, no external resources, every text escaped."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from idverify._version import __version__
from idverify.errors import IdVerifyError
from idverify.presentation import _texts
from idverify.presentation._page import both as _both
from idverify.presentation._page import escape, page
from idverify.presentation._style import CSS, MARKS, VERDICT_MARKS
from idverify.presentation.holder import HolderLine, holder_lines
from idverify.presentation.wording import (
    CheckGroup,
    CheckRow,
    Text,
    advice,
    check_title,
    decision_reason,
    grouped,
    rate_in_words,
    verdict,
)
from idverify.presentation.wording import status as status_text
from idverify.presentation.wording import subject as subject_text
from idverify.report import CheckStatus

if TYPE_CHECKING:
    from idverify.engine.matching import MatchScore
    from idverify.verification import VerificationResult

_PICTURE_SIDE = 640
"""Longest side in pixels of a picture inside the page."""


def html_report(result: VerificationResult) -> str:
    """The page of one transaction, with the holder's data and pictures revealed in it.

    The pictures are decoded and encoded anew as JPEG: no byte of a chip's or a camera's file reaches the browser, and
    JPEG 2000 becomes visible. A picture that cannot be decoded is named as such.
    """
    groups = grouped(result.report.checks)
    body = "\n".join(
        (
            _guard(),
            _header(result.verified_at),
            _verdict(result),
            _tiles(groups),
            _advice(result),
            _person(result),
            _checks(groups),
            _facts(result),
            _footer(),
        )
    )
    return page(_title(result), CSS, body)


def _icon(drawing: str, label: str = "") -> str:
    names = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return f'<svg viewBox="0 0 48 48" {names}>{drawing}</svg>'


def _mark(status: CheckStatus) -> str:
    return f'<span class="s-{status}">{_icon(MARKS[status.value], status_text(status).vi)}</span>'


def _title(result: VerificationResult) -> str:
    return escape(f"{_outcome(result).title.vi} · {result.verified_at:%Y-%m-%d %H:%M} · idverify")


def _outcome(result: VerificationResult) -> _texts.CheckText:
    return verdict(result.decision, result.report, result.scores)


def _guard() -> str:
    return (
        '<div class="guard"><span>⚠ Chứa dữ liệu cá nhân · <span class="en" lang="en">Contains personal data</span>'
        "</span>"
        '<span class="en">idverify</span></div>'
    )


def _header(at: datetime) -> str:
    zone = at.strftime("%Z") or at.strftime("%z")
    return (
        f"<header><h1>{_both(Text('Kết quả kiểm tra thẻ', 'Result of the card check'))}</h1>"
        f'<div class="when">{at:%d/%m/%Y %H:%M:%S}<small>{escape(zone)}</small></div></header>'
    )


def _verdict(result: VerificationResult) -> str:
    kind = result.decision.outcome.value
    text = _outcome(result)
    banner = (
        f'<div class="verdict {kind}">{_icon(VERDICT_MARKS[kind])}<div><div class="word">{escape(text.title.vi)}</div>'
        f'<div class="word-en" lang="en">{escape(text.title.en)}</div><p>{_both(text.passed)}</p></div></div>'
    )
    reasons = result.decision.reasons
    if not reasons:
        return banner
    said = (decision_reason(code, result.report.checks) for code in reasons)
    lines = "".join(f"<li>{_both(text)}</li>" for text in dict.fromkeys(said))
    return f'{banner}\n<ul class="reasons {kind}">{lines}</ul>'


def _advice(result: VerificationResult) -> str:
    if not result.advice:
        return ""
    lines = "".join(f"<li>{_both(advice(key))}</li>" for key in result.advice)
    return f'<ul class="reasons inconclusive">{lines}</ul>'


def _tiles(groups: Iterable[CheckGroup]) -> str:
    return '<div class="tiles">' + "".join(_tile(group) for group in groups) + "</div>"


def _tile(group: CheckGroup) -> str:
    state = status_text(group.status)
    vi, en = state
    if group.open:
        vi, en = f"{vi}, {group.open} mục chưa kiểm tra", f"{en}, {group.open} not checked"
    return (
        f'<div class="tile">{_mark(group.status)}<div><b>{escape(group.title.vi)}</b>'
        f'<span class="s-{group.status}">{escape(vi)}</span>'
        f'<span class="en" lang="en">{escape(group.title.en)}: {escape(en.lower())}</span></div></div>'
    )


def picture_data_url(data: bytes) -> str | None:
    """The picture as a ``data:`` URL of a JPEG of at most 640 pixels a side, or None where it cannot be decoded."""
    import cv2

    from idverify.biometric.codecs import decode_image, encode_jpeg
    from idverify.biometric.image import as_image

    try:
        image = decode_image(data)
        height, width = image.shape[:2]
        scale = _PICTURE_SIDE / max(height, width)
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            image = as_image(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
        jpeg = encode_jpeg(image, quality=88)
    except IdVerifyError:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _figure(data: bytes | None, caption: Text, missing: Text) -> str:
    url = picture_data_url(data) if data is not None else None
    if url is not None:
        inside = f'<img src="{url}" alt="{escape(caption.vi)}">'
    else:
        text = missing if data is None else Text("Không mở được ảnh", "Picture cannot be opened")
        inside = f"<div>{_both(text, 'div')}</div>"
    return f'<figure><div class="frame">{inside}</div><figcaption>{_both(caption)}</figcaption></figure>'


def _person(result: VerificationResult) -> str:
    portrait = result.portrait.reveal() if result.portrait is not None else None
    live = result.live.reveal() if result.live is not None else None
    holder = result.holder.reveal() if result.holder is not None else None
    if portrait is None and live is None and holder is None:
        return ""
    faces = _figure(
        portrait, Text("Ảnh trong chip", "Portrait in the chip"), Text("Chip không có ảnh", "No portrait was read")
    ) + _figure(live, Text("Ảnh chụp trực tiếp", "Live picture"), Text("Chưa chụp ảnh", "No picture was taken"))
    scores = "".join(_score(score) for score in result.scores)
    lines = _holder(holder_lines(holder)) if holder is not None else ""
    return f'<section class="person"><div class="faces">{faces}{scores}</div>{lines}</section>'


def _holder(lines: Sequence[HolderLine]) -> str:
    cells = "".join(
        f'<dt>{escape(line.label.vi)}<span lang="en">{escape(line.label.en)}</span></dt>'
        f'<dd class="{line.key}">{escape(line.value)}</dd>'
        for line in lines
    )
    return f'<dl class="holder">{cells}</dl>'


def _score(score: MatchScore) -> str:
    title = {
        "face": Text("Độ giống khuôn mặt", "Face similarity"),
        "finger": Text("Độ giống vân tay", "Fingerprint similarity"),
    }.get(score.modality, Text(score.modality, score.modality))
    limit = score.threshold
    passed = limit is not None and score.value >= limit
    state = "undetermined" if limit is None else "successful" if passed else "failed"
    notes = (
        [rate_in_words(score.fmr)]
        if score.fmr is not None
        else [Text("chưa có bảng sai số", "no table of error rates")]
    )
    if limit is not None:
        notes.insert(0, Text(f"Ngưỡng {_number(limit)}", f"threshold {limit:.2f}"))
    return (
        f'<div class="score"><div class="top"><span>{_both(title)}</span>'
        f'<span class="number s-{state}">{_number(score.value)}</span></div>{_gauge(score.value, limit, state)}'
        f"<p>{escape('; '.join(n.vi for n in notes))}</p>"
        f'<p class="en" lang="en">{escape("; ".join(n.en for n in notes))}</p></div>'
    )


def _number(value: float) -> str:
    return f"{value:.2f}".replace(".", ",")


def _gauge(value: float, threshold: float | None, state: str) -> str:
    top = max(1.0, value, threshold or 0.0)
    at = max(0.0, value) / top * 400
    limit = ""
    if threshold is not None:
        x = max(0.0, threshold) / top * 400
        limit = (
            f'<path d="M{x:.1f} 4v26" stroke="#14202b" stroke-width="3"/>'
            f'<path d="M{x - 6:.1f} 2h12l-6 8z" fill="#14202b"/>'
        )
    return (
        f'<svg viewBox="0 0 400 34" preserveAspectRatio="none" aria-hidden="true" class="s-{state}">'
        f'<rect x="0" y="12" width="400" height="12" rx="3" fill="#dde3e8"/>'
        f'<rect x="0" y="12" width="{at:.1f}" height="12" rx="3" fill="currentColor"/>{limit}</svg>'
    )


def _checks(groups: Iterable[CheckGroup]) -> str:
    tables = "".join(
        f"<table><caption>{_both(group.title)}</caption><tbody>{''.join(map(_row, group.rows))}</tbody></table>"
        for group in groups
    )
    return f"<section><h2>{_both(Text('Các bước kiểm tra', 'Checks'))}</h2>{tables}</section>"


def _row(row: CheckRow) -> str:
    title, state = check_title(row.check), status_text(row.status)
    subjects = "".join(f'<span class="of">{escape(subject_text(s).vi)}</span>' for s in row.subjects)
    return (
        f'<tr class="{row.status}"><td class="mark">{_mark(row.status)}</td><td class="what">{_both(title)}</td>'
        f'<td class="why">{_both(row.explanation)}{subjects}{_evidence(row)}</td>'
        f'<td class="state s-{row.status}">{_both(state)}</td></tr>'
    )


def _evidence(row: CheckRow) -> str:
    lines = [("check", row.check.value), ("reason", row.results[0].reason.value)]
    for result in row.results:
        prefix = f"{result.subject} " if result.subject and len(row.results) > 1 else ""
        lines += [(prefix + name, value) for name, value in result.evidence.items()]
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in lines)
    summary = _both(Text("Bằng chứng", "Evidence"))
    return f"<details><summary>{summary}</summary><table><tbody>{cells}</tbody></table></details>"


def _facts(result: VerificationResult) -> str:
    session = result.session
    facts: list[tuple[Text, str]] = [(Text("Quy tắc quyết định", "Policy"), result.decision.policy)]
    if session.transport:
        facts.append((Text("Đường truyền", "Transport"), session.transport))
    if session.access not in ("", "none"):
        facts.append((Text("Cách mở chip", "Access"), session.access.upper()))
    if session.apdus:
        vi = f"{session.apdus} lệnh, {session.bytes:,} byte".replace(",", ".").replace(" lệnh.", " lệnh,")
        facts.append((Text("Đã trao đổi", "Exchanged"), vi))
    if session.milliseconds:
        total = (
            sum(session.milliseconds.values()) if "total" not in session.milliseconds else session.milliseconds["total"]
        )
        facts.append((Text("Thời gian", "Time"), f"{total / 1000:.1f} s".replace(".", ",")))
    facts += [(Text("Mô hình so khớp", "Matching model"), s.model) for s in result.scores]
    facts.append((Text("Kho tin cậy", "Trust store"), result.report.trust_store_id))
    cells = "".join(f"<div><dt>{_both(label)}</dt><dd>{escape(value)}</dd></div>" for label, value in facts)
    return f'<section><h2>{_both(Text("Phiên làm việc", "Session"))}</h2><dl class="facts">{cells}</dl></section>'


def _footer() -> str:
    warning = _texts.WARNING
    return (
        f"<footer><p><b>{escape(warning.vi)}</b></p>"
        f'<p class="en" lang="en">{escape(warning.en)}</p><p>idverify {escape(__version__)}</p></footer>'
    )
