"""CMS SignedData: reading and verifying (RFC 5652 §5; ICAO 9303-10 §4.6.2.2, 9303-12 §8, §9).

Used by EF.SOD, EF.CardSecurity, master lists and deviation lists. What deviates from the profile of ICAO without
touching the signature is listed, so that a strict caller can refuse it and a lenient one can say so.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

from asn1crypto import core, x509

from idverify import _asn1, _tlv
from idverify.chip.pki.certificate import Certificate
from idverify.chip.pki.names import Name
from idverify.crypto import signature as sig
from idverify.crypto.signature import AlgorithmId, SignatureAlgorithm
from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import Cms
from idverify.report import CheckStatus, Reason

MAX_CERTIFICATES: Final = 64
MAX_SIGNERS: Final = 8
_MAX_NAMED: Final = 4
"""Certificates that are tried for one signer: its identifier should name one."""


class Deviation(enum.StrEnum):
    """Departures from the profile that leave the signature verifiable."""

    VERSION = "cms-version"
    TRAILING_BYTES = "trailing-bytes"
    NO_SIGNED_ATTRIBUTES = "no-signed-attributes"
    ATTRIBUTES_NOT_DER = "attributes-not-der"
    CERTIFICATE_UNREADABLE = "certificate-unreadable"
    CERTIFICATE_NOT_INCLUDED = "certificate-not-included"
    SEVERAL_SIGNERS = "several-signers"
    SIGNER_VERSION = "signer-version"
    DIGEST_NOT_LISTED = "digest-not-listed"
    VERSION_INFO = "lds-version-info"


NOT_STRICT: Final = frozenset({Deviation.VERSION, Deviation.TRAILING_BYTES})
"""What a strict reader refuses although the signature verifies."""

NOT_EXACT: Final = NOT_STRICT | {Deviation.SIGNER_VERSION, Deviation.DIGEST_NOT_LISTED, Deviation.VERSION_INFO}
"""What a reader that asks for ICAO's exact profile refuses besides: issuers in the field get these wrong."""


class _AnySet(core.SetOf):  # type: ignore[misc]
    _child_spec = core.Any


class _Content(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012 - asn1crypto's way
        ("type", core.ObjectIdentifier),
        ("content", core.OctetString, {"explicit": 0, "optional": True}),
    ]


class _Attribute(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("values", _AnySet)]  # noqa: RUF012


class _Attributes(core.SetOf):  # type: ignore[misc]
    _child_spec = _Attribute


class _SignerInfo(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("signer", core.Any),
        ("digest", AlgorithmId),
        ("attributes", _Attributes, {"implicit": 0, "optional": True}),
        ("algorithm", AlgorithmId),
        ("signature", core.OctetString),
        ("unsigned", _AnySet, {"implicit": 1, "optional": True}),
    ]


class _SignerInfos(core.SetOf):  # type: ignore[misc]
    _child_spec = _SignerInfo


class _SignedData(core.Sequence):  # type: ignore[misc]
    _fields = [  # noqa: RUF012
        ("version", core.Integer),
        ("digests", _AnySet),
        ("content", _Content),
        ("certificates", _AnySet, {"implicit": 0, "optional": True}),
        ("crls", _AnySet, {"implicit": 1, "optional": True}),
        ("signers", _SignerInfos),
    ]


class _ContentInfo(core.Sequence):  # type: ignore[misc]
    _fields = [("type", core.ObjectIdentifier), ("content", core.Any, {"explicit": 0})]  # noqa: RUF012


