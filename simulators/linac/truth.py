"""Where the target is and what of it a frame shows, for whoever judges a tracker afterwards."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from simulators.linac.scan import LinacScan

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class LinacTruth:
    """The target at one moment in one slice; in-plane pairs are (y, x), mm from the image's centre.

    t_s: scanner time. slice_index: the plane. center_lps_mm: the target's middle in patient LPS.
    displacement_lps_mm: against the k-space centre of the scan's first frame.
    displacement_mm: in the plane, against the first frame of this plane.
    through_plane_mm: the target's middle from the plane, along the slice's normal.
    center_mm: of what the slice cuts out of the target, NaN where it misses. area_mm2: of that.
    contour_mm: points (n, 2) around it, all NaN where it misses. mask: pixels (y, x) whose middles
    lie in it.
    """

    t_s: float
    slice_index: int
    center_lps_mm: Real
    displacement_lps_mm: Real
    displacement_mm: Real
    through_plane_mm: float
    center_mm: Real
    area_mm2: float
    contour_mm: Real
    mask: NDArray[np.bool_]


def target_truth(scan: "LinacScan", t_s: float, slice_index: int) -> LinacTruth:
    """Return the truth of a slice at scanner time t_s."""
    scene, sequence, plane = scan.scene, scan.sequence, scan.sequence.plane(slice_index)
    outline = scan.views[slice_index].outline(t_s, sequence.columns_mm, sequence.rows_mm)
    of_plane = scan.target_displacement_lps_mm(t_s, since_s=scan.center_time_s(slice_index))
    center = np.add(scene.target_mm, scene.origin_mm) + scene.displacement_mm(np.array(t_s))
    return LinacTruth(
        t_s=t_s,
        slice_index=slice_index,
        center_lps_mm=center,
        displacement_lps_mm=scan.target_displacement_lps_mm(t_s),
        displacement_mm=np.array([plane.phase_dir, plane.read_dir]) @ of_plane,
        through_plane_mm=float(np.dot(center - plane.position_mm, plane.slice_dir)),
        center_mm=outline.center_mm[::-1],
        area_mm2=outline.area_mm2,
        contour_mm=outline.contour_mm[:, ::-1],
        mask=outline.mask,
    )


def write_linac_truth(path: Path, scan: "LinacScan") -> None:
    """Write HDF5: one row a frame, at its k-space centre, of the fields of `LinacTruth`.

    frame_time_s instead of t_s. And the path of the target in continuous time, every 10 ms:
    path_time_s (n,), path_displacement_lps_mm (n, 3), against the first frame too.
    """
    rows = [scan.truth(frame) for frame in range(scan.sequence.n_frames)]
    path_s = np.arange(0.0, rows[-1].t_s + 1.0, 0.01)
    with h5py.File(path, "w") as file:
        file["frame_time_s"] = [row.t_s for row in rows]
        for name in (field.name for field in fields(LinacTruth)):
            if name == "t_s":
                continue
            values = np.array([getattr(row, name) for row in rows])
            packed = "gzip" if values.ndim > 1 else None
            file.create_dataset(name, data=values, compression=packed)
        file["path_time_s"] = path_s
        file["path_displacement_lps_mm"] = scan.target_displacement_lps_mm(path_s)
