"""The card's side of PACE and chip authentication, written apart from the library.

Curve arithmetic is that of python-ecdsa, prime fields are plain ``pow``, and key derivation and tokens are spelt out.
Block ciphers and MACs are the library's primitives, which published vectors pin.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field

import ecdsa

from idverify import _tlv
from idverify.chip.iso7816.apdu import CommandAPDU, ResponseAPDU
from idverify.crypto import block, dh
from idverify.crypto.block import Cipher

OTHER_CURVES = {
    8: ecdsa.NIST192p,
    9: ecdsa.BRAINPOOLP192r1,
    10: ecdsa.NIST224p,
    11: ecdsa.BRAINPOOLP224r1,
    12: ecdsa.NIST256p,
    13: ecdsa.BRAINPOOLP256r1,
    14: ecdsa.BRAINPOOLP320r1,
    15: ecdsa.NIST384p,
    16: ecdsa.BRAINPOOLP384r1,
    17: ecdsa.BRAINPOOLP512r1,
    18: ecdsa.NIST521p,
}

CONSTANTS_128 = "a668892a7c41e3ca739f40b057d85904", "a4e136ac725f738b01c1f60217c188ad"
CONSTANTS_256 = (
    "d463d65234124ef7897054986dca0a174e28df758cbaa03f240616414d5a1676",
    "54bd7255f0aaf831bec3423fcf39d69b6cbf066677d0faae5aadd99df8e53517",
)


def derive(secret: bytes, counter: int, cipher: Cipher) -> bytes:
    data = secret + bytes([0, 0, 0, counter])
    if cipher in (Cipher.DES3, Cipher.AES128):
        return hashlib.sha1(data).digest()[:16]
    return hashlib.sha256(data).digest()[: cipher.key_bytes]


class EcGroup:
    token_tag = 0x86

    def __init__(self, parameter_id: int) -> None:
        self.curve = OTHER_CURVES[parameter_id]
        self.size = (self.curve.curve.p().bit_length() + 7) // 8
        self.order = self.curve.order
        self.generator = self.curve.generator

    def encode(self, point: object) -> bytes:
        return b"\x04" + self.x(point) + int(point.y()).to_bytes(self.size, "big")  # type: ignore[attr-defined]

    def x(self, point: object) -> bytes:
        return int(point.x()).to_bytes(self.size, "big")  # type: ignore[attr-defined]

    def decode(self, data: bytes) -> object:
        assert len(data) == 1 + 2 * self.size
        assert data[0] == 4
        x, y = int.from_bytes(data[1 : 1 + self.size], "big"), int.from_bytes(data[1 + self.size :], "big")
        assert self.curve.curve.contains_point(x, y)
        return ecdsa.ellipticcurve.PointJacobi(self.curve.curve, x, y, 1)

    def power(self, base: object, scalar: int) -> object:
        return base * scalar  # type: ignore[operator]

    def combine(self, left: object, right: object) -> object:
        return left + right  # type: ignore[operator]

    def secret_bytes(self, element: object) -> bytes:
        return self.x(element)

    def integrated(self, number: int) -> object:
        """The Jacobian variant of the point encoding, appendix B.3; the library has the affine one."""
        p, a, b = (
            int(self.curve.curve.p()),
            int(self.curve.curve.a()) % int(self.curve.curve.p()),
            int(self.curve.curve.b()),
        )
        alpha = -number * number % p
        z = a * (alpha + alpha * alpha) % p
        x2 = -b * z * (1 + alpha + alpha * alpha) % p
        x3 = alpha * x2 % p
        h2 = (pow(x2, 3, p) + a * x2 * pow(z, 4, p) + b * pow(z, 6, p)) % p
        u = -alpha * number * h2 % p
        root = pow(h2, p - 1 - (p + 1) // 4, p)
        x, y = (x2, root * h2 % p) if root * root * h2 % p == 1 else (x3, root * u % p)
        inverse = pow(z, -1, p)
        return ecdsa.ellipticcurve.PointJacobi(self.curve.curve, x * inverse**2 % p, y * inverse**3 % p, 1)

    @property
    def prime(self) -> int:
        return int(self.curve.curve.p())


class DhGroup:
    token_tag = 0x84

    def __init__(self, parameter_id: int) -> None:
        group = dh.by_parameter_id(parameter_id)
        assert group.q is not None
        self.prime, self.generator, self.order, self.size = group.p, group.g, group.q, group.size

    def encode(self, element: int) -> bytes:
        return element.to_bytes((element.bit_length() + 7) // 8, "big")

    def decode(self, data: bytes) -> int:
        element = int.from_bytes(data, "big")
        assert pow(element, self.order, self.prime) == 1
        return element

    def power(self, base: int, scalar: int) -> int:
        return pow(base, scalar, self.prime)

    def combine(self, left: int, right: int) -> int:
        return left * right % self.prime

    def secret_bytes(self, element: int) -> bytes:
        return element.to_bytes(self.size, "big")

    def integrated(self, number: int) -> int:
        return pow(number, (self.prime - 1) // self.order, self.prime)


def group_of(parameter_id: int) -> EcGroup | DhGroup:
    return DhGroup(parameter_id) if parameter_id < 8 else EcGroup(parameter_id)


def oid_object(protocol: str) -> bytes:
    first, second, *rest = (int(a) for a in protocol.split("."))
    out = bytes([40 * first + second])
    for arc in rest:
        chunk = [arc & 0x7F]
        while arc := arc >> 7:
            chunk.insert(0, arc & 0x7F | 0x80)
        out += bytes(chunk)
    return _tlv.encode(0x06, out)


@dataclass
class ModelCard:
    """A card that speaks PACE with one protocol and password; faults are put in by ``tamper``."""

    protocol: str
    parameter_id: int
    cipher: Cipher
    mapping: str
    key_input: bytes
    nonce_bytes: int = 16
    static_secret: int = 0
    tamper: Callable[[int, bytes], bytes] = field(default=lambda step, data: data)
    step: int = 0
    session_keys: tuple[bytes, bytes] = (b"", b"")
    template: dict[int, bytes] = field(default_factory=dict)
    authority_references: bytes = b""

    def send(self, command: CommandAPDU) -> ResponseAPDU:
        if command.ins == 0x22:
            self.template = {t.tag: t.value for t in _tlv.iter_tlv(command.data)}
            expected = _tlv.read_tlv(oid_object(self.protocol)).value
            return ResponseAPDU(b"", 0x9000 if self.template[0x80] == expected else 0x6A80)
        assert command.ins == 0x86
        self.step += 1
        assert command.cla == (0x00 if self.step == 4 else 0x10)
        objects = {t.tag: t.value for t in _tlv.parse(command.data, 0x7C, what="test").children()}
        try:
            body = (self._nonce, self._map, self._agree, self._authenticate)[self.step - 1](objects)
        except PermissionError:
            return ResponseAPDU(b"", 0x6300)
        body = self.tamper(self.step, body)
        return ResponseAPDU(_tlv.encode(0x7C, body), 0x9000)

    def _nonce(self, objects: dict[int, bytes]) -> bytes:
        assert objects == {}
        self.group = group_of(self.parameter_id)
        self.s = os.urandom(self.nonce_bytes)
        key = derive(self.key_input, 3, self.cipher)
        return _tlv.encode(0x80, block.encrypt(self.cipher, key, self.s))

    def _draw(self) -> int:
        return 1 + int.from_bytes(os.urandom(80), "big") % (self.group.order - 1)

    def _map(self, objects: dict[int, bytes]) -> bytes:
        group, data = self.group, objects[0x81]
        if self.mapping == "IM":
            assert len(data) == self.cipher.key_bytes
            self.mapped = group.integrated(self._pseudo_random(data))
            return _tlv.encode(0x82)
        self.map_secret = self._draw()
        shared = group.power(group.decode(data), self.map_secret)  # type: ignore[arg-type]
        masked = group.power(group.generator, int.from_bytes(self.s, "big"))
        self.mapped = group.combine(masked, shared)  # type: ignore[arg-type]
        return _tlv.encode(0x82, group.encode(group.power(group.generator, self.map_secret)))  # type: ignore[arg-type]

    def _pseudo_random(self, t: bytes) -> int:
        long = self.cipher in (Cipher.AES192, Cipher.AES256)
        c0, c1 = (bytes.fromhex(c) for c in (CONSTANTS_256 if long else CONSTANTS_128))
        bits, cut = (256 if long else 128), self.cipher.key_bytes
        rounds = -(-(self.group.prime.bit_length() + 64) // bits)
        key, out = block.encrypt(self.cipher, t, self.s)[:cut], b""
        for _ in range(rounds):
            out += block.encrypt(self.cipher, key, c1)
            key = block.encrypt(self.cipher, key, c0)[:cut]
        return int.from_bytes(out, "big") % self.group.prime

    def _agree(self, objects: dict[int, bytes]) -> bytes:
        group = self.group
        secret = self._draw()
        self.terminal_key = objects[0x83]
        self.chip_key = group.encode(group.power(self.mapped, secret))  # type: ignore[arg-type]
        shared = group.secret_bytes(group.power(group.decode(self.terminal_key), secret))  # type: ignore[arg-type]
        self.session_keys = derive(shared, 1, self.cipher), derive(shared, 2, self.cipher)
        return _tlv.encode(0x84, self.chip_key)

    def _token(self, key: bytes) -> bytes:
        data = _tlv.encode(0x7F49, oid_object(self.protocol), _tlv.encode(self.group.token_tag, key))
        return block.mac(self.cipher, self.session_keys[1], data)

    def _authenticate(self, objects: dict[int, bytes]) -> bytes:
        if objects[0x85] != self._token(self.chip_key):
            raise PermissionError
        body = _tlv.encode(0x86, self._token(self.terminal_key)) + self.authority_references
        if self.mapping == "CAM":
            order, size = self.group.order, (self.group.order.bit_length() + 7) // 8
            data = (pow(self.static_secret, -1, order) * self.map_secret % order).to_bytes(size, "big")
            enc = self.session_keys[0]
            iv = block.encrypt(self.cipher, enc, b"\xff" * 16)
            body += _tlv.encode(0x8A, block.encrypt(self.cipher, enc, block.pad(data, 16), iv))
        return body
