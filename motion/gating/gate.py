"""The gate: whether the beam may be on, by where the target will be when it reacts."""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from messages import Displacement, GateReading, Prediction
from messages.displacement import GateCause
from motion.gating.boundary import Boundary, Places, Shape, boundary, point_width_mm, shape
from motion.gating.place import end_exhale_mm, is_place
from motion.gating.probability import outside_probability, scales_mm

_NOWHERE: Final = (math.nan, math.nan)


@dataclass(frozen=True, slots=True, eq=False)
class GatePlan:
    """What a gate works for.

    target_mask: bool (y, x), the target in the reference image. pixel_mm: (y, x).
    margin_mm: from the target to the boundary; resume_margin_mm: the smaller one that a closed gate
        asks for. max_outside_percent: of the target's area that may be outside.
    max_outside_probability_percent: from which probability on, that more is outside, it closes.
    min_on_s: it opens only where the target is expected to stay inside for so long; a beam that
        must stop is never kept on. min_off_s: how long it stays closed at least.
    gate_center: the boundary lies around the reference or around the end-exhale place, learned from
        the first learn_places believed places over learn_s at least, which are two breaths.
    cranial: (y, x), the patient's head, where known.
    """

    target_mask: NDArray[np.bool_]
    pixel_mm: tuple[float, float]
    margin_mm: float
    max_outside_percent: float
    resume_margin_mm: float | None = None
    max_outside_probability_percent: float = 50.0
    min_on_s: float = 0.0
    min_off_s: float = 0.0
    gate_center: Literal["reference", "end-exhale"] = "reference"
    learn_places: int = 24
    learn_s: float = 10.0
    cranial: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class GateState:
    """What the gate remembers.

    center_mm: where the boundary lies, None until it is learned from `places`, (time_s, y_mm, x_mm)
    each. closed_at_s: when it closed last, NaN before.
    """

    is_open: bool = False
    closed_at_s: float = math.nan
    center_mm: tuple[float, float] | None = None
    places: tuple[tuple[float, float, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A pure fold over displacements; made by `make_gate`."""

    plan: GatePlan
    target: Shape
    exit_line: Boundary
    resume_line: Boundary

    def start(self) -> GateState:
        """Return the state before the first image: closed."""
        is_fixed = self.plan.gate_center == "reference"
        return GateState(center_mm=(0.0, 0.0) if is_fixed else None)

    def step(
        self,
        state: GateState,
        displacement: Displacement,
        prediction: Prediction | None,
        later: tuple[Prediction, ...] = (),
    ) -> tuple[GateState, GateReading]:
        """Return the next state and whether the beam may be on.

        prediction: (y, x), at beam-effect time; of a predictor that holds the last value it is that
        value with its wide interval. later: predictions up to min_on_s after it; without one the
        target is taken to go on as it goes from now to the prediction.
        It never opens within min_off_s of closing, nor where place or error are not known.
        """
        state = _learned(self.plan, state, displacement)
        center = state.center_mm
        if center is None:
            return self._closed(state, displacement, "learning")
        if not displacement.is_tracked or not is_place(displacement.displacement_mm):
            return self._closed(state, displacement, "unknown")
        expected = None if prediction is None else self._expect(displacement, prediction, center)
        if prediction is None or expected is None:
            return self._closed(state, displacement, "unknown")
        at_mm, scale_mm = expected
        reading = GateReading(
            outside_percent=self.exit_line.percent(self._points(displacement, center)),
            predicted_outside_percent=self.exit_line.percent(at_mm),
            probability=self._probability(self.exit_line, at_mm, scale_mm),
            is_open=False,
            center_mm=center,
        )
        cause = self._cause(state, displacement, reading, at_mm, scale_mm)
        if not cause and not state.is_open and self.plan.min_on_s > 0.0:
            cause = self._leaves_soon(displacement, prediction, later, center)
        if cause:
            return _shut(state, displacement.time_s), replace(reading, closed_by=cause)
        return replace(state, is_open=True), replace(reading, is_open=True)

    def _cause(
        self,
        state: GateState,
        displacement: Displacement,
        reading: GateReading,
        at_mm: Places,
        scale_mm: NDArray[np.float32],
    ) -> GateCause:
        """Return why the gate is closed by this frame's own prediction, empty where it is not."""
        most = self.plan.max_outside_probability_percent / 100.0
        if not reading.probability < most:
            return "outside"
        if state.is_open:
            return ""
        since_s = displacement.time_s - state.closed_at_s
        # NaN before it closed first; a clock that stepped back keeps it closed
        if since_s < self.plan.min_off_s:
            return "min-off"
        if not self._probability(self.resume_line, at_mm, scale_mm) < most:
            return "resume-margin"
        return ""

    def _leaves_soon(
        self,
        displacement: Displacement,
        prediction: Prediction,
        later: tuple[Prediction, ...],
        center: tuple[float, float],
    ) -> GateCause:
        most = self.plan.max_outside_probability_percent / 100.0
        for one in later or _going_on(displacement, prediction, self.plan.min_on_s):
            expected = self._expect(displacement, one, center)
            if expected is None or not self._probability(self.exit_line, *expected) < most:
                return "min-on"
        return ""

    def _points(self, displacement: Displacement, center: tuple[float, float]) -> Places:
        """Return where the target's points are now (point, 2), the boundary's centre taken off."""
        moved = self.target.moved(
            displacement.displacement_mm, matrix=displacement.matrix, field_mm=displacement.field_mm
        )
        return moved - np.array(center, np.float32)

    def _expect(
        self, displacement: Displacement, prediction: Prediction, center: tuple[float, float]
    ) -> tuple[Places, NDArray[np.float32]] | None:
        """Return the target's points at the predicted place, as deformed as now, and the error."""
        scale_mm = scales_mm(prediction)
        if scale_mm is None or len(scale_mm) != 2:
            return None
        onward = np.array(prediction.position_mm) - np.array(displacement.displacement_mm)
        return self._points(displacement, center) + onward.astype(np.float32), scale_mm

    def _probability(self, line: Boundary, at_mm: Places, scale_mm: NDArray[np.float32]) -> float:
        return outside_probability(
            line, at_mm, scale_mm, above_percent=self.plan.max_outside_percent
        )

    def _closed(
        self, state: GateState, displacement: Displacement, cause: GateCause
    ) -> tuple[GateState, GateReading]:
        """Return the gate shut where the place is not known: nothing can be told of it."""
        reading = GateReading(
            outside_percent=math.nan,
            predicted_outside_percent=math.nan,
            probability=1.0,
            is_open=False,
            closed_by=cause,
            center_mm=state.center_mm or _NOWHERE,
        )
        return _shut(state, displacement.time_s), reading


def make_gate(plan: GatePlan) -> Gate:
    """Return the gate of a plan: distance maps and points are made once, here.

    Raises ValueError where the target is empty or the resume margin is the larger one.
    """
    resume_mm = plan.margin_mm if plan.resume_margin_mm is None else plan.resume_margin_mm
    if resume_mm > plan.margin_mm:
        raise ValueError(f"resume_margin_mm is {resume_mm:g}, above margin_mm {plan.margin_mm:g}")
    target = shape(plan.target_mask, plan.pixel_mm)
    soft_mm = point_width_mm(plan.target_mask, plan.pixel_mm, len(target.points_mm))
    exit_line, resume_line = (
        boundary(plan.target_mask, plan.pixel_mm, margin_mm=margin_mm, soft_mm=soft_mm)
        for margin_mm in (plan.margin_mm, resume_mm)
    )
    return Gate(plan, target, exit_line, resume_line)


def _learned(plan: GatePlan, state: GateState, displacement: Displacement) -> GateState:
    """Return the state with one more place, and the boundary's centre once there are enough."""
    place, time_s = displacement.displacement_mm, displacement.time_s
    if state.center_mm is not None or displacement.doubts or not is_place(place):
        return state
    # without a clock it would learn for ever, and remember every place
    latest_s = state.places[-1][0] if state.places else -math.inf
    if not (math.isfinite(time_s) and time_s > latest_s):
        return state
    places = (*state.places, (time_s, *place))
    span_s = places[-1][0] - places[0][0]
    is_enough = len(places) >= plan.learn_places and span_s >= plan.learn_s
    if not is_enough or displacement.is_training:
        return replace(state, places=places)
    seen_mm = np.array(places, np.float32)[:, 1:]
    return replace(state, center_mm=end_exhale_mm(seen_mm, cranial=plan.cranial), places=())


def _shut(state: GateState, time_s: float) -> GateState:
    """Return the state closed; the moment counts from which it closed."""
    return replace(state, is_open=False, closed_at_s=time_s) if state.is_open else state


def _going_on(
    displacement: Displacement, prediction: Prediction, for_s: float
) -> tuple[Prediction, ...]:
    """Return where the target is at the end of a time if it goes on at its speed until then."""
    horizon_s = prediction.effect_time_s - displacement.time_s
    if not horizon_s > 0.0:
        return (prediction,)
    times = for_s / horizon_s
    pairs = zip(prediction.position_mm, displacement.displacement_mm, strict=True)
    step = [times * (there - now) for there, now in pairs]

    def moved(place: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(one + by for one, by in zip(place, step, strict=True))

    onward = replace(
        prediction,
        effect_time_s=prediction.effect_time_s + for_s,
        position_mm=moved(prediction.position_mm),
        low_mm=moved(prediction.low_mm),
        high_mm=moved(prediction.high_mm),
    )
    return (onward,)
