"""Targets, displacements and predictions as a gate sees them."""

import numpy as np

from messages import Displacement, FrameKey, Prediction
from motion.gating import GatePlan, make_gate

PIXEL_MM = (1.0, 1.0)
CENTRE_MM = (47.3, 48.6)


def disc(radius_mm, *, n=96, pixel_mm=PIXEL_MM, centre_mm=CENTRE_MM):
    y, x = np.mgrid[:n, :n]
    return np.hypot(y * pixel_mm[0] - centre_mm[0], x * pixel_mm[1] - centre_mm[1]) <= radius_mm


TARGET = disc(15.0)


def plan(**changes):
    known = {"margin_mm": 3.0, "max_outside_percent": 5.0, **changes}
    return GatePlan(TARGET, PIXEL_MM, **known)


def gate(**changes):
    return make_gate(plan(**changes))


def at(time_s, place_mm, **changes):
    return Displacement(
        frame_id=0,
        key=FrameKey(),
        time_s=time_s,
        displacement_mm=place_mm,
        target_mask=TARGET,
        area_mm2=707.0,
        volume_mm3=3535.0,
        similarity=0.95,
        **changes,
    )


def predicted(time_s, place_mm, half_mm=0.3, **changes):
    low, high = ([one + side * half_mm for one in place_mm] for side in (-1, 1))
    std = (half_mm / 1.645,) * len(place_mm)
    return Prediction(time_s, tuple(place_mm), tuple(low), tuple(high), std, **changes)


def followed(moving, places_mm, *, step_s=0.125, horizon_s=0.25, half_mm=0.3, state=None):
    """Yield (state, reading) of a gate whose predictor knows the place to come."""
    state = moving.start() if state is None else state
    for number, place_mm in enumerate(places_mm):
        now_s = step_s * number
        coming = predicted(now_s + horizon_s, place_mm, half_mm)
        state, reading = moving.step(state, at(now_s, place_mm), coming)
        yield state, reading
