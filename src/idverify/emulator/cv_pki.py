"""The authority of inspection terminals, for tests: CVCA, document verifier, terminal (BSI TR-03110-3 appendix C)."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from idverify._tlv import encode as tlv
from idverify.emulator import _der
from idverify.emulator._random import Seed
from idverify.emulator.keys import EcKey, PrivateKey, RsaKey, make_key
from idverify.emulator.terminal_auth import (
    RIGHT_DG3,
    RIGHT_DG4,
    ROLE_CVCA,
    ROLE_DV_DOMESTIC,
    ROLE_DV_FOREIGN,
    ROLE_TERMINAL,
)
from idverify.oids import Bsi, SecurityProtocol

_EF_CVCA_BYTES: Final = 36
_BOTH: Final = RIGHT_DG3 | RIGHT_DG4
_PKCS1: Final = (
    SecurityProtocol.TA_RSA_V1_5_SHA_1,
    SecurityProtocol.TA_RSA_V1_5_SHA_256,
    SecurityProtocol.TA_RSA_V1_5_SHA_512,
)


@dataclass(frozen=True, slots=True)
class CvIssued:
    """A card verifiable certificate with its private key.

    Attributes:
        der: the certificate, 7F21 ….
        key: its key pair; never in a ``repr``.
        holder: certificate holder reference.
        protocol: signature algorithm of the key, dotted.
        hash_name: its hash.
    """

    der: bytes = field(repr=False)
    key: PrivateKey = field(repr=False)
    holder: str
    protocol: str
    hash_name: str

    def sign(self, message: bytes) -> bytes:
        """A signature of terminal authentication: plain ECDSA, RSASSA-PSS or PKCS #1 v1.5 (TR-03110-3 §A.6.4)."""
        if isinstance(self.key, EcKey):
            return self.key.sign_plain(message, self.hash_name)
        if self.protocol in _PKCS1:
            return self.key.sign_pkcs1(message, self.hash_name)
        return self.key.sign_pss(message, self.hash_name)


