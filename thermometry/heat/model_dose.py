"""Thermal dose along the model's course between two frames, with what later frames teach of it.

Errors of a filter's estimates hang together from frame to frame, so that they add up, and a later
frame corrects what an earlier one got wrong: for each pixel the error of the dose's logarithm is
carried as a third number beside that of its temperature (an augmented state, smoothed as in Rauch,
Tung and Striebel 1965, doi:10.2514/3.3166).
"""

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.dose.cem43_rate import KINK_C, LEAST_C, LN_R_ABOVE, LN_R_BELOW, MOST_C, S_PER_MIN
from thermometry.heat.path import Course

Real = NDArray[np.float64]
LEAST_VARIANCE: Final = 1e-9
PAST_S: Final = 20.0
# what float32 still holds: nobody needs to know more of a dose, or of its doubt
MOST_MIN: Final = 1e30
MOST_EXPONENT: Final = 60.0
MOST_SHIFT: Final = math.log(4.0)  # no single frame corrects the past further


@dataclass(frozen=True, slots=True, eq=False)
class ModelDose:
    """Dose of a region so far; float64 (y, x), because rates span 20 orders of magnitude.

    dose_min: CEM43. log_variance: of its logarithm. per_c: by how much its logarithm is off where
    the temperature now is found to be off by 1 °C.
    """

    dose_min: Real
    log_variance: Real
    per_c: Real

    def low_min(self) -> Real:
        """Return the lower end of the 95 % interval."""
        return np.asarray(self.dose_min * np.exp(-1.959964 * np.sqrt(self.log_variance)))

    def high_min(self) -> Real:
        """Return the upper end of the 95 % interval."""
        beyond = np.minimum(1.959964 * np.sqrt(self.log_variance), MOST_EXPONENT)
        return np.minimum(self.dose_min * np.exp(beyond), MOST_MIN)


def start_model_dose(shape: tuple[int, int]) -> ModelDose:
    """Return no dose; shape: (y, x)."""
    zeros = np.zeros(shape)
    return ModelDose(zeros, zeros, zeros)


def take_over_model_dose(left: ModelDose) -> ModelDose:
    """Return the dose that another session left; what a degree now says of it is not known."""
    return replace(left, per_c=np.zeros_like(left.per_c))


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a frame taught of the temperature at its time; each (y, x).

    change_c: new estimate less prediction.
    before, after: variance of the rise at the frame, foretold and filtered.
    """

    change_c: Real
    before: Real
    after: Real


def taught(course: Course, lesson: Lesson) -> Course:
    """Return a course that ended in a frame, corrected by what the frame taught."""
    follows, learnt = _follows(course, lesson)
    return replace(
        course,
        rise_c=course.rise_c + follows * lesson.change_c,
        variance=np.maximum(course.variance - follows**2 * learnt, 0.0),
    )


def add_course(
    dose: ModelDose,
    course: Course,
    weights_s: Real,
    *,
    body_c: float,
    lesson: Lesson,
    misfit: float = 1.0,
) -> ModelDose:
    """Return the dose after a course that ended in a frame, all that the frame taught included.

    weights_s: (time,), of the quadrature. misfit: 1 where the model holds; the more, the less the
    past is corrected. CEM43: Sapareto and Dewey 1984,
    doi:10.1016/0360-3016(84)90379-1. A map's noise makes the mean of its rates too high. An
    estimate whose error does not depend on its value needs no correction but that of the mean of
    a logarithm's error: the dose is the posterior's median.
    """
    before = np.maximum(lesson.before, LEAST_VARIANCE)
    # how tissue cools is no proof of how hot it was, the less the longer ago that was
    kept = math.exp(-float(weights_s.sum()) * misfit / PAST_S)
    dose = replace(dose, per_c=dose.per_c * kept)
    follows, learnt = _follows(course, lesson)
    better = taught(course, lesson)
    # the old dose: its error with that of the rise, carried to each time, then conditioned
    at_end = dose.per_c * course.with_start[-1]
    joint = dose.per_c * course.with_start - at_end * follows * learnt / before
    shift = at_end / before
    old = dose.dose_min * np.exp(np.clip(shift * lesson.change_c, -MOST_SHIFT, MOST_SHIFT))
    old_variance = np.maximum(dose.log_variance - shift**2 * learnt, 0.0)
    added, slope, spread = _integral(better.rise_c + body_c, better.variance, weights_s)
    # errors within an interval go together: their deviations add up
    cross = np.sum(slope * joint, axis=0)
    total = old + added
    part = np.divide(old, total, out=np.zeros_like(total), where=total > 0)
    rest = 1 - part
    variance = part**2 * old_variance + 2 * part * rest * cross + rest**2 * spread**2
    per_c = part * shift + rest * np.sum(slope * follows, axis=0)
    return ModelDose(np.minimum(total, MOST_MIN), np.maximum(variance, 0.0), per_c)


def add_future(dose: ModelDose, course: Course, weights_s: Real, *, body_c: float) -> ModelDose:
    """Return the dose when a course without frames is over."""
    nothing = Lesson(np.zeros_like(dose.dose_min), course.variance[-1], course.variance[-1])
    return add_course(dose, course, weights_s, body_c=body_c, lesson=nothing)


def _follows(course: Course, lesson: Lesson) -> tuple[Real, Real]:
    """Return the regression of each time on the frame's, and how much variance the frame took."""
    follows = course.with_end / np.maximum(lesson.before, LEAST_VARIANCE)
    return follows, np.maximum(lesson.before - lesson.after, 0.0)


def _integral(temperature_c: Real, variance: Real, weights_s: Real) -> tuple[Real, Real, Real]:
    """Return the dose, what a degree at each time adds to its logarithm, and its deviation."""
    above_c = np.minimum(temperature_c, MOST_C) - KINK_C
    ln_r = np.where(above_c >= 0, LN_R_ABOVE, LN_R_BELOW)
    rate = np.where(above_c < LEAST_C - KINK_C, 0.0, np.exp(ln_r * above_c))
    parts = rate * (weights_s / S_PER_MIN)[:, None, None]
    dose = parts.sum(axis=0)
    share = np.divide(parts, dose, out=np.zeros_like(parts), where=dose > 0)
    slope = share * ln_r
    return dose, slope, np.asarray(np.sum(slope * np.sqrt(variance), axis=0))
