"""The trust store: certificates with their provenance, found by name, key identifier and country.

A :class:`TrustStore` is one immutable snapshot, in memory or opened from its file in milliseconds; certificates are
decoded when they are asked for. A :class:`TrustStoreBuilder` collects the next snapshot.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from idverify.chip.pki import store_file
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.names import Name
from idverify.chip.pki.store_file import Record, StoreFile
from idverify.chip.pki.trust_entry import (
    ANCHORS,
    Anchor,
    Candidate,
    EntryKind,
    Provenance,
    StoreDifference,
    TrustEntry,
    time_of,
)
from idverify.errors import TrustStoreError

if TYPE_CHECKING:
    from idverify.chip.pki.crl import RevocationList
    from idverify.chip.pki.deviations import DeviationList


__all__ = [
    "ANCHORS",
    "Anchor",
    "Candidate",
    "EntryKind",
    "Provenance",
    "StoreDifference",
    "TrustEntry",
    "TrustStore",
    "TrustStoreBuilder",
    "certificates_of",
    "export",
    "is_store",
    "store_location",
]

_NO_NAME: Final = bytes(16)


class TrustStore:
    """An immutable snapshot of trusted certificates and lists. Safe to share between threads."""

    def __init__(self, file: StoreFile, known: Mapping[bytes, Certificate] | None = None) -> None:
        """Use :meth:`open`, :meth:`load` or :meth:`from_certificates`."""
        self._file: Final = file
        self._known: Final = known or {}
        self._certificates: Final[dict[int, Certificate]] = {}
        self._provenances: Final = tuple(Provenance.from_dict(s) for s in file.sources)
        self._lists: Final[dict[int, RevocationList]] = {}
        self._deviations: tuple[DeviationList, ...] | None = None

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a store's file, or the directory that holds it.

        Raises:
            TrustStoreError: it is not there, cannot be read, or is damaged.
        """
        return cls(store_file.read(Path(path)))

    @classmethod
    def load(
        cls, paths: Iterable[str | Path], *, roots: Iterable[Certificate] = (), allow_unverified: bool = False
    ) -> Self:
        """A store of everything at these paths: certificates, directories, master lists, LDIF, CRLs, stores.

        Args:
            paths: files and directories; a store alone is opened as it is.
            roots: certificates under which the signers of master lists must have been issued; where there are none,
                an entry of the list itself or of the other paths will do.
            allow_unverified: take unsigned lists and lists of foreign signers too.

        Raises:
            TrustStoreError: a path is not there or holds nothing that can be used, or a list was refused.
        """
        from idverify.chip.pki.importer import Importer  # the importer builds on this module

        wanted = [Path(p) for p in paths]
        if len(wanted) == 1 and is_store(wanted[0]):
            return cls.open(wanted[0])
        importer = Importer(roots=roots, allow_unverified=allow_unverified)
        for path in wanted:
            importer.add_path(path)
        result = importer.result()
        if result.refused:
            empty = {p.name for p in wanted if p.is_dir()}
            first = next((p for p in result.problems if p.subject in empty), result.problems[0])
            nothing = first.subject in empty and first.reason == "unknown-format"
            words = f"{first.subject}: the directory holds no certificate, list or trust store"
            raise TrustStoreError(words if nothing else str(first))
        return cls(importer.builder.build()._file, importer.builder._known)

    @classmethod
    def from_certificates(cls, certificates: Iterable[Certificate | bytes]) -> Self:
        """A store in memory that trusts these country signing certificates.

        Raises:
            MalformedDataError: one of them is no certificate.
        """
        builder = TrustStoreBuilder()
        for item in certificates:
            builder.add(item if isinstance(item, Certificate) else Certificate.parse(item), EntryKind.CSCA)
        return cls(builder.build()._file, builder._known)

    @property
    def id(self) -> str:
        """Identity of the content: equal for stores with the same entries, whatever their files."""
        return self._file.id

    def __len__(self) -> int:
        return self._file.count

    def __repr__(self) -> str:
        return f"TrustStore({len(self)} entries, id {self.id[:16]})"

    def entries(self, *kinds: EntryKind) -> Iterator[TrustEntry]:
        """Every entry, or every entry of these kinds."""
        for number in range(self._file.count):
            if not kinds or self._file.kind(number) in kinds:
                yield self._entry(number)

    def counts(self) -> dict[EntryKind, int]:
        """Number of entries by kind."""
        found = Counter(self._file.kind(n) for n in range(self._file.count))
        return {kind: found[kind] for kind in EntryKind if found[kind]}

    def countries(self) -> dict[str, int]:
        """Number of country signing certificates by country."""
        found = Counter(self._file.country(n) for n in range(self._file.count) if self._file.kind(n) == EntryKind.CSCA)
        return dict(sorted(found.items()))

    @property
    def dated(self) -> datetime | None:
        """When the newest list of authorities was signed; where no list says so, when something was last added.

        Lists that nobody vouches for do not count, nor do lists of deviations and of revoked certificates: they bring
        no authority. None where nothing says when.
        """
        sources = [p for p in self._provenances if p.method not in ("deviation-list", "crl")]
        lists = [p.dated for p in sources if p.dated and p.anchor is not Anchor.UNVERIFIED]
        times = [t for t in map(time_of, lists or [p.added for p in sources if p.added]) if t is not None]
        return max(times, default=None)

    def get(self, fingerprint: bytes) -> TrustEntry | None:
        """The entry with that SHA-256, or None."""
        return next((self._entry(n) for n in self._file.find("prints", fingerprint)), None)

    def is_pinned(self, certificate: Certificate) -> bool:
        """Whether this document signer is trusted by itself."""
        found = self._file.find("prints", certificate.fingerprint)
        return any(self._file.kind(n) == EntryKind.PINNED_SIGNER for n in found)

    def candidates(
        self, issuer: Name, key_id: bytes | None = None, country: str | None = None
    ) -> tuple[Candidate, ...]:
        """Certificates that may have issued one with this issuer, the likeliest first (ICAO 9303-12 §5.1).

        Those whose name and subject key identifier fit come first, then those with one of them, then the country's
        others. Which one it was, only the signature tells.

        Args:
            issuer: the issuer's name.
            key_id: authority key identifier, or None.
            country: issuer's country in capitals; None for the one in ``issuer``.
        """
        return tuple(self.likely(issuer, key_id, country))

    def likely(self, issuer: Name, key_id: bytes | None = None, country: str | None = None) -> Iterator[Candidate]:
        """:meth:`candidates` one after the other: none is decoded before it is asked for, which matters in a large
        store, where a country has many.

        Args:
            issuer, key_id, country: see there.
        """
        kinds = (EntryKind.CSCA, EntryKind.INTERMEDIATE)
        by_name = set(self._file.find("subjects", issuer.key))
        by_key = set(self._file.find("keys", store_file.fold_key_id(key_id))) if key_id else set()
        near = by_name | by_key
        for number in sorted(near, key=lambda n: (n not in by_key, n not in by_name, self._file.kind(n), n)):
            if self._file.kind(number) in kinds:
                yield self._candidate(number)
        code = country or issuer.country
        for number in self._file.find("countries", _code(code)) if code else ():  # in the order of kind and number
            if number not in near and self._file.kind(number) in kinds:
                yield self._candidate(number)

    def document_signers(self, issuer: Name, serial_number: int) -> tuple[Certificate, ...]:
        """Document signers of the store with this issuer and serial number."""
        numbers = self._file.find("subjects", _signer_key(issuer, serial_number))
        return tuple(self._certificate(n) for n in numbers)

    def document_signers_by_key(self, key_id: bytes) -> tuple[Certificate, ...]:
        """Document signers of the store with this subject key identifier."""
        kinds = (EntryKind.DOCUMENT_SIGNER, EntryKind.PINNED_SIGNER)
        numbers = self._file.find("keys", store_file.fold_key_id(key_id))
        return tuple(self._certificate(n) for n in numbers if self._file.kind(n) in kinds)

    @functools.cached_property
    def has_revocation_lists(self) -> bool:
        """Whether there is any CRL in the store."""
        for number in reversed(range(self._file.count)):  # entries lie in the order of their kinds
            if self._file.kind(number) <= EntryKind.CRL:
                return self._file.kind(number) == EntryKind.CRL
        return False

    def revocation_lists(self, issuer: Name) -> tuple[RevocationList, ...]:
        """The CRLs of that issuer, none of them verified yet."""
        from idverify.chip.pki.crl import RevocationList

        found = []
        for number in self._file.find("subjects", _crl_key(issuer)):
            if number not in self._lists:
                self._lists[number] = RevocationList.parse(self._file.record(number).data)
            found.append(self._lists[number])
        return tuple(found)

    def deviation_lists(self) -> tuple[DeviationList, ...]:
        """The deviation lists and defect lists of the store; their signers were judged when they were imported."""
        from idverify.chip.pki.deviations import DeviationList

        if self._deviations is None:
            numbers = self._file.find("subjects", _NO_NAME)
            kind = EntryKind.DEVIATION_LIST
            self._deviations = tuple(
                DeviationList.parse(self._file.record(n).data) for n in numbers if self._file.kind(n) == kind
            )
        return self._deviations

    def save(self, path: str | Path) -> None:
        """Write this snapshot to a store file, or into a directory: whole or not at all.

        Raises:
            TrustStoreError: it cannot be written.
        """
        target = store_location(Path(path))
        with store_file.locked(target):
            TrustStoreBuilder(self).write(target)

    def difference(self, newer: TrustStore) -> StoreDifference:
        """What ``newer`` has more and less than this one."""
        mine = {(e.kind, e.fingerprint): e for e in self.entries()}
        theirs = {(e.kind, e.fingerprint): e for e in newer.entries()}
        return StoreDifference(
            tuple(e for k, e in theirs.items() if k not in mine), tuple(e for k, e in mine.items() if k not in theirs)
        )

    def _entry(self, number: int) -> TrustEntry:
        record = self._file.record(number)
        try:
            kind = EntryKind(record.kind)
        except ValueError:
            raise TrustStoreError("trust store: an entry of unknown kind") from None
        return TrustEntry(
            kind,
            record.data,
            self._provenance(record.source),
            record.country.decode("latin-1").strip("\x00"),
        )

    def _provenance(self, source: int) -> Provenance:
        if source >= len(self._provenances):
            raise TrustStoreError("trust store: the index is damaged")
        return self._provenances[source]

    def _certificate(self, number: int) -> Certificate:
        found = self._certificates.get(number)
        if found is None:
            found = self._known.get(self._file.fingerprint(number))
            if found is None:
                found = Certificate.parse(self._file.record(number).data)
            self._certificates[number] = found
        return found

    def _candidate(self, number: int) -> Candidate:
        return Candidate(
            self._certificate(number),
            self._file.kind(number) in ANCHORS,
            self._provenance(self._file.source(number)),
        )


