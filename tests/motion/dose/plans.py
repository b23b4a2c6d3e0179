"""Small plans whose dose can be written down."""

import numpy as np

from messages import BeamLog
from motion.dose import DoseCloud, DoseGrid, DosePlan, Place, Structure

STEP_MM = 2.0


def box(n=(20, 24, 28), step_mm=STEP_MM):
    """A grid along the patient's axes: z, y, x of the array along LPS z, y, x, centred on 0."""
    origin = tuple(-step_mm * (m - 1) / 2 for m in reversed(n))
    return DoseGrid(n, origin, ((0.0, 0.0, step_mm), (0.0, step_mm, 0.0), (step_mm, 0.0, 0.0)))


def ramp(grid, gradient_gy_per_mm, at_centre_gy=20.0):
    """Dose that is linear in place, so that trilinear interpolation is exact."""
    return (at_centre_gy + grid.points_mm() @ np.array(gradient_gy_per_mm)).astype(np.float32)


def structure(points_mm, name="target", role="target", volume_mm3=None):
    points_mm = np.atleast_2d(np.array(points_mm, np.float64))
    volume = np.ones(len(points_mm)) if volume_mm3 is None else np.array(volume_mm3, np.float64)
    return Structure(name, role, points_mm, volume)


def ramp_plan(gradients=((0.0, 0.0, 0.1),), mu=100.0, points_mm=((0.0, 0.0, 0.0),), **named):
    grid = box()
    clouds = tuple(DoseCloud(n + 1, mu, ramp(grid, one), grid) for n, one in enumerate(gradients))
    return DosePlan(clouds, (structure(points_mm),), "target", **named)


def log(*reports):
    """Reports (time_s, number, mu), on where units rise after it."""
    times, numbers, mu = (np.array(column) for column in zip(*reports, strict=True))
    is_on = np.ones(len(times), np.bool_)
    return BeamLog(times.astype(np.float64), numbers.astype(np.int64), is_on, mu.astype(np.float64))


def played(accumulator, places, logs):
    """Fold over places, with the log known at each; return the state and all that was told."""
    state, told = accumulator.start(), []
    for place, known in zip(places, logs, strict=True):
        state, one = accumulator.step(state, place, known)
        told.append(one)
    return state, told


def along(times, displacement):
    """Places at times, by a function of time; None stays None."""
    return [Place(float(t), displacement(float(t))) for t in times]
