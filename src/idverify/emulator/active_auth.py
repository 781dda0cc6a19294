"""Active authentication on the card's side (ICAO 9303-11 §6.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from idverify.emulator._random import Rng
from idverify.emulator.keys import EcKey, PrivateKey, RsaKey, digest
from idverify.errors import ConfigurationError
from idverify.oids import PlainSignature, Signature

CHALLENGE_BYTES: Final = 8
_TRAILERS: Final = {
    "sha1": b"\x33\xcc",
    "sha224": b"\x38\xcc",
    "sha256": b"\x34\xcc",
    "sha384": b"\x36\xcc",
    "sha512": b"\x35\xcc",
}
_IMPLICIT: Final = b"\xbc"


@dataclass(frozen=True, slots=True)
class ActiveAuthKey:
    """The key of DG15 and how the chip signs with it.

    Attributes:
        key: RSA or EC key pair; never in a ``repr``.
        hash_name: hash of the signature.
        trailer: ISO/IEC 9796-2 trailer: ``standard`` is one byte for SHA-1 and two for other hashes (§6.1.2.2);
            ``implicit`` and ``explicit`` force one or the other.
        smaller: answer min(s, n - s), the scheme of ISO/IEC 9796-2 B.4 that chips should not use but some do.
        der: an ECDSA signature in DER instead of plain r‖s.
        strip_zeros: leave leading zero bytes of an RSA signature away.
    """

    key: PrivateKey = field(repr=False)
    hash_name: str = "sha256"
    trailer: Literal["standard", "implicit", "explicit"] = "standard"
    smaller: bool = False
    der: bool = False
    strip_zeros: bool = False

    @property
    def signature_oid(self) -> str | None:
        """Signature algorithm for the ActiveAuthenticationInfo: EC keys only (§9.2.8)."""
        if isinstance(self.key, RsaKey):
            return None
        name = self.hash_name.upper()
        return str(Signature[f"ECDSA_WITH_{name}"] if self.der else PlainSignature[f"ECDSA_PLAIN_{name}"])

    def sign(self, challenge: bytes, rng: Rng) -> bytes:
        """The answer to INTERNAL AUTHENTICATE.

        Args:
            challenge: RND.IFD, 8 bytes.
            rng: gives M1, the recoverable part of an RSA signature.
        """
        if isinstance(self.key, EcKey):
            write = self.key.sign if self.der else self.key.sign_plain
            return write(challenge, self.hash_name)
        key = self.key
        representative = int.from_bytes(self.message_representative(challenge, rng), "big")
        signature = key.private_operation(representative)
        if self.smaller:
            signature = min(signature, key.n - signature)
        out = signature.to_bytes(key.size, "big")
        return out.lstrip(b"\0") if self.strip_zeros else out

    def message_representative(self, challenge: bytes, rng: Rng) -> bytes:
        """F = 6A ‖ M1 ‖ H(M1 ‖ M2) ‖ T (ISO/IEC 9796-2 scheme 1, partial recovery), as long as the modulus."""
        if not isinstance(self.key, RsaKey):
            raise ConfigurationError("only an RSA key has a message representative")
        trailer = self._trailer()
        hash_bytes = len(digest(self.hash_name, b""))
        m1 = rng(self.key.size - 1 - hash_bytes - len(trailer))
        return b"\x6a" + m1 + digest(self.hash_name, m1 + challenge) + trailer

    def _trailer(self) -> bytes:
        if self.trailer == "implicit" or (self.trailer == "standard" and self.hash_name == "sha1"):
            return _IMPLICIT
        return _TRAILERS[self.hash_name]
