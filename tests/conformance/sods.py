"""EF.SOD and document signer certificates, written element by element, so that any one can be wrong or missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from idverify._tlv import encode as tlv
from idverify.chip.lds.files import FileId
from idverify.emulator import IssuedCertificate, TestPki, _der, signed_data
from idverify.emulator.certificates import KEY_CERT_SIGN, Name, Scheme, hash_algorithm
from idverify.emulator.keys import EcKey, PrivateKey, RsaKey, digest
from idverify.oids import Cms, Extension, NameAttribute, PlainSignature, Signature
from tests.conformance.documents import PKI

MD5: Final = _der.sequence(_der.oid("1.2.840.113549.2.5"), _der.NULL)
MD5_WITH_RSA: Final = _der.sequence(_der.oid("1.2.840.113549.1.1.4"), _der.NULL)
_MISSING: Final = b""


@dataclass(frozen=True)
class Plain:
    """ECDSA in the plain format, with BSI's own identifiers (BSI TR-03111 §5.2.1)."""

    hash_name: str
    family: str = "ecdsa"

    def algorithm(self) -> bytes:
        return _der.sequence(_der.oid(PlainSignature[f"ECDSA_PLAIN_{self.hash_name.upper()}"]))

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        assert isinstance(key, EcKey)
        return key.sign_plain(message, self.hash_name)


@dataclass(frozen=True)
class PlainRsa:
    """PKCS #1 v1.5 that says rsaEncryption; the hash stands elsewhere."""

    hash_name: str
    family: str = "rsa-pkcs1"

    def algorithm(self) -> bytes:
        return _der.sequence(_der.oid(Signature.RSA_ENCRYPTION), _der.NULL)

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        assert isinstance(key, RsaKey)
        return key.sign_pkcs1(message, self.hash_name)


@dataclass(frozen=True)
class WithMd5:
    """Says MD5 with RSA. What stands there as signature is one with SHA-256: nobody should get that far."""

    hash_name: str = "sha256"
    family: str = "rsa-pkcs1"

    def algorithm(self) -> bytes:
        return MD5_WITH_RSA

    def sign(self, key: PrivateKey, message: bytes) -> bytes:
        assert isinstance(key, RsaKey)
        return key.sign_pkcs1(message, self.hash_name)


def data_group_hashes(groups: Mapping[int, bytes], hash_name: str = "sha256") -> list[bytes]:
    """The DataGroupHash elements over whole data groups."""
    return [data_group_hash(n, digest(hash_name, raw)) for n, raw in sorted(groups.items())]


def data_group_hash(number: int, value: bytes) -> bytes:
    """One DataGroupHash."""
    return _der.sequence(_der.integer(number), _der.octets(value))


def numbered(files: Mapping[FileId, bytes]) -> dict[int, bytes]:
    """The data groups among ``files``, by number."""
    return {f.number: raw for f, raw in files.items() if f.number is not None}


def security_object(groups: Mapping[int, bytes], hash_name: str = "sha256", **parts: bytes) -> bytes:
    """LDSSecurityObject; elements ``version algorithm hashes info`` as given, empty for missing."""
    value = {
        "version": _der.integer(0),
        "algorithm": hash_algorithm(hash_name),
        "hashes": _der.sequence(*data_group_hashes(groups, hash_name)),
        "info": _MISSING,
    } | parts
    return _der.sequence(*(value[k] for k in ("version", "algorithm", "hashes", "info")))


def attribute(kind: str, value: bytes) -> bytes:
    """One signed attribute."""
    return _der.sequence(_der.oid(kind), _der.set_of(value))


