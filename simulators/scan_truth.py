"""What a scan should show, for whoever judges a reconstruction afterwards."""

from pathlib import Path

import h5py
import numpy as np

from simulators.scan import Scan


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
