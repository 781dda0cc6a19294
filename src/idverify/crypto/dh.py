"""Diffie-Hellman in prime fields (PKCS #3; ICAO 9303-11 §9.6), with the three standardised groups of RFC 5114.

Powers with secret exponents are computed by the OpenSSL library of the system in constant time, where there is one (on
Linux). Elsewhere by Python's three-argument ``pow``, which is not constant in time. Either way the exponent is blinded
with a random multiple of the subgroup's order, wherever the order is known.
"""

from __future__ import annotations

import functools
import secrets
from dataclasses import dataclass, field
from typing import Final

from idverify.crypto import _libcrypto
from idverify.crypto.ec import Randomness, draw_below
from idverify.errors import MalformedDataError, UnsupportedAlgorithmError

MIN_BITS: Final = 1024
MAX_BITS: Final = 4096
_BLINDING_BITS: Final = 64
_SHORT_EXPONENT_BITS: Final = 512


@dataclass(frozen=True, slots=True)
class DhGroup:
    """A multiplicative group modulo a prime.

    Attributes:
        name: for reports.
        parameter_id: standardised domain parameter identifier (ICAO 9303-11 table 12), or None.
        p: the prime.
        g: generator of the subgroup that is used.
        q: its prime order, or None where the parameters do not say (PKCS #3).
    """

    name: str
    parameter_id: int | None
    p: int = field(repr=False)
    g: int = field(repr=False)
    q: int | None = field(repr=False)

    @property
    def size(self) -> int:
        """Bytes of a group element."""
        return (self.p.bit_length() + 7) // 8

    def encode(self, element: int) -> bytes:
        """An element with the length of the prime (shared secrets; BSI TR-03110-3 §A.2.2.1)."""
        return element.to_bytes(self.size, "big")

    def decode(self, data: bytes, *, what: str = "public key") -> int:
        """Decode and validate a public element (RFC 2631 §2.1.5): 2 … p − 2, and in the subgroup where q is known.

        Raises:
            MalformedDataError: too long, out of range or outside the subgroup.
        """
        if not 0 < len(data) <= self.size + 1:
            raise MalformedDataError(f"{what}: expected at most {self.size} bytes, got {len(data)}")
        return self.check(int.from_bytes(data, "big"), what=what)

    def check(self, element: int, *, what: str = "public key") -> int:
        """``element`` itself, if it is a valid public element.

        Raises:
            MalformedDataError: out of range or outside the subgroup.
        """
        if not 2 <= element <= self.p - 2:
            raise MalformedDataError(f"{what}: not within the group")
        if self.q is not None and pow(element, self.q, self.p) != 1:
            raise MalformedDataError(f"{what}: not of the subgroup")
        return element

    def draw_private(self, rng: Randomness) -> int:
        """A secret exponent: 1 … q − 1, or of up to 512 bits where the order is not known.

        Raises:
            ConfigurationError: the source gives no usable numbers.
        """
        if self.q is not None:
            return draw_below(self.q, rng)
        return draw_below(1 << min(_SHORT_EXPONENT_BITS, self.p.bit_length() - 2), rng)

    def power(self, base: int, secret: int) -> int:
        """base^secret mod p with a blinded exponent; ``base`` must be of the subgroup."""
        if self.q is not None:
            secret += self.q * secrets.randbits(_BLINDING_BITS)
            longest = self.q.bit_length() + _BLINDING_BITS
        else:
            longest = self.p.bit_length()
        exponent = secret.to_bytes((max(longest, secret.bit_length()) + 7) // 8, "big")
        result = _libcrypto.power(self.encode(base), exponent, self.encode(self.p))
        return pow(base, secret, self.p) if result is None else int.from_bytes(result, "big")


def _group(parameter_id: int, name: str, p: str, g: str, q: str) -> DhGroup:
    return DhGroup(name, parameter_id, int(p, 16), int(g, 16), int(q, 16))


# fmt: off
GROUPS: Final[tuple[DhGroup, ...]] = (
    _group(
        0, "1024-bit MODP group with 160-bit prime order subgroup",  # RFC 5114 §2.1
        p=(
            "B10B8F96A080E01DDE92DE5EAE5D54EC52C99FBCFB06A3C69A6A9DCA52D23B616073E28675A23D189838EF1E2EE652C0"
            "13ECB4AEA906112324975C3CD49B83BFACCBDD7D90C4BD7098488E9C219A73724EFFD6FAE5644738FAA31A4FF55BCCC0"
            "A151AF5F0DC8B4BD45BF37DF365C1A65E68CFDA76D4DA708DF1FB2BC2E4A4371"
        ),
        g=(
            "A4D1CBD5C3FD34126765A442EFB99905F8104DD258AC507FD6406CFF14266D31266FEA1E5C41564B777E690F5504F213"
            "160217B4B01B886A5E91547F9E2749F4D7FBD7D3B9A92EE1909D0D2263F80A76A6A24C087A091F531DBF0A0169B6A28A"
            "D662A4D18E73AFA32D779D5918D08BC8858F4DCEF97C2A24855E6EEB22B3B2E5"
        ),
        q="F518AA8781A8DF278ABA4E7D64B7CB9D49462353",
    ),
    _group(
        1, "2048-bit MODP group with 224-bit prime order subgroup",  # RFC 5114 §2.2
        p=(
            "AD107E1E9123A9D0D660FAA79559C51FA20D64E5683B9FD1B54B1597B61D0A75E6FA141DF95A56DBAF9A3C407BA1DF15"
            "EB3D688A309C180E1DE6B85A1274A0A66D3F8152AD6AC2129037C9EDEFDA4DF8D91E8FEF55B7394B7AD5B7D0B6C12207"
            "C9F98D11ED34DBF6C6BA0B2C8BBC27BE6A00E0A0B9C49708B3BF8A317091883681286130BC8985DB1602E714415D9330"
            "278273C7DE31EFDC7310F7121FD5A07415987D9ADC0A486DCDF93ACC44328387315D75E198C641A480CD86A1B9E587E8"
            "BE60E69CC928B2B9C52172E413042E9B23F10B0E16E79763C9B53DCF4BA80A29E3FB73C16B8E75B97EF363E2FFA31F71"
            "CF9DE5384E71B81C0AC4DFFE0C10E64F"
        ),
        g=(
            "AC4032EF4F2D9AE39DF30B5C8FFDAC506CDEBE7B89998CAF74866A08CFE4FFE3A6824A4E10B9A6F0DD921F01A70C4AFA"
            "AB739D7700C29F52C57DB17C620A8652BE5E9001A8D66AD7C17669101999024AF4D027275AC1348BB8A762D0521BC98A"
            "E247150422EA1ED409939D54DA7460CDB5F6C6B250717CBEF180EB34118E98D119529A45D6F834566E3025E316A330EF"
            "BB77A86F0C1AB15B051AE3D428C8F8ACB70A8137150B8EEB10E183EDD19963DDD9E263E4770589EF6AA21E7F5F2FF381"
            "B539CCE3409D13CD566AFBB48D6C019181E1BCFE94B30269EDFE72FE9B6AA4BD7B5A0F1C71CFFF4C19C418E1F6EC0179"
            "81BC087F2A7065B384B890D3191F2BFA"
        ),
        q="801C0D34C58D93FE997177101F80535A4738CEBCBF389A99B36371EB",
    ),
    _group(
        2, "2048-bit MODP group with 256-bit prime order subgroup",  # RFC 5114 §2.3
        p=(
            "87A8E61DB4B6663CFFBBD19C651959998CEEF608660DD0F25D2CEED4435E3B00E00DF8F1D61957D4FAF7DF4561B2AA30"
            "16C3D91134096FAA3BF4296D830E9A7C209E0C6497517ABD5A8A9D306BCF67ED91F9E6725B4758C022E0B1EF4275BF7B"
            "6C5BFC11D45F9088B941F54EB1E59BB8BC39A0BF12307F5C4FDB70C581B23F76B63ACAE1CAA6B7902D52526735488A0E"
            "F13C6D9A51BFA4AB3AD8347796524D8EF6A167B5A41825D967E144E5140564251CCACB83E6B486F6B3CA3F7971506026"
            "C0B857F689962856DED4010ABD0BE621C3A3960A54E710C375F26375D7014103A4B54330C198AF126116D2276E11715F"
            "693877FAD7EF09CADB094AE91E1A1597"
        ),
        g=(
            "3FB32C9B73134D0B2E77506660EDBD484CA7B18F21EF205407F4793A1A0BA12510DBC15077BE463FFF4FED4AAC0BB555"
            "BE3A6C1B0C6B47B1BC3773BF7E8C6F62901228F8C28CBB18A55AE31341000A650196F931C77A57F2DDF463E5E9EC144B"
            "777DE62AAAB8A8628AC376D282D6ED3864E67982428EBC831D14348F6F2F9193B5045AF2767164E1DFC967C1FB3F2E55"
            "A4BD1BFFE83B9C80D052B985D182EA0ADB2A3B7313D3FE14C8484B1E052588B9B7D2BBD2DF016199ECD06E1557CD0915"
            "B3353BBB64E0EC377FD028370DF92B52C7891428CDC67EB6184B523D1DB246C32F63078490F00EF8D647D148D4795451"
            "5E2327CFEF98C582664B4C0F6CC41659"
        ),
        q="8CF83642A709A097B447997640129DA299B1A47D1EB3750BA308B0FE64F5FBD3",
    ),
)
# fmt: on


def by_parameter_id(parameter_id: int) -> DhGroup:
    """The group of a standardised domain parameter identifier (0 … 2).

    Raises:
        UnsupportedAlgorithmError: reserved, or a curve.
    """
    for group in GROUPS:
        if group.parameter_id == parameter_id:
            return group
    raise UnsupportedAlgorithmError(f"standardised domain parameter {parameter_id} is no known DH group")


_SMALL_PRIMES: Final = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
_ROUNDS: Final = 64  # of numbers that an adversary may have chosen (FIPS 186-4 table C.1)


@functools.lru_cache(maxsize=16)
def is_prime_order(group: DhGroup) -> bool:
    """Whether the modulus is a prime and the subgroup of a known prime order, whoever chose them.

    True for the standardised groups. For others a tenth of a second at 2048 bits, once.
    """
    if group.parameter_id is not None:
        return True
    return group.q is not None and _is_prime(group.q) and _is_prime(group.p)


def _is_prime(n: int) -> bool:
    """Miller and Rabin with random bases (FIPS 186-4 C.3.1): a composite passes once in 2^128."""
    if n < 4 or any(n % small == 0 for small in _SMALL_PRIMES):
        return n in _SMALL_PRIMES
    twos = ((n - 1) & (1 - n)).bit_length() - 1
    size = (n.bit_length() + 7) // 8
    odd, modulus = ((n - 1) >> twos).to_bytes(size, "big"), n.to_bytes(size, "big")
    for _ in range(_ROUNDS):
        base = 2 + secrets.randbelow(n - 3)
        found = _libcrypto.power(base.to_bytes(size, "big"), odd, modulus)
        z = int.from_bytes(found, "big") if found is not None else pow(base, (n - 1) >> twos, n)
        if z in (1, n - 1):
            continue
        for _ in range(twos - 1):
            z = z * z % n
            if z == n - 1:
                break
        else:
            return False
    return True


def from_explicit(*, p: int, g: int, q: int | None = None) -> DhGroup:
    """The group of explicit parameters: a standardised one where it is, else one made of them.

    Raises:
        UnsupportedAlgorithmError: a modulus outside 1024 … 4096 bits or even, or a generator that cannot be one.
    """
    for group in GROUPS:
        if group.p == p and group.g == g and q in (None, group.q):
            return group
    if not MIN_BITS <= p.bit_length() <= MAX_BITS or p % 2 == 0:
        raise UnsupportedAlgorithmError(f"a DH modulus of {p.bit_length()} bits that cannot be used")
    if not 2 <= g <= p - 2:
        raise UnsupportedAlgorithmError("a DH generator out of range")
    if q is not None and (q.bit_length() < 160 or (p - 1) % q or pow(g, q, p) != 1):
        raise UnsupportedAlgorithmError("a DH subgroup order that is none")
    return DhGroup(f"{p.bit_length()}-bit MODP group with explicit parameters", None, p, g, q)
