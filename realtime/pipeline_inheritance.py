"""What a session takes over from one that a killed monitor left: its dose, and nothing else.

Baseline, library, reference image and phase are learned anew: the scanner may have shimmed again.
"""

from dataclasses import replace

import thermometry
from messages import Pose
from motion.dose import taken_over
from realtime.pipeline_state import (
    Inherited,
    PipelineState,
    PlaneDose,
    SliceState,
    Stream,
    StreamDose,
)
from thermometry import ForecastState, ModelDose

_SAME_MM = 0.01
_SAME_DIRECTION = 1e-4


def inherit(left: PipelineState | None) -> PipelineState:
    """Return the state with which a session begins that goes on with another's treatment.

    left: what a killed monitor's worker remembered; None where that is lost. Its times are of
    another clock, and its places are against another reference image: neither is taken over.
    """
    if left is None:
        return PipelineState(inherited=Inherited())
    before = left.inherited or Inherited()
    streams = {**before.streams, **{name: _dose_of(one) for name, one in left.slices.items()}}
    planes = {**before.planes, **left.planes}
    delivery = None if left.delivery is None else taken_over(left.delivery)
    return PipelineState(inherited=Inherited(streams, planes), delivery=delivery)


def with_inheritance(opened: SliceState, inherited: Inherited | None, stream: Stream) -> SliceState:
    """Return a slice before its first frame, with the dose that its tissue has had.

    Another place, or another number of pixels, is other tissue: it takes nothing over.
    """
    if inherited is None:
        return opened
    left = inherited.streams.get(stream)
    if left is not None and _is_same_place(left.pose, opened.pose):
        opened = _with_dose(opened, left)
    return interrupted(opened)


def inherited_plane(
    inherited: Inherited | None, stream: Stream, pose: Pose, n_pixels: int
) -> PlaneDose | None:
    """Return the radiation dose that an image's plane had before; None where none is known."""
    if inherited is None:
        return None
    left, plane = inherited.streams.get(stream), inherited.planes.get(stream)
    if left is None or plane is None or plane.gy.size != n_pixels:
        return None
    return plane if _is_same_place(left.pose, pose) else None


def interrupted(one: SliceState) -> SliceState:
    """Return a slice whose dose is a lower bound from here on."""
    dose, arrhenius = one.dose, one.arrhenius
    return replace(
        one,
        dose=None if dose is None else thermometry.interrupt(dose),
        arrhenius=None if arrhenius is None else thermometry.interrupt_arrhenius(arrhenius),
    )


def _dose_of(one: SliceState) -> StreamDose:
    modelled = tuple(region.dose for region in one.forecasts)
    return StreamDose(one.pose, one.dose, one.arrhenius, modelled)


def _with_dose(opened: SliceState, left: StreamDose) -> SliceState:
    dose, arrhenius = opened.dose, opened.arrhenius
    if left.dose is not None and dose is not None:
        dose = thermometry.take_over(dose, left.dose)
    if left.arrhenius is not None and arrhenius is not None:
        arrhenius = thermometry.take_over_arrhenius(arrhenius, left.arrhenius)
    forecasts = _modelled(opened.forecasts, left.modelled)
    return replace(opened, dose=dose, arrhenius=arrhenius, forecasts=forecasts)


def _modelled(opened: ForecastState, left: tuple[ModelDose, ...]) -> ForecastState:
    shapes = [region.dose.dose_min.shape for region in opened]
    if shapes != [one.dose_min.shape for one in left]:
        return opened
    return tuple(
        replace(region, dose=thermometry.take_over_model_dose(one))
        for region, one in zip(opened, left, strict=True)
    )


def _is_same_place(one: Pose | None, other: Pose | None) -> bool:
    if one is None or other is None:
        return False
    return _are_near(
        (*one.position_mm, *one.patient_table_position),
        (*other.position_mm, *other.patient_table_position),
        _SAME_MM,
    ) and _are_near(
        (*one.read_dir, *one.phase_dir, *one.slice_dir),
        (*other.read_dir, *other.phase_dir, *other.slice_dir),
        _SAME_DIRECTION,
    )


def _are_near(one: tuple[float, ...], other: tuple[float, ...], by: float) -> bool:
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=True))
