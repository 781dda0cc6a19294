"""Card verifiable certificates: CVCA, document verifier, terminal (BSI TR-03110-3 appendix C)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self

from asn1crypto import core

from idverify import _asn1, _tlv
from idverify.crypto import curves
from idverify.crypto import signature as sig
from idverify.crypto.curves import Curve
from idverify.crypto.signature import PublicKey, Scheme, SignatureAlgorithm
from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import Bsi, SecurityProtocol

TAG: Final = 0x7F21
MAX_BYTES: Final = 8192

_ALGORITHMS: Final[dict[str, SignatureAlgorithm]] = {
    SecurityProtocol.TA_RSA_V1_5_SHA_1: SignatureAlgorithm(Scheme.RSA_PKCS1, "sha1"),
    SecurityProtocol.TA_RSA_V1_5_SHA_256: SignatureAlgorithm(Scheme.RSA_PKCS1, "sha256"),
    SecurityProtocol.TA_RSA_V1_5_SHA_512: SignatureAlgorithm(Scheme.RSA_PKCS1, "sha512"),
    SecurityProtocol.TA_RSA_PSS_SHA_1: SignatureAlgorithm(Scheme.RSA_PSS, "sha1", "sha1", 20),
    SecurityProtocol.TA_RSA_PSS_SHA_256: SignatureAlgorithm(Scheme.RSA_PSS, "sha256", "sha256", 32),
    SecurityProtocol.TA_RSA_PSS_SHA_512: SignatureAlgorithm(Scheme.RSA_PSS, "sha512", "sha512", 64),
    SecurityProtocol.TA_ECDSA_SHA_1: SignatureAlgorithm(Scheme.ECDSA_PLAIN, "sha1"),
    SecurityProtocol.TA_ECDSA_SHA_224: SignatureAlgorithm(Scheme.ECDSA_PLAIN, "sha224"),
    SecurityProtocol.TA_ECDSA_SHA_256: SignatureAlgorithm(Scheme.ECDSA_PLAIN, "sha256"),
    SecurityProtocol.TA_ECDSA_SHA_384: SignatureAlgorithm(Scheme.ECDSA_PLAIN, "sha384"),
    SecurityProtocol.TA_ECDSA_SHA_512: SignatureAlgorithm(Scheme.ECDSA_PLAIN, "sha512"),
}


class Role(enum.IntEnum):
    """Role of the holder: the two highest bits of the authorisation (TR-03110-3 C.4)."""

    TERMINAL = 0
    DV_FOREIGN = 1
    DV_DOMESTIC = 2
    CVCA = 3


class TerminalType(enum.StrEnum):
    """Type of terminal (TR-03110-3 C.4)."""

    INSPECTION_SYSTEM = "IS"
    AUTHENTICATION_TERMINAL = "AT"
    SIGNATURE_TERMINAL = "ST"


_TYPES: Final[dict[str, TerminalType]] = {
    Bsi.ROLE_INSPECTION_SYSTEM: TerminalType.INSPECTION_SYSTEM,
    Bsi.ROLE_AUTHENTICATION_TERMINAL: TerminalType.AUTHENTICATION_TERMINAL,
    Bsi.ROLE_SIGNATURE_TERMINAL: TerminalType.SIGNATURE_TERMINAL,
}


@dataclass(frozen=True, slots=True)
class Chat:
    """Certificate holder authorisation template (TR-03110-3 C.1.5).

    Attributes:
        oid: dotted identifier of the terminal type.
        rights: role and access rights, first byte highest.
    """

    oid: str
    rights: bytes

    @property
    def role(self) -> Role:
        """The holder's role."""
        return Role(self.rights[0] >> 6)

    @property
    def terminal_type(self) -> TerminalType | None:
        """The type of terminal, or None for one that is not known here."""
        return _TYPES.get(self.oid)

    def effective_rights(self, issuer_rights: bytes) -> bytes:
        """The rights that remain under an issuer (TR-03110-3 C.4: bitwise AND), without the role."""
        size = max(len(self.rights), len(issuer_rights))
        mine, theirs = (int.from_bytes(r, "big") for r in (self.rights, issuer_rights))
        return (mine & theirs & ~(0xC0 << 8 * (size - 1))).to_bytes(size, "big")


