"""What was truly delivered: units, and where the target was meanwhile, every 10 ms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from simulators.beam.accelerator import Stretch
from simulators.beam.plan import Plan

Real = NDArray[np.float64]
Path = Callable[[Real], Real]

STEP_S = 0.01
_TARGET_SPACING_MM = 2.3
_AT_A_TIME = 256


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """The beam-on time in steps of at most 10 ms; each has one beam and constant rate.

    time_s (step,): their middles. duration_s, mu (step,). number int64 (step,): of the beam.
    displacement_mm (step, 3): of the target from rest, LPS, at the middles.
    """

    time_s: Real
    duration_s: Real
    number: NDArray[np.int64]
    mu: Real
    displacement_mm: Real

    @property
    def on_s(self) -> float:
        """How long the beam was on."""
        return float(self.duration_s.sum())


def delivery_of(stretches: Sequence[Stretch], displacement_mm: Path) -> Delivery:
    """Return what was delivered. displacement_mm: of times (n,), (n, 3) in LPS from rest."""
    edges = [_edges_s(one.start_s, one.end_s) for one in stretches]
    time_s = np.concatenate([(one[1:] + one[:-1]) / 2 for one in edges] or [np.zeros(0)])
    number = [
        np.full(len(at) - 1, one.number) for one, at in zip(stretches, edges, strict=True)
    ] or [np.zeros(0, np.int64)]
    mu = [
        (one.end_mu - one.start_mu) * np.diff(at) / (one.end_s - one.start_s)
        for one, at in zip(stretches, edges, strict=True)
    ] or [np.zeros(0)]
    return Delivery(
        time_s=time_s,
        duration_s=np.concatenate([np.diff(one) for one in edges] or [np.zeros(0)]),
        number=np.concatenate(number),
        mu=np.concatenate(mu),
        displacement_mm=displacement_mm(time_s),
    )


def ungated(plan: Plan, start_s: float, displacement_mm: Path) -> Delivery:
    """Return the same fraction were the beams to run on without a hold or a pause from start_s."""
    stretches = []
    for beam in plan.beams:
        end_s = start_s + beam.mu / beam.rate_mu_per_s
        stretches.append(Stretch(beam.number, start_s, end_s, 0.0, beam.mu))
        start_s = end_s
    return delivery_of(stretches, displacement_mm)


def at_rest(delivery: Delivery) -> Delivery:
    """Return the same units were nothing to move."""
    return replace(delivery, displacement_mm=np.zeros_like(delivery.displacement_mm))


def outside_percent(
    plan: Plan, displacement_mm: Real, *, margin_mm: float, center_mm: Sequence[float]
) -> Real:
    """Return how much of the target's volume lies outside the gating boundary, (n,).

    The boundary is the target where it lies at displacement center_mm, grown by margin_mm.
    displacement_mm (n, 3): of the target from rest, LPS.
    """
    target = plan.target
    offsets = target.points_mm(_TARGET_SPACING_MM) - np.array(target.center_mm)
    moved = displacement_mm - np.array(center_mm)
    parts = [
        (target.reach(offsets + some[:, None], margin_mm=margin_mm) > 1).mean(1)
        for some in np.split(moved, range(_AT_A_TIME, len(moved), _AT_A_TIME))
    ]
    return 100 * np.concatenate(parts)


def _edges_s(start_s: float, end_s: float) -> Real:
    return np.linspace(start_s, end_s, max(int(np.ceil((end_s - start_s) / STEP_S)), 1) + 1)
