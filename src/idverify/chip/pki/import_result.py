"""What an import into a trust store found, and what was odd about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Final

MAX_FILE_BYTES: Final = 256 * 1024 * 1024
MAX_FILES: Final = 100_000


class ProblemReason(enum.StrEnum):
    """Why an entry was left out, or what is odd about one that was taken."""

    MALFORMED = "malformed"
    ALGORITHM_UNSUPPORTED = "algorithm-unsupported"
    NOT_A_CA = "not-a-ca"
    ISSUER_NOT_IN_STORE = "issuer-not-in-store"
    SIGNATURE_INVALID = "signature-invalid"
    LIST_SIGNATURE_INVALID = "list-signature-invalid"
    LIST_SIGNER_NOT_TRUSTED = "list-signer-not-trusted"
    LIST_NOT_VERIFIED = "list-not-verified"
    UNKNOWN_FORMAT = "unknown-format"
    UNREADABLE = "unreadable"
    TOO_LARGE = "too-large"

    @property
    def text(self) -> str:
        """What it says to an operator, in words."""
        return _TEXTS[self]


_TEXTS: Final = {
    ProblemReason.MALFORMED: "it is damaged",
    ProblemReason.ALGORITHM_UNSUPPORTED: "its key or signature is of a kind that is not known here",
    ProblemReason.NOT_A_CA: "taken, though it does not say that it is an authority's",
    ProblemReason.ISSUER_NOT_IN_STORE: "usable; who issued it is not known here",
    ProblemReason.SIGNATURE_INVALID: "its signature does not verify",
    ProblemReason.LIST_SIGNATURE_INVALID: "the list was altered, or its signature cannot be checked",
    ProblemReason.LIST_SIGNER_NOT_TRUSTED: "its signer leads to no root that was named and to nothing in the store",
    ProblemReason.LIST_NOT_VERIFIED: "taken all the same, as asked",
    ProblemReason.UNKNOWN_FORMAT: "neither a certificate, a list nor a trust store",
    ProblemReason.UNREADABLE: "it is not there, or cannot be opened",
    ProblemReason.TOO_LARGE: f"more than {MAX_FILE_BYTES >> 20} MiB, or more than {MAX_FILES:,} files",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that the operator should know.

    Attributes:
        subject: the certificate's subject, or the file and position.
        reason: what it is.
    """

    subject: str
    reason: ProblemReason

    def __str__(self) -> str:
        return f"{self.subject}: {self.reason.value} ({self.reason.text})"

    def to_dict(self) -> dict[str, str]:
        """The JSON object."""
        return {"subject": self.subject, "reason": self.reason.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """What an import found.

    Attributes:
        parsed: certificates that could be read.
        usable: of these, the ones whose key and signature algorithm are supported.
        verified: of these, the ones whose signature verifies under their own key or another certificate of the store.
        rejected: entries that were not taken.
        added: entries that the store did not have yet.
        country_codes: countries of the certificates.
        lists: master lists and deviation lists that were taken.
        crls: revocation lists that were taken.
        self_vouched: lists whose signer only the list itself vouches for: compare the signer's certificate with what
            the list's publisher says, or name its root.
        stored: False where nothing could be used and so no store was made.
        problems: what was odd, entry by entry.
        refused: whether something that was named in the call could not be used at all.
    """

    parsed: int
    usable: int
    verified: int
    rejected: int
    added: int
    country_codes: tuple[str, ...]
    lists: int
    crls: int
    problems: tuple[Problem, ...]
    refused: bool
    self_vouched: tuple[str, ...] = ()
    stored: bool = True

    @property
    def countries(self) -> int:
        """Number of countries."""
        return len(self.country_codes)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of ``idverify trust import``."""
        return {
            "parsed": self.parsed,
            "usable": self.usable,
            "verified": self.verified,
            "rejected": self.rejected,
            "countries": self.countries,
            "problems": [p.to_dict() for p in self.problems],
            "added": self.added,
            "country_codes": list(self.country_codes),
            "lists": self.lists,
            "crls": self.crls,
            "self_vouched": list(self.self_vouched),
        }
