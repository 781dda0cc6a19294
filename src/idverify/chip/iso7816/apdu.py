"""Command and response APDUs (ISO/IEC 7816-4 §5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Protocol

from idverify.errors import MalformedDataError

MAX_SHORT_DATA: Final = 255
MAX_SHORT_LE: Final = 256
MAX_EXTENDED: Final = 65536


@dataclass(frozen=True, slots=True)
class CommandAPDU:
    """One command.

    Attributes:
        cla, ins, p1, p2: the header bytes, 0 … 255.
        data: the command data, at most 65,535 bytes; never in a ``repr``.
        le: the greatest number of response bytes asked for, 1 … 65,536, or None for none.
        extended: encode it with extended length fields even where short ones would do, to see whether the card takes
            them.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = field(default=b"", repr=False)
    le: int | None = None
    extended: bool = False

    def __post_init__(self) -> None:
        if any(not 0 <= b <= 0xFF for b in (self.cla, self.ins, self.p1, self.p2)):
            raise ValueError("header bytes must be 0 … 255")
        if len(self.data) >= MAX_EXTENDED:
            raise ValueError(f"command data must be shorter than {MAX_EXTENDED} bytes, got {len(self.data)}")
        if self.le is not None and not 1 <= self.le <= MAX_EXTENDED:
            raise ValueError(f"le must be 1 … {MAX_EXTENDED}, got {self.le}")

    @property
    def header(self) -> bytes:
        """The four header bytes."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @property
    def needs_extended(self) -> bool:
        """Whether data or Le do not fit short fields, or extended ones are wanted."""
        return self.extended or len(self.data) > MAX_SHORT_DATA or (self.le or 0) > MAX_SHORT_LE

    def to_bytes(self, *, extended: bool | None = None) -> bytes:
        """The encoded command (§5.2): short where it fits, unless ``extended`` asks otherwise.

        Raises:
            ValueError: ``extended=False`` for a command that needs extended fields.
        """
        if extended is None:
            extended = self.needs_extended
        elif not extended and self.needs_extended:
            raise ValueError("data or le do not fit a short APDU")
        out = self.header
        if extended:
            if self.data:
                out += b"\0" + len(self.data).to_bytes(2, "big") + self.data
            if self.le is not None:
                out += (b"" if self.data else b"\0") + (self.le & 0xFFFF).to_bytes(2, "big")
        else:
            if self.data:
                out += bytes([len(self.data)]) + self.data
            if self.le is not None:
                out += bytes([self.le & 0xFF])
        return out

    @classmethod
    def parse(cls, apdu: bytes) -> CommandAPDU:
        """Decode a command, short or extended.

        Raises:
            MalformedDataError: the lengths do not fit.
        """
        if len(apdu) < 4:
            raise MalformedDataError(f"command APDU: expected at least 4 bytes, got {len(apdu)}")
        head, body = apdu[:4], apdu[4:]
        if not body:
            return cls(head[0], head[1], head[2], head[3])
        if len(body) == 1:
            return cls(head[0], head[1], head[2], head[3], le=body[0] or MAX_SHORT_LE)
        if body[0]:
            count = body[0]
            rest = body[1 + count :]
            if len(body) < 1 + count or len(rest) > 1:
                raise MalformedDataError(f"command APDU: Lc is {count}, but {len(body) - 1} bytes follow")
            return cls(
                head[0],
                head[1],
                head[2],
                head[3],
                data=body[1 : 1 + count],
                le=(rest[0] or MAX_SHORT_LE) if rest else None,
            )
        if len(body) == 3:
            return cls(head[0], head[1], head[2], head[3], le=int.from_bytes(body[1:], "big") or MAX_EXTENDED)
        count = int.from_bytes(body[1:3], "big")
        rest = body[3 + count :]
        if len(body) < 3 or not count or len(body) < 3 + count or len(rest) not in (0, 2):
            raise MalformedDataError(f"command APDU: extended Lc is {count}, but {len(body) - 3} bytes follow")
        return cls(
            head[0],
            head[1],
            head[2],
            head[3],
            data=body[3 : 3 + count],
            le=(int.from_bytes(rest, "big") or MAX_EXTENDED) if rest else None,
        )


@dataclass(frozen=True, slots=True)
class ResponseAPDU:
    """One response.

    Attributes:
        data: the response data; never in a ``repr``.
        sw: the status word.
    """

    data: bytes = field(repr=False)
    sw: int

    @property
    def ok(self) -> bool:
        """Whether the status word is 9000."""
        return self.sw == 0x9000

    def to_bytes(self) -> bytes:
        """Data and status word."""
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def parse(cls, apdu: bytes) -> ResponseAPDU:
        """Decode a response.

        Raises:
            MalformedDataError: fewer than two bytes.
        """
        if len(apdu) < 2:
            raise MalformedDataError(f"response APDU: expected at least 2 bytes, got {len(apdu)}")
        return cls(bytes(apdu[:-2]), int.from_bytes(apdu[-2:], "big"))


class CardChannel(Protocol):
    """A layer that carries APDUs; layers wrap layers.

    The protocols in :mod:`idverify.chip.access` see nothing else of the card. Every status word is returned, none
    raises: the caller knows what it means.
    """

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        """Send one command and return the card's whole answer.

        Raises:
            TransportError: the way to the card is broken.
            SecureMessagingError: a layer below protects the exchange, and the answer does not verify.
            MalformedDataError: the answer is no response APDU.
        """
        ...