class _IssuerAndSerial(core.Sequence):  # type: ignore[misc]
    _fields = [("issuer", core.Any), ("serial", core.Integer)]  # noqa: RUF012


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """One signer of a SignedData (RFC 5652 §5.3).

    Attributes:
        issuer, serial_number: issuer name and serial number of the signer's certificate, or None.
        key_id: its subject key identifier, or None.
        digest: name of the message digest (``sha256``), or None where it is unknown.
        algorithm: the AlgorithmIdentifier of the signature, as read.
        signature: the signature value.
        attributes: the contents of the signed attributes as read, or None where there are none.
        values: attribute type to the encodings of its values.
    """

    issuer: Name | None
    serial_number: int | None
    key_id: bytes | None
    digest: str | None
    algorithm: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    attributes: bytes | None = field(repr=False)
    values: dict[str, tuple[bytes, ...]] = field(repr=False)

    def names(self, certificate: Certificate) -> bool:
        """Whether this signer's identifier is that of ``certificate``."""
        if self.issuer is not None:
            return certificate.serial_number == self.serial_number and certificate.issuer.matches(self.issuer)
        if certificate.subject_key_id is not None:
            return certificate.subject_key_id == self.key_id
        return certificate.public_key_bits_sha1 == self.key_id

    @property
    def signing_time(self) -> datetime | None:
        """The signer's own word for the time of signing (RFC 5652 §11.3), or None."""
        values = self.values.get(Cms.SIGNING_TIME, ())
        if len(values) != 1:
            return None
        try:
            moment = _asn1.native(_asn1.load(x509.Time, values[0], what="signing time"), what="signing time")
        except MalformedDataError:
            return None
        if not isinstance(moment, datetime):
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the verification of a signature came out.

    Attributes:
        status: SUCCESSFUL, FAILED, or NOT_SUPPORTED for an algorithm that is not known here.
        reason: why.
        signer: the signer's certificate where it was found. It is not yet trusted.
        algorithm: the signature algorithm in words.
        weak: whether hash or key are weak.
        signing_time: see :attr:`SignerInfo.signing_time`.
        deviations: departures from the profile.
    """

    status: CheckStatus
    reason: Reason = Reason.OK
    signer: Certificate | None = None
    algorithm: str | None = None
    weak: bool = False
    signing_time: datetime | None = None
    deviations: tuple[Deviation, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the signature verifies."""
        return self.status is CheckStatus.SUCCESSFUL


