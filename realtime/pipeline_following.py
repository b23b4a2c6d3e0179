"""What follows the target of a slice, as a protocol asks for it: made before the first frame."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

import motion
from messages import Pose, ProtocolError
from motion.gating import GatePlan, make_gate
from motion.gating.avoidance import avoidance_zone
from motion.navigator import Navigator
from motion.surrogate import Surrogate
from motion.surveillance import BreathPlan
from realtime.alerts.limits import Avoidance, BaselineShift
from realtime.alerts.rules_linac import motion_limits_in_force
from realtime.pipeline_state import Following
from realtime.protocol import Protocol
from realtime.protocol_sections import Motion
from realtime.regions import Mask, heated_mask
from thermometry.registration import Registration

Vector = tuple[float, float, float]

_FOLLOWED = ("tracked", "target")  # the first of these roles that a slice shows


def open_following(
    protocol: Protocol, masks: Mapping[str, Mask], *, voxel_mm: Vector, pose: Pose
) -> Following | None:
    """Return what follows the target of a slice; None where it shows none, or nothing is followed.

    masks: bool (z, y, x), of one slice. voxel_mm: (z, y, x). Raises ProtocolError where maps of a
    volume would have to move.
    """
    settings = protocol.motion
    shape = next(iter(masks.values())).shape if masks else (0, 0, 0)
    target = _followed(masks, protocol, shape=shape)
    if settings is None or not target.any():
        return None
    is_registering = protocol.thermometry is not None
    if shape[0] != 1 and is_registering:
        text = f"moves maps of one slice back, the image has {shape[0]}; image slices one by one"
        raise ProtocolError(text, key="motion")
    if shape[0] != 1:
        return None
    thickness_mm, height_mm, width_mm = voxel_mm
    moving = {
        region.name: masks[region.name][0]
        for region in protocol.region
        if region.moves and region.role not in _FOLLOWED and region.name in masks
    }
    plan = motion.TrackingPlan(
        target[0],
        (height_mm, width_mm),
        thickness_mm,
        search_mm=settings.search_mm,
        training_frames=settings.training_frames,
        organ_masks={} if is_registering else moving,
    )
    tracker = motion.METHODS[settings.tracker](plan)
    following = Following(tracker, tracker.start())
    margin_mm, latency_ms = settings.gate_margin_mm, settings.latency_ms
    if is_registering or margin_mm is None or latency_ms is None:
        area = _moving_area(protocol, masks, target, moving)
        return replace(following, registration=Registration(area, target[0], plan.pixel_mm))
    predictor = motion.PREDICTORS[settings.predictor]()
    gate = make_gate(_gate_plan(settings, plan, pose, margin_mm=margin_mm))
    return replace(
        following,
        predictor=predictor,
        predicting=predictor.start(),
        navigator=Navigator() if settings.navigator else None,
        predicting_sooner=predictor.start(),
        surrogate=Surrogate(),
        gate=gate,
        gating=gate.start(),
        latency_s=latency_ms / 1e3,
        breath_plan=_breath_plan(protocol, pose),
        zones={
            limit.region: avoidance_zone(plan.target_mask, plan.pixel_mm, margin_mm=limit.margin_mm)
            for limit in protocol.limit
            if isinstance(limit, Avoidance) and limit.region in masks
        },
    )


def _moving_area(
    protocol: Protocol, masks: Mapping[str, Mask], target: Mask, moving: Mapping[str, Mask]
) -> Mask:
    """Return the pixels (z, y, x) whose temperature moves back with the tissue."""
    still = {region.name for region in protocol.region if region.moves is False}
    free = {name: mask for name, mask in masks.items() if name not in still}
    area = heated_mask(free, protocol, shape=target.shape) | target
    for mask in moving.values():
        area |= mask
    return area


def _breath_plan(protocol: Protocol, pose: Pose) -> BreathPlan:
    limits = motion_limits_in_force(protocol)
    shift = next(limit for limit in limits if isinstance(limit, BaselineShift))
    return BreathPlan(shift.max_mm, shift.n_cycles, _cranial(pose))


def _cranial(pose: Pose) -> tuple[float, float]:
    """Return the way to the head, (y, x): the third axis of LPS."""
    return pose.phase_dir[2], pose.read_dir[2]


def _gate_plan(
    settings: Motion, plan: motion.TrackingPlan, pose: Pose, *, margin_mm: float
) -> GatePlan:
    return GatePlan(
        target_mask=plan.target_mask,
        pixel_mm=plan.pixel_mm,
        margin_mm=margin_mm,
        max_outside_percent=settings.max_outside_percent or 0.0,
        resume_margin_mm=settings.resume_margin_mm,
        max_outside_probability_percent=settings.max_outside_probability_percent,
        min_on_s=settings.min_on_ms / 1e3,
        min_off_s=settings.min_off_ms / 1e3,
        gate_center=settings.gate_center,
        learn_places=settings.training_frames,
        cranial=_cranial(pose),
    )


def _followed(masks: Mapping[str, Mask], protocol: Protocol, *, shape: tuple[int, ...]) -> Mask:
    """Return what is followed: the tracked regions, or the targets where there are none."""
    union = np.zeros(shape, np.bool_)
    for role in _FOLLOWED:
        for region in protocol.region:
            if region.role == role and region.name in masks and region.moves is not False:
                union |= masks[region.name]
        if union.any():
            break
    return union
