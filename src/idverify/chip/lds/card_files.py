"""EF.DIR, EF.ATR/INFO and EF.CVCA (ICAO 9303-10 §3.11; ISO/IEC 7816-4 §12.2; BSI TR-03110-3 §A.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from idverify import _tlv
from idverify.chip.lds import _der
from idverify.errors import MalformedDataError

AID_EMRTD: Final = bytes.fromhex("A0000002471001")
"""The eMRTD application (ICAO 9303-10 §3.6)."""

_APPLICATION: Final = 0x61
_AID: Final = 0x4F
_LABEL: Final = 0x50
_CAR: Final = 0x42
_CAPABILITIES: Final = 0x47
_LENGTHS: Final = 0x7F66
CVCA_FILE_SIZE: Final = 36
MAX_APPLICATIONS: Final = 64
MAX_CAR: Final = 16


@dataclass(frozen=True, slots=True)
class Application:
    """One application template of EF.DIR.

    Attributes:
        aid: application identifier, 5 to 16 bytes.
        label: label, or empty.
        others: further data objects, as tag and value.
    """

    aid: bytes
    label: str = ""
    others: tuple[tuple[int, bytes], ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """The template 61."""
        label = _tlv.encode(_LABEL, self.label.encode("utf-8")) if self.label else b""
        return _tlv.encode(
            _APPLICATION, _tlv.encode(_AID, self.aid), label, *(_tlv.encode(t, v) for t, v in self.others)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EfDir:
    """EF.DIR: the applications on the card.

    Attributes:
        raw: the file as read.
        applications: in order.
    """

    raw: bytes = field(repr=False)
    applications: tuple[Application, ...]

    @property
    def has_emrtd(self) -> bool:
        """Whether the eMRTD application is listed."""
        return any(a.aid == AID_EMRTD for a in self.applications)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file; padding of 00 between and after templates is skipped.

        Raises:
            MalformedDataError: no application template, one without an identifier, or more than
                :data:`MAX_APPLICATIONS`.
        """
        what = "EF.DIR"
        found: list[Application] = []
        for template in _tlv.iter_tlv(raw, what=what, skip_padding=True):
            if len(found) >= MAX_APPLICATIONS:
                raise MalformedDataError(f"{what}: more than {MAX_APPLICATIONS} applications")
            objects = _der.expect(template, _APPLICATION, what=what).children(what=what)
            aid = next((o.value for o in objects if o.tag == _AID), b"")
            if not 1 <= len(aid) <= 16:
                raise MalformedDataError(f"{what}: an application identifier of {len(aid)} bytes")
            label = next((o.value for o in objects if o.tag == _LABEL), b"")
            others = tuple((o.tag, o.value) for o in objects if o.tag not in (_AID, _LABEL))
            found.append(Application(aid, label.decode("utf-8", "replace"), others))
        if not found:
            raise MalformedDataError(f"{what}: no application template inside")
        return cls(raw=raw, applications=tuple(found))

    @staticmethod
    def encode(applications: Sequence[Application]) -> bytes:
        """The file that lists ``applications``."""
        return b"".join(a.encode() for a in applications)


@dataclass(frozen=True, slots=True, kw_only=True)
class EfAtrInfo:
    """EF.ATR/INFO: what the card can do with APDUs.

    Attributes:
        raw: the file as read.
        objects: tag and value of each data object, in order.
    """

    raw: bytes = field(repr=False)
    objects: tuple[tuple[int, bytes], ...]

    @property
    def capabilities(self) -> bytes | None:
        """Card capabilities (tag 47), or None."""
        return next((v for t, v in self.objects if t == _CAPABILITIES), None)

    def _third(self, bit: int) -> bool:
        value = self.capabilities
        return value is not None and len(value) >= 3 and bool(value[2] & bit)

    @property
    def command_chaining(self) -> bool:
        """Whether the third software function byte announces command chaining (ISO/IEC 7816-4 table 119)."""
        return self._third(0x80)

    @property
    def extended_length(self) -> bool:
        """Whether it announces extended Lc and Le fields."""
        return self._third(0x40)

    @property
    def max_lengths(self) -> tuple[int, int] | None:
        """Greatest command and response APDU in bytes (tag 7F66), or None.

        Raises:
            MalformedDataError: the object is not two INTEGER.
        """
        value = next((v for t, v in self.objects if t == _LENGTHS), None)
        if value is None:
            return None
        what = "EF.ATR/INFO"
        numbers = [_der.decode_unsigned(t, what=what) for t in _tlv.iter_tlv(value, what=what)]
        if len(numbers) != 2:
            raise MalformedDataError(f"{what}: expected two lengths (tag 7F66), got {len(numbers)}")
        return numbers[0], numbers[1]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file; padding of 00 is skipped.

        Raises:
            MalformedDataError: bytes that are no data objects, or none.
        """
        objects = tuple((t.tag, t.value) for t in _tlv.iter_tlv(raw, what="EF.ATR/INFO", skip_padding=True))
        if not objects:
            raise MalformedDataError("EF.ATR/INFO: no data object inside")
        return cls(raw=raw, objects=objects)

    @staticmethod
    def encode(
        *, extended_length: bool = True, command_chaining: bool = False, max_lengths: tuple[int, int] | None = None
    ) -> bytes:
        """The file with card capabilities (short identifiers, one-byte data units) and, where given, the lengths."""
        third = (0x80 if command_chaining else 0) | (0x40 if extended_length else 0)
        out = _tlv.encode(_CAPABILITIES, bytes((0x14, 0x01, third)))
        if max_lengths is not None:
            out += _tlv.encode(_LENGTHS, *map(_der.encode_unsigned, max_lengths))
        return out


@dataclass(frozen=True, slots=True, kw_only=True)
class EfCvca:
    """EF.CVCA: names of the trust points for terminal authentication (BSI TR-03110-3 §A.4).

    Attributes:
        raw: the file as read.
        references: certification authority references, the current one first; one or two.
    """

    raw: bytes = field(repr=False)
    references: tuple[str, ...]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file; it is padded with 00 to 36 bytes.

        Raises:
            MalformedDataError: no reference, more than two, another tag, or another padding than 00.
        """
        what = "EF.CVCA"
        found: list[str] = []
        for tlv in _tlv.iter_tlv(raw, what=what, skip_padding=True):
            _der.expect(tlv, _CAR, what=what)
            if not 1 <= len(tlv.value) <= MAX_CAR:
                raise MalformedDataError(f"{what}: a reference of {len(tlv.value)} bytes")
            found.append(tlv.value.decode("latin-1"))
        if not 1 <= len(found) <= 2:
            raise MalformedDataError(f"{what}: {len(found)} references; expected one or two")
        return cls(raw=raw, references=tuple(found))

    @staticmethod
    def encode(references: Sequence[str]) -> bytes:
        """The file, padded to 36 bytes.

        Raises:
            ValueError: none, more than two, or one longer than 16 characters.
        """
        if not 1 <= len(references) <= 2 or any(not 1 <= len(r) <= MAX_CAR for r in references):
            raise ValueError("expected one or two references of 1 to 16 characters")
        return b"".join(_tlv.encode(_CAR, r.encode("latin-1")) for r in references).ljust(CVCA_FILE_SIZE, b"\0")
