"""Terminal authentication on the card's side (ICAO 9303-11 §7.1; BSI TR-03110-2 §3.3, TR-03110-3 appendix C)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from idverify._tlv import encode as tlv
from idverify.chip.lds.files import FileId
from idverify.crypto import curves, ec
from idverify.emulator._apdu import (
    SW_CONDITIONS,
    SW_NO_REFERENCE,
    SW_WRONG,
    SW_WRONG_DATA,
    Refusal,
    objects,
    unique_objects,
)
from idverify.emulator.keys import HASHES, digest
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError
from idverify.oids import Bsi, SecurityProtocol

ROLE_CVCA: Final = 0xC0
ROLE_DV_DOMESTIC: Final = 0x80
ROLE_DV_FOREIGN: Final = 0x40
ROLE_TERMINAL: Final = 0x00
RIGHT_DG3: Final = 0x01
RIGHT_DG4: Final = 0x02
_ROLE_MASK: Final = 0xC0

_SIGNATURES: Final = {
    str(protocol): (family, name)
    for protocol, family, name in (
        (SecurityProtocol.TA_RSA_V1_5_SHA_1, "rsa", "sha1"),
        (SecurityProtocol.TA_RSA_V1_5_SHA_256, "rsa", "sha256"),
        (SecurityProtocol.TA_RSA_V1_5_SHA_512, "rsa", "sha512"),
        (SecurityProtocol.TA_RSA_PSS_SHA_1, "pss", "sha1"),
        (SecurityProtocol.TA_RSA_PSS_SHA_256, "pss", "sha256"),
        (SecurityProtocol.TA_RSA_PSS_SHA_512, "pss", "sha512"),
        (SecurityProtocol.TA_ECDSA_SHA_1, "ecdsa", "sha1"),
        (SecurityProtocol.TA_ECDSA_SHA_224, "ecdsa", "sha224"),
        (SecurityProtocol.TA_ECDSA_SHA_256, "ecdsa", "sha256"),
        (SecurityProtocol.TA_ECDSA_SHA_384, "ecdsa", "sha384"),
        (SecurityProtocol.TA_ECDSA_SHA_512, "ecdsa", "sha512"),
    )
}


@dataclass(frozen=True, slots=True)
class TerminalTrust:
    """What a chip is personalised with for terminal authentication.

    Attributes:
        cvca: CVCA certificates (7F21 …) whose keys are the trust points, most recent first; two at most.
        today: the chip's idea of the date at personalisation.
    """

    cvca: tuple[bytes, ...]
    today: date


@dataclass(frozen=True, slots=True)
class CvKey:
    """A terminal's or authority's public key."""

    protocol: str
    curve: curves.Curve | None
    point: ec.Point | None
    modulus: int = 0
    exponent: int = 0

    @classmethod
    def parse(cls, found: dict[int, bytes], inherited: CvKey | None) -> Self:
        """From the objects of tag 7F49; a curve that is left out is inherited from the issuer."""
        protocol = dotted(found.get(0x06, b""))
        family = _SIGNATURES.get(protocol, ("", ""))[0]
        number = {tag: int.from_bytes(value, "big") for tag, value in found.items()}
        if family in ("rsa", "pss"):
            if not number.get(0x81) or not number.get(0x82):
                raise Refusal(SW_WRONG_DATA)
            return cls(protocol, None, None, number[0x81], number[0x82])
        if family != "ecdsa" or 0x86 not in found:
            raise Refusal(SW_WRONG_DATA)
        try:
            if 0x81 in found:
                size = (len(found.get(0x84, b"")) - 1) // 2
                base = found.get(0x84, b"")
                curve = curves.from_explicit(
                    p=number[0x81],
                    a=number.get(0x82, 0),
                    b=number.get(0x83, 0),
                    gx=int.from_bytes(base[1 : 1 + size], "big"),
                    gy=int.from_bytes(base[1 + size :], "big"),
                    n=number.get(0x85, 0),
                )
            elif inherited is not None and inherited.curve is not None:
                curve = inherited.curve
            else:
                raise Refusal(SW_WRONG_DATA)
            return cls(protocol, curve, ec.decode_point(curve, found[0x86]))
        except (MalformedDataError, UnsupportedAlgorithmError):
            raise Refusal(SW_WRONG_DATA) from None

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is ours (TR-03110-3 §A.6.4)."""
        family, name = _SIGNATURES[self.protocol]
        if family == "ecdsa":
            if self.curve is None or self.point is None or len(signature) != 2 * self.curve.order_bytes:
                return False
            half = self.curve.order_bytes
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            return ec.verify_ecdsa(self.curve, self.point, digest(name, message), r, s)
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if family == "pss":
            scheme = padding.PSS(padding.MGF1(HASHES[name]), HASHES[name].digest_size)
        try:
            public = rsa.RSAPublicNumbers(self.exponent, self.modulus).public_key()
            public.verify(signature, message, scheme, HASHES[name])
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class CvCertificate:
    """A card verifiable certificate as the chip sees it (TR-03110-3 appendix C)."""

    body: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    authority: str
    holder: str
    key: CvKey
    rights: int
    inspection: bool
    effective: date
    expires: date

    @classmethod
    def parse(cls, data: bytes, inherited: CvKey | None) -> Self:
        """From 7F4E ‖ 5F37, as PSO: Verify Certificate brings them; refuses 6A80."""
        outer = objects(data)
        if [tag for tag, _ in outer] != [0x7F4E, 0x5F37]:
            raise Refusal(SW_WRONG_DATA)
        body = data[: len(data) - _size(outer[1][1], 2)]
        found = unique_objects(outer[0][1])
        template = unique_objects(found.get(0x7F4C, b""))
        rights = template.get(0x53, b"")
        if found.get(0x5F29) != b"\0" or not rights:
            raise Refusal(SW_WRONG_DATA)
        return cls(
            body,
            outer[1][1],
            _reference(found.get(0x42, b"")),
            _reference(found.get(0x5F20, b"")),
            CvKey.parse(unique_objects(found.get(0x7F49, b"")), inherited),
            rights[-1] & ~_ROLE_MASK | rights[0] & _ROLE_MASK,
            dotted(template.get(0x06, b"")) == Bsi.ROLE_INSPECTION_SYSTEM,
            _date(found.get(0x5F25, b"")),
            _date(found.get(0x5F24, b"")),
        )

    @classmethod
    def parse_whole(cls, data: bytes) -> Self:
        """From a stored certificate, 7F21 …"""
        found = objects(data)
        if [tag for tag, _ in found] != [0x7F21]:
            raise Refusal(SW_WRONG_DATA)
        return cls.parse(found[0][1], None)

    @property
    def role(self) -> int:
        """CVCA, domestic or foreign DV, terminal."""
        return self.rights & _ROLE_MASK


