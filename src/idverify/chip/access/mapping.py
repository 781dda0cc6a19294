"""Mappings of PACE: how the nonce becomes a generator (ICAO 9303-11 §4.4.3.3).

A mapping is made for one run. It has ``data`` to send in step 2, and turns the nonce and the card's answer into the
ephemeral domain. Generic mapping serves chip authentication mapping too (§4.4.3.3.3): the card's mapping key is kept.
"""

from __future__ import annotations

from typing import Final, Protocol

from idverify.chip.access.domain import DhDomain, DhKey, Domain, EcDomain, EcKey, Randomness
from idverify.crypto.block import BlockKey, Cipher
from idverify.errors import ConfigurationError, MalformedDataError, ProtocolError

_C0_128: Final = bytes.fromhex("a668892a7c41e3ca739f40b057d85904")
_C1_128: Final = bytes.fromhex("a4e136ac725f738b01c1f60217c188ad")
_C0_256: Final = bytes.fromhex("d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676")
_C1_256: Final = bytes.fromhex("54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517")
_SECURITY_BITS: Final = 64


class Mapping(Protocol):
    """One run's mapping."""

    @property
    def data(self) -> bytes:
        """Mapping data of the terminal, the value of DO'81'."""
        ...

    @property
    def chip_key(self) -> bytes:
        """The card's mapping key as it came; empty before, and with integrated mapping."""
        ...

    def map(self, nonce: bytes, answer: bytes | None) -> Domain:
        """The ephemeral domain from the decrypted nonce and the value of DO'82'.

        Raises:
            ProtocolError, MalformedDataError: the answer cannot be used.
        """
        ...


class GenericMapping:
    """Generic mapping: an anonymous key agreement masks the nonce (§4.4.3.3.1)."""

    def __init__(self, domain: Domain, rng: Randomness) -> None:
        self._domain = domain
        self._key = domain.generate(rng)
        self.chip_key = b""

    @property
    def data(self) -> bytes:
        """The terminal's public mapping key."""
        return self._key.public

    def map(self, nonce: bytes, answer: bytes | None) -> Domain:
        """Ĝ = s·G + H, or ĝ = g^s·h.

        Raises:
            ProtocolError: the card sent no key, or the terminal's own.
            MalformedDataError: the card's key is not of the group.
        """
        if not answer:
            raise ProtocolError("PACE mapping: the card sent no mapping key")
        if self._domain.same(answer, self._key.public):
            raise ProtocolError("PACE mapping: the card sent the terminal's own key back")
        self.chip_key = answer
        if isinstance(self._domain, EcDomain) and isinstance(self._key, EcKey):
            return self._domain.map_generic(nonce, self._key, answer)
        if isinstance(self._domain, DhDomain) and isinstance(self._key, DhKey):
            return self._domain.map_generic(nonce, self._key, answer)
        raise ConfigurationError("PACE mapping: the key is not of the domain")


class IntegratedMapping:
    """Integrated mapping: a second nonce and a pseudo-random function (§4.4.3.3.2)."""

    chip_key = b""

    def __init__(self, domain: Domain, cipher: Cipher, rng: Randomness) -> None:
        self._domain = domain
        self._cipher = cipher
        self._t = rng(cipher.key_bytes)
        if len(self._t) != cipher.key_bytes:
            raise ConfigurationError("the random source does not give the number of bytes asked for")

    @property
    def data(self) -> bytes:
        """The nonce t."""
        return self._t

    def map(self, nonce: bytes, answer: bytes | None) -> Domain:
        """Ĝ = f_G(R_p(s, t)).

        Raises:
            ProtocolError: the card answered with data.
        """
        if answer:
            raise ProtocolError("PACE integrated mapping: the card sent mapping data where none belong")
        return self._domain.map_integrated(pseudo_random(self._cipher, nonce, self._t, self._domain.field_prime))


def pseudo_random(cipher: Cipher, s: bytes, t: bytes, prime: int) -> int:
    """R_p(s, t): a field element from two nonces (§4.4.3.3.2, figure 2).

    Args:
        cipher: the block cipher E, used in CBC mode with zero IV.
        s: the card's nonce: 16 bytes for 3DES and AES-128, 32 for AES-192 and AES-256.
        t: the terminal's nonce, ``cipher.key_bytes`` bytes.
        prime: p.

    Raises:
        MalformedDataError: a nonce s of another length.
    """
    long = cipher in (Cipher.AES192, Cipher.AES256)
    c0, c1 = (_C0_256, _C1_256) if long else (_C0_128, _C1_128)
    if len(s) != len(c0):
        raise MalformedDataError(f"PACE integrated mapping: a nonce of {len(s)} bytes where {len(c0)} belong")
    key = BlockKey(cipher, t).encrypt(s)[: cipher.key_bytes]
    output = b""
    while 8 * len(output) < prime.bit_length() + _SECURITY_BITS:
        step = BlockKey(cipher, key)
        key = step.encrypt(c0)[: cipher.key_bytes]
        output += step.encrypt(c1)
    return int.from_bytes(output, "big") % prime