@dataclass(frozen=True, slots=True)
class CvPublicKey:
    """A public key data object (TR-03110-3 D.3).

    Attributes:
        oid: dotted identifier of the algorithm that the key signs with.
        rsa: the key where it is an RSA key.
        point: the encoded public point where it is an EC key.
        curve: its curve where the domain parameters are included (CVCA certificates), or None.
    """

    oid: str
    rsa: PublicKey | None = None
    point: bytes | None = field(default=None, repr=False)
    curve: Curve | None = None

    @property
    def algorithm(self) -> SignatureAlgorithm:
        """The algorithm that the key signs with.

        Raises:
            UnsupportedAlgorithmError: it is not known here.
        """
        try:
            return _ALGORITHMS[self.oid]
        except KeyError:
            raise UnsupportedAlgorithmError(f"CV certificate: unknown algorithm {self.oid}") from None

    def resolve(self, inherited: Curve | None = None) -> PublicKey:
        """The key itself, with the domain parameters of the issuer where it has none of its own.

        Raises:
            MalformedDataError: domain parameters are missing, or the point is not on the curve.
        """
        if self.rsa is not None:
            return self.rsa
        curve = self.curve or inherited
        if curve is None or self.point is None:
            raise MalformedDataError("CV certificate: the key has no domain parameters and inherits none")
        return PublicKey.from_point(curve, self.point)