class TrustPoints:
    """Trust points and date of one chip; they outlive a reset (ICAO 9303-11 §7.1.4.3)."""

    def __init__(self, trust: TerminalTrust) -> None:
        self.today = trust.today
        self._points = [CvCertificate.parse_whole(raw) for raw in trust.cvca]

    @property
    def references(self) -> tuple[str, ...]:
        """Certification authority references, most recent first."""
        return tuple(point.holder for point in self._points)

    def find(self, reference: str) -> CvCertificate | None:
        """The trust point of that name."""
        return next((p for p in self._points if p.holder == reference), None)

    def add(self, link: CvCertificate) -> None:
        """Import a link certificate's key; two trust points stay."""
        if link.effective > self.today:
            self.today = link.effective
        self._points = [link, *(p for p in self._points if p.holder != link.holder)][:2]


class TerminalSession:
    """One run of terminal authentication: certificates, then the signature."""

    def __init__(self, points: TrustPoints) -> None:
        self._points = points
        self._issuer: CvCertificate | None = None
        self._chain_rights = 0xFF
        self._imported: dict[str, tuple[CvCertificate, int]] = {}
        self._terminal: tuple[CvCertificate, int] | None = None
        self.terminal_key: bytes | None = None
        self.auxiliary = b""
        self.rights: int | None = None

    def set_issuer(self, data: bytes) -> None:
        """MSE:Set DST (TR-03110-3 §B.4): choose the key that the next certificate is signed with."""
        reference = _reference(unique_objects(data).get(0x83, b""))
        if (point := self._points.find(reference)) is not None:
            self._issuer, self._chain_rights = point, point.rights
        elif reference in self._imported:
            self._issuer, self._chain_rights = self._imported[reference]
        else:
            raise Refusal(SW_NO_REFERENCE)

    def verify_certificate(self, data: bytes) -> None:
        """PSO: Verify Certificate (ICAO 9303-11 §7.1.4.3.5); refuses 6300 or 6985."""
        issuer = self._issuer
        if issuer is None:
            raise Refusal(SW_CONDITIONS)
        certificate = CvCertificate.parse(data, issuer.key)
        allowed = {ROLE_CVCA: (ROLE_CVCA, ROLE_DV_DOMESTIC, ROLE_DV_FOREIGN)}.get(issuer.role, (ROLE_TERMINAL,))
        fits = certificate.authority == issuer.holder and certificate.role in allowed and issuer.role != ROLE_TERMINAL
        if not fits or not issuer.key.verify(certificate.body, certificate.signature):
            raise Refusal(SW_WRONG)
        if certificate.role == ROLE_CVCA:
            self._points.add(certificate)
            return
        if certificate.expires < self._points.today:
            raise Refusal(SW_WRONG)
        if certificate.role == ROLE_DV_DOMESTIC or (certificate.role, issuer.role) == (ROLE_TERMINAL, ROLE_DV_DOMESTIC):
            self._points.today = max(self._points.today, certificate.effective)
        self._imported = {certificate.holder: (certificate, self._chain_rights & certificate.rights)}

    def set_terminal(self, data: bytes) -> None:
        """MSE:Set AT (TR-03110-3 §B.5): choose the terminal's key; version 2 brings 80, 91 and 67 with it."""
        found = unique_objects(data)
        known = self._imported.get(_reference(found.get(0x83, b"")))
        if known is None or known[0].role != ROLE_TERMINAL:
            raise Refusal(SW_NO_REFERENCE)
        if 0x80 in found and dotted(found[0x80]) != known[0].key.protocol:
            raise Refusal(SW_WRONG_DATA)
        self._terminal = known
        if 0x91 in found:
            self.terminal_key = found[0x91]
        self.auxiliary = tlv(0x67, found[0x67]) if 0x67 in found else b""

    def authenticate(self, signature: bytes, *, chip_name: bytes, challenge: bytes | None, terminal_key: bytes) -> None:
        """EXTERNAL AUTHENTICATE (ICAO 9303-11 §7.1.2 step 5); refuses 6985 or 6300.

        Args:
            signature: the terminal's signature.
            chip_name: ID_IC.
            challenge: r_IC of the GET CHALLENGE before.
            terminal_key: Comp(PK_DH,IFD) that the secure channel was made with.
        """
        if self._terminal is None or challenge is None or self.rights is not None:
            raise Refusal(SW_CONDITIONS)
        certificate, rights = self._terminal
        if not certificate.key.verify(chip_name + challenge + terminal_key + self.auxiliary, signature):
            raise Refusal(SW_WRONG)
        self.rights = rights & ~_ROLE_MASK if certificate.inspection else 0

    def may_read(self, file: FileId) -> bool:
        """Whether the effective authorisation covers a guarded file."""
        needed = {FileId.DG3: RIGHT_DG3, FileId.DG4: RIGHT_DG4}.get(file, 0)
        return self.rights is not None and bool(self.rights & needed)


def dotted(content: bytes) -> str:
    """Dotted form of an object identifier's contents; empty for what is none."""
    if not content or content[-1] & 0x80:
        return ""
    arcs, value = [], 0
    for byte in content:
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _size(value: bytes, tag_bytes: int) -> int:
    length = 1 if len(value) < 0x80 else 1 + (len(value).bit_length() + 7) // 8
    return tag_bytes + length + len(value)


def _reference(raw: bytes) -> str:
    if not 1 <= len(raw) <= 16:
        raise Refusal(SW_WRONG_DATA)
    return raw.decode("latin-1")


def _date(raw: bytes) -> date:
    if len(raw) != 6 or any(b > 9 for b in raw):
        raise Refusal(SW_WRONG_DATA)
    try:
        return date(2000 + raw[0] * 10 + raw[1], raw[2] * 10 + raw[3], raw[4] * 10 + raw[5])
    except ValueError:
        raise Refusal(SW_WRONG_DATA) from None
