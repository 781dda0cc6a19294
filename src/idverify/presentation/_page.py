"""The frame of every HTML page: one file, no scripts, nothing loaded from elsewhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from html import escape as _escape_html

from idverify.presentation.wording import Text, printable


def escape(text: str) -> str:
    """Text for the page: controls replaced, markup escaped."""
    return _escape_html(printable(text))


def both(text: Text, tag: str = "span") -> str:
    """Vietnamese, and English in an element of its own."""
    return f'{escape(text.vi)} <{tag} class="en" lang="en">{escape(text.en)}</{tag}>'


def page(title: str, css: str, body: str) -> str:
    """A whole page.

    Args:
        title: escaped already.
        css: the only style sheet; its hash is the only one that the page's own policy lets in.
        body: markup inside the sheet.
    """
    style_hash = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'sha256-{style_hash}'; base-uri 'none'; form-action 'none'"
    return f"""<!DOCTYPE html>
<html lang="vi">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main class="sheet">
{body}
</main>
</body>
</html>
"""
