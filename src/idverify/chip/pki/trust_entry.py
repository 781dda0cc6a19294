"""What a trust store holds: entries, whether they are trusted by themselves, and where they come from."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from idverify.chip.pki.certificate import Certificate
from idverify.errors import TrustStoreError


class EntryKind(enum.IntEnum):
    """What an entry is, and whether it is trusted by itself. The numbers stand in files."""

    CSCA = 1
    """A country signing CA, or its link certificate: a trust anchor."""
    INTERMEDIATE = 2
    """A certificate that helps to build a path but needs an issuer that is trusted."""
    DOCUMENT_SIGNER = 3
    """A document signer as a directory publishes it; needs an issuer that is trusted."""
    PINNED_SIGNER = 4
    """A document signer that the operator trusts by itself."""
    CRL = 5
    """A certificate revocation list."""
    DEVIATION_LIST = 6
    """A deviation list."""


ANCHORS: Final = frozenset({EntryKind.CSCA, EntryKind.PINNED_SIGNER})


class Anchor(enum.StrEnum):
    """Why an entry is trusted."""

    OPERATOR = "operator"
    """The operator named it."""
    ROOT = "root"
    """Its list is signed under a certificate that the operator named."""
    STORE = "store"
    """Its list is signed under a certificate that the store trusted already."""
    LIST = "list"
    """Its list is signed under a certificate of the list itself: whoever gave the list vouches for it."""
    UNVERIFIED = "unverified"
    """Nobody vouches for it; taken because the operator said so."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an entry comes from.

    Attributes:
        source: name of the file or list, without its directory.
        method: ``certificate``, ``master-list``, ``ldif``, ``crl``, ``deviation-list``.
        anchor: why it is trusted.
        issuer: subject of the certificate that signed the list, or None.
        dated: signing time of the list (ISO 8601), or None.
        added: when it was added (ISO 8601), or None.
    """

    source: str = "memory"
    method: str = "certificate"
    anchor: Anchor = Anchor.OPERATOR
    issuer: str | None = None
    dated: str | None = None
    added: str | None = None

    @property
    def instant(self) -> datetime | None:
        """When the list was signed; where nothing says so, when it was added; None where neither is known."""
        return time_of(self.dated) or time_of(self.added)

    def to_dict(self) -> dict[str, Any]:
        """The JSON object; empty fields are left out."""
        fields = {
            "source": self.source,
            "method": self.method,
            "anchor": self.anchor.value,
            "issuer": self.issuer,
            "dated": self.dated,
            "added": self.added,
        }
        return {k: v for k, v in fields.items() if v is not None}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """From :meth:`to_dict`.

        Raises:
            TrustStoreError: not such an object.
        """
        try:
            return cls(
                str(data["source"]),
                str(data["method"]),
                Anchor(data["anchor"]),
                data.get("issuer"),
                data.get("dated"),
                data.get("added"),
            )
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise TrustStoreError("trust store: a source that cannot be read") from error


@dataclass(frozen=True, slots=True)
class TrustEntry:
    """One entry of a trust store.

    Attributes:
        kind: what it is.
        data: its encoding.
        provenance: where it comes from.
        country: capitals, or an empty text.
    """

    kind: EntryKind
    data: bytes = field(repr=False)
    provenance: Provenance
    country: str

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the encoding."""
        return hashlib.sha256(self.data).digest()

    @property
    def trusted(self) -> bool:
        """Whether it is a trust anchor."""
        return self.kind in ANCHORS


@dataclass(frozen=True, slots=True)
class Candidate:
    """A certificate that may have issued another.

    Attributes:
        certificate: the certificate.
        trusted: whether it is a trust anchor.
        provenance: where it comes from.
    """

    certificate: Certificate
    trusted: bool
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class StoreDifference:
    """What one state of a store has and the other has not."""

    added: tuple[TrustEntry, ...]
    removed: tuple[TrustEntry, ...]


def time_of(text: str | None) -> datetime | None:
    """A time of the provenance; None where it is none, or has no time zone."""
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
