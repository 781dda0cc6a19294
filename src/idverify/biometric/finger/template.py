"""Templates: minutiae with their cylinders (Minutia Cylinder-Code), ready to be compared.

The cylinder of a minutia is the smoothed map of its neighbours in its own frame: 8 × 8 cells by 6 directions, of which
the 52 cells within the radius are kept. All cylinders of a print lie in one matrix, so that the local similarities of
two prints are one matrix product. [MCC] in :mod:`idverify.biometric.finger.constants` names the paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from idverify.biometric.finger import constants as c
from idverify.biometric.finger.minutiae import FingerPosition, Floats, Minutiae

Complexes = NDArray[np.complex64]

_CENTRES: Final = ((np.arange(c.CELLS) - (c.CELLS - 1) / 2) * (2 * c.RADIUS / c.CELLS)).astype(np.float32)
_GRID_X, _GRID_Y = (g.ravel() for g in np.meshgrid(_CENTRES, _CENTRES, indexing="ij"))
_INSIDE: Final = _GRID_X**2 + _GRID_Y**2 <= c.RADIUS**2
_CELL_X: Final = _GRID_X[_INSIDE]
_CELL_Y: Final = _GRID_Y[_INSIDE]
_DIRECTIONS: Final = (-math.pi + (np.arange(c.SECTIONS) + 0.5) * 2 * math.pi / c.SECTIONS).astype(np.float32)

RECORD: Final = "record"
"""Model of templates whose minutiae come from a record: another vendor's, or of unknown origin."""

CELL_COUNT: Final = int(_INSIDE.sum())
"""Cells of a cylinder's base: 52."""
BASE_CELLS: Final = (_CELL_X, _CELL_Y)
"""Where they lie, in pixels along and across the minutia's direction."""
SECTION_CENTRES: Final = _DIRECTIONS
"""Middles of the sections over the directions, radians."""

_STEPS: Final = 1024
_FAR: Final = 1e4


def _direction_table() -> NDArray[np.float32]:
    """Integral of the direction's Gaussian over one section, at ``_STEPS`` offsets in ``-π … π`` ([MCC] eq. 11)."""
    half = math.pi / c.SECTIONS
    scale = c.SIGMA_DIRECTION * math.sqrt(2)
    offsets = -math.pi + np.arange(_STEPS) * (2 * math.pi / _STEPS)
    rows = [(math.erf((a + half) / scale) - math.erf((a - half) / scale)) / 2 for a in offsets]
    return np.array(rows, np.float32)


_DIRECTION_TABLE: Final = _direction_table()


@dataclass(frozen=True, slots=True, eq=False)
class FingerTemplate:
    """A print, ready for comparison; personal data, so ``repr`` shows none of it. Immutable and thread-safe.

    Attributes:
        minutiae: all of them, surest first.
        model: identity of the extractor, ``id@version``, or ``"record"`` for minutiae of another vendor.
        cylinders: the arrays of the comparison; None where the print has too few minutiae and matches nothing.
    """

    minutiae: Minutiae
    model: str
    cylinders: Cylinders | None = field(repr=False)

    @property
    def position(self) -> FingerPosition:
        """The finger, where known."""
        return self.minutiae.position

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        arrays = [self.minutiae.x, self.minutiae.y, self.minutiae.angle, self.minutiae.kind, self.minutiae.score]
        if self.cylinders is not None:
            arrays += [getattr(self.cylinders, name) for name in Cylinders.__slots__]
        return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray))


@dataclass(frozen=True, slots=True, eq=False)
class Cylinders:
    """Arrays of a template: n valid cylinders, m minutiae, 52 cells by 6 sections (312 values). y points up.

    Attributes:
        count: n.
        code: ``(n, 312)`` cell values, 0 where a cell is invalid; code_t its transpose.
        mass_valid: ``(2n, 52)`` squared mass of every cell over validity; valid_mass ``(52, 2n)`` the other way round.
        heading, heading_t: ``(n, 2)`` cosine and sine, and transpose.
        z, w: ``(n,)`` place and unit direction as complex numbers.
        distance_a, distance_b: ``(n, n)`` distances with impossible diagonals, so that a cylinder pairs once.
        radial, radial_conj: ``(n, n)`` direction of a minutia relative to the line to another, as unit numbers.
        all_z, all_w, all_score: ``(m,)`` place, direction and score of all minutiae; centred, centre.
        kernel: ``(6, m)`` right-hand side of the log-kernel product.
    """

    count: int
    code: Floats
    code_t: Floats
    mass_valid: Floats
    valid_mass: Floats
    heading: Floats
    heading_t: Floats
    z: Complexes
    w: Complexes
    w_conj: Complexes
    distance_a: Floats
    distance_b: Floats
    radial: Complexes
    radial_conj: Complexes
    all_z: Complexes
    all_w: Complexes
    all_score: Floats
    centred: Complexes
    centre: complex
    kernel: Floats


