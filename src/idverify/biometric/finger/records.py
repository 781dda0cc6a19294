"""Minutiae records in and out: ISO/IEC 19794-2:2005 and :2011, ANSI/INCITS 378-2004 and -2009, and the card formats.

:mod:`idverify.formats` reads and writes the bytes; here pixels and steps become pixels at 500 dpi and radians. Records
come from chips, cards and other vendors' systems and are hostile: only
:class:`~idverify.errors.MalformedDataError` comes out. Declared frames and resolutions may lie; what the caller knows
better goes into :func:`decode_record`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from idverify.biometric.finger import constants as c
from idverify.biometric.finger.minutiae import FingerPosition, Minutiae, MinutiaKind
from idverify.errors import ConfigurationError
from idverify.formats.card_minutiae import CardFormat, decode_card_minutiae, encode_card_minutiae
from idverify.formats.minutiae import (
    MAX_BYTES,
    MAX_VIEWS,
    FingerView,
    Minutia,
    MinutiaeRecord,
    MinutiaType,
    RecordFormat,
    ViewFrame,
    detect_format,
)
from idverify.formats.representation import NO_QUALITY, Capture

__all__ = [
    "MAX_BYTES",
    "MAX_VIEWS",
    "CardFormat",
    "FingerRecord",
    "RecordFormat",
    "decode_card",
    "decode_record",
    "detect_format",
    "encode_card",
    "encode_record",
]

_LOW: Final = 0x3FFF
_MILLIMETRE: Final = c.DPI / 25.4
_PER_CENTIMETRE: Final = 197  # 500 dpi
_WITH_FRAMES: Final = (RecordFormat.ISO_2011, RecordFormat.ANSI_2009, RecordFormat.ANSI_2009_AM1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FingerRecord:
    """A decoded record.

    Attributes:
        format: its format.
        views: the minutiae of every view, at 500 dpi; personal data.
        width: as declared, in pixels of the record.
        height: as declared.
        resolution: as declared, pixels a centimetre, horizontal and vertical.
        problems: deviations that did not hinder reading.
    """

    format: RecordFormat
    views: tuple[Minutiae, ...] = field(repr=False)
    width: int
    height: int
    resolution: tuple[int, int]
    problems: tuple[str, ...] = ()


def decode_record(
    data: bytes, *, true_size: tuple[int, int] | None = None, true_dpi: float = c.DPI
) -> FingerRecord:  # fmt: skip
    """Reads a record.

    Args:
        data: the record.
        true_size: width and height in pixels of the picture that the minutiae were found in, where the caller knows
            them: places and directions are then mapped from the declared frame to this one, each axis by itself. Some
            vendors write one fixed frame whatever the sensor.
        true_dpi: resolution of that picture.

    Raises:
        MalformedDataError: no such record, or lengths that do not fit.
        ConfigurationError: ``true_size`` or ``true_dpi`` out of range.
    """
    if true_size is not None and not all(1 <= side <= _LOW for side in true_size):
        raise ConfigurationError("a true size is two sides of 1 to 16383 pixels")
    if not math.isfinite(true_dpi) or not c.DPI_RANGE[0] <= true_dpi <= c.DPI_RANGE[1]:
        raise ConfigurationError(f"a resolution lies between {c.DPI_RANGE[0]} and {c.DPI_RANGE[1]} dpi")
    record = MinutiaeRecord.parse(data)
    problems = list(record.problems)
    step = 2 * math.pi / record.format.angle_steps
    views = []
    for view in record.views:
        width, height, resolution = record.frame_of(view)
        frame = _Frame(width, height, resolution, (true_size, true_dpi), problems)
        views.append(frame.minutiae(view, step, record.format.best_quality))
    return FingerRecord(
        format=record.format, views=tuple(views), width=record.width, height=record.height,
        resolution=record.resolution, problems=tuple(dict.fromkeys(problems)),
    )  # fmt: skip


_True = tuple[tuple[int, int] | None, float]


class _Frame:
    """From the pixels of a record to pixels at 500 dpi."""

    def __init__(
        self, width: int, height: int, resolution: tuple[int, int], true: _True, problems: list[str]
    ) -> None:  # fmt: skip
        size, dpi = true
        self.problems = problems
        if size is not None and width and height:
            self.scale = (size[0] / width * c.DPI / dpi, size[1] / height * c.DPI / dpi)
            self.size = (round(size[0] * c.DPI / dpi), round(size[1] * c.DPI / dpi))
            return
        self.scale = (self._scale(resolution[0]), self._scale(resolution[1]))
        self.size = (round(width * self.scale[0]), round(height * self.scale[1]))

    def _scale(self, per_centimetre: int) -> float:
        dpi = per_centimetre * 2.54
        if not c.DPI_RANGE[0] <= dpi <= c.DPI_RANGE[1]:
            self.problems.append("the declared resolution is impossible; 500 dpi taken")
            return 1.0
        return 1.0 if abs(dpi - c.DPI) < 0.01 * c.DPI else c.DPI / dpi

    def minutiae(self, view: FingerView, step: float, best: int) -> Minutiae:
        rows = [(m.x, m.y, m.angle, m.kind, m.quality) for m in view.minutiae]
        table = np.array(rows, np.int64).reshape(-1, 5)
        angle = table[:, 2] * step
        along, up = np.cos(angle) * self.scale[0], np.sin(angle) * self.scale[1]
        sure = table[:, 4]
        known = (sure >= 1) & (sure <= best)
        try:
            finger = FingerPosition(view.position)
        except ValueError:
            finger = FingerPosition.UNKNOWN
            self.problems.append("the finger position is unknown")
        return Minutiae(
            x=(table[:, 0] * self.scale[0]).astype(np.float32), y=(table[:, 1] * self.scale[1]).astype(np.float32),
            angle=np.arctan2(up, along).astype(np.float32), kind=_kinds(table[:, 3]),
            score=np.where(known, sure / best, c.RECORD_SCORE).astype(np.float32), width=self.size[0],
            height=self.size[1], position=finger, quality=view.quality if 1 <= view.quality <= 100 else None,
        )  # fmt: skip


def _kinds(codes: np.ndarray) -> np.ndarray:
    return np.where(codes > MinutiaKind.BIFURCATION, MinutiaKind.OTHER, codes).astype(np.uint8)


def encode_record(views: tuple[Minutiae, ...], form: RecordFormat = RecordFormat.ISO_2005) -> bytes:
    """Writes a record at 500 dpi (197 pixels a centimetre), at most 255 minutiae a view.

    Args:
        views: one or more prints; the frame is the largest of theirs where the format has one for all.
        form: the format.

    Raises:
        ConfigurationError: no view, too many (nbis-rs has one), or a frame beyond 14 bits.
    """
    most = 1 if form is RecordFormat.NBIS_RS else MAX_VIEWS
    if not 1 <= len(views) <= most:
        raise ConfigurationError(f"a record of {form.value} has 1 to {most} views, not {len(views)}")
    width, height = max(v.width for v in views), max(v.height for v in views)
    if not (1 <= width <= _LOW and 1 <= height <= _LOW):
        raise ConfigurationError("the frame of a record is 1 to 16383 pixels a side")
    numbers = [sum(v.position == w.position for w in views[:i]) for i, v in enumerate(views)]
    ansi = form.value.startswith("ANSI")
    return MinutiaeRecord(
        views=tuple(_view(v, n & 15, form) for v, n in zip(views, numbers, strict=True)),
        width=width,
        height=height,
        format=form,
        product=(1, 0) if ansi else (0, 0),  # INCITS 378 wants an owner other than 0
    ).encode()


def _view(view: Minutiae, number: int, form: RecordFormat) -> FingerView:
    frame = None
    if form in _WITH_FRAMES:
        qualities = ((view.quality, 0, 0),) if view.quality is not None else ()
        frame = ViewFrame(
            width=view.width, height=view.height, resolution=(_PER_CENTIMETRE, _PER_CENTIMETRE),
            capture=Capture(qualities=qualities), quality_algorithm=(1, 0),
        )  # fmt: skip
    unknown = NO_QUALITY if frame is not None else 0
    return FingerView(
        position=view.position,
        view_number=number,
        quality=view.quality if view.quality is not None else unknown,
        minutiae=_rows(view, form),
        frame=frame,
    )


def _rows(minutiae: Minutiae, form: RecordFormat) -> tuple[Minutia, ...]:
    """The best minutiae in whole pixels and steps, clipped to 14 bits, quality from 1 to the format's best."""
    best = minutiae.best(255)
    x, y = (np.clip(np.rint(v), 0, _LOW).astype(int) for v in (best.x, best.y))
    sure = np.clip(np.rint(best.score * form.best_quality), 1, form.best_quality).astype(int)
    kinds = [MinutiaType(k) for k in best.kind.tolist()]
    rows = zip(x.tolist(), y.tolist(), _turns(best, form.angle_steps), kinds, sure.tolist(), strict=True)
    return tuple(Minutia(*row) for row in rows)


