"""DG15: the public key of active authentication (ICAO 9303-10 §4.7.15)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.chip.lds import _der
from idverify.errors import MalformedDataError

TAG: Final = 0x6F


@dataclass(frozen=True, slots=True, kw_only=True)
class DG15:
    """The active authentication key.

    Attributes:
        raw: the file as read, which is what is hashed.
        public_key: the SubjectPublicKeyInfo, DER as read; the key itself is not judged here.
        algorithm: dotted identifier of the key's algorithm.
    """

    raw: bytes = field(repr=False)
    public_key: bytes = field(repr=False)
    algorithm: str

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file; bytes after the template are left out of the view.

        Raises:
            MalformedDataError: another tag, or no SubjectPublicKeyInfo inside.
        """
        what = "DG15"
        outer = _tlv.parse(raw, TAG, what=what, allow_trailing=True)
        info = _der.expect(_tlv.read_tlv(outer.value, what=what), _der.SEQUENCE, what=what)
        parts = info.children(what=what)
        if len(parts) != 2 or parts[0].tag != _der.SEQUENCE or parts[1].tag != _der.BIT_STRING:
            raise MalformedDataError("DG15: expected a SubjectPublicKeyInfo")
        algorithm = _der.expect(_tlv.read_tlv(parts[0].value, what=what), _der.OBJECT_IDENTIFIER, what=what)
        return cls(raw=raw, public_key=info.raw, algorithm=_der.decode_oid(algorithm.value, what=what))

    @staticmethod
    def encode(public_key: bytes) -> bytes:
        """The file that holds a SubjectPublicKeyInfo (DER)."""
        return _tlv.encode(TAG, public_key)
