"""Results as people read them: words in Vietnamese and English, an HTML page, a table for the terminal."""

from __future__ import annotations

from idverify.presentation.html import html_report
from idverify.presentation.wording import Text, decision_reason, explain, grouped, outcome, rate_in_words

__all__ = ["Text", "decision_reason", "explain", "grouped", "html_report", "outcome", "rate_in_words"]
