"""The holder's consent to biometrics: which record proves it, and for which purpose.

The library asks nobody. A caller who has the consent says where it is recorded and what it was given for; a policy may
ask for that before any template is computed (``[checks."privacy.consent"]``), and for which purposes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from idverify._logging import redact
from idverify.errors import ConfigurationError

MAX_REFERENCE: Final = 256
MAX_PURPOSE: Final = 64
_DOMAIN: Final = b"idverify consent reference v1\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A consent that was given before the card was opened.

    Attributes:
        reference: where the consent is recorded, 1 … 256 characters; reports and audit log hold its hash alone.
        purpose: what it was given for, in a few words, 1 … 64 characters; it stands in reports and in the audit log,
            so no name and no number belongs here.

    Raises:
        ConfigurationError: empty, too long, or not printable; a purpose that looks like personal data.
    """

    reference: str = field(repr=False)
    purpose: str

    def __post_init__(self) -> None:
        for name, value, limit in (
            ("reference", self.reference, MAX_REFERENCE),
            ("purpose", self.purpose, MAX_PURPOSE),
        ):
            if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > limit:
                raise ConfigurationError(f"the consent's {name} must be 1 … {limit} printable characters")
        if redact(self.purpose) != self.purpose:
            raise ConfigurationError("the consent's purpose looks like personal data; say what the check is for")

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the reference, 64 hexadecimal digits: whoever has the record can show that it is the one."""
        return hashlib.sha256(_DOMAIN + self.reference.encode()).hexdigest()
