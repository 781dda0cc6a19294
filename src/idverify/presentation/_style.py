"""How the HTML report looks: its style sheet and its drawings."""

from __future__ import annotations

from pathlib import Path

CSS = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
"""The style sheet of the page."""


_ROUND = 'stroke-linecap="round" stroke-linejoin="round"/>'

MARKS = {
    "successful": '<circle cx="24" cy="24" r="22" fill="currentColor"/>'
    '<path d="M14 25l7 7 14-15" fill="none" stroke="#fff" stroke-width="5" ' + _ROUND,
    "failed": '<circle cx="24" cy="24" r="22" fill="currentColor"/><path d="M16 16l16 16M32 16L16 32" fill="none" '
    'stroke="#fff" stroke-width="5" stroke-linecap="round"/>',
    "undetermined": '<circle cx="24" cy="24" r="20" fill="none" stroke="currentColor" stroke-width="4"/>'
    '<path d="M24 13v14" stroke="currentColor" stroke-width="5" stroke-linecap="round"/>'
    '<circle cx="24" cy="34.5" r="3" fill="currentColor"/>',
    "not-supported": '<circle cx="24" cy="24" r="20" fill="none" stroke="currentColor" stroke-width="4"/>'
    '<path d="M15 24h18" stroke="currentColor" stroke-width="5" stroke-linecap="round"/>',
}
MARKS["aborted"] = MARKS["failed"]
MARKS["not-performed"] = MARKS["undetermined"]

VERDICT_MARKS = {
    "accept": '<circle cx="24" cy="24" r="22" fill="#fff"/><path d="M13 25l8 8 15-17" fill="none" stroke="#0a6b3d" '
    'stroke-width="5.5" stroke-linecap="round" stroke-linejoin="round"/>',
    "reject": '<circle cx="24" cy="24" r="22" fill="#fff"/>'
    '<path d="M15 15l18 18M33 15L15 33" fill="none" stroke="#a3171f" stroke-width="6" stroke-linecap="round"/>',
    "review": '<path d="M24 4L46 43H2z" fill="#2b1d00" stroke="#2b1d00" stroke-width="3" stroke-linejoin="round"/>'
    '<path d="M24 17v13" stroke="#f5b324" stroke-width="5" stroke-linecap="round"/>'
    '<circle cx="24" cy="37" r="3" fill="#f5b324"/>',
    "inconclusive": '<circle cx="24" cy="24" r="22" fill="#fff"/>'
    '<path d="M17 19c0-9 14-9 14 0 0 6-7 5-7 11" fill="none" '
    'stroke="#3f4d5a" stroke-width="5" stroke-linecap="round"/><circle cx="24" cy="37" r="3" fill="#3f4d5a"/>',
}
