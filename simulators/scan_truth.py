"""What a scan should show, for whoever judges a reconstruction afterwards."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from simulators.scan import Scan
from simulators.tissue_scan import TissueScan

Pixels = NDArray[np.floating[Any]]


def write_scan_truth(path: Path, scan: Scan) -> None:
    """Write HDF5 on the pixel centres of the image.

    frame_time_s: scanner time of each frame's centre of k-space, first slice and echo.
    rise_c: float32 (frame, y, x), °C above body temperature then.
    object: complex64 (z, y, x) of the first frame and echo; z counts slices or partitions.
    """
    sequence = scan.sequence
    x_mm, y_mm = sequence.columns_mm[None, :], sequence.rows_mm[:, None]
    frames = range(sequence.n_frames)
    if sequence.n_partitions > 1:
        layers = [scan.truth(x_mm, y_mm, float(z_mm)) for z_mm in sequence.partitions_mm]
    else:
        layers = [scan.truth(x_mm, y_mm, slice_index=i) for i in range(len(scan.slices))]
    with h5py.File(path, "w") as file:
        file["frame_time_s"] = [scan.center_time_s(frame) for frame in frames]
        rises_c = [scan.rise_c(x_mm, y_mm, frame=frame) for frame in frames]
        file["rise_c"] = np.array(rises_c, np.float32)
        file["object"] = np.array(layers, np.complex64)


def write_tissue_truth(
    path: Path, scan: TissueScan, *, frames: Iterable[int] | None = None
) -> None:
    """Write HDF5 on the pixel centres of the image, at each frame's k-space centre, first echo.

    frames: all of the scan's, in order; whoever wants to see them pass gives them.
    frame_time_s: scanner time. float32 (frame, y, x), NaN where there is no tissue:
        rise_c: °C above body temperature at the pixel centres.
        rise_voxel_c: averaged over each pixel's box, weighted by water.
        rise_bandlimited_c: what the acquired extent of k-space shows of it.
        fat_fraction; displacement_mm (frame, y, x, 2): along x and y; off_resonance_hz; push_um.
    power_time_s, power_w: of each change of power.
    """
    sequence = scan.sequence
    x_mm, y_mm = sequence.columns_mm[None, :], sequence.rows_mm[:, None]
    rows: list[dict[str, Pixels]] = []
    times_s = []
    for frame in range(sequence.n_frames) if frames is None else frames:
        truth = scan.truth(x_mm, y_mm, frame=frame)
        times_s.append(truth.t_s)
        rows.append(
            {
                "rise_c": truth.rise_c,
                "rise_voxel_c": scan.voxel_rise_c(frame),
                "rise_bandlimited_c": scan.seen_rise_c(frame),
                "fat_fraction": truth.fat_fraction,
                "displacement_mm": np.stack(truth.displacement_mm, axis=-1),
                "off_resonance_hz": truth.off_resonance_hz,
                "push_um": truth.push_um,
            }
        )
    heat = scan.tissue.heat
    power = heat.plan.power_log if heat else ()
    with h5py.File(path, "w") as file:
        file["frame_time_s"] = times_s
        file["power_time_s"] = [t_s for t_s, _ in power]
        file["power_w"] = [watts for _, watts in power]
        for name in rows[0]:
            values = np.array([row[name] for row in rows], np.float32)
            file.create_dataset(name, data=values, compression="gzip")
