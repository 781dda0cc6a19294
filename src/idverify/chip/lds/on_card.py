"""Biometric information template of on-card comparison: what a card asks of the probe.

ISO/IEC 7816-11 §6 and annex C; algorithm parameters after ISO/IEC 19794-2:2005 §8.3::

    7F60 { [80 algorithm] [83 reference] A1 { … 87 owner, 88 type, B1 { 81 min max, 82 order, [83 features] } } }
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from idverify import _tlv
from idverify.chip.lds import _der, cbeff
from idverify.chip.lds.iso19794_2 import CardFormat, Minutia, MinutiaeRecord, MinutiaType, Order
from idverify.errors import MalformedDataError

_ALGORITHM: Final = 0x80
_REFERENCE: Final = 0x83
_PARAMETERS: Final = 0xB1
_COUNTS: Final = 0x81
_ORDER: Final = 0x82
_FEATURES: Final = 0x83
_BEST_QUALITY: Final = 100
_WHAT: Final = "biometric information template"

ANY_ORDER: Final = Order()
"""The card does not mind."""
FORMAT_COMPACT: Final = 0x0005
"""CBEFF format type of finger minutiae in compact card format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnCardTemplate:
    """One biometric information template.

    Attributes:
        reference: qualifier of the reference data for VERIFY (tag 83), or None.
        algorithm: the algorithm's reference (tag 80), or None.
        header: the biometric header.
        min_minutiae, max_minutiae: number of minutiae that the card takes, 0 … 255; (0, 255) where it does not say.
        order: the order that it wants.
        features: feature handling indicator, bits for ridge count, core, delta and cell quality; 0 for none.
    """

    header: cbeff.BiometricHeader
    reference: int | None = None
    algorithm: bytes | None = None
    min_minutiae: int = 0
    max_minutiae: int = 255
    order: Order = ANY_ORDER
    features: int = 0

    @property
    def card_format(self) -> CardFormat:
        """Compact for its format type, else normal."""
        return CardFormat.COMPACT if self.header.format_type == FORMAT_COMPACT else CardFormat.NORMAL

    @classmethod
    def parse(cls, data: bytes) -> tuple[Self, ...]:
        """Every template of a card's answer: one template 7F60, or a group 7F61 of them.

        Raises:
            MalformedDataError: no such template, no header, or parameters that are not readable.
        """
        outer = _tlv.read_tlv(data, what=_WHAT)
        if outer.tag == cbeff.INSTANCE:
            return (cls._one(outer),)
        _der.expect(outer, cbeff.GROUP, what=_WHAT)
        found = tuple(cls._one(c) for c in outer.children(what=_WHAT) if c.tag == cbeff.INSTANCE)
        if not 1 <= len(found) <= cbeff.MAX_INSTANCES:
            raise MalformedDataError(f"{_WHAT}: {len(found)} templates; expected 1 to {cbeff.MAX_INSTANCES}")
        return found

    @classmethod
    def _one(cls, template: _tlv.Tlv) -> Self:
        objects = {c.tag: c for c in reversed(template.children(what=_WHAT))}
        inner = objects.get(0xA1)
        if inner is None:
            raise MalformedDataError(f"{_WHAT}: the biometric header (tag A1) is missing")
        header = cbeff.BiometricHeader(tuple((c.tag, c.value) for c in inner.children(what=_WHAT)))
        parameters = header.get(_PARAMETERS) or b""
        values = {c.tag: c.value for c in _tlv.iter_tlv(parameters, what=_WHAT)}
        counts = values.get(_COUNTS, b"\x00\xff")
        order, features = values.get(_ORDER, b"\0"), values.get(_FEATURES, b"\0")
        reference = objects.get(_REFERENCE)
        if len(counts) != 2 or len(order) != 1 or len(features) != 1 or counts[0] > counts[1]:
            raise MalformedDataError(f"{_WHAT}: the algorithm parameters (tag B1) are not readable")
        if reference is not None and len(reference.value) != 1:
            raise MalformedDataError(f"{_WHAT}: a reference of {len(reference.value)} bytes")
        return cls(
            header=header,
            reference=None if reference is None else reference.value[0],
            algorithm=objects[_ALGORITHM].value if _ALGORITHM in objects else None,
            min_minutiae=counts[0],
            max_minutiae=counts[1],
            order=Order.from_byte(order[0]),
            features=features[0],
        )

    def encode(self) -> bytes:
        """The template 7F60, its parameters built from the fields."""
        counts = bytes((self.min_minutiae, self.max_minutiae))
        parameters = _tlv.encode(_COUNTS, counts) + _tlv.encode(_ORDER, bytes([self.order.to_byte()]))
        if self.features:
            parameters += _tlv.encode(_FEATURES, bytes([self.features]))
        kept = tuple((t, v) for t, v in self.header.objects if t != _PARAMETERS)
        header = cbeff.BiometricHeader((*kept, (_PARAMETERS, parameters)))
        parts = [] if self.algorithm is None else [_tlv.encode(_ALGORITHM, self.algorithm)]
        if self.reference is not None:
            parts.append(_tlv.encode(_REFERENCE, bytes([self.reference])))
        return _tlv.encode(cbeff.INSTANCE, *parts, header.encode())

    def select(self, minutiae: tuple[Minutia, ...]) -> tuple[Minutia, ...]:
        """At most :attr:`max_minutiae` of ``minutiae``, in the card's order (ISO/IEC 19794-2:2011 §9.3.2).

        The worst quality is removed first, then the farthest from the centre of mass of all of them, then ridge
        endings, then the largest angle; removal comes before ordering.

        Raises:
            MalformedDataError: fewer than the card asks for.
        """
        if len(minutiae) < self.min_minutiae:
            raise MalformedDataError(
                f"the card asks for at least {self.min_minutiae} minutiae, the probe has {len(minutiae)}"
            )
        if len(minutiae) <= self.max_minutiae:
            return self.order.arrange(minutiae)
        n, sum_x, sum_y = len(minutiae), sum(m.x for m in minutiae), sum(m.y for m in minutiae)

        def worth(index: int) -> tuple[int, int, bool, int]:
            m = minutiae[index]
            quality = m.quality if m.quality <= _BEST_QUALITY else 0  # 254 and 255 report none
            distance = (n * m.x - sum_x) ** 2 + (n * m.y - sum_y) ** 2  # in whole numbers, so that equals are equal
            return -quality, distance, m.kind is MinutiaType.RIDGE_ENDING, m.angle

        kept = sorted(range(n), key=worth)[: self.max_minutiae]
        return self.order.arrange([minutiae[i] for i in sorted(kept)])


