"""The level below DEBUG, and the second line of defence."""

from __future__ import annotations

import logging

import pytest

from idverify._logging import TRAFFIC, RedactingFilter, get_logger, redact


@pytest.mark.parametrize(
    "secret",
    [
        "001203012345",
        "IDVNM2030123450001203012345<<1",
        "0304052M2804051VNM<<<<<<<<<<<8",
        "NGUYEN<<VAN<DUC",
        "AB94FDECF2674FDFB9B391F85D7F76F2",
        "ab94fdecf2674fdfb9b391f85d7f76f2",
        "203012345",
    ],
)
def test_numbers_mrz_and_keys_are_redacted(secret: str) -> None:
    assert secret not in redact(f"before {secret} after")
    assert redact(f"before {secret} after").startswith("before <redacted>")


@pytest.mark.parametrize("harmless", ["00A4020C 02 Le=256", "SW=9000", "DG2 15083 bytes", "PACE-ECDH-GM-AES-128"])
def test_headers_and_lengths_stay(harmless: str) -> None:
    assert redact(harmless) == harmless


def test_records_are_redacted_arguments_included(caplog: pytest.LogCaptureFixture) -> None:
    logger = get_logger("idverify.test")
    caplog.set_level(TRAFFIC, logger="idverify.test")
    logger.log(TRAFFIC, "number %s", "001203012345")
    logger.warning("key AB94FDECF2674FDFB9B391F85D7F76F2")
    logger.info("%d bytes", 12)
    assert [r.getMessage() for r in caplog.records] == ["number <redacted>", "key <redacted>", "12 bytes"]
    assert caplog.records[0].levelname == "TRAFFIC"


def test_the_filter_is_added_once() -> None:
    for _ in range(3):
        logger = get_logger("idverify.test.once")
    assert sum(isinstance(f, RedactingFilter) for f in logger.filters) == 1


def test_traffic_is_below_debug() -> None:
    assert TRAFFIC < logging.DEBUG


def test_the_library_is_silent_by_default() -> None:
    assert any(isinstance(h, logging.NullHandler) for h in logging.getLogger("idverify").handlers)