class TrustStoreBuilder:
    """Collects the entries of the next snapshot."""

    def __init__(self, base: TrustStore | None = None) -> None:
        """Start empty, or from everything that ``base`` has."""
        self._records: dict[tuple[int, bytes], Record] = {}
        self._sources: dict[Provenance, int] = {}
        self._known: dict[bytes, Certificate] = {}
        self.renewed = 0
        """Entries that a later list has named again."""
        if base is not None:
            for number in range(len(base)):
                record = base._file.record(number)
                source = self._source(base._provenance(record.source))
                self._records[record.kind, record.fingerprint] = Record(
                    record.kind,
                    record.country,
                    source,
                    record.name,
                    record.key_id,
                    record.fingerprint,
                    record.data,
                )

    def __len__(self) -> int:
        return len(self._records)

    def add(self, certificate: Certificate, kind: EntryKind, provenance: Provenance | None = None) -> bool:
        """Add a certificate; True where it is new."""
        self._known[certificate.fingerprint] = certificate
        signer = kind in (EntryKind.DOCUMENT_SIGNER, EntryKind.PINNED_SIGNER)
        name = _signer_key(certificate.issuer, certificate.serial_number) if signer else certificate.subject.key
        return self._add(
            kind,
            certificate.country or certificate.issuer.country,
            provenance or Provenance(),
            name,
            store_file.fold_key_id(certificate.subject_key_id),
            certificate.der,
        )

    def add_revocation_list(self, crl: RevocationList, provenance: Provenance | None = None) -> bool:
        """Add a CRL; True where it is new."""
        where = provenance or Provenance(method="crl")
        key_id = store_file.fold_key_id(crl.authority_key_id)
        return self._add(EntryKind.CRL, crl.issuer.country, where, _crl_key(crl.issuer), key_id, crl.der)

    def add_deviation_list(self, raw: bytes, country: str | None = None, provenance: Provenance | None = None) -> bool:
        """Add a deviation list or defect list as it was read; True where it is new.

        Raises:
            MalformedDataError: neither of the two.
        """
        from idverify.chip.pki.deviations import DeviationList

        country = country or DeviationList.parse(raw).country
        where = provenance or Provenance(method="deviation-list")
        return self._add(EntryKind.DEVIATION_LIST, country, where, _NO_NAME, bytes(20), raw)

    def remove(self, fingerprint: bytes) -> int:
        """Remove every entry with that SHA-256; returns how many there were."""
        found = [key for key in self._records if key[1] == fingerprint]
        for key in found:
            del self._records[key]
        return len(found)

    def build(self) -> TrustStore:
        """The snapshot, in memory."""
        return TrustStore(StoreFile(self._encode()), self._known)

    def write(self, path: Path) -> None:
        """Write the snapshot to a store file; the caller holds the lock.

        Raises:
            TrustStoreError: it cannot be written.
        """
        store_file.write(path, self._encode())

    def _encode(self) -> bytes:
        used = sorted({r.source for r in self._records.values()})
        provenances = {number: p for p, number in self._sources.items()}
        order = {old: new for new, old in enumerate(sorted(used, key=lambda n: str(provenances[n].to_dict())))}
        records = [
            Record(r.kind, r.country, order[r.source], r.name, r.key_id, r.fingerprint, r.data)
            for r in self._records.values()
        ]
        sources = [provenances[n].to_dict() for n in sorted(used, key=lambda n: order[n])]
        return store_file.build(records, sources)

    def _source(self, provenance: Provenance) -> int:
        return self._sources.setdefault(provenance, len(self._sources))

    def _add(
        self, kind: EntryKind, country: str | None, provenance: Provenance, name: bytes, key_id: bytes, data: bytes
    ) -> bool:
        fingerprint = hashlib.sha256(data).digest()
        source = self._source(provenance)
        known = self._records.get((kind, fingerprint))
        if known is not None:
            if self._renews(known.source, provenance):
                self._records[kind, fingerprint] = replace(known, source=source)
                self.renewed += 1
            return False
        self._records[kind, fingerprint] = Record(kind, _code(country), source, name, key_id, fingerprint, data)
        return True

    def _renews(self, source: int, newer: Provenance) -> bool:
        """Whether a later list of the same standing names an entry again: then that list says where it comes from.

        What comes from no dated list is renewed by being added again, on a later day.
        """
        known = next(p for p, number in self._sources.items() if number == source)
        listed = known.dated is not None or newer.dated is not None
        before, now = (time_of(p.dated if listed else p.added) for p in (known, newer))
        same = (known.method, known.anchor) == (newer.method, newer.anchor)
        return same and before is not None and now is not None and now > before


