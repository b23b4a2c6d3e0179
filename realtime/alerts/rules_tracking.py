"""Rules on following the target and on the breath that moves it."""

import math
from collections.abc import Mapping

from messages import Doubt, Finding
from realtime.alerts.findings import finding
from realtime.alerts.limits import (
    BaselineShift,
    BreathExcursion,
    PeriodChange,
    SurrogateDisagreement,
    TargetVolume,
)
from realtime.alerts.observation_motion import MotionObservation

_DOUBTS: Mapping[Doubt, str] = {
    "low-similarity": "the image is too unlike the reference",
    "jump": "it jumped farther than it can move",
    "out-of-plane": "it seems to have left the slice",
    "low-contrast": "it hardly differs from what lies around it",
    "edge-of-search": "it lies at the edge of where it is sought",
    "bad-image": "the image is incomplete, or holds no numbers",
}


def _why(doubts: tuple[Doubt, ...]) -> str:
    return "; ".join(_DOUBTS[one] for one in doubts)


def reference_lost(target: str, seen: MotionObservation) -> Finding | None:
    """Find that the image in which the target was drawn was lost with its worker."""
    if not seen.is_reference_lost:
        return None
    text = f"the reference image was lost: the image taken for it may show {target} elsewhere"
    return Finding("reference-lost", "hold", text, target)


def training(target: str, seen: MotionObservation) -> Finding | None:
    """Find that the target is not followed yet."""
    now = seen.displacement
    if now is None or not now.is_training:
        return None
    text = (
        f"frame {now.training_frames} of {now.training_wanted} that teach where {target} is: "
        "it is not followed yet"
    )
    if now.doubts:
        text += f"; this one taught nothing: {_why(now.doubts)}"
    return Finding(
        "training", "hold", text, target, float(now.training_frames), float(now.training_wanted),
        "frames",
    )  # fmt: skip


def tracking(target: str, seen: MotionObservation) -> Finding | None:
    """Find that the target's place may not be believed."""
    now = seen.displacement
    if now is None:
        return Finding("tracking", "hold", f"{target} is not followed in this slice", target)
    if now.is_training:
        return None
    if not now.doubts:
        if not all(math.isfinite(one) for one in now.displacement_mm):
            return Finding("tracking", "hold", f"{target} has no place that is a number", target)
        if math.isnan(now.similarity_limit):
            text = f"{target} was seen too seldom to tell what a good image of it is"
            return Finding("tracking", "hold", text, target)
        return None
    why = _why(now.doubts)
    text = f"{target} is not followed: {why} (similarity {now.similarity:.3f}"
    if not math.isfinite(now.similarity):
        return Finding("tracking", "hold", f"{target} is not followed: {why}", target)
    if not math.isfinite(now.similarity_limit):
        return Finding("tracking", "hold", f"{text})", target, now.similarity)
    text += f", limit {now.similarity_limit:.3f})"
    return Finding("tracking", "hold", text, target, now.similarity, now.similarity_limit)


def breath_excursion(limit: BreathExcursion, seen: MotionObservation) -> Finding | None:
    """Find a cough or a deep breath; silent until some breaths have shown what is usual."""
    breath = seen.breath
    beyond_mm = breath.excursion_mm - breath.depth_mm
    # false for NaN; the gate holds by itself for whatever is far out
    if not (breath.excursion_mads >= limit.max_mads and beyond_mm >= limit.min_mm):
        return None
    text = (
        f"cough or deep breath: {breath.excursion_mm:.1f} mm from end-exhale where "
        f"{breath.depth_mm:.1f} mm is usual, beyond it by {breath.excursion_mads:.1f} median "
        f"deviations and {beyond_mm:.1f} mm, limits {limit.max_mads:g} and {limit.min_mm:g} mm"
    )
    return finding(limit, "hold", text, value=beyond_mm, reached=limit.min_mm, unit="mm")


def baseline_shift(limit: BaselineShift, seen: MotionObservation) -> Finding | None:
    """Find that the breath's end-exhale place has moved for good, suddenly or slowly."""
    breath = seen.breath
    if breath.shift_mm >= limit.max_mm:
        text = (
            f"the end-exhale place has shifted by {breath.shift_mm:.1f} mm over "
            f"{limit.n_cycles} breaths, limit {limit.max_mm:g} mm"
        )
        return finding(limit, "hold", text, value=breath.shift_mm, reached=limit.max_mm, unit="mm")
    if not breath.cusum_mm >= breath.cusum_limit_mm:
        return None
    text = (
        f"the end-exhale place keeps away from where it was: {breath.cusum_mm:.1f} mm summed up "
        f"over breaths, limit {breath.cusum_limit_mm:.1f} mm, which {limit.n_cycles} breaths at "
        f"{limit.max_mm:g} mm make"
    )
    return finding(
        limit, "hold", text, value=breath.cusum_mm, reached=breath.cusum_limit_mm, unit="mm"
    )


def period_change(limit: PeriodChange, seen: MotionObservation) -> Finding | None:
    """Tell that a breath took much longer or shorter than usual."""
    last_s, usual_s = seen.breath.period_s, seen.breath.usual_period_s
    if not (math.isfinite(last_s) and usual_s > 0.0):
        return None
    percent = 100.0 * abs(last_s / usual_s - 1.0)
    if percent < limit.max_change_percent:
        return None
    text = (
        f"a breath took {last_s:.1f} s where {usual_s:.1f} s is usual: {percent:.0f} % apart, "
        f"limit {limit.max_change_percent:g} %"
    )
    return finding(limit, "inform", text, value=percent, reached=limit.max_change_percent, unit="%")


def target_volume(limit: TargetVolume, seen: MotionObservation) -> Finding | None:
    """Find a target that has grown or shrunk: through the slice, or the contour is wrong."""
    now, first_mm3 = seen.displacement, seen.first_volume_mm3
    if now is None or not now.is_tracked or first_mm3 is None or not first_mm3 > 0.0:
        return None
    percent = 100.0 * abs(now.volume_mm3 / first_mm3 - 1.0)
    if percent < limit.max_change_percent:  # false for NaN, which tells
        return None
    text = (
        f"the target's volume in the slice is {now.volume_mm3 / 1000.0:.2f} cm³, "
        f"{first_mm3 / 1000.0:.2f} cm³ in the reference: {percent:.0f} % apart, limit "
        f"{limit.max_change_percent:g} %"
    )
    return finding(limit, "warn", text, value=percent, reached=limit.max_change_percent, unit="%")


def surrogate(limit: SurrogateDisagreement, seen: MotionObservation) -> Finding | None:
    """Find that image and surrogate see the target in different places."""
    now = seen.displacement
    if now is None or not now.is_tracked:
        return None
    if seen.surrogate_mm is None:
        return finding(limit, "warn", "there is no surrogate to compare the image with")
    apart_mm = math.dist(seen.surrogate_mm, now.displacement_mm)
    if apart_mm < limit.max_mm:
        return None
    text = f"image and surrogate see the target {apart_mm:.1f} mm apart, limit {limit.max_mm:g} mm"
    return finding(limit, "warn", text, value=apart_mm, reached=limit.max_mm, unit="mm")