def sod(
    content: bytes,
    *,
    signer: IssuedCertificate | None = None,
    scheme: Any = None,
    digest_name: str = "sha256",
    attributes: Sequence[bytes] | None = None,
    **parts: bytes,
) -> bytes:
    """EF.SOD over a security object.

    Args:
        content: the security object.
        signer: the document signer.
        scheme: how it signs; ECDSA with SHA-256 where None.
        digest_name: hash of the message digest.
        attributes: the signed attributes; the two usual ones where None.
        parts: encodings to write instead of the right ones, empty for missing: ``version digests kind certificates
            signer_version identifier digest algorithm signature``.
    """
    signer = signer or PKI.dsc
    scheme = scheme or Scheme.for_key(signer.key)
    kind = signed_data.lds_content_type()
    if attributes is None:
        attributes = (
            attribute(Cms.CONTENT_TYPE, _der.oid(kind)),
            attribute(Cms.MESSAGE_DIGEST, _der.octets(digest(digest_name, content))),
        )
    signed = _der.set_of(*attributes)
    value = {
        "version": _der.integer(3),
        "digests": _der.set_of(parts.get("digest", hash_algorithm(digest_name))),
        "kind": _der.oid(kind),
        "certificates": _der.explicit(0, signer.der),
        "signer_version": _der.integer(1),
        "identifier": issuer_and_serial(signer),
        "digest": hash_algorithm(digest_name),
        "algorithm": scheme.algorithm(),
        "signature": _der.octets(scheme.sign(signer.key, signed)),
    } | parts
    info = _der.sequence(
        value["signer_version"],
        value["identifier"],
        value["digest"],
        b"\xa0" + signed[1:],
        value["algorithm"],
        value["signature"],
    )
    body = _der.sequence(
        value["version"],
        value["digests"],
        _der.sequence(value["kind"], _der.explicit(0, _der.octets(content))),
        value["certificates"],
        _der.set_of(info),
    )
    return signed_data.ef_sod(_der.sequence(_der.oid(Cms.SIGNED_DATA), _der.explicit(0, body)))


def issuer_and_serial(signer: IssuedCertificate) -> bytes:
    """The usual signer identifier."""
    return _der.sequence(signer.spec.issuer.encode(signer.spec.strings), _der.integer(signer.serial))


def extension(kind: str, value: bytes, *, critical: bool = False) -> bytes:
    """One extension of a certificate."""
    return _der.sequence(_der.oid(kind), _der.boolean(True) if critical else b"", _der.octets(value))


def usual_extensions(pki: TestPki = PKI, **changes: bytes) -> list[bytes]:
    """Extensions of a document signer; ``authority`` and ``usage`` as given, empty for missing."""
    value = {
        "authority": extension(Extension.AUTHORITY_KEY_IDENTIFIER, _der.sequence(_der.implicit(0, pki.csca.key_id))),
        "usage": extension(Extension.KEY_USAGE, _der.named_bits(0), critical=True),
        "state": extension(Extension.SUBJECT_ALT_NAME, _der.sequence(tlv(0xA4, _state(pki.state)))),
    } | changes
    return [v for v in value.values() if v]


def _state(code: str) -> bytes:
    """The issuing state as a name (ICAO 9303-12 §7.1.1.2)."""
    return _der.sequence(_der.set_of(_der.sequence(_der.oid(NameAttribute.LOCALITY), _der.printable(code))))


ONLY_CERT_SIGN: Final = extension(Extension.KEY_USAGE, _der.named_bits(KEY_CERT_SIGN), critical=True)
UNCRITICAL_USAGE: Final = extension(Extension.KEY_USAGE, _der.named_bits(0))
AUTHORITY_WITHOUT_KEY: Final = extension(Extension.AUTHORITY_KEY_IDENTIFIER, _der.sequence())


def signer(
    pki: TestPki = PKI,
    *,
    scheme: Any = None,
    another: Name | None = None,
    extensions: Sequence[bytes] | None = None,
    **parts: bytes,
) -> IssuedCertificate:
    """A document signer whose certificate is written element by element.

    Args:
        pki: the issuer; key and names of its own document signer are taken.
        scheme: how the CSCA signs.
        another: another issuer's name, in the certificate and in the signer identifier.
        extensions: the extensions.
        parts: encodings to write instead of the right ones, empty for missing: ``version serial signature issuer
            validity subject key algorithm value``.
    """
    usual = pki.dsc
    spec = usual.spec if another is None else replace(usual.spec, issuer=another)
    scheme = scheme or Scheme.for_key(pki.csca.key)
    value = {
        "version": _der.explicit(0, _der.integer(2)),
        "serial": _der.integer(spec.serial),
        "signature": scheme.algorithm(),
        "issuer": spec.issuer.encode(),
        "validity": _der.sequence(_der.time(spec.validity.not_before), _der.time(spec.validity.not_after)),
        "subject": spec.subject.encode(),
        "key": usual.key.spki(),
    } | parts
    body = _der.sequence(
        *(value[k] for k in ("version", "serial", "signature", "issuer", "validity", "subject", "key")),
        _der.explicit(3, _der.sequence(*(usual_extensions(pki) if extensions is None else extensions))),
    )
    algorithm = parts.get("algorithm", scheme.algorithm())
    signature = parts.get("value", _der.bits(scheme.sign(pki.csca.key, body)))
    return IssuedCertificate(_der.sequence(body, algorithm, signature), usual.key, spec)
