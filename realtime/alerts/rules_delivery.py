"""Rules on the beam and on the dose that it has delivered."""

import numpy as np

from messages import DeliveredDose, Finding, Pose, StructureDose
from realtime.alerts.findings import finding, gravest
from realtime.alerts.limits import BeamDespiteHold, DoseForecast
from realtime.alerts.observation_motion import MotionObservation

MOST_SKEW = 0.01  # of unit vectors, which headers give in single precision
MOST_UNPLACED_PERCENT = 1.0  # of the delivered monitor units; more blurs the dose's figures


def beam_despite_hold(limit: BeamDespiteHold, seen: MotionObservation) -> Finding | None:
    """Find a beam that the accelerator reports though the permit has been held for long."""
    if seen.held_since_s is None or not seen.beam.is_beam_on:
        return None
    for_s = float(seen.beam.time_s[-1]) - seen.held_since_s
    if for_s < limit.max_s:
        return None
    text = (
        f"the accelerator reports a beam {for_s:.2f} s after the first frame that held, "
        f"limit {limit.max_s:g} s: does it follow the permit?"
    )
    return finding(limit, "hold", text, value=for_s, reached=limit.max_s, unit="s")


def dose_forecast(limit: DoseForecast, seen: MotionObservation) -> Finding | None:
    """Find a structure whose dose will miss its limit at the end of the fraction."""
    delivered = seen.delivered
    if delivered is None or not delivered.planned_mu > 0.0:
        return None
    if 100.0 * delivered.mu / delivered.planned_mu < limit.from_mu_percent or delivered.mu == 0.0:
        return None
    coming = next((one for one in delivered.forecast if one.name == limit.structure), None)
    if coming is None:
        text = f"there is no forecast of {limit.structure}'s dose at the end of the fraction"
        return finding(limit, "hold", text)
    return gravest(
        _covered(limit, coming, seen.prescription_gy),
        _spared(limit, "D0.03cc", coming.d003cc_gy, limit.max_d003cc_gy),
        _spared(limit, "mean dose", coming.mean_gy, limit.max_mean_gy),
    )


def _covered(
    limit: DoseForecast, coming: StructureDose, prescription_gy: float | None
) -> Finding | None:
    least = limit.min_d98_percent
    if least is None:
        return None
    if prescription_gy is None:
        text = f"D98 of {limit.structure} cannot be judged: no prescription is known"
        return finding(limit, "hold", text)
    percent = 100.0 * coming.d98_gy / prescription_gy
    if percent > least:
        return None
    text = (
        f"D98 of {limit.structure} is forecast at {coming.d98_gy:.2f} Gy, {percent:.1f} % of the "
        f"prescription, limit {least:g} %"
    )
    return finding(limit, "hold", text, value=percent, reached=least, unit="%")


def _spared(
    limit: DoseForecast, what: str, coming_gy: float, most_gy: float | None
) -> Finding | None:
    if most_gy is None or coming_gy < most_gy:
        return None
    text = f"{what} of {limit.structure} is forecast at {coming_gy:.2f} Gy, limit {most_gy:g} Gy"
    return finding(limit, "hold", text, value=coming_gy, reached=most_gy, unit="Gy")


def _has_directions(pose: Pose) -> bool:
    """Whether the image's axes are two unit vectors in the patient, square to each other."""
    down, along = np.array(pose.phase_dir), np.array(pose.read_dir)
    products = np.array([down @ down, along @ along, down @ along])
    return bool(np.abs(products - (1.0, 1.0, 0.0)).max() < MOST_SKEW)  # false for NaN


def uncounted(delivered: DeliveredDose | None, pose: Pose | None = None) -> tuple[Finding, ...]:
    """Return what makes the delivered dose doubtful; pose: of the image that shows its place."""
    if delivered is None:
        return ()
    findings = []
    if pose is not None and not _has_directions(pose):
        text = "the image's header names no directions in the patient: where dose goes is not known"
        findings.append(Finding("delivery-doubt", "hold", text))
    if delivered.interrupted:
        text = "frames were lost to a restart: their dose is counted at the last known place"
        findings.append(Finding("dose-interrupted", "warn", text))
    if delivered.doubts:
        text = f"the accelerator's reports cannot be: {'; '.join(delivered.doubts)}"
        findings.append(Finding("delivery-doubt", "hold", text))
    percent = 100.0 * delivered.unplaced_mu / delivered.mu if delivered.mu > 0.0 else 0.0
    if percent >= MOST_UNPLACED_PERCENT:
        text = (
            f"{percent:.1f} % of the monitor units came while the target was not followed, limit "
            f"{MOST_UNPLACED_PERCENT:g} %: their dose is counted at the last known place"
        )
        findings.append(
            Finding("dose-unplaced", "warn", text, "", percent, MOST_UNPLACED_PERCENT, "%")
        )
    return tuple(findings)
