"""CMS SignedData as document signers write it (RFC 5652 §5; ICAO 9303-10 §4.6.2), with the deviations of the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from idverify._tlv import encode as tlv
from idverify.emulator import _der
from idverify.emulator.certificates import IssuedCertificate, Scheme, StringType, hash_algorithm
from idverify.emulator.keys import digest
from idverify.errors import ConfigurationError
from idverify.oids import Cms, Icao, Signature

_ROUNDS: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class CmsQuirks:
    """How a SignedData deviates from the usual.

    Attributes:
        indefinite_length: constructed elements of indefinite length (BER), as New Zealand writes them.
        attributes_order: ``der`` sorts the signed attributes; ``reversed`` stores and signs them in the other order.
        content_type: eContentType and content-type attribute to write instead, e.g. id-data.
        attribute_content_type: content-type attribute alone, where it is to disagree with eContentType.
        issuer_strings: string type of the issuer in the signer identifier; the certificate's own where None.
        signer_by_key_id: name the signer by its subject key identifier, not by issuer and serial number.
        plain_rsa: say rsaEncryption as signature algorithm; the hash is then in digestAlgorithm only.
        digest_null: write NULL after the digest algorithms.
        certificates: put the signer's certificate in.
        signed_attributes: sign attributes; False signs the content itself.
        leading_zero: choose the signing time so that an RSA signature begins with a zero byte.
        strip_leading_zero: leave that zero byte away.
        signing_time: write this signing time, or none.
        version: SignedData version; 3 where None.
        more_certificates: further certificates to put in.
    """

    indefinite_length: bool = False
    attributes_order: Literal["der", "reversed"] = "der"
    content_type: str | None = None
    attribute_content_type: str | None = None
    issuer_strings: StringType | None = None
    signer_by_key_id: bool = False
    plain_rsa: bool = False
    digest_null: bool = False
    certificates: bool = True
    signed_attributes: bool = True
    leading_zero: bool = False
    strip_leading_zero: bool = False
    signing_time: datetime | None = None
    version: int | None = None
    more_certificates: tuple[bytes, ...] = ()


STANDARD: Final = CmsQuirks()
"""No deviation."""


def signed_data(
    content_type: str,
    content: bytes,
    *,
    signer: IssuedCertificate,
    scheme: Scheme,
    digest_name: str | None = None,
    quirks: CmsQuirks = STANDARD,
    more_certificates: tuple[bytes, ...] = (),
) -> bytes:
    """A ContentInfo with SignedData over ``content``.

    Args:
        content_type: dotted eContentType.
        content: the eContent's bytes.
        signer: the document signer.
        scheme: how to sign.
        digest_name: hash of digestAlgorithm; that of ``scheme`` where None.
        quirks: deviations.
        more_certificates: further certificates to put in.

    Raises:
        ConfigurationError: ``leading_zero`` without RSA.
    """
    kind = quirks.content_type or content_type
    digest_name = digest_name or scheme.hash_name
    algorithm = hash_algorithm(digest_name, null=quirks.digest_null)
    attributes, signature = _sign(kind, content, signer=signer, scheme=scheme, digest_name=digest_name, quirks=quirks)
    signature_algorithm = scheme.algorithm()
    if quirks.plain_rsa:
        signature_algorithm = _der.sequence(_der.oid(Signature.RSA_ENCRYPTION), _der.NULL)
    info = _der.sequence(
        _der.integer(3 if quirks.signer_by_key_id else 1),
        _signer_identifier(signer, quirks),
        algorithm,
        b"\xa0" + attributes[1:] if attributes else b"",  # IMPLICIT [0] (RFC 5652 §5.3)
        signature_algorithm,
        _der.octets(signature),
    )
    certificates = (signer.der if quirks.certificates else b"", *more_certificates, *quirks.more_certificates)
    return _assemble(kind, content, quirks, algorithm, b"".join(sorted(certificates)), info)


def security_object(
    groups: Mapping[int, bytes],
    *,
    hash_name: str,
    lds_version: tuple[str, str] | None = None,
    version: int | None = None,
    digest_null: bool = False,
) -> bytes:
    """LDSSecurityObject (ICAO 9303-10 §4.6.2.3) over whole data groups.

    Args:
        groups: data group number to its bytes.
        hash_name: the hash.
        lds_version: (LDS version, Unicode version) for a version 1 object; None writes version 0.
        version: version number to write instead.
        digest_null: write NULL after the hash algorithm.
    """
    hashes = _der.sequence(
        *(_der.sequence(_der.integer(n), _der.octets(digest(hash_name, groups[n]))) for n in sorted(groups))
    )
    number = version if version is not None else (1 if lds_version else 0)
    info = _der.sequence(*(_der.printable(v) for v in lds_version)) if lds_version else b""
    return _der.sequence(_der.integer(number), hash_algorithm(hash_name, null=digest_null), hashes, info)


def ef_sod(content_info: bytes) -> bytes:
    """EF.SOD: the SignedData in tag 77."""
    return tlv(0x77, content_info)


def lds_content_type() -> str:
    """id-icao-mrtd-security-ldsSecurityObject."""
    return str(Icao.LDS_SECURITY_OBJECT)


def _sign(
    kind: str, content: bytes, *, signer: IssuedCertificate, scheme: Scheme, digest_name: str, quirks: CmsQuirks
) -> tuple[bytes, bytes]:
    """The signed attributes as SET OF (empty where there are none), and the signature."""
    if not quirks.signed_attributes:
        return b"", scheme.sign(signer.key, content)
    time = quirks.signing_time
    if quirks.leading_zero:
        if scheme.family == "ecdsa":
            raise ConfigurationError("only an RSA signature can begin with a zero byte")
        time = time or signer.spec.validity.not_before
    for _ in range(_ROUNDS):
        attributes = _attributes(kind, content, digest_name, quirks, time)
        signature = scheme.sign(signer.key, attributes)
        if not quirks.leading_zero or time is None:
            return attributes, signature
        if signature[0] == 0:
            return attributes, signature.lstrip(b"\0") if quirks.strip_leading_zero else signature
        time += timedelta(seconds=1)
    raise ConfigurationError("no signature with a leading zero byte found")


def _attributes(kind: str, content: bytes, digest_name: str, quirks: CmsQuirks, time: datetime | None) -> bytes:
    items = [
        (Cms.CONTENT_TYPE, _der.oid(quirks.attribute_content_type or kind)),
        (Cms.MESSAGE_DIGEST, _der.octets(digest(digest_name, content))),
    ]
    if time is not None:
        items.append((Cms.SIGNING_TIME, _der.time(time)))
    parts = sorted(_der.sequence(_der.oid(name), _der.set_of(value)) for name, value in items)
    if quirks.attributes_order == "reversed":
        parts.reverse()
    return _der.set_of(*parts, sort=False)


def _signer_identifier(signer: IssuedCertificate, quirks: CmsQuirks) -> bytes:
    if quirks.signer_by_key_id:
        return _der.implicit(0, signer.key_id)
    issuer = signer.spec.issuer.encode(quirks.issuer_strings or signer.spec.strings)
    return _der.sequence(issuer, _der.integer(signer.serial))


def _assemble(
    kind: str, content: bytes, quirks: CmsQuirks, algorithm: bytes, certificates: bytes, info: bytes
) -> bytes:
    version = _der.integer(3 if quirks.version is None else quirks.version)
    digests = _der.set_of(algorithm)
    infos = _der.set_of(info)
    if not quirks.indefinite_length:
        inner = _der.sequence(_der.oid(kind), _der.explicit(0, _der.octets(content)))
        certificate_set = _der.explicit(0, certificates) if certificates else b""
        body = _der.sequence(version, digests, inner, certificate_set, infos)
        return _der.sequence(_der.oid(Cms.SIGNED_DATA), _der.explicit(0, body))
    half = len(content) // 2
    pieces = _der.indefinite(0x24, _der.octets(content[:half]), _der.octets(content[half:]))
    inner = _der.indefinite(0x30, _der.oid(kind), _der.indefinite(0xA0, pieces))
    certificate_set = _der.indefinite(0xA0, certificates) if certificates else b""
    body = _der.indefinite(0x30, version, digests, inner, certificate_set, infos)
    return _der.indefinite(0x30, _der.oid(Cms.SIGNED_DATA), _der.indefinite(0xA0, body))