def make_template(minutiae: Minutiae, *, model: str = RECORD) -> FingerTemplate:
    """Computes the cylinders of a print.

    Args:
        minutiae: of one print at 500 dpi, in any order.
        model: identity of their source.

    Returns:
        The template; one with fewer than :data:`~idverify.biometric.finger.constants.MIN_MINUTIAE` minutiae matches
        nothing.
    """
    best = minutiae.best(c.MAX_MINUTIAE)
    return FingerTemplate(best, model, _cylinders(best) if len(best) >= c.MIN_MINUTIAE else None)


def _cylinders(minutiae: Minutiae) -> Cylinders | None:
    x, y, angle = minutiae.x, -minutiae.y, minutiae.angle
    owners = min(len(x), c.MAX_CYLINDERS)
    code, neighbours = _code(x, y, angle, owners)
    valid = _valid_cells(x, y, angle, owners)
    kept = (valid.mean(1) >= c.MIN_VALID_CELLS) & (neighbours >= c.MIN_NEIGHBOURS)
    if kept.sum() < 2:
        return None
    code = (code * valid[..., np.newaxis])[kept]
    validity = valid[kept].astype(np.float32)
    mass = np.square(code).sum(-1)
    n = len(code)
    flat = np.ascontiguousarray(code.reshape(n, -1))
    index = np.flatnonzero(kept)
    every_z = (x + 1j * y).astype(np.complex64)
    every_w = np.exp(1j * angle).astype(np.complex64)
    centre = complex(every_z.mean())
    centred = (every_z - np.complex64(centre)).astype(np.complex64)
    z, w = every_z[index], every_w[index]
    heading = w.view(np.float32).reshape(n, 2)
    line = z[np.newaxis] - z[:, np.newaxis]
    distance = np.abs(line)
    unit = np.where(distance > 0, line / np.maximum(distance, 1e-6), 1)
    radial = (w[:, np.newaxis] * np.conj(unit)).astype(np.complex64)
    far_a, far_b = distance.astype(np.float32), distance.astype(np.float32)
    np.fill_diagonal(far_a, _FAR)
    np.fill_diagonal(far_b, -_FAR)
    plane = centred.view(np.float32).reshape(-1, 2).T
    kernel = np.stack([*plane, np.square(plane).sum(0), np.ones_like(x), every_w.real, every_w.imag])
    cylinders = Cylinders(
        count=n, code=flat, code_t=np.ascontiguousarray(flat.T), mass_valid=np.vstack([mass, validity]),
        valid_mass=np.ascontiguousarray(np.vstack([validity, mass]).T), heading=heading,
        heading_t=np.ascontiguousarray(heading.T), z=z, w=w, w_conj=np.conj(w), distance_a=far_a, distance_b=far_b,
        radial=radial, radial_conj=np.conj(radial), all_z=every_z, all_w=every_w, all_score=minutiae.score,
        centred=centred, centre=centre, kernel=np.ascontiguousarray(kernel, np.float32),
    )  # fmt: skip
    for name in Cylinders.__slots__:
        array = getattr(cylinders, name)
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return cylinders


def _mirror_order() -> NDArray[np.intp]:
    """Cells with the other side across the minutia's direction."""
    places = list(zip(_CELL_X.tolist(), _CELL_Y.tolist(), strict=True))
    return np.array([places.index((along, -across)) for along, across in places])


_MIRROR_CELLS: Final = _mirror_order()


