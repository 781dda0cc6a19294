"""A whole issuing authority for tests: CSCA, document signer, link certificates, revocation lists, signed files.

Everything follows from a seed. Names depend on the country only, so that two authorities of different seeds have equal
names and different keys: a foreign CSCA that pretends to be the right one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from idverify._tlv import encode as tlv
from idverify.chip.lds.files import FileId
from idverify.emulator import _der, signed_data
from idverify.emulator._random import Seed, SeededRandom
from idverify.emulator.certificates import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    CertificateSpec,
    IssuedCertificate,
    Name,
    Scheme,
    StringType,
    Validity,
    build_certificate,
    build_crl,
    key_identifier,
)
from idverify.emulator.keys import SigningKey, make_signing_key
from idverify.oids import Bsi, Icao

CSCA_VALIDITY: Final = Validity(datetime(2021, 1, 1, tzinfo=UTC), datetime(2051, 1, 1, tzinfo=UTC))
"""Default validity of a test CSCA."""

DSC_VALIDITY: Final = Validity(datetime(2021, 1, 4, tzinfo=UTC), datetime(2046, 1, 4, tzinfo=UTC))
"""Default validity of a test document signer."""

_ALPHA3: Final = {"VN": "VNM", "DE": "D<<", "UT": "UTO", "NL": "NLD", "NZ": "NZL", "FR": "FRA"}


class TestPki:
    """An issuing authority for tests.

    Keys are made on first use and the same object always answers the same bytes.

    Args:
        seed: fixes keys and serial numbers.
        country: country code of the names, written as given (``VN``; ``vn`` and ``VNM`` are seen too).
        state: alpha-3 code for SubjectAltName; looked up for a few countries where empty.
        organisation: organisation in all names.
        csca_key, dsc_key: kinds of keys: a curve's name, ``rsa-3072`` or ``dsa-2048-256``, see
            :func:`~idverify.emulator.keys.make_signing_key`.
        hash_name: hash of all signatures and of the data groups.
        pss: RSA keys sign with RSASSA-PSS, else with PKCS #1 v1.5.
        explicit_parameters: spell out the curve in certificates, as many issuers do.
        csca_validity, dsc_validity: from when to when.
        strings: string type of names.
        csca_scheme, dsc_scheme: how the CSCA and the document signer sign, where the defaults do not do.
        flaws: fields of :class:`CertificateSpec` to write otherwise in every certificate (``true_byte=1`` …).
    """

    __test__ = False  # not a test, whatever its name says to pytest

    def __init__(
        self,
        seed: Seed = 0,
        *,
        country: str = "VN",
        state: str = "",
        organisation: str = "Emulated Issuing Authority",
        csca_key: str = "brainpoolP256r1",
        dsc_key: str = "brainpoolP256r1",
        hash_name: str = "sha256",
        pss: bool = False,
        explicit_parameters: bool = True,
        csca_validity: Validity = CSCA_VALIDITY,
        dsc_validity: Validity = DSC_VALIDITY,
        strings: StringType = "utf8",
        csca_scheme: Scheme | None = None,
        dsc_scheme: Scheme | None = None,
        flaws: Mapping[str, Any] | None = None,
    ) -> None:
        self.seed = seed
        self.country = country
        self.state = state or _ALPHA3.get(country.upper(), country.upper())
        self.organisation = organisation
        self.hash_name = hash_name
        self._keys = (csca_key, dsc_key)
        self._pss = pss
        self._explicit = explicit_parameters
        self._validities = (csca_validity, dsc_validity)
        self._strings: StringType = strings
        self._schemes = (csca_scheme, dsc_scheme)
        self._flaws = dict(flaws or {})

    @functools.cached_property
    def csca(self) -> IssuedCertificate:
        """The self-signed country signing certificate."""
        return self.issue_csca()

    @functools.cached_property
    def dsc(self) -> IssuedCertificate:
        """The document signer certificate under :attr:`csca`."""
        return self.issue_dsc()

    @property
    def trust_anchors(self) -> tuple[bytes, ...]:
        """The CSCA certificate, DER, for a trust store."""
        return (self.csca.der,)

    def csca_name(self, number: int = 1) -> Name:
        """The CSCA's name; the same for every seed."""
        suffix = "" if number == 1 else f" {number}"
        return Name(self.country, self.organisation, "Country Signing", f"Emulated CSCA{suffix}")

    def issue_csca(
        self,
        generation: int = 1,
        *,
        name: Name | None = None,
        key: SigningKey | None = None,
        validity: Validity | None = None,
        **changes: Any,
    ) -> IssuedCertificate:
        """A self-signed CSCA certificate (ICAO 9303-12 §7.1.1 table 2).

        Args:
            generation: 1 for the first; another number has another key.
            name: subject and issuer; that of :meth:`csca_name` where None.
            key: the key pair; one made from the seed where None.
            validity: from when to when.
            changes: fields of :class:`CertificateSpec` to write otherwise.
        """
        key = key or make_signing_key(self._keys[0], self.seed, "csca", str(generation))
        spec = self._csca_spec(name or self.csca_name(), "csca", generation, validity or self._validities[0], changes)
        if "authority_key_id" not in changes:
            spec = replace(spec, authority_key_id=key_identifier(key))
        return build_certificate(spec, key, signer=key, scheme=self._scheme(0, key))

    def issue_link(
        self, old: IssuedCertificate, new: IssuedCertificate, *, validity: Validity | None = None, **changes: Any
    ) -> IssuedCertificate:
        """A link certificate: the new CSCA's key and name, signed by the old one (ICAO 9303-12 §7.1.1)."""
        validity = validity or Validity(new.spec.validity.not_before, old.spec.validity.not_after)
        changes = {"issuer": old.spec.subject, "authority_key_id": old.key_id, **changes}
        spec = self._csca_spec(new.spec.subject, "link", new.serial, validity, changes)
        return build_certificate(spec, new.key, signer=old.key, scheme=self._scheme(0, old.key))

    def issue_dsc(
        self,
        number: int = 1,
        *,
        issuer: IssuedCertificate | None = None,
        key: SigningKey | None = None,
        validity: Validity | None = None,
        **changes: Any,
    ) -> IssuedCertificate:
        """A document signer certificate (ICAO 9303-12 §7.1.1 table 2).

        Args:
            number: 1 for the first; another number has another key.
            issuer: the CSCA; :attr:`csca` where None.
            key: the key pair; one made from the seed where None.
            validity: from when to when.
            changes: fields of :class:`CertificateSpec` to write otherwise.
        """
        issuer = issuer or self.csca
        key = key or make_signing_key(self._keys[1], self.seed, "dsc", str(number))
        fields: dict[str, Any] = {
            "subject": Name(self.country, self.organisation, "Document Signing", f"Emulated DS {number:05d}"),
            "issuer": issuer.spec.subject,
            "serial": self._serial("dsc", number),
            "validity": validity or self._validities[1],
            "key_usage": (DIGITAL_SIGNATURE,),
            "authority_key_id": issuer.key_id,
            "document_types": ("I", "ID", "P"),
            "locality": self.state,
            "crl_url": "http://crl.example/csca.crl",
            "explicit_parameters": self._explicit,
            "strings": self._strings,
            **self._flaws,
            **changes,
        }
        return build_certificate(CertificateSpec(**fields), key, signer=issuer.key, scheme=self._scheme(0, issuer.key))

    def expired_dsc(self, number: int = 1) -> IssuedCertificate:
        """A document signer whose certificate ended after 90 days, in 2021."""
        start = self._validities[1].not_before
        return self.issue_dsc(number, validity=Validity(start, start.replace(month=start.month + 3)))

    def crl(
        self,
        revoked: Iterable[int] = (),
        *,
        issuer: IssuedCertificate | None = None,
        this_update: datetime = datetime(2026, 1, 1, tzinfo=UTC),
        next_update: datetime | None = datetime(2036, 1, 1, tzinfo=UTC),
        revoked_at: datetime | None = None,
        number: int = 1,
        scheme: Scheme | None = None,
    ) -> bytes:
        """A revocation list of the CSCA, DER.

        Args:
            revoked: serial numbers.
            issuer: who signs; :attr:`csca` where None.
            this_update, next_update: when issued, and when the next is due; None leaves it out.
            revoked_at: the moment of every revocation; ``this_update`` where None.
            number: CRL number.
            scheme: how to sign, where the default does not do.
        """
        issuer = issuer or self.csca
        return build_crl(
            issuer=issuer,
            revoked=dict.fromkeys(revoked, revoked_at or this_update),
            this_update=this_update,
            next_update=next_update,
            number=number,
            scheme=scheme or self._scheme(0, issuer.key),
        )

    def sign(
        self,
        content_type: str,
        content: bytes,
        *,
        signer: IssuedCertificate | None = None,
        scheme: Scheme | None = None,
        digest_name: str | None = None,
        quirks: signed_data.CmsQuirks = signed_data.STANDARD,
    ) -> bytes:
        """A CMS SignedData over any content, signed by the document signer."""
        signer = signer or self.dsc
        scheme = scheme or self._scheme(1, signer.key)
        return signed_data.signed_data(
            content_type, content, signer=signer, scheme=scheme, digest_name=digest_name, quirks=quirks
        )

    def sod(
        self,
        files: Mapping[FileId, bytes] | Mapping[int, bytes],
        *,
        signer: IssuedCertificate | None = None,
        scheme: Scheme | None = None,
        hash_name: str | None = None,
        lds_version: tuple[str, str] | None = None,
        version: int | None = None,
        quirks: signed_data.CmsQuirks = signed_data.STANDARD,
    ) -> bytes:
        """EF.SOD over the data groups among ``files`` (ICAO 9303-10 §4.6.2).

        Args:
            files: data groups by :class:`FileId` or by number; other files are left out.
            signer: the document signer; :attr:`dsc` where None.
            scheme: how it signs.
            hash_name: hash of the data groups; the authority's where None.
            lds_version: (LDS version, Unicode version) such as ``("0108", "040000")`` for a version 1 object.
            version: version number of the security object to write instead.
            quirks: deviations of the SignedData.
        """
        groups: dict[int, bytes] = {}
        for name, data in files.items():
            number = name.number if isinstance(name, FileId) else name
            if number is not None:
                groups[number] = data
        content = signed_data.security_object(
            groups, hash_name=hash_name or self.hash_name, lds_version=lds_version, version=version
        )
        kind = signed_data.lds_content_type()
        return signed_data.ef_sod(self.sign(kind, content, signer=signer, scheme=scheme, quirks=quirks))

    def card_security(self, security_infos: bytes, *, signer: IssuedCertificate | None = None) -> bytes:
        """EF.CardSecurity: SecurityInfos signed (ICAO 9303-11 §9.2.10; BSI TR-03110-3 §A.1.2.5)."""
        return self.sign(str(Bsi.SECURITY_OBJECT), security_infos, signer=signer)

    def master_list(self, certificates: Sequence[bytes] | None = None) -> bytes:
        """A CSCA master list (ICAO 9303-12 §8), signed by a master list signer under the CSCA."""
        signer = self.issue_dsc(
            900, extended_key_usage=(str(Icao.CSCA_MASTER_LIST_SIGNING_KEY),), document_types=(), locality=""
        )
        members = tuple(certificates if certificates is not None else self.trust_anchors)
        content = _der.sequence(_der.integer(0), tlv(0x31, *sorted(members)))
        return signed_data.signed_data(
            str(Icao.CSCA_MASTER_LIST),
            content,
            signer=signer,
            scheme=self._scheme(1, signer.key),
            more_certificates=(self.csca.der,),
        )

    def impostor(self) -> TestPki:
        """An authority with every name of this one and other keys."""
        return self._copy(seed=f"impostor of {self.seed!r}")

    def _copy(self, seed: Seed) -> TestPki:
        return TestPki(
            seed,
            country=self.country,
            state=self.state,
            organisation=self.organisation,
            csca_key=self._keys[0],
            dsc_key=self._keys[1],
            hash_name=self.hash_name,
            pss=self._pss,
            explicit_parameters=self._explicit,
            csca_validity=self._validities[0],
            dsc_validity=self._validities[1],
            strings=self._strings,
            csca_scheme=self._schemes[0],
            dsc_scheme=self._schemes[1],
            flaws=self._flaws,
        )

    def _csca_spec(
        self, name: Name, role: str, generation: int, validity: Validity, changes: Mapping[str, Any]
    ) -> CertificateSpec:
        fields: dict[str, Any] = {
            "subject": name,
            "issuer": name,
            "serial": self._serial(role, generation),
            "validity": validity,
            "ca": True,
            "path_length": 0,
            "key_usage": (KEY_CERT_SIGN, CRL_SIGN),
            "locality": self.state,
            "explicit_parameters": self._explicit,
            "strings": self._strings,
            **self._flaws,
            **changes,
        }
        return CertificateSpec(**fields)

    def _scheme(self, role: int, key: SigningKey) -> Scheme:
        return self._schemes[role] or Scheme.for_key(key, self.hash_name, pss=self._pss)

    def _serial(self, role: str, number: int) -> int:
        return int.from_bytes(SeededRandom(self.seed, "serial", role, str(number))(8), "big") >> 1 | 1
