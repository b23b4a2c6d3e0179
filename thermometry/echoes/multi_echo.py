"""Temperature from all echoes of a train: phase differences joined by magnitude² · TE².

It needs what the single baseline needs: a target that stays where it was, and no fat. Where water
and fat share a pixel the phase does not grow with the echo time, and this method is wrong: by 2 °C
of 12 at 50 % fat. Its standard deviation then grows with how the echoes disagree.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import Image, TemperatureMap
from thermometry.baseline import Reference
from thermometry.coil_images import frozen
from thermometry.echoes.echo_phases import (
    TrainPhases,
    combine,
    fit_offset,
    phasor_sums,
    stack,
    unwrap_along,
)
from thermometry.echoes.train_turn import field_and_common, shared_turn
from thermometry.magnitude import compare_magnitudes
from thermometry.phase import Observation, wrap
from thermometry.plan import ThermometryPlan
from thermometry.single_baseline import BaselineState, SingleBaseline, see

# What a frame may add, as a standard deviation: it decides a wrap only where short echoes cannot.
STEP_C: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class TrainState:
    """What the next echo train is compared with.

    gathering: while the baseline lasts, that of each echo, in order of echo time; then empty.
    reference: the finished baseline of each echo; the same object from frame to frame.
    joined: the joined phase and drift, both at the first echo time.
    offset_rad: the last phase that all echoes and pixels shared.
    """

    gathering: tuple[BaselineState, ...]
    joined: BaselineState
    reference: tuple[Reference, ...] | None = None
    offset_rad: float = 0.0


@dataclass(frozen=True, slots=True)
class MultiEcho:
    """Per-echo phase differences, unwrapped from short to long echoes and joined.

    The weights are the inverse variances, so the standard deviation is that of the best unbiased
    combination. Marx 2016, doi:10.1002/mrm.25914, whose comparison preferred it to a fit of
    the off-resonance. A phase that is the same in all pixels and echoes (the receiver's) is fitted
    and taken off with the drift, from order 0 on: a wrong one would weigh on pixels differently,
    as their T2* does. Anything else that does not grow with the echo time is taken for constant.
    Images without echoes are a train of one.
    """

    plan: ThermometryPlan
    order: tuple[int, ...]
    ratio: NDArray[np.float32]
    first: SingleBaseline

    def __init__(self, plan: ThermometryPlan) -> None:
        times_s = np.array(plan.echo_times_s or (plan.echo_time_s,))
        if not (np.all(times_s > 0) and np.unique(times_s).size == times_s.size):
            raise ValueError(f"echo_times_s is {times_s.tolist()}, expected others, all above 0")
        order = np.argsort(times_s)
        shortest_s = float(times_s[order[0]])
        object.__setattr__(self, "plan", plan)
        object.__setattr__(self, "order", tuple(order.tolist()))
        object.__setattr__(self, "ratio", (times_s[order] / shortest_s).astype(np.float32))
        object.__setattr__(self, "first", SingleBaseline(replace(plan, echo_time_s=shortest_s)))

    def start(self) -> TrainState:
        """State before the first train."""
        nothing = self.first.start()
        return TrainState((nothing,) * len(self.order), nothing)

    def step(self, state: TrainState, image: Image) -> tuple[TrainState, TemperatureMap]:
        """State and map after one more echo train.

        The first `baseline_frames` complete trains make the reference of each echo. An incomplete
        one gives no temperature and leaves no trace.
        """
        if not image.is_complete:
            return state, self.first.blank(self._first(state), image)
        echoes = self._echoes(image)
        if state.reference is None:
            return self._gather(state, echoes, image)
        seen = tuple(
            see(echo, reference, plan=self.plan)
            for echo, reference in zip(echoes, state.reference, strict=True)
        )
        # the first echo has decayed least
        ratio, similarity = compare_magnitudes(seen[0], state.reference[0])
        state, measured = self._measure(state, image, stack(seen, self.ratio))
        return state, replace(measured, similarity=similarity, magnitude_ratio=ratio)

    def _first(self, state: TrainState) -> BaselineState:
        """Return the first echo's state, whose phase and drift are those of all echoes."""
        if state.reference is None:
            return state.gathering[0]
        return replace(state.joined, reference=state.reference[0])

    def _echoes(self, image: Image) -> tuple[Image, ...]:
        given = image.echoes or (image,)
        if len(given) != len(self.order):
            raise ValueError(
                f"frame {image.frame_id}: image has {len(given)} echoes, plan has {len(self.order)}"
            )
        return tuple(given[index] for index in self.order)

    def _gather(
        self, state: TrainState, echoes: tuple[Image, ...], image: Image
    ) -> tuple[TrainState, TemperatureMap]:
        steps = [
            self.first.gather(one, echo) for one, echo in zip(state.gathering, echoes, strict=True)
        ]
        gathered = tuple(one for one, _ in steps)
        made = replace(steps[0][1], frame_id=image.frame_id, key=image.key, time_s=image.time_s)
        reference = tuple(one.reference for one in gathered if one.reference is not None)
        if not reference:
            return replace(state, gathering=gathered), made
        state = replace(state, gathering=(), reference=reference)
        if self.first.basis.n_terms == 0:
            return state, made
        # each echo has followed its own drift while the baseline lasted
        drifts = tuple(one.drift_rad for one in gathered)
        drift_rad, offset_rad = field_and_common(drifts, self.ratio.astype(np.float64))
        joined = replace(state.joined, drift_rad=frozen(drift_rad))
        return replace(state, joined=joined, offset_rad=offset_rad), made

    def _measure(
        self,
        state: TrainState,
        image: Image,
        train: TrainPhases,
    ) -> tuple[TrainState, TemperatureMap]:
        first, plan = self._first(state), self.first.plan
        drift = self.first.basis.evaluate(first.drift_rad)
        expected = (first.phase_rad + drift).ravel()
        turns, offset_rad, pixels = self._turns(state, train, expected)
        residual, doubtful = unwrap_along(
            train.phase_rad,
            train.total_rad2,
            train.usable,
            expected,
            self.ratio,
            turns,
            np.float32((STEP_C * plan.rad_per_c) ** 2),
        )
        if len(self.ratio) > 1 and plan.drift_order >= 0:
            offset_rad = fit_offset(residual, train, pixels, start=offset_rad)
        phase, total, common, usable = combine(
            residual,
            train.total_rad2,
            train.common_rad2,
            train.usable,
            expected,
            self.ratio,
            np.float32(offset_rad),
        )
        shape = plan.shape
        seen = Observation(
            phase.reshape(shape),
            total.reshape(shape),
            common.reshape(shape),
            usable.reshape(shape),
        )
        first, measured = self.first.convert(first, image, seen)
        if measured.ambiguous is not None:
            wrapped = measured.valid & (measured.ambiguous | doubtful.reshape(shape))
            measured = replace(measured, ambiguous=frozen(wrapped))
        offset_rad = float(wrap(np.array([offset_rad], np.float32))[0])
        joined = replace(first, reference=None)
        return replace(state, joined=joined, offset_rad=offset_rad), measured

    def _turns(
        self, state: TrainState, train: TrainPhases, expected: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], float, NDArray[np.intp]]:
        """Return each echo's shared phase, the part that all share, and the pixels that tell."""
        pixels = np.empty(0, np.intp)
        if self.plan.drift_order >= 0:
            seen = train.usable.any(axis=0).reshape(self.plan.shape)
            pixels = self.first.basis.choose_pixels(seen & self.first.fitted_region)
        if pixels.size == 0:
            return np.full_like(self.ratio, state.offset_rad), state.offset_rad, pixels
        sums = phasor_sums(train, expected, pixels)
        slope, offset_rad = shared_turn(sums, self.ratio.astype(np.float64))
        return (offset_rad + slope * self.ratio).astype(np.float32), offset_rad, pixels
