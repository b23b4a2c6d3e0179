"""What every frame is judged by, whatever the protocol says."""

import math
from collections.abc import Iterator, Set
from typing import TypedDict

import numpy as np

from messages import Finding, Frame, Image
from realtime.alerts.observation import Observation
from realtime.protocol import Protocol

# twice what a still patient's noise gives at SNR 40, and more than noise
MOST_LIBRARY_ERROR_C, MOST_LIBRARY_SIGMA = 1.0, 1.5


class Wholeness(TypedDict):
    """How whole a frame and its image are: fields of both observations, and what `whole` takes.

    is_complete, is_calibrated: every line has landed; the image is not aliased for want of others.
    is_finite: no NaN or infinity in the image.
    """

    is_complete: bool
    is_calibrated: bool
    is_finite: bool


def wholeness(frame: Frame, image: Image) -> Wholeness:
    """Return how whole they are."""
    return Wholeness(
        is_complete=frame.is_complete and image.is_complete,
        is_calibrated=image.is_complete or not frame.is_complete,
        is_finite=bool(np.isfinite(image.pixels).all()),
    )


def whole(*, is_complete: bool, is_finite: bool, is_calibrated: bool = True) -> tuple[Finding, ...]:
    """Return what an image is judged by, whether a temperature is measured from it or not."""
    findings = []
    if not is_calibrated:
        text = (
            "calibration lines, navigators or older spokes of the window are missing: "
            "the image is aliased or ghosted"
        )
        findings.append(Finding("incomplete-frame", "hold", text))
    elif not is_complete:
        findings.append(Finding("incomplete-frame", "hold", "lines of the frame are missing"))
    if not is_finite:
        findings.append(Finding("non-finite-data", "hold", "the image holds NaN or infinity"))
    return tuple(findings)


def clock(time_s: float | None, previous_time_s: float | None) -> tuple[Finding, ...]:
    """Return what the scanner times of this and the last complete frame are judged by."""
    if time_s is None or not math.isfinite(time_s):
        return (Finding("scanner-clock", "hold", "no scanner clock: the dose has no time"),)
    if previous_time_s is None or time_s > previous_time_s:
        return ()
    back_s = previous_time_s - time_s
    text = f"the scanner clock stepped back by {back_s:.3f} s"
    if back_s == 0.0:
        text = "the scanner clock stands still: two frames have the same time"
    return (Finding("scanner-clock", "hold", text, "", -back_s, 0.0, "s"),)


def unseen(protocol: Protocol, seen: Set[str]) -> tuple[Finding, ...]:
    """Return what holds while a region lies in no slice that was imaged so far."""
    missing = [region.name for region in protocol.region if region.name not in seen]
    if not missing:
        return ()
    text = f"{', '.join(missing)} lies in no slice imaged so far, so nobody watches it"
    return (Finding("region-unseen", "hold", text, missing[0]),)


def always(seen: Observation) -> tuple[Finding, ...]:
    """Return what every frame is judged by, whatever the protocol says."""
    findings = list(
        whole(
            is_complete=seen.is_complete,
            is_finite=seen.is_finite,
            is_calibrated=seen.is_calibrated,
        )
    )
    findings.extend(clock(seen.time_s, seen.previous_time_s))
    if seen.dose is not None and seen.dose.interrupted:
        text = "frames were lost to a restart: the dose is a lower bound"
        findings.append(Finding("dose-interrupted", "warn", text))
    findings.extend(_no_number(seen))
    findings.extend(_wrapped(seen))
    findings.extend(_poor_library(seen))
    return tuple(findings)


def _no_number(seen: Observation) -> Iterator[Finding]:
    """Find pixels that are to be believed and say nothing: every upper limit would pass them."""
    temperature = seen.temperature
    known = np.isfinite(temperature.temperature_c) & np.isfinite(temperature.temperature_std_c)
    n_pixels = int(np.count_nonzero(temperature.valid & ~known))
    if n_pixels:
        text = f"{n_pixels} valid pixels have no temperature, or none that is a number"
        yield Finding("non-finite-data", "hold", text, "", float(n_pixels), 0.0, "pixels")


def _wrapped(seen: Observation) -> Iterator[Finding]:
    """Find regions whose phase may have wrapped: from there on their temperature is not known."""
    ambiguous = seen.temperature.ambiguous
    for region, mask in seen.masks.items():
        n_pixels = 0 if ambiguous is None else int(np.count_nonzero(ambiguous & mask))
        if n_pixels:
            text = (
                f"{n_pixels} pixels of {region} moved by more than 0.8 π in one frame, or are torn "
                "from their neighbours: their temperature may be wrong by a whole turn"
            )
            yield Finding("phase-step", "hold", text, region, float(n_pixels), 0.0, "pixels")


def _poor_library(seen: Observation) -> Iterator[Finding]:
    """Find a library, as it is finished, whose images do not explain one another."""
    trained = seen.temperature
    if not (trained.is_baseline and trained.misfit_sigma >= MOST_LIBRARY_SIGMA):
        return
    if trained.drift_residual_c >= MOST_LIBRARY_ERROR_C:
        text = (
            f"each of the {trained.baseline_wanted} baseline images is explained by the others to "
            f"{trained.drift_residual_c:.1f} °C only: temperature will be no better"
        )
        value, limit = trained.drift_residual_c, MOST_LIBRARY_ERROR_C
        yield Finding("library", "inform", text, "", value, limit, "°C")