@dataclass(frozen=True, slots=True)
class CvCertificate:
    """A card verifiable certificate; nothing is verified while parsing.

    Attributes:
        raw: the certificate, tag 7F21.
        body: the signed part, tag 7F4E with its header.
        authority_reference: who issued it (CAR).
        holder_reference: whose it is (CHR).
        public_key: the holder's key.
        chat: role and rights.
        effective, expires: first and last day, both included.
        signature: the signature.
        extensions: value of the certificate extensions (tag 65), or None.
    """

    raw: bytes = field(repr=False)
    body: bytes = field(repr=False)
    authority_reference: str
    holder_reference: str
    public_key: CvPublicKey
    chat: Chat
    effective: date
    expires: date
    signature: bytes = field(repr=False)
    extensions: bytes | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a certificate (TR-03110-3 C.1).

        Raises:
            MalformedDataError: not a CV certificate of profile 0.
            UnsupportedAlgorithmError: explicit domain parameters of no standardised curve.
        """
        what = "CV certificate"
        if len(raw) > MAX_BYTES:
            raise MalformedDataError(f"{what}: {len(raw)} bytes are beyond the cap")
        parts = _fields(_tlv.parse(raw, TAG, what=what), what)
        body = _need(parts, 0x7F4E, what)
        fields = _fields(body, what)
        if _need(fields, 0x5F29, what).value != b"\0":
            raise MalformedDataError(f"{what}: expected profile 0")
        chat = _fields(_need(fields, 0x7F4C, what), what)
        rights = _need(chat, 0x53, what).value
        if not 1 <= len(rights) <= 8:
            raise MalformedDataError(f"{what}: {len(rights)} bytes of rights")
        return cls(
            bytes(raw),
            body.raw,
            _reference(_need(fields, 0x42, what).value),
            _reference(_need(fields, 0x5F20, what).value),
            _public_key(_need(fields, 0x7F49, what)),
            Chat(_oid(_need(chat, 0x06, what)), rights),
            _date(_need(fields, 0x5F25, what).value),
            _date(_need(fields, 0x5F24, what).value),
            _need(parts, 0x5F37, what).value,
            fields[0x65].value if 0x65 in fields else None,
        )

    @property
    def self_issued(self) -> bool:
        """Whether holder and issuer are the same."""
        return self.authority_reference == self.holder_reference

    def verify(self, issuer: CvPublicKey, inherited: Curve | None = None) -> bool:
        """Whether the signature verifies under the issuer's key.

        Raises:
            MalformedDataError, UnsupportedAlgorithmError: the issuer's key cannot be used.
        """
        return sig.verify(issuer.resolve(inherited), issuer.algorithm, self.signature, self.body)


@dataclass(frozen=True, slots=True)
class CvChain:
    """A chain that leads to a trusted CVCA.

    Attributes:
        certificates: from the certificate after the trust point down to the terminal.
        rights: the terminal's rights after every issuer's limits, without the role.
    """

    certificates: tuple[CvCertificate, ...]
    rights: bytes


class CvProblem(enum.StrEnum):
    """Why there is no chain."""

    ISSUER_NOT_FOUND = "issuer-not-found"
    SIGNATURE_INVALID = "signature-invalid"
    ALGORITHM_UNSUPPORTED = "algorithm-unsupported"
    ROLE = "role"
    TERMINAL_TYPE = "terminal-type"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"


def build_chain(
    terminal: CvCertificate, certificates: Iterable[CvCertificate], roots: Sequence[CvCertificate], on: date
) -> CvChain | CvProblem:
    """The chain from a trusted CVCA to ``terminal`` (TR-03110-3 §2.3, C.4 and §3.4).

    Args:
        terminal: the lower end.
        certificates: links and document verifiers to use; not trusted.
        roots: CVCA certificates that are trusted.
        on: the day of use; CVCA certificates are not judged by it, as a chip does not either.
    """
    pool = [*certificates]
    chain = [terminal]
    for _ in range(len(pool) + 1):
        lower = chain[-1]
        root = next((r for r in roots if r.holder_reference == lower.authority_reference), None)
        if root is not None and lower not in roots:
            return _judge(root, list(reversed(chain)), on)
        upper = next(
            (c for c in pool if c.holder_reference == lower.authority_reference and c not in chain and c != lower), None
        )
        if upper is None:
            return CvProblem.ISSUER_NOT_FOUND
        chain.append(upper)
    return CvProblem.ISSUER_NOT_FOUND


def _judge(root: CvCertificate, chain: Sequence[CvCertificate], on: date) -> CvChain | CvProblem:
    issuer, curve = root, root.public_key.curve
    rights = root.chat.rights
    for certificate in chain:
        try:
            if not certificate.verify(issuer.public_key, curve):
                return CvProblem.SIGNATURE_INVALID
        except UnsupportedAlgorithmError:
            return CvProblem.ALGORITHM_UNSUPPORTED
        except IdVerifyError:
            return CvProblem.SIGNATURE_INVALID
        role, above = certificate.chat.role, issuer.chat.role
        allowed = {
            Role.CVCA: above is Role.CVCA,
            Role.DV_DOMESTIC: above is Role.CVCA,
            Role.DV_FOREIGN: above is Role.CVCA,
            Role.TERMINAL: above in (Role.DV_DOMESTIC, Role.DV_FOREIGN),
        }
        if not allowed[role]:
            return CvProblem.ROLE
        if issuer is not root and certificate.chat.oid != issuer.chat.oid:
            return CvProblem.TERMINAL_TYPE
        if role is not Role.CVCA:
            if on > certificate.expires:
                return CvProblem.EXPIRED
            if on < certificate.effective:
                return CvProblem.NOT_YET_VALID
        # the German CVCA says "inspection system" for every type: its one byte limits nobody of another type
        same_type = certificate.chat.oid == issuer.chat.oid
        rights = certificate.chat.effective_rights(rights if same_type else b"\xff" * len(certificate.chat.rights))
        curve = certificate.public_key.curve or curve
        issuer = certificate
    return CvChain(tuple(chain), rights)


def _fields(value: _tlv.Tlv, what: str) -> dict[int, _tlv.Tlv]:
    found: dict[int, _tlv.Tlv] = {}
    for child in value.children(what=what):
        if child.tag in found:
            raise MalformedDataError(f"{what}: the data object {child.tag:X} stands there twice")
        found[child.tag] = child
    return found


def _need(fields: dict[int, _tlv.Tlv], tag: int, what: str) -> _tlv.Tlv:
    try:
        return fields[tag]
    except KeyError:
        raise MalformedDataError(f"{what}: the data object {tag:X} is missing") from None


def _reference(value: bytes) -> str:
    """Country, mnemonic, sequence number: at most 16 characters (TR-03110-3 C.2)."""
    if not 1 <= len(value) <= 16:
        raise MalformedDataError(f"CV certificate: a reference of {len(value)} bytes")
    return value.decode("latin-1")


def _date(value: bytes) -> date:
    """Six unpacked digits YYMMDD (TR-03110-3 D.2.1.3)."""
    if len(value) != 6 or any(d > 9 for d in value):
        raise MalformedDataError("CV certificate: a date that is not six digits")
    try:
        return date(2000 + value[0] * 10 + value[1], value[2] * 10 + value[3], value[4] * 10 + value[5])
    except ValueError:
        raise MalformedDataError("CV certificate: a date that no calendar has") from None


def _oid(value: _tlv.Tlv) -> str:
    parsed = _asn1.load(core.ObjectIdentifier, value.raw, what="CV certificate")
    with _asn1.guard("CV certificate"):
        return str(parsed.dotted)


def _public_key(value: _tlv.Tlv) -> CvPublicKey:
    what = "CV certificate's public key"
    fields = _fields(value, what)
    oid = _oid(_need(fields, 0x06, what))

    def number(tag: int) -> int:
        return int.from_bytes(_need(fields, tag, what).value, "big")

    if oid.startswith(SecurityProtocol.TA_RSA + "."):
        return CvPublicKey(oid, rsa=PublicKey.rsa(number(0x81), number(0x82)))
    if not oid.startswith(SecurityProtocol.TA_ECDSA + "."):
        raise UnsupportedAlgorithmError(f"{what}: unknown algorithm {oid}")
    curve = None
    if 0x81 in fields:
        base = _need(fields, 0x84, what).value
        size = (len(base) - 1) // 2
        if base[:1] != b"\x04" or len(base) != 1 + 2 * size:
            raise MalformedDataError(f"{what}: the base point is not uncompressed")
        gx, gy = int.from_bytes(base[1 : 1 + size], "big"), int.from_bytes(base[1 + size :], "big")
        cofactor = number(0x87) if 0x87 in fields else None
        curve = curves.from_explicit(
            p=number(0x81), a=number(0x82), b=number(0x83), gx=gx, gy=gy, n=number(0x85), cofactor=cofactor
        )
    return CvPublicKey(oid, point=_need(fields, 0x86, what).value, curve=curve)
