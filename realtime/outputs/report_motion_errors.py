"""How far tracking was from a simulated target's true place."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from realtime.outputs.report_motion_series import MotionSeries
from realtime.outputs.report_motion_truth import MotionTruth

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrackingError:
    """Tracked place against the true one, of n frames in which the target was believed, mm.

    p95_mm, max_mm: of the distance. lag_ms: by which tracked places were late, by the velocity that
    explains their error; NaN where nothing moved. n_doubted: frames that were not believed.
    """

    n: int
    mean_mm: float
    p95_mm: float
    max_mm: float
    lag_ms: float
    n_doubted: int


def since_reference(truth: MotionTruth, series: MotionSeries) -> MotionTruth:
    """Return the truth counted from the reference images that the tracker counts from.

    NaN in frames without one, and throughout where the truth does not reach to it.
    """
    displacement_mm = np.full_like(truth.displacement_mm, np.nan)
    n_frames = truth.frame_time_s.size
    rows = np.flatnonzero((series.reference < n_frames) & (series.frame < n_frames))
    frames, references = series.frame[rows], series.reference[rows].astype(np.int64)
    displacement_mm[frames] = truth.displacement_mm[frames] - truth.displacement_mm[references]
    origin_s = truth.frame_time_s[references.min()] if rows.size else np.nan
    origin_mm = [np.interp(origin_s, truth.path_time_s, axis) for axis in truth.path_lps_mm.T]
    return replace(
        truth, displacement_mm=displacement_mm, path_lps_mm=truth.path_lps_mm - origin_mm
    )


def truth_shift_s(truth: MotionTruth, series: MotionSeries) -> float | None:
    """Return what to add to the truth's times to get scanner time; None where nothing tells."""
    known = np.isfinite(series.time_s) & (series.frame < truth.frame_time_s.size)
    if not known.any():
        return None
    return float(np.median(series.time_s[known] - truth.frame_time_s[series.frame[known]]))


def tracking_error(truth: MotionTruth, series: MotionSeries) -> TrackingError | None:
    """Compare frame by frame; None where nothing can be compared."""
    truth = since_reference(truth, series)
    rows = np.flatnonzero((series.frame < truth.frame_time_s.size) & series.is_tracked)
    rows = rows[np.isfinite(truth.displacement_mm[series.frame[rows]]).all(axis=1)]
    if not rows.size:
        return None
    frames = series.frame[rows]
    error_mm = series.displacement_mm[rows] - truth.displacement_mm[frames]
    distance_mm = np.linalg.norm(error_mm, axis=1)
    return TrackingError(
        int(rows.size),
        float(distance_mm.mean()),
        float(np.percentile(distance_mm, 95)),
        float(distance_mm.max()),
        1e3 * _lag_s(series, truth, rows, error_mm),
        int(np.count_nonzero(series.is_followed & ~series.is_tracked)),
    )


def _lag_s(series: MotionSeries, truth: MotionTruth, rows: NDArray[np.int64], error: Real) -> float:
    """Return the delay that explains most of the error: of error = -velocity · delay."""
    power = product = 0.0
    for number in np.unique(series.slice[rows]):
        of_slice = series.slice[rows] == number
        frames = series.frame[rows][of_slice]
        if frames.size < 3:
            continue
        velocity = np.gradient(
            truth.displacement_mm[frames], truth.frame_time_s[frames], axis=0, edge_order=1
        )
        centred = error[of_slice] - error[of_slice].mean(axis=0)
        product -= float(np.sum(velocity * centred))
        power += float(np.sum(velocity**2))
    return product / power if power > 0 else np.nan
