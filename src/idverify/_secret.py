"""Holder data and key material, wrapped so that they are shown only on purpose.

``repr``, ``str``, ``format``, ``dataclasses.asdict`` (through ``copy.deepcopy``) and ``pickle`` never reveal the value.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Generic, NoReturn, TypeVar

T = TypeVar("T")
U = TypeVar("U")

REDACTED = "Secret(<redacted>)"


class Secret(Generic[T]):
    """A value that no log, traceback or report shows. Call :meth:`reveal` on purpose."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """The value itself."""
        return self._value

    def map(self, function: Callable[[T], U]) -> Secret[U]:
        """A secret made from this one."""
        return Secret(function(self._value))

    def __repr__(self) -> str:
        return REDACTED

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        """Equality of the values; bytes and text are compared in constant time."""
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = self._value, other._value
        if isinstance(mine, bytes) and isinstance(theirs, bytes):
            return hmac.compare_digest(mine, theirs)
        if isinstance(mine, str) and isinstance(theirs, str):
            return hmac.compare_digest(mine.encode(), theirs.encode())
        return bool(mine == theirs)

    __hash__ = None  # type: ignore[assignment]  # a hash of a short number would reveal it

    def __bool__(self) -> NoReturn:
        raise TypeError("a Secret has no truth value; reveal() it on purpose")

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, memo: object) -> Secret[T]:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
