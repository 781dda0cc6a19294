"""Signatures of the field and their verification.

Algorithms are in :mod:`idverify.crypto.algorithm`, keys in :mod:`idverify.crypto.public_key`; both have their names
here too. Weak algorithms verify and say that they are weak: whether that matters is for a policy.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, padding, rsa, utils

from idverify.crypto import ec as points
from idverify.crypto.algorithm import (
    HASHES,
    WEAK_HASHES,
    AlgorithmId,
    Scheme,
    SignatureAlgorithm,
    digest,
    hash_name,
    hash_oid,
)
from idverify.crypto.curves import Curve
from idverify.crypto.public_key import (
    DSA_SIZES,
    MAX_RSA_BITS,
    MAX_RSA_EXPONENT_BITS,
    MIN_RSA_BITS,
    STRONG_CURVE_BITS,
    STRONG_RSA_BITS,
    DsaDomain,
    KeyKind,
    PublicKey,
)
from idverify.errors import UnsupportedAlgorithmError

__all__ = [
    "DSA_SIZES",
    "MAX_RSA_BITS",
    "MAX_RSA_EXPONENT_BITS",
    "MIN_RSA_BITS",
    "STRONG_CURVE_BITS",
    "STRONG_RSA_BITS",
    "WEAK_HASHES",
    "AlgorithmId",
    "DsaDomain",
    "KeyKind",
    "PublicKey",
    "Scheme",
    "SignatureAlgorithm",
    "digest",
    "hash_name",
    "hash_oid",
    "verify",
    "verify_ecdsa_digest",
]

_KIND_OF_SCHEME: Final = {
    Scheme.RSA_PKCS1: KeyKind.RSA,
    Scheme.RSA_PSS: KeyKind.RSA,
    Scheme.ECDSA: KeyKind.EC,
    Scheme.ECDSA_PLAIN: KeyKind.EC,
    Scheme.DSA: KeyKind.DSA,
}


def verify(key: PublicKey, algorithm: SignatureAlgorithm, signature: bytes, message: bytes) -> bool:
    """Whether ``signature`` is the signature of ``message`` under ``key``.

    Args:
        key: the public key.
        algorithm: the algorithm; its family must be the key's.
        signature: RSA: big-endian number, leading zeros may be missing or too many; ECDSA: DER, or r‖s for the plain
            format; DSA: DER.
        message: the bytes that were signed, not their hash.

    Raises:
        UnsupportedAlgorithmError: the algorithm and the key do not go together, or a key that cannot be used.
    """
    if key.kind is not _KIND_OF_SCHEME[algorithm.scheme]:
        raise UnsupportedAlgorithmError(f"a {algorithm.scheme} signature under a key of the kind {key.kind}")
    if key.kind is KeyKind.RSA:
        return _verify_rsa(key, algorithm, signature, message)
    if key.domain is not None:
        return _verify_dsa(key, key.domain, algorithm, signature, message)
    return verify_ecdsa_digest(
        key, signature, digest(algorithm.hash, message), plain=algorithm.scheme is Scheme.ECDSA_PLAIN
    )


def _verify_rsa(key: PublicKey, algorithm: SignatureAlgorithm, signature: bytes, message: bytes) -> bool:
    size = (key.n.bit_length() + 7) // 8
    number = signature.lstrip(b"\x00")  # RFC 8017 §8.2.2 asks for exactly `size` bytes; the field does not
    if len(number) > size or len(signature) > size + 16:
        return False
    chosen = HASHES[algorithm.hash]
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm.scheme is Scheme.RSA_PSS:
        salt = padding.PSS.AUTO if algorithm.salt_length is None else algorithm.salt_length
        scheme = padding.PSS(padding.MGF1(HASHES[algorithm.mask_hash or algorithm.hash]), salt)
    try:
        public = rsa.RSAPublicNumbers(key.e, key.n).public_key()
        public.verify(number.rjust(size, b"\x00"), message, scheme, chosen)
    except InvalidSignature:
        return False
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(f"an RSA key of {key.bits} bits that cannot be used") from error
    return True


def _verify_dsa(
    key: PublicKey, domain: DsaDomain, algorithm: SignatureAlgorithm, signature: bytes, message: bytes
) -> bool:
    """FIPS 186-4 §4.7; a hash longer than q is cut to its leftmost bits."""
    pair = _der_pair(signature)
    if pair is None or not all(0 < number < domain.q for number in pair):
        return False
    try:
        numbers = dsa.DSAParameterNumbers(domain.p, domain.q, domain.g)
        public = dsa.DSAPublicNumbers(key.y, numbers).public_key()
        public.verify(utils.encode_dss_signature(*pair), message, HASHES[algorithm.hash])
    except InvalidSignature:
        return False
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(f"a DSA key of {key.bits} bits that cannot be used") from error
    return True


def verify_ecdsa_digest(key: PublicKey, signature: bytes, hashed: bytes, *, plain: bool = False) -> bool:
    """ECDSA over a hash that was computed already (ANSI X9.62 §7.4; BSI TR-03111 §4.2.1.2).

    Args:
        key: an EC key.
        signature: DER ``SEQUENCE { r, s }``, or r‖s of equal lengths where ``plain``.
        hashed: the hash, 20 to 64 bytes; longer ones than the order are cut by the algorithm.
        plain: see above.

    Raises:
        UnsupportedAlgorithmError: no EC key.
    """
    if key.curve is None:
        raise UnsupportedAlgorithmError("an ECDSA signature under a key that is not on a curve")
    pair = _plain_pair(signature, key.curve) if plain else _der_pair(signature)
    if pair is None:
        return False
    r, s = pair
    if not (0 < r < key.curve.n and 0 < s < key.curve.n):
        return False
    return points.verify_ecdsa(key.curve, points.Point(key.x, key.y), hashed, r, s)


def _der_pair(signature: bytes) -> tuple[int, int] | None:
    try:
        return utils.decode_dss_signature(signature)
    except ValueError:
        return None


def _plain_pair(signature: bytes, curve: Curve) -> tuple[int, int] | None:
    half, odd = divmod(len(signature), 2)
    if odd or not 0 < half <= curve.order_bytes:
        return None
    return int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