@dataclass(frozen=True, slots=True)
class SignedData:
    """A SignedData structure.

    Attributes:
        version: CMS version; ICAO's profile asks for 3.
        content_type: dotted eContentType.
        content: eContent.
        certificates: the certificates inside that can be read, in order.
        crls: encodings of the CRLs inside.
        signers: the signers.
        deviations: departures from the profile.
    """

    version: int
    content_type: str
    content: bytes = field(repr=False)
    certificates: tuple[Certificate, ...]
    crls: tuple[bytes, ...] = field(repr=False)
    signers: tuple[SignerInfo, ...]
    deviations: tuple[Deviation, ...] = ()

    @classmethod
    def parse(cls, raw: bytes, *, what: str = "CMS SignedData", allow_trailing: bool = False) -> Self:
        """Read a ContentInfo that holds a SignedData; verifies nothing.

        Args:
            raw: BER or DER.
            what: name for messages.
            allow_trailing: list bytes behind the structure as a deviation instead of refusing them.

        Raises:
            MalformedDataError: another structure, or more certificates or signers than the caps allow.
        """
        deviations: list[Deviation] = []
        outer = _asn1.load(_ContentInfo, raw, what=what, allow_trailing=allow_trailing)
        with _asn1.guard(what):
            if outer["type"].dotted != Cms.SIGNED_DATA:
                raise MalformedDataError(f"{what}: the content type is not id-signedData")
            if allow_trailing and _asn1.scan(raw, what=what, allow_trailing=True) != len(raw):
                deviations.append(Deviation.TRAILING_BYTES)
            value = outer["content"].parse(_SignedData)
            version = int(value["version"].native)
            if version != 3:
                deviations.append(Deviation.VERSION)
            content = value["content"]["content"].native
            if not isinstance(content, bytes):
                raise MalformedDataError(f"{what}: there is no content")
            content_type: str = value["content"]["type"].dotted
            certificates = []
            for item in _members(value["certificates"], MAX_CERTIFICATES, what):
                if item[:1] == b"\x30":
                    try:
                        certificates.append(Certificate.parse(item))
                    except MalformedDataError:
                        deviations.append(Deviation.CERTIFICATE_UNREADABLE)
            crls = tuple(_members(value["crls"], MAX_CERTIFICATES, what))
            if len(value["signers"]) > MAX_SIGNERS:
                raise MalformedDataError(f"{what}: more than {MAX_SIGNERS} signers")
            signers = tuple(_signer(item, what) for item in value["signers"])
            deviations += _signer_deviations(value, what)
        if len(signers) > 1:
            deviations.append(Deviation.SEVERAL_SIGNERS)
        return cls(version, content_type, content, tuple(certificates), crls, signers, tuple(deviations))

    def verify(self, content_types: Collection[str], *, extra: Iterable[Certificate] = ()) -> Verdict:
        """The first signer that verifies, or how the first one failed (RFC 5652 §5.4 and §5.6).

        Args:
            content_types: the eContentTypes that are meant here.
            extra: certificates from elsewhere, for a signer whose certificate is not included.

        Returns:
            the verdict; it says nothing about whether the signer is trusted.
        """
        verdicts = self.verdicts(content_types, extra=extra)
        return next((v for v in verdicts if v.ok), verdicts[0])

    def verdicts(self, content_types: Collection[str], *, extra: Iterable[Certificate] = ()) -> tuple[Verdict, ...]:
        """One verdict a signer, in their order; one failed verdict where there is no signer or another content.

        Args:
            content_types, extra: see :meth:`verify`.
        """
        if self.content_type not in content_types:
            return (Verdict(CheckStatus.FAILED, Reason.CONTENT_TYPE, deviations=self.deviations),)
        if not self.signers:
            return (Verdict(CheckStatus.FAILED, Reason.SIGNER_NOT_FOUND, deviations=self.deviations),)
        found = [self._verify(signer, tuple(extra)) for signer in self.signers]
        return tuple(replace(v, deviations=(*self.deviations, *v.deviations)) for v in found)

    def _verify(self, signer: SignerInfo, extra: tuple[Certificate, ...]) -> Verdict:
        deviations: list[Deviation] = []
        try:
            found = [c for c in self.certificates if signer.names(c)]
            if not found:
                found = [c for c in extra if signer.names(c)]
                deviations.append(Deviation.CERTIFICATE_NOT_INCLUDED)
        except MalformedDataError:
            found = []
        if not found:
            return Verdict(CheckStatus.FAILED, Reason.SIGNER_NOT_FOUND)
        verdicts = [self._verify_under(signer, certificate) for certificate in found[:_MAX_NAMED]]
        best = next((v for v in verdicts if v.ok), verdicts[0])
        return replace(best, deviations=(*deviations, *best.deviations)) if best.ok else best

    def _verify_under(self, signer: SignerInfo, certificate: Certificate) -> Verdict:
        deviations: list[Deviation] = []
        verdict = Verdict(CheckStatus.FAILED, Reason.SIGNATURE_INVALID, certificate, signing_time=signer.signing_time)
        try:
            algorithm = SignatureAlgorithm.parse(signer.algorithm, hint=signer.digest)
            key = certificate.public_key
            verdict = replace(verdict, algorithm=f"{algorithm}, {key}", weak=_weak(signer, algorithm, key))
            messages = self._messages(signer, deviations)
            if messages is None:
                return replace(verdict, reason=Reason.DIGEST_MISMATCH)
            for number, message in enumerate(messages):
                if sig.verify(key, algorithm, signer.signature, message):
                    if number:
                        deviations.append(Deviation.ATTRIBUTES_NOT_DER)
                    return replace(
                        verdict, status=CheckStatus.SUCCESSFUL, reason=Reason.OK, deviations=tuple(deviations)
                    )
        except UnsupportedAlgorithmError:
            return replace(verdict, status=CheckStatus.NOT_SUPPORTED, reason=Reason.ALGORITHM_UNSUPPORTED)
        except IdVerifyError:
            return replace(verdict, reason=Reason.CERTIFICATE_MALFORMED)
        return verdict

    def _messages(self, signer: SignerInfo, deviations: list[Deviation]) -> tuple[bytes, ...] | None:
        """What the signature may be over; None where the attributes do not vouch for the content (RFC 5652 §5.4)."""
        if signer.attributes is None:
            # RFC 5652 §5.3 asks for attributes with this content type; the signature is then over the content itself
            deviations.append(Deviation.NO_SIGNED_ATTRIBUTES)
            return (self.content,)
        if signer.digest is None:
            raise UnsupportedAlgorithmError("the message digest algorithm is not known")
        types = signer.values.get(Cms.CONTENT_TYPE, ())
        digests = signer.values.get(Cms.MESSAGE_DIGEST, ())
        if len(types) != 1 or len(digests) != 1:  # §11.1 and §11.2: exactly one value each
            return None
        try:
            named = _asn1.load(core.ObjectIdentifier, types[0], what="content type attribute")
            with _asn1.guard("content type attribute"):
                same_type = named.dotted == self.content_type
            hashed = _asn1.native(
                _asn1.load(core.OctetString, digests[0], what="message digest"), what="message digest"
            )
        except MalformedDataError:
            return None
        if not same_type or hashed != sig.digest(signer.digest, self.content):
            return None
        # §5.4: the encoding as SET OF, not with its implicit tag. As stored first; then in DER order.
        stored = _tlv.encode(0x31, signer.attributes)
        try:
            members = sorted(t.raw for t in _tlv.iter_tlv(signer.attributes, what="signed attributes"))
        except MalformedDataError:
            return (stored,)
        ordered = _tlv.encode(0x31, *members)
        return (stored,) if ordered == stored else (stored, ordered)


