"""Keys that ``idverify inspect`` knows by their kind; of a private key nothing but its kind and public half is told."""

from __future__ import annotations

import base64
import re
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from idverify._tlv import Tlv, parse
from idverify.crypto.signature import PublicKey
from idverify.errors import IdVerifyError, MalformedDataError

_PRIVATE_PEM: Final = re.compile(rb"-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----")
_LOOKED_AT: Final = 100_000
_INTEGER, _BITS, _OCTETS, _OID, _SEQUENCE = 0x02, 0x03, 0x04, 0x06, 0x30

Kind = tuple[str, dict[str, Any]]


def private_pem(data: bytes) -> Kind | None:
    """A private key in PEM (RFC 7468 §10 and §11, and OpenSSL's older labels), wherever in the text it stands."""
    match = _PRIVATE_PEM.search(data[:_LOOKED_AT])
    if match is None:
        return None
    body, _, _ = data[match.end() :].partition(b"-----END ")  # one that is cut off is a secret too
    try:
        return private_key(base64.b64decode(body, validate=False))
    except (ValueError, MalformedDataError):  # in a form of its own: OpenSSH's, encrypted as of old, or cut off
        return f"private key, PEM ({match[1].decode('ascii').lower()})", {}


def private_key(data: bytes) -> Kind:
    """A private key in DER, or a PKCS #12 file.

    Raises:
        MalformedDataError: neither.
    """
    parts = parse(data, _SEQUENCE, what="private key").children(what="private key")
    tags = [part.tag for part in parts]
    if tags[:3] == [_INTEGER, _SEQUENCE, _OCTETS] and _algorithm(parts[1]):
        return "private key, PKCS #8", _public_half(data)
    if tags == [_SEQUENCE, _OCTETS] and _algorithm(parts[0]):
        return "encrypted private key, PKCS #8", {}
    if tags[:2] == [_INTEGER, _OCTETS] and parts[0].value == b"\x01":
        return "private key of an elliptic curve, SEC 1", _public_half(data)
    if tags == [_INTEGER] * 9 and parts[0].value == b"\x00":
        return "RSA private key, PKCS #1", _public_half(data)
    if tags[:2] == [_INTEGER, _SEQUENCE] and len(parts) <= 3 and parts[0].value == b"\x03":
        return "PKCS #12 file, of keys and certificates under a password", {}
    raise MalformedDataError("private key: it has the shape of none")


def public_key(data: bytes) -> Kind:
    """A SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).

    Raises:
        MalformedDataError: none.
    """
    parts = parse(data, _SEQUENCE, what="public key").children(what="public key")
    if [part.tag for part in parts] != [_SEQUENCE, _BITS] or not _algorithm(parts[0]):
        raise MalformedDataError("public key: it has the shape of none")
    return "public key", {"key": key_text(data)}


def key_text(spki: bytes) -> str:
    """A SubjectPublicKeyInfo in words."""
    try:
        return str(PublicKey.from_spki(spki))
    except IdVerifyError:
        return "of a kind that signatures are not verified with"


def _algorithm(identifier: Tlv) -> bool:
    """Whether this is an AlgorithmIdentifier: an object identifier, and perhaps parameters."""
    inside = identifier.children(what="algorithm")
    return 1 <= len(inside) <= 2 and inside[0].tag == _OID


def _public_half(data: bytes) -> dict[str, Any]:
    try:
        public = load_der_private_key(data, None).public_key()
        return {"its public key": key_text(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))}
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return {}
