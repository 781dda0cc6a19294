"""The terminal's private key for terminal authentication: in memory, far away, or in a security module.

A :class:`TerminalKey` signs and nothing else, so that the key of an inspection system may stay where it is safe.
Keys in a PKCS #11 module: :mod:`idverify.chip.access.pkcs11_key`.
"""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec as pyca_ec
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

from idverify import _tlv
from idverify._secret import Secret
from idverify.chip.access.domain import EcDomain, from_algorithm_identifier
from idverify.chip.lds import _der
from idverify.crypto import ec
from idverify.crypto.curves import Curve
from idverify.crypto.ec import PrivateScalar
from idverify.crypto.signature import Scheme, SignatureAlgorithm, digest
from idverify.errors import (
    ConfigurationError,
    IdVerifyError,
    MalformedDataError,
    TerminalKeyError,
    UnsupportedAlgorithmError,
)
from idverify.oids import DomainParameters

_PARAMETERS: Final = 0xA0
_MAX_KEY_BYTES: Final = 16384
_PEM: Final = re.compile(rb"-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)
MAX_SIGNATURE: Final = 1024
"""Longest signature that is taken from a signer, in bytes."""


class TerminalKey(Protocol):
    """The private key that belongs to a terminal's certificate."""

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """A signature as terminal authentication has it (BSI TR-03110-3 §A.7.3.1, §A.7.4.1).

        Args:
            message: what to sign, not its hash: at most a few hundred bytes.
            algorithm: what the terminal's certificate asks for.

        Returns:
            RSA: as long as the modulus. ECDSA: r ‖ s, each as long as the order.

        Raises:
            TerminalKeyError: the key cannot be used, or whoever holds it does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemoteTerminalKey:
    """A key that is somewhere else: ``signer`` is called with the message and the algorithm.

    Whatever the callable raises becomes a :class:`~idverify.errors.TerminalKeyError`.

    Attributes:
        signer: asks the other side, and has its own time-outs; ``algorithm.hash`` names the hash.
    """

    signer: Callable[[bytes, SignatureAlgorithm], bytes] = field(repr=False)

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """As :meth:`TerminalKey.sign`."""
        try:
            signature = bytes(self.signer(message, algorithm))
        except IdVerifyError:
            raise
        except Exception as error:  # the application's code, or the network's
            raise TerminalKeyError(f"the remote signer failed ({type(error).__name__})") from error
        if not 1 <= len(signature) <= MAX_SIGNATURE:
            raise TerminalKeyError(f"the remote signer returned {len(signature)} bytes")
        return signature


class InMemoryTerminalKey:
    """A key in this process: for tests, and where nothing better is at hand.

    Args:
        key: the scalar of an EC key, or an RSA key.
    """

    __slots__ = ("_key",)

    def __init__(self, key: PrivateScalar | rsa.RSAPrivateKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return "InMemoryTerminalKey(<redacted>)"

    @property
    def curve(self) -> Curve | None:
        """The curve of an EC key, or None of an RSA key."""
        return self._key.curve if isinstance(self._key, PrivateScalar) else None

    @classmethod
    def load(cls, data: bytes, passphrase: Secret[str] | None = None) -> InMemoryTerminalKey:
        """From the bytes of a key file: DER as :meth:`from_der` takes it, or PEM (RFC 7468).

        Args:
            data: the file.
            passphrase: of an encrypted key (PKCS #8, RFC 5958 §3; in PEM also OpenSSL's older form).

        Raises:
            ConfigurationError: no such key, or it does not open with this passphrase.
        """
        if len(data) > _MAX_KEY_BYTES:
            raise ConfigurationError(f"a private key of {len(data)} bytes is beyond the cap")
        block = _PEM.search(data)
        if _is_encrypted(data, block):
            return cls.from_der(_decrypted(data if block is None else block[0], passphrase, pem=block is not None))
        if block is None:
            return cls.from_der(data)
        try:
            return cls.from_der(base64.b64decode(block[2], validate=False))
        except ValueError:
            raise ConfigurationError("expected a private key in PEM: its text is no base64") from None

    @classmethod
    def from_der(cls, encoded: bytes) -> InMemoryTerminalKey:
        """From PKCS #8 (RFC 5958), SEC 1 (RFC 5915) or PKCS #1 in DER; named curves or explicit parameters.

        Raises:
            ConfigurationError: no such key.
        """
        if len(encoded) > _MAX_KEY_BYTES:
            raise ConfigurationError(f"a private key of {len(encoded)} bytes is beyond the cap")
        try:
            found = _ec_key(encoded)
        except (MalformedDataError, UnsupportedAlgorithmError, ValueError, IndexError) as error:
            raise ConfigurationError(f"expected a private key in DER: {type(error).__name__}") from None
        return cls(found if found is not None else _rsa_key(encoded))

    def sign(self, message: bytes, algorithm: SignatureAlgorithm) -> bytes:
        """As :meth:`TerminalKey.sign`."""
        rsa_scheme = algorithm.scheme in (Scheme.RSA_PKCS1, Scheme.RSA_PSS)
        if rsa_scheme == isinstance(self._key, PrivateScalar):
            raise TerminalKeyError(f"the terminal's key cannot make {algorithm.scheme} signatures")
        if isinstance(self._key, PrivateScalar):
            return sign_plain(self._key, digest(algorithm.hash, message))
        chosen = _HASHES[algorithm.hash]
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if algorithm.scheme is Scheme.RSA_PSS:
            scheme = padding.PSS(padding.MGF1(chosen), chosen.digest_size)
        try:
            return self._key.sign(message, scheme, chosen)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise TerminalKeyError(f"the terminal's RSA key cannot be used with {algorithm}") from error


_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - old terminal certificates ask for it
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def sign_plain(key: PrivateScalar, hashed: bytes) -> bytes:
    """ECDSA over a hash, r ‖ s (BSI TR-03111 §4.2.1.1, §5.2.1), on any curve of the table."""
    curve = key.curve
    if curve.primitive is not None:
        algorithm = next(h for h in _HASHES.values() if h.digest_size == len(hashed))
        pair = pyca_ec.derive_private_key(key.reveal(), curve.primitive)
        r, s = decode_dss_signature(pair.sign(hashed, pyca_ec.ECDSA(Prehashed(algorithm))))
    else:
        r, s = _sign_blinded(key, hashed)
    size = curve.order_bytes
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _sign_blinded(key: PrivateScalar, hashed: bytes) -> tuple[int, int]:
    """The same where no library has the curve: k·G by the ladder, the inversion of k under a random factor."""
    curve, n = key.curve, key.curve.n
    e = int.from_bytes(hashed, "big") >> max(0, 8 * len(hashed) - n.bit_length())
    while True:
        k, blind = (ec.draw_scalar(curve, secrets.token_bytes) for _ in range(2))
        r = ec.base_multiply(curve, k).x % n
        s = pow(k * blind % n, -1, n) * ((blind * e + blind * key.reveal() % n * r) % n) % n
        if r and s:
            return r, s


def _is_encrypted(data: bytes, block: re.Match[bytes] | None) -> bool:
    """Whether a passphrase is needed; EncryptedPrivateKeyInfo begins with an algorithm, other keys with a number."""
    if block is not None:
        return block[1].startswith(b"ENCRYPTED") or b"ENCRYPTED" in block[2]
    try:
        parts = _tlv.parse(data, _der.SEQUENCE, what="private key").children(what="private key")
    except MalformedDataError:
        return False
    return [p.tag for p in parts] == [_der.SEQUENCE, _der.OCTET_STRING]


def _decrypted(data: bytes, passphrase: Secret[str] | None, *, pem: bool) -> bytes:
    """PKCS #8 in the clear."""
    if passphrase is None:
        raise ConfigurationError("the private key is encrypted; give its passphrase")
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    form = (serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        return load(data, passphrase.reveal().encode()).private_bytes(*form)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ConfigurationError("the private key does not open with this passphrase, or is of another kind") from None


def _ec_key(encoded: bytes) -> PrivateScalar | None:
    """The key, or None where it is none on a curve."""
    what = "private key"
    parts = _tlv.parse(encoded, _der.SEQUENCE, what=what).children(what=what)
    algorithm: bytes | None = None
    if parts[1].tag == _der.SEQUENCE:  # PKCS #8: the algorithm, then the key as an OCTET STRING
        algorithm = parts[1].raw
        if _der.decode_oid(parts[1].children(what=what)[0].value, what=what) != DomainParameters.EC_PUBLIC_KEY:
            return None
        parts = _tlv.parse(parts[2].value, _der.SEQUENCE, what=what).children(what=what)
    if parts[1].tag != _der.OCTET_STRING:
        return None  # PKCS #1 has numbers only
    if algorithm is None:
        parameters = next((p for p in parts if p.tag == _PARAMETERS), None)
        if parameters is None:
            raise MalformedDataError("private key: no domain parameters")
        algorithm = _tlv.encode(_der.SEQUENCE, _der.encode_oid(DomainParameters.EC_PUBLIC_KEY), parameters.value)
    domain = from_algorithm_identifier(algorithm, what=what)
    if not isinstance(domain, EcDomain):
        raise UnsupportedAlgorithmError("private key: not on a curve")
    return PrivateScalar(domain.curve, int.from_bytes(parts[1].value, "big"))


def _rsa_key(encoded: bytes) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_der_private_key(encoded, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigurationError(f"expected a private key in DER: {type(error).__name__}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigurationError("expected an RSA or EC private key")
    return key
