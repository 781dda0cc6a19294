"""A consent as it is given: what it may hold, and what it shows of itself."""

from __future__ import annotations

import pytest

from idverify import Consent
from idverify.errors import ConfigurationError


def test_the_reference_is_shown_as_a_hash_alone() -> None:
    consent = Consent(reference="form 2026-0031", purpose="account opening")
    assert "2026-0031" not in repr(consent)
    assert "account opening" in repr(consent)
    assert len(bytes.fromhex(consent.fingerprint)) == 32
    assert consent.fingerprint == Consent(reference="form 2026-0031", purpose="other").fingerprint
    assert consent.fingerprint != Consent(reference="form 2026-0032", purpose="account opening").fingerprint


@pytest.mark.parametrize(
    ("reference", "purpose"),
    [
        ("", "x"), ("  ", "x"), ("r" * 257, "x"), ("r", ""), ("r", "p" * 65), ("r\n", "x"), ("r", "a\x00b"),
        ("r", "check of 001190000007"), ("r", "NGUYEN<<VAN<AN"), (None, "x"), ("r", 5),
    ],
)  # fmt: skip
def test_what_is_no_consent_is_refused(reference: object, purpose: object) -> None:
    with pytest.raises(ConfigurationError):
        Consent(reference=reference, purpose=purpose)  # type: ignore[arg-type]