def to_card_units(record: MinutiaeRecord, card_format: CardFormat, *, view: int = 0) -> tuple[Minutia, ...]:
    """The minutiae of one view in the units of a card format (ISO/IEC 19794-2:2005 §8.2).

    What lies beyond 25.5 mm in the compact format is cut away around the middle of the minutiae.

    Args:
        record: pixels, and pixels in a centimetre.
        card_format: compact (0.1 mm, 64 steps) or normal (0.01 mm, 256 steps).
        view: which view.

    Returns:
        minutiae with their qualities, for :meth:`OnCardTemplate.select`; personal data.

    Raises:
        MalformedDataError: no such view, or a resolution of zero.
    """
    if not 0 <= view < len(record.views) or min(record.resolution) <= 0:
        raise MalformedDataError(f"finger minutiae record: no view {view}, or no resolution")
    units = 10 * card_format.units_per_mm
    limit = 255 if card_format is CardFormat.COMPACT else 0x3FFF
    turn = 256 // card_format.angles
    scaled = [
        (round(m.x * units / record.resolution[0]), round(m.y * units / record.resolution[1]), m)
        for m in record.views[view].minutiae
    ]
    shift_x, shift_y = _shift([x for x, _, _ in scaled], limit), _shift([y for _, y, _ in scaled], limit)
    return tuple(
        Minutia(x - shift_x, y - shift_y, (m.angle + turn // 2) // turn % card_format.angles, m.kind, m.quality)
        for x, y, m in scaled
        if 0 <= x - shift_x <= limit and 0 <= y - shift_y <= limit
    )


def _shift(values: list[int], limit: int) -> int:
    """How far to move a coordinate so that as much as possible fits."""
    if not values or max(values) <= limit:
        return 0
    low, high = min(values), max(values)
    return low if high - low <= limit else (low + high - limit) // 2
