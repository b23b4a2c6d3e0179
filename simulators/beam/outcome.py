"""What came of a fraction: duty, beam on a target that is outside, dose that arrived."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath

import h5py
import numpy as np

from simulators.beam.accelerator import Accelerator, BeamHold
from simulators.beam.delivery import Delivery, Path, at_rest, delivery_of, outside_percent, ungated
from simulators.beam.dose import DoseFigures, figures, received_gy
from simulators.beam.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Gating:
    """The boundary by which a delivery is judged; what the monitor makes of it is its own.

    center_mm: the target's displacement from rest (LPS) around which the boundary lies.
    """

    margin_mm: float = 3.0
    max_outside_percent: float = 5.0
    center_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class StructureOutcome:
    """One structure's dose. Moving tissue; at_rest: the same units had nothing moved.

    planned: of the whole fraction at rest. ungated: of the whole fraction, delivered to the moving
    patient without any hold.
    """

    name: str
    delivered: DoseFigures
    at_rest: DoseFigures
    planned: DoseFigures
    ungated: DoseFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamOutcome:
    """The fraction in figures.

    duty_percent: beam-on time of the time from the first permission to the last beam's end.
    beam_on_outside_percent: of the beam-on time, with more of the target outside the boundary than
        allowed; of a delivery without any hold in ungated_outside_percent.
    center_outside_percent: of the beam-on time, with the target's middle further than the margin
        from where it belongs. p95_distance_mm: of that middle, 95 % of the beam-on time are nearer.
    """

    delivered_mu: float
    planned_mu: float
    is_finished: bool
    on_s: float
    duty_percent: float
    beam_on_outside_percent: float
    ungated_outside_percent: float
    center_outside_percent: float
    p95_distance_mm: float
    holds: tuple[BeamHold, ...]
    structures: tuple[StructureOutcome, ...]
    gating: Gating
    prescription_gy: float
    refusals: tuple[str, ...] = field(default=())


def judge(
    plan: Plan,
    accelerator: Accelerator,
    displacement_mm: Path,
    gating: Gating,
    *,
    refusals: Sequence[str] = (),
) -> BeamOutcome:
    """Return the outcome. displacement_mm: of times (n,), of the target from rest (n, 3), LPS."""
    done = delivery_of(accelerator.stretches, displacement_mm)
    start_s = accelerator.first_permitted_s if accelerator.stretches else 0.0
    free = ungated(plan, start_s, displacement_mm)
    whole = at_rest(free)
    span_s = accelerator.stretches[-1].end_s - start_s if accelerator.stretches else 0.0
    distance_mm = np.linalg.norm(done.displacement_mm - np.array(gating.center_mm), axis=1)
    far = distance_mm > gating.margin_mm
    return BeamOutcome(
        delivered_mu=accelerator.delivered_mu,
        planned_mu=plan.mu,
        is_finished=accelerator.is_finished,
        on_s=done.on_s,
        duty_percent=100 * done.on_s / span_s if span_s else 0.0,
        beam_on_outside_percent=_outside(plan, done, gating),
        ungated_outside_percent=_outside(plan, free, gating),
        center_outside_percent=_share(done, far),
        p95_distance_mm=float(np.quantile(distance_mm, 0.95)) if far.size else 0.0,
        holds=tuple(accelerator.holds),
        structures=tuple(
            StructureOutcome(
                one.name,
                *(
                    figures(received_gy(plan, one, each), prescription_gy=plan.prescription_gy)
                    for each in (done, at_rest(done), whole, free)
                ),
            )
            for one in plan.structures
        ),
        gating=gating,
        prescription_gy=plan.prescription_gy,
        refusals=tuple(refusals),
    )


def write_beam_truth(
    path: FilePath, plan: Plan, accelerator: Accelerator, displacement_mm: Path, gating: Gating
) -> None:
    """Add to an HDF5 file, or make it: what was delivered, step by step while the beam was on.

    beam_time_s (step,), beam_duration_s, beam_number, beam_mu (of the step), beam_outside_percent;
    beam_displacement_lps_mm (step, 3) from rest.
    """
    done = delivery_of(accelerator.stretches, displacement_mm)
    with h5py.File(path, "a") as file:
        file["beam_time_s"], file["beam_duration_s"] = done.time_s, done.duration_s
        file["beam_number"], file["beam_mu"] = done.number, done.mu
        file["beam_displacement_lps_mm"] = done.displacement_mm
        file["beam_outside_percent"] = _outside_each(plan, done, gating)


def _outside_each(plan: Plan, done: Delivery, gating: Gating) -> np.ndarray:
    return outside_percent(
        plan, done.displacement_mm, margin_mm=gating.margin_mm, center_mm=gating.center_mm
    )


def _outside(plan: Plan, done: Delivery, gating: Gating) -> float:
    return _share(done, _outside_each(plan, done, gating) > gating.max_outside_percent)


def _share(done: Delivery, is_so: np.ndarray) -> float:
    return float(100 * done.duration_s[is_so].sum() / done.on_s) if done.on_s else 0.0
