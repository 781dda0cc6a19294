"""Active authentication (ICAO 9303-11 §6.1): the chip signs a challenge with a key that cannot be copied.

It proves the chip genuine only where passive authentication vouches for DG15, and DG14 where that names the hash: the
caller gates the verdict. What a run leaves is evidence that anyone can verify again, later and elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from idverify import _tlv
from idverify.chip.access._commands import fail
from idverify.chip.iso7816.apdu import MAX_EXTENDED, MAX_SHORT_LE, CardChannel, CommandAPDU
from idverify.chip.lds import _der
from idverify.crypto import rsa
from idverify.crypto.signature import KeyKind, PublicKey, SignatureAlgorithm, digest, verify_ecdsa_digest
from idverify.errors import ConfigurationError, MalformedDataError, ProtocolError, UnsupportedAlgorithmError

CHALLENGE_BYTES: Final = 8
"""Length of RND.IFD (§6.1.2.1)."""
_MAX_RESPONSE: Final = 1100  # an RSA signature of 8192 bits, and some
_SHORT_SIGNATURE: Final = 223  # what a protected short response carries whatever the cipher
_MAX_TEXT: Final = 4096
_HASHES: Final = ("sha256", "sha1", "sha224", "sha384", "sha512")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAuthEvidence:
    """A challenge and what the chip made of it.

    Attributes:
        challenge: RND.IFD, 8 bytes.
        response: the signature.
        public_key: the SubjectPublicKeyInfo of DG15, as read.
        signature_algorithm: dotted identifier that DG14's ActiveAuthenticationInfo names, or None.
        verified: whether the signature verified; :func:`verify_active_auth` says it again.
        algorithm: how it verified (``rsa-1024 iso9796-2 sha1 bc``, ``ec secp256r1 ecdsa-plain sha256``), else the key.
    """

    challenge: bytes = field(repr=False)
    response: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    signature_algorithm: str | None
    verified: bool
    algorithm: str

    def to_dict(self) -> dict[str, Any]:
        """A JSON object: what it takes to verify again, bytes as hexadecimal text."""
        return {
            "challenge": self.challenge.hex(),
            "response": self.response.hex(),
            "public_key": self.public_key.hex(),
            "signature_algorithm": self.signature_algorithm,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """From :meth:`to_dict`; the verdict is computed anew, never taken from outside.

        Raises:
            MalformedDataError: another object.
            UnsupportedAlgorithmError: a key or algorithm that this library does not know.
        """
        try:
            parts = [value[k] for k in ("challenge", "response", "public_key")]
            algorithm = value.get("signature_algorithm")
        except (KeyError, TypeError, AttributeError):
            raise MalformedDataError("active authentication evidence: a field is missing") from None
        if not all(isinstance(p, str) and len(p) <= _MAX_TEXT for p in parts):
            raise MalformedDataError("active authentication evidence: a field is no text, or too long")
        if algorithm is not None and not isinstance(algorithm, str):
            raise MalformedDataError("active authentication evidence: the algorithm is no text")
        try:
            challenge, response, public_key = (bytes.fromhex(p) for p in parts)
        except ValueError:
            raise MalformedDataError("active authentication evidence: a field is not hexadecimal") from None
        return cls._judge(challenge, response, public_key, algorithm)

    @classmethod
    def _judge(cls, challenge: bytes, response: bytes, public_key: bytes, signature_algorithm: str | None) -> Self:
        key = PublicKey.from_spki(public_key, what="DG15")
        how = _verify(key, challenge, response, signature_algorithm)
        return cls(
            challenge=challenge,
            response=response,
            public_key=public_key,
            signature_algorithm=signature_algorithm,
            verified=how is not None,
            algorithm=f"{key} {how}" if how else str(key),
        )


def run_active_auth(
    channel: CardChannel,
    public_key: bytes,
    *,
    rng: Callable[[int], bytes],
    challenge: bytes | None = None,
    signature_algorithm: str | None = None,
) -> ActiveAuthEvidence:
    """Have the chip sign a challenge and verify the signature (§6.1.3).

    Args:
        channel: the card, the application selected, under secure messaging where the card asks for it.
        public_key: the SubjectPublicKeyInfo of DG15.
        rng: random bytes for the challenge.
        challenge: 8 bytes from a remote verifier, in place of random ones.
        signature_algorithm: dotted identifier from DG14's ActiveAuthenticationInfo, where there is one (§9.2.8).

    Returns:
        the evidence, with its verdict: a signature that does not verify is a result, not an error.

    Raises:
        AccessDeniedError: the card refuses the command; the cause is the StatusWordError.
        ProtocolError: an answer that can be no signature.
        MalformedDataError, UnsupportedAlgorithmError: a key or algorithm that cannot be used (before any command).
        ConfigurationError: a challenge of another length.
    """
    key = PublicKey.from_spki(public_key, what="DG15")
    if signature_algorithm is not None and key.kind is KeyKind.EC:
        _ecdsa_hashes(signature_algorithm)
    if challenge is None:
        challenge = rng(CHALLENGE_BYTES)
    if len(challenge) != CHALLENGE_BYTES:
        raise ConfigurationError(f"the challenge must have {CHALLENGE_BYTES} bytes, got {len(challenge)}")
    size = (key.bits + 7) // 8 if key.kind is KeyKind.RSA else 2 * ((key.bits + 7) // 8) + 16
    le = MAX_EXTENDED if size > _SHORT_SIGNATURE else MAX_SHORT_LE
    response = channel.send(CommandAPDU(0x00, 0x88, 0x00, 0x00, data=challenge, le=le))
    if not response.ok:
        fail(response.sw, command="INTERNAL AUTHENTICATE")
    if not 1 <= len(response.data) <= _MAX_RESPONSE:
        raise ProtocolError(f"INTERNAL AUTHENTICATE: an answer of {len(response.data)} bytes")
    return ActiveAuthEvidence._judge(challenge, response.data, public_key, signature_algorithm)


def verify_active_auth(public_key: bytes, evidence: ActiveAuthEvidence) -> bool:
    """Whether the evidence holds under the key of a DG15 that passive authentication vouches for.

    Args:
        public_key: the SubjectPublicKeyInfo of that DG15; the one inside the evidence must be the same, byte for byte.
        evidence: of an earlier run. Its own verdict is not looked at.

    Raises:
        MalformedDataError, UnsupportedAlgorithmError: a key or algorithm that cannot be used.
    """
    if public_key != evidence.public_key or len(evidence.challenge) != CHALLENGE_BYTES:
        return False
    key = PublicKey.from_spki(public_key, what="DG15")
    return _verify(key, evidence.challenge, evidence.response, evidence.signature_algorithm) is not None


def _verify(key: PublicKey, challenge: bytes, signature: bytes, signature_algorithm: str | None) -> str | None:
    """How the signature verifies, or None."""
    if len(challenge) != CHALLENGE_BYTES:
        return None
    if key.kind is KeyKind.RSA:
        found = rsa.iso9796_2_verify(key.n, key.e, signature, challenge)
        return f"iso9796-2 {found.hash_name} {found.trailer}" if found else None
    hashes = _HASHES if signature_algorithm is None else _ecdsa_hashes(signature_algorithm)
    for name in hashes:
        hashed = digest(name, challenge)
        for plain in (True, False):  # §6.1.2.3 asks for the plain format; chips in the field send DER too
            if verify_ecdsa_digest(key, signature, hashed, plain=plain):
                return f"{'ecdsa-plain' if plain else 'ecdsa'} {name}"
    return None


def _ecdsa_hashes(signature_algorithm: str) -> tuple[str, ...]:
    """The hash that an identifier of an ECDSA algorithm names."""
    try:
        encoded = _tlv.encode(_der.SEQUENCE, _der.encode_oid(signature_algorithm))
    except ValueError:
        raise UnsupportedAlgorithmError("active authentication: no object identifier of an algorithm") from None
    algorithm = SignatureAlgorithm.parse(encoded, what="ActiveAuthenticationInfo")
    if not algorithm.scheme.startswith("ecdsa"):
        raise UnsupportedAlgorithmError(f"active authentication: {algorithm} with a key on a curve")
    return (algorithm.hash,)
