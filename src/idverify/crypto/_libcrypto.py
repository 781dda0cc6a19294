"""OpenSSL's own library, for secret numbers in groups that cryptography has no door to.

cryptography lacks brainpoolP192r1, P224r1 and P320r1, and Diffie-Hellman with explicit subgroups. OpenSSL has both, in
constant time: one point times one scalar runs in its Montgomery ladder (since 1.1.1), and modular exponentiation in
``BN_mod_exp_mont_consttime``. On Linux the library that the interpreter's ``ssl`` uses is asked by its name. Elsewhere,
or where it is missing or was built without a curve, these functions say None, and the caller computes by itself.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Final

_NAMES: Final = ("libcrypto.so.3", "libcrypto.so.1.1")
_LEAST_VERSION: Final = 0x1010100F  # 1.1.1, the first with the ladder
_POINTER: Final = ctypes.c_void_p
_SIGNATURES: Final[dict[str, tuple[object, ...]]] = {
    # name: result, arguments
    "OpenSSL_version_num": (ctypes.c_ulong,),
    "BN_bin2bn": (_POINTER, ctypes.c_char_p, ctypes.c_int, _POINTER),
    "BN_bn2binpad": (ctypes.c_int, _POINTER, ctypes.c_char_p, ctypes.c_int),
    "BN_new": (_POINTER,),
    "BN_clear_free": (None, _POINTER),
    "BN_CTX_secure_new": (_POINTER,),
    "BN_CTX_free": (None, _POINTER),
    "BN_mod_exp_mont_consttime": (ctypes.c_int, *(6 * (_POINTER,))),
    "OBJ_txt2nid": (ctypes.c_int, ctypes.c_char_p),
    "EC_GROUP_new_by_curve_name": (_POINTER, ctypes.c_int),
    "EC_POINT_new": (_POINTER, _POINTER),
    "EC_POINT_clear_free": (None, _POINTER),
    "EC_POINT_oct2point": (ctypes.c_int, _POINTER, _POINTER, ctypes.c_char_p, ctypes.c_size_t, _POINTER),
    "EC_POINT_point2oct": (
        ctypes.c_size_t,
        _POINTER,
        _POINTER,
        ctypes.c_int,
        ctypes.c_char_p,
        ctypes.c_size_t,
        _POINTER,
    ),
    "EC_POINT_mul": (ctypes.c_int, *(6 * (_POINTER,))),
}
_UNCOMPRESSED: Final = 4


@cache
def _library() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    for name in _NAMES:
        try:
            found = ctypes.CDLL(name)
            for function, (result, *arguments) in _SIGNATURES.items():
                entry = getattr(found, function)
                entry.restype, entry.argtypes = result, arguments
        except (OSError, AttributeError):
            continue
        if found.OpenSSL_version_num() >= _LEAST_VERSION:
            return found
    return None


@cache
def _group(oid: str) -> int | None:
    """The curve with this object identifier, kept for ever; None where the library lacks it."""
    library = _library()
    number = library.OBJ_txt2nid(oid.encode()) if library is not None else 0
    group = library.EC_GROUP_new_by_curve_name(number) if library is not None and number else None
    return int(group) if group else None


def has_curve(oid: str) -> bool:
    """Whether :func:`point_times` works on the curve with this object identifier."""
    return _group(oid) is not None


def has_power() -> bool:
    """Whether :func:`power` works."""
    return _library() is not None


def point_times(oid: str, secret: bytes, point: bytes) -> bytes | None:
    """A point times a secret scalar.

    Args:
        oid: of the named curve.
        secret: the scalar, big-endian, of the length of the order.
        point: uncompressed.

    Returns:
        the product, uncompressed; None where the library cannot tell.
    """
    library, group = _library(), _group(oid)
    if library is None or group is None:
        return None
    context = library.BN_CTX_secure_new()
    scalar = library.BN_bin2bn(secret, len(secret), None)
    base, product = library.EC_POINT_new(group), library.EC_POINT_new(group)
    answer = ctypes.create_string_buffer(len(point))
    try:
        done = (
            all((context, scalar, base, product))
            and library.EC_POINT_oct2point(group, base, point, len(point), context) == 1
            and library.EC_POINT_mul(group, product, None, base, scalar, context) == 1
            and library.EC_POINT_point2oct(group, product, _UNCOMPRESSED, answer, len(point), context) == len(point)
        )
        return answer.raw if done else None
    finally:
        library.BN_clear_free(scalar)
        library.EC_POINT_clear_free(base)
        library.EC_POINT_clear_free(product)
        library.BN_CTX_free(context)
        ctypes.memset(answer, 0, len(point))


def power(base: bytes, secret: bytes, modulus: bytes) -> bytes | None:
    """base^secret mod modulus for a secret exponent and an odd modulus.

    Args:
        base: below the modulus, big-endian.
        secret: the exponent, of a length that tells nothing.
        modulus: odd.

    Returns:
        as many bytes as the modulus has; None where the library cannot tell.
    """
    library = _library()
    if library is None:
        return None
    context = library.BN_CTX_secure_new()
    numbers = [library.BN_bin2bn(number, len(number), None) for number in (base, secret, modulus)]
    result = library.BN_new()
    answer = ctypes.create_string_buffer(len(modulus))
    try:
        done = (
            all((context, result, *numbers))
            and library.BN_mod_exp_mont_consttime(result, *numbers, context, None) == 1
            and library.BN_bn2binpad(result, answer, len(modulus)) == len(modulus)
        )
        return answer.raw if done else None
    finally:
        for number in (*numbers, result):
            library.BN_clear_free(number)
        library.BN_CTX_free(context)
        ctypes.memset(answer, 0, len(modulus))
