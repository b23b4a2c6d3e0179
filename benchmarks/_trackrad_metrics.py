"""The figures by which TrackRAD2025 compares trackers, from the organisers' definitions.

Masks are bool (y, x), one pixel is 1 mm. `shared/reference/mrlinac.md`, section 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Mask = NDArray[np.bool_]
Real = NDArray[np.float64]

DILATION_PX, PENUMBRA_PX = 3, 4.0
FIELD_LEVEL = 0.5  # of the blurred target, above which the binary dose is 1
DVH_BIN_PERCENT = 0.1
QUANTILE = 0.95


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one sequence: means over the frames after the first; relative D98 over all frames.

    dsc: Dice. hd95_mm, masd_mm, cd_mm: distances. p95_cd_mm: of the centres. rel_d98: with a
    binary dose, as ranked; rel_d98_smooth: with the blurred one, which falls with every millimetre.
    """

    dsc: float
    hd95_mm: float
    masd_mm: float
    cd_mm: float
    p95_cd_mm: float
    rel_d98: float
    rel_d98_smooth: float


def scores(predicted: Sequence[Mask], truth: Sequence[Mask]) -> Scores:
    """Score a sequence; frames where the truth is empty do not count, nor does the first."""
    pairs = [(p, g) for p, g in zip(predicted, truth, strict=True) if g.any()]
    later = pairs[1:]
    centres = [centre_distance(p, g) for p, g in later]
    return Scores(
        dsc=float(np.mean([dice(p, g) for p, g in later])),
        hd95_mm=float(np.mean([hausdorff95(p, g) for p, g in later])),
        masd_mm=float(np.mean([surface_distance(p, g) for p, g in later])),
        cd_mm=float(np.mean(centres)),
        p95_cd_mm=float(np.quantile(centres, QUANTILE)),
        rel_d98=relative_d98(pairs, field_of(pairs[0][1]) >= FIELD_LEVEL),
        rel_d98_smooth=relative_d98(pairs, field_of(pairs[0][1])),
    )


def dice(predicted: Mask, truth: Mask) -> float:
    """2|P ∩ G| / (|P| + |G|)."""
    return float(2 * np.sum(predicted & truth) / (predicted.sum() + truth.sum()))


def edge(mask: Mask) -> Mask:
    """Return the pixels of a mask that have a side outside it or outside the picture."""
    return mask ^ ndimage.binary_erosion(mask)


def hausdorff95(predicted: Mask, truth: Mask) -> float:
    """Return the greater 95 % quantile of the distances from one edge to the other."""
    if not predicted.any():
        return float(max(truth.shape))
    there = np.quantile(_distances(predicted, truth), QUANTILE)
    back = np.quantile(_distances(truth, predicted), QUANTILE)
    return float(max(there, back))


def surface_distance(predicted: Mask, truth: Mask) -> float:
    """Mean distance from the predicted edge to the true one, in that direction only."""
    if not predicted.any():
        return float(max(truth.shape))
    return float(np.mean(_distances(predicted, truth)))


def centre_distance(predicted: Mask, truth: Mask) -> float:
    """Distance of the centres of mass."""
    if not predicted.any():
        return float(max(truth.shape))
    return float(np.linalg.norm(_offset(predicted, truth)))


def field_of(target: Mask) -> Real:
    """Return a dose that suits the target: dilated by 3 px, blurred by 4 px."""
    grown = ndimage.binary_dilation(target, iterations=DILATION_PX)
    blurred: Real = ndimage.gaussian_filter(grown.astype(np.float64), PENUMBRA_PX)
    return blurred


def relative_d98(pairs: Sequence[tuple[Mask, Mask]], field: NDArray[np.generic]) -> float:
    """D98 of the first true mask when the dose follows the prediction, over D98 where it is right.

    Dose in the target's own frame is the field moved by the centre's error, mean over frames, by
    cubic splines. An empty prediction has no centre and gives no dose.
    """
    target = pairs[0][1]
    dose = field.astype(np.float64)
    total = np.zeros_like(dose)
    for predicted, truth in pairs:
        if predicted.any():
            total += ndimage.shift(dose, _offset(predicted, truth))
    planned = d98(dose, target)
    # a target that is small against the penumbra has no dose to lose
    return d98(total / len(pairs), target) / planned if planned else float("nan")


def d98(dose: Real, target: Mask) -> float:
    """Return the greatest dose, in steps of 0.1 %, that 98 % of the target receive at least."""
    inside = np.sort(dose[target])
    levels = np.arange(0.0, 100.0 + DVH_BIN_PERCENT, DVH_BIN_PERCENT) / 100.0
    # a dose that a spline leaves 1e-12 short of a level still reaches it
    share = 1.0 - np.searchsorted(inside + 1e-9, levels) / inside.size
    return float(levels[share >= 0.98].max(initial=0.0))


def _distances(of: Mask, to: Mask) -> Real:
    away: Real = ndimage.distance_transform_edt(~edge(to))[edge(of)]
    return away


def _offset(predicted: Mask, truth: Mask) -> Real:
    first, second = ndimage.center_of_mass(predicted), ndimage.center_of_mass(truth)
    return np.asarray(first) - np.asarray(second)
