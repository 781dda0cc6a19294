"""The only door to asn1crypto.

asn1crypto decodes lazily, accepts trailing bytes by default, leaks half a dozen exception types on mutated input and
takes quadratic time on long object identifiers. Hence a bounded scan of the encoding first, a strict load after it, and
:func:`guard` around every later access, so that only :class:`~idverify.errors.MalformedDataError` comes out.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final, TypeVar

from asn1crypto import core

from idverify.errors import IdVerifyError, MalformedDataError

MAX_DEPTH: Final = 40
MAX_ELEMENTS: Final = 20_000
"""For what a chip holds and for single certificates: those that are public have less than 300."""
MAX_LIST_ELEMENTS: Final = 500_000
"""For master lists, deviation lists and revocation lists, which an operator imports."""
MAX_OID_BYTES: Final = 64
MAX_INTEGER_BYTES: Final = 4096
MAX_BYTES: Final = 64 * 1024 * 1024

_T = TypeVar("_T")
_FOREIGN: Final = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    RecursionError,
    OverflowError,
    ArithmeticError,
    NotImplementedError,
)


@contextlib.contextmanager
def guard(what: str) -> Iterator[None]:
    """Turn every exception that asn1crypto leaks on hostile bytes into ``MalformedDataError``.

    The original message is dropped: it may quote the data.
    """
    try:
        yield
    except IdVerifyError:
        raise
    except _FOREIGN as error:
        raise MalformedDataError(
            f"{what}: not the ASN.1 structure that was expected ({type(error).__name__})"
        ) from None


def scan(data: bytes, *, what: str, max_elements: int = MAX_ELEMENTS, allow_trailing: bool = False) -> int:
    """Walk over one BER element and everything inside it without decoding any value.

    Definite and indefinite lengths are followed (an EF.SOD of New Zealand has the latter).

    Returns:
        the number of bytes of the element.

    Raises:
        MalformedDataError: depth, number of elements, length of tags, lengths, OIDs or integers beyond the caps, an
            element that ends after its parent, or trailing bytes.
    """
    size = len(data)
    if size > MAX_BYTES:
        raise MalformedDataError(f"{what}: {size} bytes are beyond the cap of {MAX_BYTES}")
    ends: list[int] = []  # end offset of each open element, -1 for indefinite length
    limits = [size]  # where the innermost element of known length ends, one more than `ends` has
    position = count = 0
    while True:
        while ends and ends[-1] == position:
            ends.pop()
            limits.pop()
        if count and not ends:
            break
        limit = limits[-1]
        if position + 2 > limit:
            raise MalformedDataError(f"{what}: the encoding is cut off at byte {position}")
        tag = data[position]
        position += 1
        if ends and ends[-1] < 0 and tag == 0 and data[position] == 0:
            position += 1
            ends.pop()
            limits.pop()
            continue
        count += 1
        if count > max_elements:
            raise MalformedDataError(f"{what}: more than {max_elements} elements")
        if tag & 0x1F == 0x1F:
            for _ in range(4):
                if position >= limit:
                    raise MalformedDataError(f"{what}: a tag is cut off at byte {position}")
                position += 1
                if not data[position - 1] & 0x80:
                    break
            else:
                raise MalformedDataError(f"{what}: a tag is too long at byte {position}")
            if position >= limit:
                raise MalformedDataError(f"{what}: the encoding is cut off at byte {position}")
        length = data[position]
        position += 1
        constructed = tag & 0x20
        if length == 0x80:
            if not constructed:
                raise MalformedDataError(f"{what}: a primitive element has indefinite length at byte {position - 1}")
            end = -1
        else:
            if length > 0x80:
                more = length & 0x7F
                if more > 4 or position + more > limit:
                    raise MalformedDataError(f"{what}: a length is too long or cut off at byte {position - 1}")
                length = int.from_bytes(data[position : position + more], "big")
                position += more
            end = position + length
            if end > limit:
                raise MalformedDataError(
                    f"{what}: an element at byte {position} declares {length} bytes, only {limit - position} are there"
                )
            if tag in (0x06, 0x0D) and length > MAX_OID_BYTES:
                raise MalformedDataError(f"{what}: an object identifier of {length} bytes is beyond the cap")
            if tag == 0x02 and length > MAX_INTEGER_BYTES:
                raise MalformedDataError(f"{what}: an integer of {length} bytes is beyond the cap")
        if constructed:
            if len(ends) >= MAX_DEPTH:
                raise MalformedDataError(f"{what}: nested deeper than {MAX_DEPTH}")
            ends.append(end)
            limits.append(limit if end < 0 else end)
        else:
            position = end
            if not ends:
                break
    if position != size and not allow_trailing:
        raise MalformedDataError(f"{what}: {size - position} bytes follow the structure")
    return position


def load(
    spec: type[_T], data: bytes, *, what: str, allow_trailing: bool = False, max_elements: int = MAX_ELEMENTS
) -> _T:
    """Scan ``data`` and hand it to ``spec.load``.

    Access the returned value only inside :func:`guard`: asn1crypto decodes lazily.

    Raises:
        MalformedDataError: see :func:`scan`; or the outer tag is another than ``spec`` asks for.
    """
    end = scan(data, what=what, allow_trailing=allow_trailing, max_elements=max_elements)
    loader: Any = spec
    with guard(what):
        value: _T = loader.load(data[:end] if end != len(data) else data, strict=True)
    return value


def native(value: Any, *, what: str) -> Any:
    """``value.native`` under :func:`guard`."""
    with guard(what):
        return value.native


def contents(value: Any, *, what: str) -> bytes:
    """``value.contents`` as bytes under :func:`guard`."""
    with guard(what):
        return bytes(value.contents or b"")


def dump(value: Any, *, what: str) -> bytes:
    """``value.dump()`` under :func:`guard`: the bytes as they were read, for hashing."""
    with guard(what):
        return bytes(value.dump())


def raw(value: Any, *, what: str) -> bytes:
    """The encoding of ``value`` exactly as it was read, tag and length included, without decoding it.

    Unlike :func:`dump`, this neither decodes the inside of an untyped value nor turns indefinite lengths into definite
    ones. An explicitly tagged value comes with its outer tag.
    """
    with guard(what):
        header, trailer = value._header, value._trailer
        return bytes(header) + bytes(value.contents) + bytes(trailer or b"")


def present(value: Any) -> bool:
    """Whether an optional element was there."""
    return not isinstance(value, core.Void)
