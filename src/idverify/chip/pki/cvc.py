"""Card verifiable certificates: CVCA, document verifier, terminal (BSI TR-03110-3 appendix C)."""

from __future__ import annotations

import enum
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self

from asn1crypto import core

from idverify import _asn1, _tlv
from idverify.chip.lds import _der
from idverify.crypto import curves
from idverify.crypto import signature as sig
from idverify.crypto.curves import Curve
from idverify.crypto.signature import PublicKey, Scheme, SignatureAlgorithm
from idverify.errors import IdVerifyError, MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import Bsi, SecurityProtocol

TAG: Final = 0x7F21
MAX_BYTES: Final = 8192
MAX_POOL: Final = 256
"""Certificates that a chain is looked for in."""

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


_ROLES: Final = {
    Role.TERMINAL: "terminal",
    Role.DV_FOREIGN: "document verifier, foreign or not official",
    Role.DV_DOMESTIC: "document verifier, domestic",
    Role.CVCA: "country verifying certification authority",
}


def printable(reference: str) -> str:
    """A reference as it may stand in reports: what is not printable ASCII becomes a question mark."""
    return "".join(c if " " <= c <= "~" else "?" for c in reference)


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

    def encode(self) -> bytes:
        """The template, tag 7F4C, as PACE announces it (TR-03110-3 §B.1)."""
        return _tlv.encode(0x7F4C, _der.encode_oid(self.oid), _tlv.encode(0x53, self.rights))

    @property
    def reads(self) -> tuple[str, ...]:
        """The guarded data groups that an inspection system may read: DG3 (bit 1), DG4 (bit 2); §C.4.1."""
        if self.terminal_type is not TerminalType.INSPECTION_SYSTEM:
            return ()
        return tuple(name for bit, name in ((0x01, "DG3"), (0x02, "DG4")) if self.rights[-1] & bit)

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

    def describe(self) -> tuple[tuple[str, str], ...]:
        """Label and text of every field, for people."""
        chat, kind = self.chat, self.chat.terminal_type
        key = self.public_key
        try:
            algorithm = str(key.algorithm)
        except UnsupportedAlgorithmError:
            algorithm = key.oid
        curve = f", {key.curve.name}" if key.curve else ", domain parameters of the issuer"
        return (
            ("authority reference (CAR)", printable(self.authority_reference)),
            ("holder reference (CHR)", printable(self.holder_reference)),
            ("role", _ROLES[chat.role]),
            ("terminal type", kind.name.lower().replace("_", " ") if kind else chat.oid),
            ("rights", f"{chat.rights.hex()} {' '.join(chat.reads)}".strip()),
            ("effective", self.effective.isoformat()),
            ("expires", self.expires.isoformat()),
            ("key", f"rsa-{key.rsa.bits}" if key.rsa else f"{8 * (len(key.point or b'') - 1) // 2} bits{curve}"),
            ("signs with", algorithm),
            ("self-issued", "yes" if self.self_issued else "no"),
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
    """A chain that leads to a CVCA.

    Attributes:
        certificates: from the certificate after the trust point down to the terminal.
        rights: the terminal's rights after every issuer's limits, without the role.
        key: the terminal's public key; None where its domain parameters are not known here.
    """

    certificates: tuple[CvCertificate, ...]
    rights: bytes
    key: PublicKey | None = field(default=None, compare=False)

    @property
    def anchor(self) -> str:
        """Reference of the trust point that the chain hangs from."""
        return self.certificates[0].authority_reference


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
    anchors = {r.holder_reference for r in roots}
    return _first_good(
        _judge(root, path, on)
        for path in _paths(terminal, certificates, anchors)
        if path[0] not in roots
        for root in roots
        if root.holder_reference == path[0].authority_reference
    )


def chain_for_chip(
    terminal: CvCertificate, certificates: Iterable[CvCertificate], references: Sequence[str], on: date | None = None
) -> CvChain | CvProblem:
    """The chain to present to a chip that names its trust points by reference (TR-03110-3 §2.3, B.3).

    The chip knows the CVCA's key, the terminal need not: where ``certificates`` holds the CVCA's certificate too,
    signatures are checked beforehand, else the chip alone judges the uppermost one.

    Args:
        terminal: the lower end.
        certificates: links and document verifiers, and CVCA certificates where they are at hand.
        references: what the chip trusts, the most recent first (PACE, or EF.CVCA).
        on: the terminal's day; None leaves dates to the chip, whose own idea of the date may lie behind.
    """
    pool = [*certificates]
    return _first_good(
        _judge(root, path, on)
        for path in _paths(terminal, pool, set(references))
        for root in _known_as(path[0].authority_reference, pool)
    )


def _known_as(reference: str, pool: Iterable[CvCertificate]) -> Sequence[CvCertificate | None]:
    found = [c for c in pool if c.holder_reference == reference]
    return found or [None]


def _first_good(found: Iterable[CvChain | CvProblem]) -> CvChain | CvProblem:
    """The first chain, else what was wrong with the first one that was tried."""
    problem: CvProblem | None = None
    for candidate in found:
        if isinstance(candidate, CvChain):
            return candidate
        problem = problem or candidate
    return problem or CvProblem.ISSUER_NOT_FOUND


def _paths(
    terminal: CvCertificate, certificates: Iterable[CvCertificate], anchors: Container[str]
) -> Iterator[tuple[CvCertificate, ...]]:
    """Ways from below an anchor down to the terminal by name, shortest first; each step is taken once."""
    pool = [c for c in certificates if not c.self_issued][:MAX_POOL]
    waiting: list[tuple[CvCertificate, ...]] = [(terminal,)]
    taken: set[tuple[int, int]] = set()
    for path in waiting:  # grows while it is walked
        reference = path[0].authority_reference
        if reference in anchors:
            yield path
        for number, upper in enumerate(pool):
            step = (id(path[0]), number)
            if upper.holder_reference == reference and upper not in path and step not in taken:
                taken.add(step)
                waiting.append((upper, *path))


_MAY_ISSUE: Final = {
    Role.CVCA: (Role.CVCA,),
    Role.DV_DOMESTIC: (Role.CVCA,),
    Role.DV_FOREIGN: (Role.CVCA,),
    Role.TERMINAL: (Role.DV_DOMESTIC, Role.DV_FOREIGN),
}


def _judge(root: CvCertificate | None, chain: Sequence[CvCertificate], on: date | None) -> CvChain | CvProblem:
    """The chain under ``root``; without it nothing is known of the trust point but that it is a CVCA."""
    issuer, curve = root, root.public_key.curve if root else None
    rights: bytes | None = root.chat.rights if root else None
    for certificate in chain:
        role = certificate.chat.role
        if (issuer.chat.role if issuer else Role.CVCA) not in _MAY_ISSUE[role]:
            return CvProblem.ROLE
        if issuer is not None:
            if (problem := _verified(certificate, issuer, curve)) is not None:
                return problem
            if issuer is not root and certificate.chat.oid != issuer.chat.oid:
                return CvProblem.TERMINAL_TYPE
        if role is not Role.CVCA and on is not None:
            if on > certificate.expires:
                return CvProblem.EXPIRED
            if on < certificate.effective:
                return CvProblem.NOT_YET_VALID
        # the German CVCA says "inspection system" for every type: its one byte limits nobody of another type
        limited = rights is not None and issuer is not None and certificate.chat.oid == issuer.chat.oid
        rights = certificate.chat.effective_rights(
            rights if limited and rights is not None else b"\xff" * len(certificate.chat.rights)
        )
        curve = certificate.public_key.curve or curve
        issuer = certificate
    try:
        key = chain[-1].public_key.resolve(curve) if curve or chain[-1].public_key.rsa else None
    except IdVerifyError:
        return CvProblem.SIGNATURE_INVALID
    return CvChain(tuple(chain), rights or b"", key)


def _verified(certificate: CvCertificate, issuer: CvCertificate, curve: Curve | None) -> CvProblem | None:
    if issuer.public_key.rsa is None and issuer.public_key.curve is None and curve is None:
        return None  # the domain parameters are the trust point's, which is not at hand
    try:
        return None if certificate.verify(issuer.public_key, curve) else CvProblem.SIGNATURE_INVALID
    except UnsupportedAlgorithmError:
        return CvProblem.ALGORITHM_UNSUPPORTED
    except IdVerifyError:
        return CvProblem.SIGNATURE_INVALID


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
