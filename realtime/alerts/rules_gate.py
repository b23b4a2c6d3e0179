"""Rules on the gate: where target and organs at risk will be when the beam reacts."""

import math

from messages import Finding, GateReading, Prediction
from realtime.alerts.findings import finding
from realtime.alerts.limits import Avoidance, IntervalWidth
from realtime.alerts.observation_motion import MotionObservation
from realtime.protocol_sections import Motion


def gate(settings: Motion, target: str, seen: MotionObservation) -> Finding | None:
    """Find a gate that is not open; what is not known closes it."""
    reading = seen.gate
    if seen.is_training:
        return None
    if reading is not None and reading.is_open and _is_known(seen.prediction):
        return None
    if reading is None or reading.is_open:
        return Finding("gate", "hold", f"nothing is known of where {target} will be", target)
    percent, most = 100.0 * reading.probability, settings.max_outside_probability_percent
    if reading.closed_by != "outside":
        return Finding("gate", "hold", _why(settings, target, reading), target)
    text = (
        f"more than {settings.max_outside_percent} % of {target} will be outside "
        f"{settings.gate_margin_mm} mm at beam effect with a probability of {percent:.0f} %, "
        f"limit {most:g} % ({_percent(reading.predicted_outside_percent)} at the predicted place)"
    )
    return Finding("gate", "hold", text, target, percent, most, "%")


def _is_known(prediction: Prediction | None) -> bool:
    """Whether there is a prediction, of numbers."""
    if prediction is None or not math.isfinite(prediction.effect_time_s):
        return False
    values = (prediction.position_mm, prediction.low_mm, prediction.high_mm)
    return all(len(one) == 2 and all(map(math.isfinite, one)) for one in values)


def _why(settings: Motion, target: str, reading: GateReading) -> str:
    """Word why a gate stays closed though the target may be inside."""
    if reading.closed_by == "learning":
        return f"the end-exhale place of {target} is being learned"
    if reading.closed_by == "resume-margin":
        margin_mm = settings.resume_margin_mm
        return f"{target} is not yet within the resume margin of {margin_mm} mm"
    if reading.closed_by == "min-on":
        return f"{target} is expected to leave again within {settings.min_on_ms:g} ms"
    if reading.closed_by == "min-off":
        return f"the gate has been closed for less than {settings.min_off_ms:g} ms"
    return f"place or prediction of {target} is not believed"


def _percent(value: float) -> str:
    return f"{value:.1f} %" if math.isfinite(value) else "unknown share"


def avoidance(limit: Avoidance, seen: MotionObservation) -> Finding | None:
    """Find an organ at risk where the beam goes; one that is not tracked may be there."""
    percent = seen.organs_percent.get(limit.region)
    if percent is None or seen.is_training:
        return None
    if percent < limit.max_percent or percent == limit.max_percent == 0.0:
        return None
    if math.isnan(percent):
        return finding(limit, "hold", f"where {limit.region} is cannot be told")
    text = (
        f"{percent:.1f} % of {limit.region} is within {limit.margin_mm:g} mm of the target's "
        f"place, limit {limit.max_percent:g} %"
    )
    return finding(limit, "hold", text, value=percent, reached=limit.max_percent, unit="%")


def prediction_interval(limit: IntervalWidth, seen: MotionObservation) -> Finding | None:
    """Find a prediction that is too uncertain to say much; the gate counts that by itself."""
    prediction = seen.prediction
    if prediction is None or not seen.is_tracked:
        return None
    sides = zip(prediction.low_mm, prediction.high_mm, strict=True)
    half_mm = max(0.5 * (high - low) for low, high in sides)
    if half_mm < limit.max_mm:
        return None
    text = (
        f"the prediction is uncertain by ±{half_mm:.1f} mm ({100.0 * prediction.coverage:.0f} %), "
        f"limit {limit.max_mm:g} mm"
    )
    return finding(limit, "warn", text, value=half_mm, reached=limit.max_mm, unit="mm")
