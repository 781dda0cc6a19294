"""The page: self-contained, escaped, complete."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idverify.biometric.codecs import decode_image, encode_jpeg2000, encode_png
from idverify.biometric.image import as_image
from idverify.decision import Outcome
from idverify.presentation import html_report
from idverify.presentation.holder import holder_lines
from idverify.report import CheckId, CheckResult, CheckStatus, Reason
from tests.results import NO, citizen, genuine_checks, replaced, result

VOID = {"meta", "img", "circle", "path", "rect"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def images(self) -> list[bytes]:
        found = [attrs["src"] or "" for tag, attrs in self.tags if tag == "img"]
        return [base64.b64decode(src.removeprefix("data:image/jpeg;base64,"), validate=True) for src in found]


def picture(width: int = 60, height: int = 80) -> bytes:
    ramp = np.linspace(0, 255, width * height * 3).reshape(height, width, 3)
    return encode_png(as_image(ramp.astype(np.uint8)))


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    text = html_report(result(portrait=picture(), live=picture()))
    page = Page(text)
    assert page.open == []
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "form", "base", "a", "use", "foreignobject"}
    for _, attrs in page.tags:
        assert not any(name.startswith("on") or name in ("style", "srcset", "href", "xlink:href") for name in attrs)
        assert (attrs.get("src") or "data:").startswith("data:image/jpeg;base64,") or "src" not in attrs
    assert "url(" not in text
    assert "@import" not in text
    assert "http://" not in text
    assert "https://" not in text


def test_the_content_security_policy_allows_this_style_sheet_only() -> None:
    text = html_report(result())
    policy = next(a["content"] for t, a in Page(text).tags if t == "meta" and "http-equiv" in a) or ""
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy


@pytest.mark.parametrize("outcome", list(Outcome))
def test_the_verdict_is_named_in_two_languages(outcome: Outcome) -> None:
    reasons = () if outcome is Outcome.ACCEPT else ("document.validity: expired",)
    page = Page(html_report(result(outcome, reasons=reasons)))
    banner = {
        Outcome.ACCEPT: "CHẤP NHẬN ACCEPT",
        Outcome.REJECT: "TỪ CHỐI REJECT",
        Outcome.REVIEW: "CẦN XEM XÉT REVIEW",
        Outcome.INCONCLUSIVE: "CHƯA KẾT LUẬN INCONCLUSIVE",
    }
    assert banner[outcome] in page.text
    assert ("Thẻ đã hết hạn sử dụng." in page.text) is bool(reasons)
    assert [a["class"] for t, a in page.tags if t == "div" and "verdict" in (a.get("class") or "")] == [
        f"verdict {outcome.value}"
    ]


def test_every_check_its_reason_and_its_evidence_are_there() -> None:
    bad = CheckResult(
        check=CheckId.DG_HASH, status=NO, reason=Reason.HASH_MISMATCH, subject="DG2", evidence={"expected": "c0ffee"}
    )
    text = Page(html_report(result(Outcome.REJECT, checks=replaced(genuine_checks(), bad)))).text
    for words in ("Issuer's signature", "have been altered", "ảnh chân dung", "c0ffee", "hash-mismatch", "pa.dg.hash"):
        assert words in text


def test_holder_pictures_and_session_are_there() -> None:
    page = Page(html_report(result(portrait=picture(), live=picture())))
    for words in (
        "Trần Thị Thử Nghiệm",
        "001190000007",
        "08/03/1990",
        "Nữ · Female",
        "0,61",
        "142",
        "test-store-1a2b3c",
    ):
        assert words in page.text
    assert "personal data" in page.text
    assert len(page.images()) == 2


def test_jpeg_2000_becomes_jpeg_and_large_pictures_become_small() -> None:
    portrait = encode_jpeg2000(decode_image(picture(900, 1200)))
    (image,) = Page(html_report(result(portrait=portrait))).images()
    assert image[:3] == b"\xff\xd8\xff"
    assert decode_image(image).shape == (640, 480, 3)


def test_a_picture_that_cannot_be_opened_is_named() -> None:
    page = Page(html_report(result(portrait=b"\xff\xd8\xff broken", live=None)))
    assert page.images() == []
    assert "Picture cannot be opened" in page.text
    assert "No picture was taken" in page.text


def test_files_alone_have_no_person() -> None:
    bare = dataclasses.replace(result(score=None), holder=None)
    text = Page(html_report(bare)).text
    assert "Portrait in the chip" not in text
    assert "has not been checked" in text


def test_advice_is_shown_in_words() -> None:
    text = Page(html_report(result(advice=("look-straight", "press-harder", "advice of somebody else")))).text
    assert "Hãy nhìn thẳng vào máy ảnh Look straight into the camera" in text
    assert "Press harder" in text
    assert "advice of somebody else" in text


HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(1)>&amp;'</style>"


def test_hostile_text_from_the_card_stays_text() -> None:
    bad = CheckResult(
        check=CheckId.DSC_CHAIN, status=CheckStatus.FAILED, reason=Reason.CHAIN_INVALID, subject=HOSTILE,
        evidence={HOSTILE: HOSTILE},
    )  # fmt: skip
    text = html_report(
        result(Outcome.REJECT, reasons=(HOSTILE,), checks=(bad,), holder=citizen(HOSTILE), advice=(HOSTILE,))
    )
    assert "<script" not in text
    page = Page(text)
    assert page.open == []
    assert page.images() == []
    assert page.text.count("<script>alert(1)</script>") >= 5


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60))
def test_any_name_leaves_the_page_whole(name: str) -> None:
    page = Page(html_report(result(holder=citizen(name))))
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.tags}


def test_holder_lines_hide_their_values_from_repr() -> None:
    lines = holder_lines(citizen())
    assert "Thử" not in repr(lines)
    assert [line.key for line in lines][:3] == ["name", "number", "birth"]


def test_an_unlimited_card_says_so() -> None:
    forever = dataclasses.replace(citizen(), expiry=None, unlimited=True, details=None)
    values = {line.key: line.value for line in holder_lines(forever)}
    assert values["expiry"] == "Không thời hạn · Unlimited"
    assert values["name"] == "TRAN, THI THU NGHIEM"
    assert "father" not in values