def _turns(minutiae: Minutiae, steps: int) -> list[int]:
    turn = np.rint(np.mod(minutiae.angle, 2 * math.pi) / (2 * math.pi) * steps).astype(int) % steps
    found: list[int] = turn.tolist()
    return found


def encode_card(minutiae: Minutiae, form: CardFormat = CardFormat.COMPACT, *, most: int = 60) -> bytes:
    """The minutiae of a card format (the content of tag 81), best ``most`` ones, ordered by x, then y.

    Places are millimetre units from the upper left corner of the box around them where the picture is larger than the
    format's frame, else from that of the picture.
    """
    best = minutiae.best(min(most, 255))
    scale = form.units_per_mm / _MILLIMETRE
    x, y = best.x * scale, best.y * scale
    if len(best) and max(float(x.max()), float(y.max())) > form.largest:
        x, y = x - x.min(), y - y.min()
    columns, lines = (np.rint(v).astype(int) for v in (x, y))
    rows = zip(columns.tolist(), lines.tolist(), _turns(best, form.angles), best.kind.tolist(), strict=True)
    kept = [Minutia(a, b, t, MinutiaType(k)) for a, b, t, k in sorted(rows) if max(a, b) <= form.largest]
    return encode_card_minutiae(kept, form)


def decode_card(data: bytes, form: CardFormat = CardFormat.COMPACT) -> Minutiae:
    """Reads the minutiae of a card format.

    Raises:
        MalformedDataError: more than 255 minutiae, or a length that is no multiple of theirs.
    """
    rows = [(m.x, m.y, m.angle, m.kind) for m in decode_card_minutiae(data, form)]
    table = np.array(rows, np.int64).reshape(-1, 4)
    scale = _MILLIMETRE / form.units_per_mm
    angle = table[:, 2] * (2 * math.pi / form.angles)
    side = round(min(form.largest, max([1, *table[:, :2].ravel().tolist()])) * scale) + 1
    return Minutiae(
        x=(table[:, 0] * scale).astype(np.float32), y=(table[:, 1] * scale).astype(np.float32),
        angle=np.arctan2(np.sin(angle), np.cos(angle)).astype(np.float32), kind=_kinds(table[:, 3]),
        score=np.full(len(table), c.RECORD_SCORE, np.float32), width=side, height=side,
    )  # fmt: skip
