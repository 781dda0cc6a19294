"""Bringing certificates and lists into a trust store (ICAO 9303-12 §6 to §9).

Formats are told by content. A bad entry is reported and left out; it never spoils its list. A master list is taken
when its signature verifies and its signer leads to a root that the caller named, to the store as it was, or, where no
root was named, to an entry of the list itself; anything else needs ``allow_unverified``.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from idverify.chip.pki import ldif
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.cms import SignedData, Verdict
from idverify.chip.pki.crl import RevocationList
from idverify.chip.pki.deviations import DeviationList
from idverify.chip.pki.import_result import MAX_FILE_BYTES, MAX_FILES, ImportResult, Problem, ProblemReason
from idverify.chip.pki.master_list import MasterList
from idverify.chip.pki.path import Purpose, build_path, may_issue
from idverify.chip.pki.trust_store import (
    Anchor,
    EntryKind,
    Provenance,
    TrustStore,
    TrustStoreBuilder,
    is_store,
)
from idverify.errors import IdVerifyError, MalformedDataError, TrustStoreError, UnsupportedAlgorithmError
from idverify.oids import Bsi, Icao

__all__ = ["MAX_FILES", "MAX_FILE_BYTES", "ImportResult", "Importer", "Problem", "ProblemReason", "update"]

_PEM: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----\s*([A-Za-z0-9+/=\s]*?)-----END \1-----")
_SIGNED_DATA: Final = bytes.fromhex("06092a864886f70d010702")


@dataclass
class _Counts:
    parsed: int = 0
    rejected: int = 0
    added: int = 0
    lists: int = 0
    crls: int = 0
    refused: bool = False
    self_vouched: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class Importer:
    """Collects one import. Not thread-safe.

    Attributes:
        builder: the store that comes out, with everything that ``base`` had.
    """

    def __init__(
        self,
        base: TrustStore | None = None,
        *,
        roots: Iterable[Certificate] = (),
        allow_unverified: bool = False,
        at: datetime | None = None,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> None:
        """Prepare an import.

        Args:
            base: the store to add to.
            roots: certificates under which the signers of lists must have been issued.
            allow_unverified: take unsigned and foreign-signed lists.
            at: time of the import, for the provenance.
            on_progress: called with a file's name, entries done and entries in all.
        """
        self.builder: Final = TrustStoreBuilder(base)
        self._base = base
        self._roots = tuple(roots)
        self._allow = allow_unverified
        self._added = at.isoformat() if at else None
        self._progress = on_progress
        self._counts = _Counts()
        self._certificates: dict[Certificate, EntryKind] = {}
        self._seen: Counter[Certificate] = Counter()
        self._usable: set[Certificate] = set()
        self._by_operator: set[Certificate] = set()
        self._lists: list[tuple[MasterList | DeviationList, bytes, str, bool]] = []
        self._named = False

    # ---- what can be added ---------------------------------------------------------------------------------------

    def add_path(self, path: str | Path, *, pin_signers: bool | None = None) -> None:
        """Add a file, everything under a directory, or another store.

        Args:
            path: what to add.
            pin_signers: trust certificates that are no CA as document signers; None: only where the file was named
                by itself.
        """
        path = Path(path)
        if is_store(path):
            self._add_store(path)
        elif path.is_dir():
            self._add_directory(path, pin_signers=bool(pin_signers))
        else:
            self._named = True
            known = self._add_file(path, pin_signers=pin_signers is not False)
            self._named = False
            self._counts.refused |= not known

    def add_bytes(self, data: bytes, name: str, *, pin_signers: bool = False) -> bool:
        """Add the content of a file; False where it holds nothing that can be used."""
        if ldif.looks_like(data):
            return self._add_ldif(data, name)
        if b"-----BEGIN " in data[:65536]:
            return self._add_pem(data, name, pin_signers)
        return self._add_der(data, name, pin_signers)

    def result(self) -> ImportResult:
        """Take the lists, check every certificate of this import against the store that comes out, and sum up."""
        lists, self._lists = self._lists, []
        # after the single certificates, on which a master list may hang, and those before the deviation lists
        for item, data, name, named in sorted(lists, key=lambda entry: isinstance(entry[0], DeviationList)):
            if isinstance(item, MasterList):
                taken = self._add_master_list(item, name)
            else:
                taken = self._add_deviation_list(item, data, name)
            self._counts.refused |= named and not taken
        problems = list(self._counts.problems)
        store = self.builder.build()
        usable = verified = 0
        for number, (certificate, kind) in enumerate(self._certificates.items()):
            self._report("verifying", number, len(self._certificates))
            if certificate not in self._usable:
                continue
            usable += self._seen[certificate]
            reason = _unverified(certificate, store)
            if reason is None:
                verified += self._seen[certificate]
            elif kind is not EntryKind.PINNED_SIGNER:
                problems.append(Problem(certificate.label, reason))
        codes = sorted({c.country for c in self._certificates if c.country})
        counts = self._counts
        return ImportResult(
            parsed=counts.parsed,
            usable=usable,
            verified=verified,
            rejected=counts.rejected,
            added=counts.added,
            country_codes=tuple(codes),
            lists=counts.lists,
            crls=counts.crls,
            problems=tuple(problems),
            refused=counts.refused,
            self_vouched=tuple(counts.self_vouched),
        )

    # ---- inside --------------------------------------------------------------------------------------------------

    def _problem(self, subject: str, reason: ProblemReason, *, rejected: int = 0) -> None:
        self._counts.problems.append(Problem(subject, reason))
        self._counts.rejected += rejected

    def _report(self, name: str, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(name, done, total)

    def _provenance(self, name: str, method: str, anchor: Anchor = Anchor.OPERATOR) -> Provenance:
        return Provenance(name, method, anchor, added=self._added)

    def _add_store(self, path: Path) -> None:
        try:
            for entry in TrustStore.open(path).entries():
                if entry.kind is EntryKind.CRL:
                    self._counts.added += self.builder.add_revocation_list(
                        RevocationList.parse(entry.data), entry.provenance
                    )
                elif entry.kind is EntryKind.DEVIATION_LIST:
                    self._counts.added += self.builder.add_deviation_list(entry.data, entry.country, entry.provenance)
                else:
                    self._add_certificate(entry.data, path.name, entry.kind, entry.provenance)
        except IdVerifyError:
            self._problem(path.name, ProblemReason.UNREADABLE)
            self._counts.refused = True

    def _add_directory(self, path: Path, *, pin_signers: bool) -> None:
        found = 0
        for number, file in enumerate(sorted(p for p in path.rglob("*") if p.is_file())):
            if number >= MAX_FILES:
                self._problem(path.name, ProblemReason.TOO_LARGE)
                break
            if not file.name.startswith(".") and file.suffix != ".json":
                found += self._add_file(file, pin_signers=pin_signers)
        if not found:
            self._problem(path.name, ProblemReason.UNKNOWN_FORMAT)
            self._counts.refused = True

    def _add_file(self, path: Path, *, pin_signers: bool) -> bool:
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                self._problem(path.name, ProblemReason.TOO_LARGE, rejected=1)
                return False
            data = path.read_bytes()
        except OSError:
            self._problem(path.name, ProblemReason.UNREADABLE, rejected=1)
            return False
        return self.add_bytes(data, path.name, pin_signers=pin_signers)

    def _add_pem(self, data: bytes, name: str, pin_signers: bool) -> bool:
        known = False
        for block in _PEM.finditer(data):
            if block.group(1).endswith(b"PRIVATE KEY"):
                continue
            try:
                known |= self._add_der(base64.b64decode(block.group(2)), name, pin_signers)
            except (binascii.Error, ValueError):
                self._problem(name, ProblemReason.MALFORMED, rejected=1)
        if not known:
            self._problem(name, ProblemReason.UNKNOWN_FORMAT)
        return known

    def _add_der(self, data: bytes, name: str, pin_signers: bool) -> bool:
        if data[:1] != b"\x30":
            self._problem(name, ProblemReason.UNKNOWN_FORMAT, rejected=1)
            return False
        if _SIGNED_DATA in data[:32]:
            return self._add_cms(data, name)
        try:
            certificate = Certificate.parse(data)
        except MalformedDataError:
            return self._add_crl(data, name)
        kind = EntryKind.CSCA if may_issue(certificate) else EntryKind.DOCUMENT_SIGNER
        if kind is EntryKind.DOCUMENT_SIGNER and pin_signers:
            kind = EntryKind.PINNED_SIGNER
        return self._add_certificate(certificate, name, kind, self._provenance(name, "certificate"))

    def _add_certificate(self, data: bytes | Certificate, name: str, kind: EntryKind, provenance: Provenance) -> bool:
        try:
            certificate = data if isinstance(data, Certificate) else Certificate.parse(data)
        except MalformedDataError:
            self._problem(name, ProblemReason.MALFORMED, rejected=1)
            return False
        self._counts.parsed += 1
        self._seen[certificate] += 1
        if certificate in self._certificates:
            return True
        self._certificates[certificate] = kind
        try:
            _ = certificate.public_key, certificate.signature_algorithm
        except UnsupportedAlgorithmError:
            self._problem(certificate.label, ProblemReason.ALGORITHM_UNSUPPORTED, rejected=1)
            return False
        except MalformedDataError:
            self._problem(certificate.label, ProblemReason.MALFORMED, rejected=1)
            return False
        if kind is EntryKind.CSCA and not may_issue(certificate):
            self._problem(certificate.label, ProblemReason.NOT_A_CA)
        self._usable.add(certificate)
        if provenance.anchor is Anchor.OPERATOR:
            self._by_operator.add(certificate)
        self._counts.added += self.builder.add(certificate, kind, provenance)
        return True

    def _add_crl(self, data: bytes, name: str) -> bool:
        try:
            crl = RevocationList.parse(data)
        except MalformedDataError:
            self._problem(name, ProblemReason.MALFORMED, rejected=1)
            return False
        self._counts.crls += 1
        self._counts.added += self.builder.add_revocation_list(crl, self._provenance(name, "crl"))
        return True

    def _add_ldif(self, data: bytes, name: str) -> bool:
        found = 0
        try:
            for entry in ldif.parse(data):
                where = f"{name} line {entry.line}"
                for _ in entry.damaged:
                    self._problem(where, ProblemReason.MALFORMED, rejected=1)
                found += sum(self._add_ldif_value(key, value, where, name) for key, value in entry.values)
        except MalformedDataError:
            self._problem(name, ProblemReason.MALFORMED)
        if not found:
            self._problem(name, ProblemReason.UNKNOWN_FORMAT)
        return found > 0

    def _add_ldif_value(self, key: str, value: bytes, where: str, name: str) -> bool:
        """One attribute of the directory's schema (ICAO 9303-12 §6.2)."""
        if key in ("usercertificate", "cacertificate"):
            try:
                certificate = Certificate.parse(value)
            except MalformedDataError:
                self._problem(where, ProblemReason.MALFORMED, rejected=1)
                return False
            # a directory is no list that a state vouches for: its CAs help to build paths, and no more
            trusted = self._allow and may_issue(certificate)
            helper = EntryKind.INTERMEDIATE if may_issue(certificate) else EntryKind.DOCUMENT_SIGNER
            kind = EntryKind.CSCA if trusted else helper
            anchor = Anchor.UNVERIFIED if trusted else Anchor.OPERATOR
            return self._add_certificate(certificate, where, kind, self._provenance(name, "ldif", anchor))
        if key == "certificaterevocationlist":
            return self._add_crl(value, where)
        if key in ("pkdmasterlistcontent", "cscamasterlistdata", "deviationlist", "pkddeviationlist"):
            return self._add_cms(value, where)
        return False

    def _add_cms(self, data: bytes, name: str) -> bool:
        try:
            signed = SignedData.parse(data, what=name, allow_trailing=True)
            if signed.content_type == Icao.CSCA_MASTER_LIST:
                self._lists.append((MasterList.from_signed(signed), data, name, self._named))
                return True
            if signed.content_type in (Icao.DEVIATION_LIST, Bsi.DEFECT_LIST):
                self._lists.append((DeviationList.from_signed(signed), data, name, self._named))
                return True
        except MalformedDataError:
            self._problem(name, ProblemReason.MALFORMED, rejected=1)
            return False
        self._problem(name, ProblemReason.UNKNOWN_FORMAT, rejected=1)
        return False

    def _add_deviation_list(self, item: DeviationList, data: bytes, name: str) -> bool:
        purpose = Purpose.DEFECT_LIST if item.content_type == Bsi.DEFECT_LIST else Purpose.DEVIATION_LIST
        anchor = self._vouched(item.verdict, item.signed, purpose)
        if anchor is None and not self._allow:
            ok = item.verdict.ok
            reason = ProblemReason.LIST_SIGNER_NOT_TRUSTED if ok else ProblemReason.LIST_SIGNATURE_INVALID
            self._problem(name, reason, rejected=1)
            return False
        if item.unreadable:
            self._problem(name, ProblemReason.MALFORMED, rejected=item.unreadable)
        signer, time = item.verdict.signer, item.verdict.signing_time
        provenance = Provenance(
            name,
            "deviation-list",
            anchor or Anchor.UNVERIFIED,
            signer.subject.text if signer else None,
            time.isoformat() if time else None,
            self._added,
        )
        self._counts.lists += 1
        self._counts.added += self.builder.add_deviation_list(data, item.country, provenance)
        return True

    def _add_master_list(self, master_list: MasterList, name: str) -> bool:
        total = len(master_list.entries)
        entries = list(_read_entries(master_list.entries))
        readable = [e for e in entries if isinstance(e, Certificate)]
        anchor = self._vouched(master_list.verdict, master_list.signed, Purpose.MASTER_LIST, readable)
        if anchor is None:
            reason = (
                ProblemReason.LIST_SIGNER_NOT_TRUSTED
                if master_list.verdict.ok
                else ProblemReason.LIST_SIGNATURE_INVALID
            )
            if not self._allow:
                self._problem(name, reason, rejected=total)
                return False
            self._problem(name, ProblemReason.LIST_NOT_VERIFIED)
            anchor = Anchor.UNVERIFIED
        if anchor is Anchor.LIST:
            self._counts.self_vouched.append(name)
        signer, time = master_list.verdict.signer, master_list.verdict.signing_time
        provenance = Provenance(
            name,
            "master-list",
            anchor,
            signer.subject.text if signer else None,
            time.isoformat() if time else None,
            self._added,
        )
        self._counts.lists += 1
        for number, entry in enumerate(entries, 1):
            self._add_certificate(entry, f"{name} entry {number}", EntryKind.CSCA, provenance)
            self._report(name, number, total)
        return True

    def _vouched(
        self, verdict: Verdict, signed: SignedData, purpose: Purpose, entries: Iterable[Certificate] = ()
    ) -> Anchor | None:
        """Who vouches for a signed list; None where nobody does."""
        if not verdict.ok or verdict.signer is None:
            return None
        signer = verdict.signer
        if purpose is not Purpose.MASTER_LIST:  # such a list makes nobody trusted: whatever is trusted by now will do
            current = self.builder.build()
            found = build_path(signer, current, extra=signed.certificates, purpose=purpose)
            return Anchor.STORE if found.ok else None
        taken = [c for c, kind in self._certificates.items() if kind is EntryKind.CSCA and c in self._usable]
        named = [c for c in taken if c in self._by_operator]
        sources = (
            (Anchor.ROOT, TrustStore.from_certificates(self._roots) if self._roots else None),
            (Anchor.STORE, self._base),
            (Anchor.OPERATOR, None if self._roots else TrustStore.from_certificates(named)),
            (Anchor.STORE, None if self._roots else TrustStore.from_certificates(taken)),  # by lists before this one
        )
        for anchor, trust in sources:
            if trust and build_path(signer, trust, extra=signed.certificates, purpose=purpose).ok:
                return anchor
        if self._roots or self._base:
            return None
        key_id = signer.authority_key_id.key_id if signer.authority_key_id else None
        likely = [
            c
            for c in entries
            if c.subject.matches(signer.issuer) or (key_id is not None and c.subject_key_id == key_id)
        ]
        if likely and build_path(signer, TrustStore.from_certificates(likely), purpose=purpose).ok:
            return Anchor.LIST
        return None


