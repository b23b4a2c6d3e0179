"""The centre of k-space as each spoke passes it: what follows the target between images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from messages import Frame, is_imaging
from messages.acquisition import REVERSE
from recon.reconstruction_plan import ReconstructionPlan
from recon.trajectory import Trajectory, fields_of


@dataclass(frozen=True, slots=True, eq=False)
class CentrePasses:
    """The samples about the centre of each spoke of a frame, in order of arrival.

    samples: complex64 (spoke, coil, sample), whitened where a noise scan was given; the middle one
        is that at center_sample.
    times_s: float64 (spoke,), scanner time; NaN where there is no clock.
    angles_rad: float64 (spoke,), in which direction the samples run, from x towards y.
    """

    samples: NDArray[np.complex64]
    times_s: NDArray[np.float64]
    angles_rad: NDArray[np.float64]


def centre_passes(frame: Frame, plan: ReconstructionPlan, *, n_samples: int = 3) -> CentrePasses:
    """Return the samples about the centre of k-space of each imaging spoke.

    n_samples: an odd number. Gradient delays are left in: they shift the centre by a part of a
    sample, more or less with the angle, so what follows the angle (and twice the angle) is no
    motion. Raises ValueError where a spoke ends too near to its centre.
    """
    if n_samples < 1 or n_samples % 2 == 0:
        raise ValueError(f"n_samples is {n_samples}, expected an odd number")
    rows = [row for row, flags in enumerate(frame.readouts["flags"].tolist()) if is_imaging(flags)]
    readouts, half = frame.readouts[rows], n_samples // 2
    first = readouts["center_sample"] - half
    outside = (first < readouts["discard_pre"]) | (
        first + n_samples > readouts["n_samples"] - readouts["discard_post"]
    )
    if outside.any():
        row = rows[int(np.argmax(outside))]
        raise ValueError(
            f"frame {frame.frame_id}: readout {row} has fewer than {half} samples on a side of its "
            "center_sample"
        )
    taken = first[:, None] + np.arange(n_samples)
    samples = np.take_along_axis(frame.samples[rows], taken[:, None, :], axis=2)
    if plan.whitening is not None:
        samples = np.asarray(plan.whitening.matrix @ samples, np.complex64)
    return CentrePasses(samples, readouts["time_s"].copy(), _angles_rad(frame, plan, rows))


def _angles_rad(frame: Frame, plan: ReconstructionPlan, rows: list[int]) -> NDArray[np.float64]:
    trajectory = Trajectory(plan, "radial navigators")
    if not trajectory.is_computed:
        brought = frame.trajectory
        if brought is None:
            raise ValueError(f"frame {frame.frame_id}: its spokes bring no positions")
        last = frame.readouts["n_samples"][rows] - 1
        span = brought[rows, last, :2].astype(np.float64) - brought[rows, 0, :2]
        return np.asarray(np.arctan2(span[:, 1], span[:, 0]))
    readouts = frame.readouts[rows]
    angles = [trajectory.angle_rad(trajectory.spoke(fields_of(one))) for one in readouts.tolist()]
    turned = np.where(readouts["flags"] & np.uint64(REVERSE), np.pi, 0.0)
    return (np.array(angles, np.float64) + turned + np.pi) % (2 * np.pi) - np.pi
