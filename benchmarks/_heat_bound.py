"""How well any method could know the final dose: Cramér and Rao's bound where all but one is known.

One number is unknown, how strongly the source heats; its shape, the tissue and the course of time
are given. No monitor knows as much. (Cramér 1946; Rao 1945.)
"""

import math

import numpy as np
from _heat_truth import BODY_C, STEP_S, Course, Real, Seen

KINK_C, LN_2 = 43.0, math.log(2)


def known_shape(course: Course, treatment: Seen, *, until_s: float) -> float:
    """Return the least deviation of ln(final dose) where shape and course are known."""
    return _bound(course, treatment, until_s=until_s, is_one_pixel=False)


def known_course(course: Course, treatment: Seen, *, until_s: float) -> float:
    """Return it where nothing is known of the shape: the hottest voxel tells of itself alone."""
    return _bound(course, treatment, until_s=until_s, is_one_pixel=True)


def _bound(course: Course, treatment: Seen, *, until_s: float, is_one_pixel: bool) -> float:
    truth = course.dose()
    hot = np.unravel_index(truth.argmax(), truth.shape)
    maps = [one for one in treatment.maps if 0 < one.time_s <= until_s]
    steps = [round(one.time_s / STEP_S) for one in maps]
    shown = course.rise_c[steps].astype(np.float64)
    if is_one_pixel:
        shown = shown[:, *hot][:, None, None]
    common = float(maps[0].common_std_c[0, 0, 0]) ** 2
    own = float(maps[0].temperature_std_c[0, 0, 0]) ** 2 - common
    # noise of the reference is the same in every frame: σ² I + σ_c² 1 1ᵀ, inverted
    together = common / (own + len(maps) * common)
    information = np.sum(np.sum(shown**2, 0) - together * np.sum(shown, 0) ** 2) / own
    return _per_share(course.rise_c[:, *hot].astype(np.float64)) / math.sqrt(float(information))


def _per_share(rise_c: Real) -> float:
    """Return by how much ln(dose) grows where all rises grow by a share."""
    above = BODY_C + rise_c - KINK_C
    slope = np.where(above >= 0, LN_2, 2 * LN_2)
    rate = np.exp(slope * above)
    return float(np.sum(rate * slope * rise_c) / np.sum(rate))
