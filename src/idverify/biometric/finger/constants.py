"""Every number of the fingerprint engine, each with its source.

Sources: [MCC] Cappelli, Ferrara, Maltoni: Minutia Cylinder-Code, IEEE TPAMI 32 (2010) 2128–2141, tables 1 and 2;
[LSA-R] the relaxation of the same paper; [LEADER] Cappelli, arXiv 2602.15493, and PyPI ``pyfing`` 0.7.3;
[measured] chosen by this project, see ``docs/fingerprint.md`` for the ablation;
[chosen] set by eye, not measured. Lengths are pixels at 500 dpi.
"""

from __future__ import annotations

import math
from typing import Final

DPI: Final = 500
"""Resolution of everything inside the engine; pictures are resampled to it."""
DPI_RANGE: Final = (125, 2000)
"""Resolutions that a picture may claim."""
MAX_SIDE: Final = 1600
"""Longest side of a picture at 500 dpi (81 mm); larger ones are refused."""
MIN_SIDE: Final = 48
"""Shortest side of a picture at 500 dpi (2.4 mm)."""

# ---- extraction
SIZE_MULTIPLE: Final = 32
"""[LEADER] sides of the network's input are multiples of this."""
CONTEXT: Final = 16
"""[measured] pixels of the picture around the foreground that the network sees as well: it needs surroundings, and a
constant in their place costs accuracy (pooled EER 0.54 against 0.71 %, ZeroFMR 1.4 against 2.9 %)."""
MINUTIA_THRESHOLD: Final = 0.2
"""[measured] least score of a minutia: pooled EER 0.62 % at 0.15, 0.54 % at 0.2, 0.89 % at 0.25."""
TYPE_THRESHOLD: Final = 0.5
"""[LEADER] above: ending; below: bifurcation."""
MAX_MINUTIAE: Final = 256
"""Largest number of minutiae that the graph gives; ISO/IEC 19794-2 counts them in one byte."""
EDGE: Final = 4
"""[measured] minutiae nearer to the edge of the picture are artefacts of the padding."""
MIN_MINUTIAE: Final = 3
"""A convex hull needs three points; fewer minutiae give a template that matches nothing."""

# ---- cylinders
RADIUS: Final = 70.0
"""[MCC] R, radius of a cylinder."""
CELLS: Final = 8
"""[MCC] N_S, cells along the diameter (MCC8; 16 gave no gain)."""
SECTIONS: Final = 6
"""[MCC] N_D, sections over the directions."""
SIGMA_SPACE: Final = 28.0 / 3.0
"""[MCC] σ_S."""
SIGMA_DIRECTION: Final = 2.0 * math.pi / 9.0
"""[MCC] σ_D, radians."""
PSI_MU: Final = 0.01
"""[MCC] μ_ψ, sigmoid of the cell values."""
PSI_TAU: Final = 400.0
"""[MCC] τ_ψ."""
HULL_MARGIN: Final = 50.0
"""[MCC] Ω, enlargement of the convex hull."""
MIN_VALID_CELLS: Final = 0.75
"""[MCC] min_VC, share of valid cells of a cylinder."""
MIN_NEIGHBOURS: Final = 2
"""[MCC] min_M, minutiae that contribute to a cylinder."""
MAX_CYLINDERS: Final = 120
"""[measured] the best minutiae that get a cylinder: bounds the cost of a noisy picture."""

# ---- local similarity, relaxation
MIN_COMMON_CELLS: Final = 0.6
"""[MCC] min_ME, share of cells valid in both cylinders."""
PAIRS_MIN: Final = 4
PAIRS_MAX: Final = 12
PAIRS_MU: Final = 20.0
PAIRS_TAU: Final = 0.4
"""[MCC] min_nP, max_nP, μ_P, τ_P: how many pairs make the local score."""
RELAXATION_WEIGHT: Final = 0.5
"""[LSA-R] w_R."""
RELAXATION_STEPS: Final = 5
"""[LSA-R] n_rel."""
COMPATIBLE_DISTANCE: Final = 0.0277
"""[measured] weight of squared differences of distance; half value at 5 px, the μ of [LSA-R]'s first sigmoid."""
COMPATIBLE_DIRECTION: Final = 20.0
"""[measured] weight of 1 - cos of differences of direction; half value at 15°, the μ of the second and third."""
MIN_SUPPORT: Final = 0.065
"""[measured] pairs of templates whose best-supported seed has less are told apart without the second stage."""
FOREIGN_PAIRS: Final = 80
"""[measured] pairs to relax where one template is another vendor's: its minutiae are less alike, so the true pairs
stand further down the list. Chosen on four databases together, see the table of ``docs/fingerprint.md``; from 70 to 100
the EER of each stays within 0.7 per cent."""
FOREIGN_SEEDS: Final = 6
"""[measured] alignments that are tried for such templates."""
FOREIGN_SUPPORT: Final = 0.02
"""[measured] in the place of :data:`MIN_SUPPORT` for such templates."""
FOREIGN_KEPT: Final = 2
"""[measured] of them, the alignments that are followed to the end: 2 are as good as 3, and better than 1 or all."""
SEED_REACH: Final = 0.3
"""[chosen] pairs that agree with a seed so well are not tried as seeds again: they give the same alignment."""
EARLY_SCALE: Final = 0.01
"""[measured] keeps scores of the first stage below those of the second."""