def mirrored(cylinders: Cylinders) -> Cylinders:
    """The cylinders of the same print seen in a mirror, left and right exchanged; nothing is computed anew."""
    n, cells = cylinders.count, len(_MIRROR_CELLS)
    code = cylinders.code.reshape(n, cells, -1)[:, _MIRROR_CELLS, ::-1].reshape(n, -1)
    mass_valid = cylinders.mass_valid[:, _MIRROR_CELLS]
    valid_mass = cylinders.valid_mass[_MIRROR_CELLS]
    heading = cylinders.heading * np.array([-1, 1], np.float32)
    w, centred = -np.conj(cylinders.w), -np.conj(cylinders.centred)
    radial = np.conj(cylinders.radial)
    return Cylinders(
        count=n, code=code, code_t=np.ascontiguousarray(code.T), mass_valid=mass_valid, valid_mass=valid_mass,
        heading=heading, heading_t=np.ascontiguousarray(heading.T), z=-np.conj(cylinders.z), w=w, w_conj=np.conj(w),
        distance_a=cylinders.distance_a, distance_b=cylinders.distance_b, radial=radial, radial_conj=np.conj(radial),
        all_z=-np.conj(cylinders.all_z), all_w=-np.conj(cylinders.all_w), all_score=cylinders.all_score,
        centred=centred, centre=-cylinders.centre.conjugate(),
        kernel=cylinders.kernel * np.array([[-1], [1], [1], [1], [-1], [1]], np.float32),
    )  # fmt: skip


def _code(x: Floats, y: Floats, angle: Floats, owners: int) -> tuple[Floats, NDArray[np.intp]]:
    """Cell values ``(owners, 52, 6)`` and how many minutiae shaped each cylinder ([MCC] eq. 4 to 11)."""
    xo, yo, ao = x[:owners, np.newaxis], y[:owners, np.newaxis], angle[:owners, np.newaxis]
    dx, dy = x - xo, y - yo
    near = dx * dx + dy * dy <= (c.RADIUS + 3 * c.SIGMA_SPACE) ** 2
    np.fill_diagonal(near, False)
    cos, sin = np.cos(ao), np.sin(ao)
    along, across = dx * cos + dy * sin, dy * cos - dx * sin
    scale, spread = 1 / (c.SIGMA_SPACE * math.sqrt(2 * math.pi)), -1 / (2 * c.SIGMA_SPACE**2)
    gauss_x = scale * np.exp(spread * np.square(along[..., np.newaxis] - _CENTRES)) * near[..., np.newaxis]
    gauss_y = scale * np.exp(spread * np.square(across[..., np.newaxis] - _CENTRES))
    space = (gauss_x[..., :, np.newaxis] * gauss_y[..., np.newaxis, :]).reshape(owners, len(x), -1)[..., _INSIDE]
    offset = (_DIRECTIONS - (ao - angle)[..., np.newaxis]) * (_STEPS / (2 * math.pi)) + _STEPS / 2
    direction = _DIRECTION_TABLE[np.rint(offset).astype(np.intp) % _STEPS]
    sums = np.matmul(space.transpose(0, 2, 1), direction)
    code = 1 / (1 + np.exp(np.clip(-c.PSI_TAU * (sums - c.PSI_MU), -60, 60)))
    return code.astype(np.float32), near.sum(1)


_MAX_HULL_PIXELS: Final = 4_000_000
"""No finger is larger; minutiae that a hostile record spreads further are measured one by one, not on a picture."""


def _valid_cells(x: Floats, y: Floats, angle: Floats, owners: int) -> NDArray[np.bool_]:
    """Which cells ``(owners, 52)`` lie within the enlarged convex hull of the minutiae ([MCC] eq. 9)."""
    cv2 = _cv2()
    margin = math.ceil(c.HULL_MARGIN + c.RADIUS) + 2
    left, low = int(x.min()) - margin, int(y.min()) - margin
    size = (int(y.max()) - low + margin + 1, int(x.max()) - left + margin + 1)
    points = np.stack([x - left, y - low], 1)
    hull = np.rint(cv2.convexHull(points)).astype(np.int32)
    cos, sin = np.cos(angle[:owners, np.newaxis]), np.sin(angle[:owners, np.newaxis])
    column = np.rint(points[:owners, :1] + cos * _CELL_X - sin * _CELL_Y).astype(np.intp)
    row = np.rint(points[:owners, 1:] + sin * _CELL_X + cos * _CELL_Y).astype(np.intp)
    np.clip(column, 0, size[1] - 1, out=column)
    np.clip(row, 0, size[0] - 1, out=row)
    if size[0] * size[1] > _MAX_HULL_PIXELS:
        places = np.stack([column.ravel(), row.ravel()], 1).astype(float).tolist()
        near = [cv2.pointPolygonTest(hull, (across, up), True) >= -c.HULL_MARGIN for across, up in places]
        return np.array(near, np.bool_).reshape(row.shape)
    outside = np.ones(size, np.uint8)
    cv2.fillConvexPoly(outside, hull, 0)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 3)
    inside: NDArray[np.bool_] = distance[row, column] <= c.HULL_MARGIN
    return inside


def _cv2() -> Any:
    import cv2

    return cv2