def update(
    path: str | Path,
    sources: Iterable[str | Path],
    *,
    roots: Iterable[Certificate] = (),
    allow_unverified: bool = False,
    pin_signers: bool | None = None,
    at: datetime | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
    report_refusal: bool = False,
) -> ImportResult:
    """Add ``sources`` to the store at ``path`` (made where there is none): whole or not at all.

    ``pin_signers`` is that of :meth:`Importer.add_path`, the other arguments but the last those of :class:`Importer`.

    Args:
        report_refusal: where nothing could be used for a new store, return the result, which says ``stored=False`` and
            why, instead of raising.

    Raises:
        TrustStoreError: the store cannot be read or written, or nothing could be used for a new one.
    """
    from idverify.chip.pki import store_file
    from idverify.chip.pki.trust_store import store_location

    target = store_location(Path(path))
    with store_file.locked(target):
        base = TrustStore.open(target) if target.exists() else None
        importer = Importer(base, roots=roots, allow_unverified=allow_unverified, at=at, on_progress=on_progress)
        for source in sources:
            importer.add_path(source, pin_signers=pin_signers)
        result = importer.result()
        if result.added or importer.builder.renewed:
            importer.builder.write(target)
        elif base is None:
            if not report_refusal:
                why = f" ({result.problems[0]})" if result.problems else ""
                raise TrustStoreError(f"nothing that could be imported{why}; the store was not made")
            return replace(result, stored=False, refused=True)
    return result


def _read_entries(entries: Iterable[bytes]) -> Iterator[Certificate | bytes]:
    """Each entry as a certificate, or as it is where it is none."""
    for data in entries:
        try:
            yield Certificate.parse(data)
        except MalformedDataError:
            yield data


def _unverified(certificate: Certificate, store: TrustStore) -> ProblemReason | None:
    """Why the certificate's signature cannot be confirmed; None where it verifies."""
    key_id = certificate.authority_key_id.key_id if certificate.authority_key_id else None
    looks_self_signed = certificate.names_itself and key_id in (None, certificate.subject_key_id)
    if looks_self_signed and certificate.self_signed:
        return None
    expected = looks_self_signed
    for candidate in store.likely(certificate.issuer, key_id):
        try:
            if certificate.verify(candidate.certificate.public_key):
                return None
        except IdVerifyError:
            continue
        expected |= key_id is not None and candidate.certificate.subject_key_id == key_id
    if not looks_self_signed and certificate.self_signed:
        return None
    return ProblemReason.SIGNATURE_INVALID if expected else ProblemReason.ISSUER_NOT_IN_STORE
