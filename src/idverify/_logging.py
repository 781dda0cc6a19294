"""Logging: one level below DEBUG for card traffic, and a filter that keeps holder data out.

Nothing in this library logs command or response data. :data:`TRAFFIC` records carry headers, lengths and status words
only; the redacting filter is a second line of defence for text that third-party code or callers put in.
"""

from __future__ import annotations

import logging
import re

TRAFFIC = 5
"""Level of APDU headers, lengths and status words."""

logging.addLevelName(TRAFFIC, "TRAFFIC")

_LONG_DIGITS = re.compile(r"\d{9,}")
_MRZ_RUN = re.compile(r"[A-Z0-9]*<{2,}[A-Z0-9<]*|[A-Z0-9<]{28,}")
_LONG_HEX = re.compile(r"\b[0-9A-Fa-f]{24,}\b")


def redact(text: str) -> str:
    """``text`` with digit runs of 9 and more, MRZ-like runs and long hexadecimal runs replaced."""
    for pattern in (_MRZ_RUN, _LONG_HEX, _LONG_DIGITS):
        text = pattern.sub("<redacted>", text)
    return text


class RedactingFilter(logging.Filter):
    """Redacts the rendered message of every record that passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        clean = redact(message)
        if clean != message:
            record.msg, record.args = clean, ()
        return True


def get_logger(name: str) -> logging.Logger:
    """The library's logger of that name, silent until the application configures logging."""
    logger = logging.getLogger(name)
    if not any(isinstance(f, RedactingFilter) for f in logger.filters):
        logger.addFilter(RedactingFilter())
    return logger


logging.getLogger("idverify").addHandler(logging.NullHandler())
