"""The target in the fold: where it is, where it will be when the beam reacts, and the gate."""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage

from messages import Displacement, Frame, Image, Prediction
from motion.gating import decision_horizon_s
from motion.gating.avoidance import inside_percent
from motion.navigator import ImageDisplacement
from motion.navigator_spokes import NavigatorSpokes
from motion.surrogate import breathing_of
from motion.surveillance import BreathReading, BreathState, watch
from realtime.navigator_samples import centre_passes
from realtime.pipeline_state import Followed, Following
from realtime.regions import Mask
from recon import ReconstructionPlan

Vector = tuple[float, float, float]


def follow(following: Following, image: Image) -> tuple[Following, Followed]:
    """Return the target's place in an image."""
    tracking, displacement = following.tracker.step(following.tracking, image)
    return replace(following, tracking=tracking), Followed(displacement)


def aim(
    following: Following,
    followed: Followed,
    frame: Frame,
    plan: ReconstructionPlan,
    *,
    interval_s: float,
) -> tuple[Following, Followed]:
    """Return the place at beam-effect time and the gate, from a followed image.

    interval_s: from image to image, for so long a decision stands; NaN while that is not known.

    A place that is not believed is not predicted from: the model goes on without. Where a navigator
    is trusted, what it says of the last spokes is nearer to the beam's effect than the image is; it
    counts where it has of late been the surer of the two.
    """
    predictor, gate = following.predictor, following.gate
    if predictor is None or gate is None:
        return following, followed
    seen = followed.displacement
    if not math.isfinite(seen.time_s):  # without a clock there is no speed, and no moment to ask of
        gating, reading = gate.step(following.gating, seen, None)
        return replace(following, gating=gating), Followed(seen, None, reading)
    horizon_s = decision_horizon_s(following.latency_s, interval_s=interval_s)
    predicting, prediction = predictor.step(
        following.predicting,
        time_s=seen.time_s,
        position_mm=seen.believed_mm,
        horizon_s=horizon_s,
    )
    following = replace(following, predicting=predicting)
    if following.navigator is not None:
        effect_s = seen.time_s + horizon_s
        following, sooner = _sooner(following, seen, frame, plan, effect_s=effect_s)
        prediction = surer(prediction, sooner)
    following, by_surrogate_mm = _by_surrogate(following, seen, frame)
    gating, reading = gate.step(following.gating, seen, prediction)
    return replace(following, gating=gating), Followed(seen, prediction, reading, by_surrogate_mm)


def surer(by_image: Prediction | None, sooner: Prediction | None) -> Prediction | None:
    """Return the prediction with the narrower interval; without one of them, the other.

    Both intervals are calibrated by what came true, so the narrower one has been the better.
    """
    if by_image is None or sooner is None or not by_image.is_trusted:
        return sooner or by_image
    widths_mm = [math.dist(one.low_mm, one.high_mm) for one in (by_image, sooner)]
    return sooner if widths_mm[1] < widths_mm[0] else by_image


def _sooner(
    following: Following,
    seen: Displacement,
    frame: Frame,
    plan: ReconstructionPlan,
    *,
    effect_s: float,
) -> tuple[Following, Prediction | None]:
    """Return the prediction from the last spokes; None where it is not to be trusted."""
    navigator, predictor = following.navigator, following.predictor
    passes = centre_passes(frame, plan, n_samples=1)
    is_timed = passes.times_s.size > 0 and bool(np.isfinite(passes.times_s).all())
    if navigator is None or predictor is None or not is_timed:
        return following, None
    settings = plan.settings
    n_window = settings.window_readouts or len(passes.times_s)
    window_s = float(np.ptp(passes.times_s)) * n_window / len(passes.times_s)
    image = None
    if seen.believed_mm is not None:
        image = ImageDisplacement(seen.time_s, seen.believed_mm, window_s)
    spokes = NavigatorSpokes(passes.times_s, passes.samples[:, :, 0], passes.angles_rad)
    navigating, positions = navigator.step(following.navigating, spokes, image)
    newest_s = float(positions.time_s[-1])
    y_mm, x_mm = positions.displacement_mm[-1].tolist()
    predicting, prediction = predictor.step(
        following.predicting_sooner,
        time_s=newest_s,
        position_mm=(y_mm, x_mm) if positions.is_trusted else None,
        horizon_s=max(effect_s - newest_s, 0.0),
    )
    following = replace(following, navigating=navigating, predicting_sooner=predicting)
    if prediction is None or not (positions.is_trusted and prediction.is_trusted):
        return following, None
    return following, prediction


def _by_surrogate(
    following: Following, seen: Displacement, frame: Frame
) -> tuple[Following, tuple[float, float] | None]:
    """Return where belt or camera see the target; it is told as long as it has once been right."""
    surrogate, state = following.surrogate, following.surrogating
    if surrogate is None:
        return following, None
    for waveform in frame.waveforms:
        breathing = breathing_of(waveform)
        if breathing is not None:
            state = surrogate.heard(state, breathing)
    state, reading = surrogate.step(state, time_s=seen.time_s, displacement_mm=seen.believed_mm)
    following = replace(following, surrogating=state)
    is_told = reading is not None and (reading.is_trusted or reading.is_doubted)
    return following, reading.displacement_mm if reading is not None and is_told else None


def organs_percent(
    following: Following, followed: Followed, masks: Mapping[str, Mask]
) -> dict[str, float]:
    """Return how much of each organ at risk lies where the beam goes, percent by region.

    The beam goes where the gate's boundary lies. NaN where an organ that moves is not tracked, or
    the boundary's place is not learned yet.
    """
    gate, seen = followed.gate, followed.displacement
    moving = following.tracker.plan.organ_masks
    found = {}
    for name, zone in following.zones.items():
        organ = seen.organ_masks.get(name) if name in moving else masks[name][0]
        if gate is None or not np.isfinite(gate.center_mm).all():
            organ = None
        elif any(gate.center_mm):
            zone = ndimage.shift(
                zone, np.divide(gate.center_mm, following.tracker.plan.pixel_mm), order=1
            )
        found[name] = inside_percent(zone, organ)
    return found


def watch_breath(
    following: Following, before: BreathState, followed: Followed
) -> tuple[BreathState, BreathReading]:
    """Return what the breath shows by one more image."""
    seen = followed.displacement
    return watch(following.breath_plan, before, time_s=seen.time_s, place_mm=seen.believed_mm)
