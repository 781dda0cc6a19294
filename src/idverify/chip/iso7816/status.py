"""What status words mean (ISO/IEC 7816-4 §5.6), in words, once for the whole library."""

from __future__ import annotations

from typing import Final

from idverify.errors import FileNotFoundOnCardError, SecurityStatusError, StatusWordError

OK: Final = 0x9000
END_OF_FILE: Final = 0x6282
WRONG_LENGTH: Final = 0x6700
SECURITY_STATUS: Final = 0x6982
NOT_FOUND: Final = 0x6A82
WRONG_OFFSET: Final = 0x6B00

_EXACT: Final[dict[int, str]] = {
    0x9000: "success",
    0x6200: "warning, nothing changed",
    0x6281: "part of the returned data may be corrupted",
    0x6282: "end of file reached before Le bytes",
    0x6283: "the selected file or application is deactivated",
    0x6285: "the selected file or application is terminated",
    0x6300: "authentication failed",
    0x6400: "execution error, nothing changed",
    0x6581: "memory failure",
    0x6700: "wrong length",
    0x6800: "function in CLA not supported",
    0x6881: "logical channel not supported",
    0x6882: "secure messaging not supported",
    0x6883: "last command of the chain expected",
    0x6884: "command chaining not supported",
    0x6900: "command not allowed",
    0x6982: "security status not satisfied",
    0x6983: "authentication method blocked",
    0x6984: "reference data not usable",
    0x6985: "conditions of use not satisfied",
    0x6986: "command not allowed, no current file",
    0x6987: "secure messaging data objects missing",
    0x6988: "secure messaging data objects incorrect",
    0x6999: "applet selection failed",
    0x6A80: "incorrect parameters in the command data",
    0x6A81: "function not supported",
    0x6A82: "file or application not found",
    0x6A83: "record not found",
    0x6A84: "not enough memory",
    0x6A86: "incorrect parameters P1-P2",
    0x6A87: "Lc inconsistent with P1-P2",
    0x6A88: "referenced data not found",
    0x6B00: "wrong parameters P1-P2, offset outside the file",
    0x6D00: "instruction not supported",
    0x6E00: "class not supported",
    0x6F00: "no precise diagnosis",
}

_BY_FIRST: Final[dict[int, str]] = {
    0x62: "warning, nothing changed",
    0x63: "warning, something changed",
    0x64: "execution error, nothing changed",
    0x65: "execution error, something changed",
    0x66: "security-related problem",
    0x67: "wrong length",
    0x68: "function in CLA not supported",
    0x69: "command not allowed",
    0x6A: "wrong parameters",
    0x6B: "wrong parameters",
    0x6F: "no precise diagnosis",
}


def meaning(sw: int) -> str:
    """A short text for a status word, 0 … 0xFFFF; never empty."""
    text = _EXACT.get(sw)
    if text is not None:
        return text
    first, second = sw >> 8, sw & 0xFF
    if first == 0x61:
        return f"{second or 256} more bytes to be fetched"
    if first == 0x6C:
        return f"wrong Le, {second or 256} bytes are there"
    if sw & 0xFFF0 == 0x63C0:
        return f"verification failed, {sw & 0xF} tries left"
    return _BY_FIRST.get(first, "unknown status")


def status_error(sw: int, *, command: str, advice: str = "") -> StatusWordError:
    """The exception for an unexpected status word: not found, security status, or the general one."""
    kind: type[StatusWordError] = StatusWordError
    if sw == NOT_FOUND:
        kind = FileNotFoundOnCardError
    elif sw == SECURITY_STATUS:
        kind = SecurityStatusError
    return kind(sw, command=command, meaning=meaning(sw), advice=advice)