# ---- alignment and global score
SEED_SHARE: Final = 0.1
"""[measured] pairs with less than this share of the seed's largest weight do not shape the first alignment."""
DIRECTION_LEVER: Final = 400.0
"""[measured] square of the lever (20 px) at which a minutia's direction counts as position in the alignment."""
ALIGNMENT_STEPS: Final = ((12.0, 0.35), (8.0, 0.28))
"""[measured] tolerance of position (px) and direction (rad), from coarse to fine."""
MIN_LOG_KERNEL: Final = -2.3
"""[measured] log of the least agreement of a mated minutia (0.1)."""
STIFFNESS: Final = 20000.0
"""[measured] resistance of the alignment against an affine distortion (px²)."""
OVERLAP_RADIUS: Final = 40.0
"""[measured] a minutia lies in the overlap where the other print has enough minutiae within this distance."""
OVERLAP_SUPPORT: Final = 1.0
"""[measured] how much minutia score is enough."""
PRIOR: Final = 3.0
"""[measured] minutia score added to the overlap, so that two minutiae alone prove nothing."""
MIRROR_CHECK: Final = (0.15, 0.35)
"""[measured] between these scores it is asked whether the mirrored print is more alike: of 2,560 comparisons with
mirrored prints of the same finger 35 reached the threshold for FMR 0.1 % without the question, the highest with 0.27;
none with it. Nearly all genuine comparisons lie above and cost no more."""
FOREIGN_MIRROR_CHECK: Final = (0.19, 0.35)
"""[measured] the same for other makers' records, whose strangers score higher: 31 % have 0.15, 6 % have 0.19. No rate
of the four databases changed with the lower limit, from 0.15 to 0.2; comparisons got a quarter faster."""
USUAL_COUNT: Final = 30.0
"""[chosen] number of minutiae at which the next constant changes nothing."""
COUNT_POWER: Final = 0.75
"""[measured] prints of many minutiae mate more by chance: the mass is divided by this power of their mean number. At a
threshold for FMR 1 % over all, prints of more than 45 minutiae have 1.2 % with it and 2.4 % without."""
FEW_POWER: Final = 0.65
"""[measured] where the smaller print has fewer than the usual number, the product behind the score is times its share
of that number to this power: a small piece of a finger lies well on many others. Fitted to the impostor scores of
pieces of real and of invented prints, which give the same power; see the table of ``docs/fingerprint.md``."""

# ---- search in a gallery
SEARCH_CYLINDERS: Final = 40
"""[chosen] the surest cylinders of a print that are searched; a print has 40 minutiae at the mean."""
SEARCH_ORDER: Final = 4
"""[measured] order of the polynomials over a cylinder's cells: 15 functions; 3 and 5 are no better."""
SEARCH_BEST: Final = 5
"""[measured] cylinders of the probe that count: 5 finds more than 8, 12, 16 and 24 do, in this order."""

# ---- foreground
BLOCK: Final = 12
"""[chosen] side of a block, a little more than a ridge period."""
SURROUND: Final = 25
"""[chosen] width of the surroundings that a pixel is compared with, two to three ridge periods."""
MIN_CONTRAST: Final = 6.0
"""[chosen] least ridge contrast in grey levels; sensor noise lies below 4."""
CONTRAST_SHARE: Final = 0.25
"""[chosen] least contrast of a block against the strongest of the picture."""
MIN_BLOCKS: Final = 12
"""[chosen] smaller islands are dust."""

# ---- quality
SURE: Final = 0.5
"""[chosen] score of a sure minutia."""
SURE_COUNT: Final = 15.0
"""[chosen] number of sure minutiae at which their part of the quality is 63 %."""
WIDE_AREA: Final = 60.0
"""[chosen] ridge area in mm² at which its part of the quality is 63 %."""
FULL_SURENESS: Final = 0.75
"""[chosen] mean score of a clean print."""
GOOD_QUALITY: Final = 50
LOW_SURENESS: Final = 0.6
SMALL_AREA: Final = 80.0
FAINT_CONTRAST: Final = 25.0
OFF_CENTRE: Final = 0.17
"""[chosen] limits of the advice."""

# ---- records
RECORD_SCORE: Final = 0.7
"""[chosen] score of a minutia whose record reports no quality: the mean of the extractor's own."""