def store_location(path: Path) -> Path:
    """The file that a store at ``path`` has: ``path`` itself where it is or looks like a file, else inside it."""
    if path.is_dir() or (not path.exists() and not path.suffix):
        return path / store_file.FILE_NAME
    return path


def is_store(path: Path) -> bool:
    """Whether ``path`` is a store file or a directory that holds one."""
    try:
        with store_file.locate(path).open("rb") as file:
            return file.read(len(store_file.MAGIC)) == store_file.MAGIC
    except OSError:
        return False


def export(store: TrustStore, directory: str | Path) -> int:
    """Write every entry as a file of its own, with an ``index.json`` of what is known of each.

    Certificates become ``CC-kind-fingerprint.cer``, lists ``.crl`` and ``.dl``. What is written can be imported again;
    why an entry is trusted is then the operator's word.

    Returns:
        the number of entries.

    Raises:
        TrustStoreError: the directory cannot be written.
    """
    target = Path(directory)
    index = []
    try:
        target.mkdir(parents=True, exist_ok=True)
        for entry in store.entries():
            suffix = {EntryKind.CRL: "crl", EntryKind.DEVIATION_LIST: "dl"}.get(entry.kind, "cer")
            kind = entry.kind.name.lower().replace("_", "-")
            letters = "".join(c for c in entry.country or "" if c.isascii() and c.isalpha())  # a foreign text
            name = f"{letters or 'XX'}-{kind}-{entry.fingerprint.hex()[:32]}.{suffix}"
            (target / name).write_bytes(entry.data)
            index.append({"file": name, "kind": kind, "sha256": entry.fingerprint.hex(), **entry.provenance.to_dict()})
        listing = json.dumps({"id": store.id, "entries": index}, indent=1, ensure_ascii=False)
        (target / "index.json").write_text(listing + "\n", encoding="utf-8")
    except OSError as error:
        raise TrustStoreError(f"cannot export to {target.name}: {error.strerror}") from error
    return len(index)


def certificates_of(entries: Iterable[TrustEntry]) -> Sequence[Certificate]:
    """The certificates among these entries."""
    lists = (EntryKind.CRL, EntryKind.DEVIATION_LIST)
    return [Certificate.parse(e.data) for e in entries if e.kind not in lists]


def _code(country: str | None) -> bytes:
    return (country or "").upper().encode("ascii", "replace")[:2].ljust(2, b"\x00")


def _signer_key(issuer: Name, serial_number: int) -> bytes:
    return hashlib.sha256(b"signer" + issuer.key + str(serial_number).encode()).digest()[:16]


def _crl_key(issuer: Name) -> bytes:
    return hashlib.sha256(b"crl" + issuer.key).digest()[:16]