class TestCvPki:
    """CVCA, document verifier and terminal for tests; made on first use, reproducible.

    Args:
        seed: fixes the keys.
        kind: kind of all keys: a curve's name or ``rsa-2048``.
        hash_name: hash of all signatures.
        country: country code in the references.
        effective, expires: dates of every certificate that is not given its own.
        rights: access rights of the terminal: bit 1 for DG3, bit 2 for DG4.
        pss: RSA keys sign with RSASSA-PSS, else with PKCS #1 v1.5.
    """

    __test__ = False  # not a test, whatever its name says to pytest

    def __init__(
        self,
        seed: Seed = 0,
        *,
        kind: str = "brainpoolP256r1",
        hash_name: str = "sha256",
        country: str = "UT",
        effective: date = date(2024, 1, 1),
        expires: date = date(2049, 12, 31),
        rights: int = _BOTH,
        pss: bool = True,
    ) -> None:
        self.seed = seed
        self._kind = kind
        self._hash = hash_name
        self._country = country
        self._dates = (effective, expires)
        self._rights = rights
        self._pss = pss

    @functools.cached_property
    def cvca(self) -> CvIssued:
        """The self-signed country verifying authority."""
        return self.issue("CVCA", 1, None, ROLE_CVCA | _BOTH)

    @functools.cached_property
    def dv(self) -> CvIssued:
        """The domestic document verifier."""
        return self.issue("DV", 1, self.cvca, ROLE_DV_DOMESTIC | _BOTH)

    @functools.cached_property
    def terminal(self) -> CvIssued:
        """The terminal."""
        return self.issue("IS", 1, self.dv, ROLE_TERMINAL | self._rights)

    @property
    def chain(self) -> tuple[bytes, ...]:
        """Document verifier and terminal, in the order in which a chip takes them."""
        return (self.dv.der, self.terminal.der)

    def link(self, number: int = 2) -> CvIssued:
        """A link certificate: the next CVCA's key under the first one's signature."""
        return self.issue("CVCA", number, self.cvca, ROLE_CVCA | _BOTH)

    def foreign_dv(self, number: int = 9) -> CvIssued:
        """A foreign document verifier."""
        return self.issue("DV", number, self.cvca, ROLE_DV_FOREIGN | _BOTH)

    def ef_cvca(self, previous: str | None = None) -> bytes:
        """EF.CVCA (TR-03110-3 §A.1.3; ICAO 9303-10 §4.7): one or two references, padded with zeros to 36 bytes."""
        names = (self.cvca.holder, previous) if previous else (self.cvca.holder,)
        return b"".join(tlv(0x42, name.encode()) for name in names).ljust(_EF_CVCA_BYTES, b"\0")

    def issue(
        self,
        role_name: str,
        number: int,
        issuer: CvIssued | None,
        chat: int,
        *,
        effective: date | None = None,
        expires: date | None = None,
        key: PrivateKey | None = None,
        chat_type: str = str(Bsi.ROLE_INSPECTION_SYSTEM),
    ) -> CvIssued:
        """A certificate.

        Args:
            role_name: what the reference says: CVCA, DV, IS.
            number: running number, part of the reference; another number has another key.
            issuer: who signs; the certificate itself where None.
            chat: role and access rights, one byte (TR-03110-3 §C.4.1).
            effective, expires: its dates.
            key: its key pair; one made from the seed where None.
            chat_type: type of terminal, dotted.
        """
        key = key or make_key(self._kind, self.seed, "cv", role_name, str(number))
        prefix = SecurityProtocol.TA_ECDSA if isinstance(key, EcKey) else SecurityProtocol.TA_RSA
        name = f"TA_ECDSA_{self._sha}" if prefix is SecurityProtocol.TA_ECDSA else f"{self._rsa}_{self._sha}"
        protocol = str(SecurityProtocol[name])
        holder = f"{self._country}TEST{role_name}{number:05d}"
        authority = issuer.holder if issuer else holder
        full = issuer is None or chat & ROLE_CVCA == ROLE_CVCA
        body = tlv(
            0x7F4E,
            tlv(0x5F29, b"\0"),
            tlv(0x42, authority.encode()),
            _public_key(key, protocol, full=full),
            tlv(0x5F20, holder.encode()),
            tlv(0x7F4C, _der.oid(chat_type), tlv(0x53, bytes([chat]))),
            tlv(0x5F25, _bcd(effective or self._dates[0])),
            tlv(0x5F24, _bcd(expires or self._dates[1])),
        )
        own = CvIssued(b"", key, holder, protocol, self._hash)
        signature = (issuer or own).sign(body)
        return CvIssued(tlv(0x7F21, body, tlv(0x5F37, signature)), key, holder, protocol, self._hash)

    @property
    def _rsa(self) -> str:
        return "TA_RSA_PSS" if self._pss else "TA_RSA_V1_5"

    @property
    def _sha(self) -> str:
        return f"SHA_{self._hash[3:]}"


def _public_key(key: PrivateKey, protocol: str, *, full: bool) -> bytes:
    """Public key data object 7F49 (TR-03110-3 §D.3), with domain parameters where ``full``."""
    if isinstance(key, RsaKey):
        numbers = ((0x81, key.n), (0x82, key.e))
        return tlv(
            0x7F49, _der.oid(protocol), *(tlv(t, v.to_bytes((v.bit_length() + 7) // 8, "big")) for t, v in numbers)
        )
    curve = key.curve
    size = curve.coordinate_bytes
    parameters = b""
    if full:
        base = b"\x04" + curve.gx.to_bytes(size, "big") + curve.gy.to_bytes(size, "big")
        values: tuple[int | bytes, ...] = (curve.p, curve.a, curve.b, base, curve.n)
        parameters = b"".join(
            tlv(0x81 + i, v if isinstance(v, bytes) else v.to_bytes(size, "big")) for i, v in enumerate(values)
        )
    cofactor = tlv(0x87, b"\x01") if full else b""
    return tlv(0x7F49, _der.oid(protocol), parameters, tlv(0x86, key.public_bytes), cofactor)


def _bcd(day: date) -> bytes:
    return bytes(int(digit) for digit in day.strftime("%y%m%d"))