def _weak(signer: SignerInfo, algorithm: SignatureAlgorithm, key: sig.PublicKey) -> bool:
    return algorithm.weak or key.weak or (signer.attributes is not None and signer.digest in sig.WEAK_HASHES)


def _signer_deviations(value: Any, what: str) -> list[Deviation]:
    """RFC 5652 §5.3: a signer's version follows from its identifier; §5.1: its digest is among those listed."""
    found = []
    listed = {
        _asn1.load(AlgorithmId, d, what=what).split(what)[0] for d in _members(value["digests"], MAX_SIGNERS, what)
    }
    for item in value["signers"]:
        by_name = _asn1.raw(item["signer"], what=what)[:1] == b"\x30"
        if int(item["version"].native) != (1 if by_name else 3):
            found.append(Deviation.SIGNER_VERSION)
        if item["digest"].split(what)[0] not in listed:
            found.append(Deviation.DIGEST_NOT_LISTED)
    return list(dict.fromkeys(found))


def _members(value: Any, limit: int, what: str) -> list[bytes]:
    if not _asn1.present(value):
        return []
    if len(value) > limit:
        raise MalformedDataError(f"{what}: more than {limit} certificates or lists")
    return [_asn1.raw(item, what=what) for item in value]


def _signer(value: Any, what: str) -> SignerInfo:
    identifier = _asn1.raw(value["signer"], what=what)
    issuer = serial = key_id = None
    if identifier[:1] == b"\x30":
        pair = _asn1.load(_IssuerAndSerial, identifier, what=what)
        issuer, serial = Name.parse(_asn1.raw(pair["issuer"], what=what)), int(pair["serial"].native)
    elif identifier[:1] in (b"\x80", b"\xa0"):  # [0] IMPLICIT SubjectKeyIdentifier
        inner = _tlv.read_tlv(identifier, what=what)
        key_id = inner.value if inner.tag == 0x80 else _tlv.read_tlv(inner.value, what=what).value
    else:
        raise MalformedDataError(f"{what}: a signer identifier of another kind")
    try:
        digest: str | None = sig.hash_name(value["digest"].split(what)[0])
    except UnsupportedAlgorithmError:
        digest = None
    attributes: bytes | None = None
    values: dict[str, tuple[bytes, ...]] = {}
    if _asn1.present(value["attributes"]):
        attributes = bytes(value["attributes"].contents)
        for attribute in value["attributes"]:
            oid = attribute["type"].dotted
            # an attribute that occurs twice has too many values for everyone who asks for exactly one
            values[oid] = (*values.get(oid, ()), *(_asn1.raw(v, what=what) for v in attribute["values"]))
    return SignerInfo(
        issuer,
        serial,
        key_id,
        digest,
        _asn1.raw(value["algorithm"], what=what),
        bytes(value["signature"].native),
        attributes,
        values,
    )
