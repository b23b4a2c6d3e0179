"""maps.h5 of a run folder, read one frame at a time: a long run does not fit into memory."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from messages import MonitorError, Pose

Float = NDArray[np.float32]

_NAMES = ("magnitude", "time_s", "frame")  # what every therapy has
_THERMAL = ("temperature_c", "temperature_std_c", "valid", "dose_cem43_min")
_INTERVAL = ("dose_low_cem43_min", "dose_high_cem43_min")
_MAPS = (*_THERMAL, *_INTERVAL, "target_mask", "dose_gy", "displacement_mm", "region_bits")


class MapFile:
    """The maps of a run, finished, still growing or cut off.

    Which maps there are depends on the therapy. shape: (z, y, x). fov_mm: (x, y, z).
    time_s: float64 (row,), NaN where there is no clock.
    frame, slice, contrast: int (row,).
    """

    def __init__(self, path: Path) -> None:
        """Open the file. Raises MonitorError, in one line, where it is not what it should be."""
        try:
            self._file = _open(path)
            rows = {name: self._file[name] for name in _NAMES}
            rows |= {name: self._file[name] for name in _MAPS if name in self._file}
            # rows are written dataset by dataset: the last may be in some of them only
            self.n_rows = min(int(dataset.shape[0]) for dataset in rows.values())
            self.time_s = np.asarray(self._file["time_s"][: self.n_rows], np.float64)
            self.frame = np.asarray(self._file["frame"][: self.n_rows], np.int64)
            self.slice = self._counter("slice")
            self.contrast = self._counter("contrast")
            z, y, x = rows["magnitude"].shape[1:]
            fov_x, fov_y, fov_z = (float(v) for v in self._file.attrs["fov_mm"])
        except FileNotFoundError as error:
            raise MonitorError("maps.h5 is missing: there are no pictures") from error
        except (OSError, KeyError, ValueError) as error:
            text = str(error).splitlines()[0]
            raise MonitorError(f"maps.h5 cannot be read: {text}") from error
        self.shape = (int(z), int(y), int(x))
        self.fov_mm = (fov_x, fov_y, fov_z)
        self.has_temperature = all(name in self._file for name in _THERMAL)
        self.has_target = "target_mask" in self._file
        self.has_interval = all(name in self._file for name in _INTERVAL)
        self.has_arrhenius = "arrhenius_omega" in self._file

    @property
    def pose(self) -> Pose | None:
        """Where the first frame's slice lies, None where the file does not say."""
        return self.pose_of(0) if self.n_rows else None

    def pose_of(self, row: int) -> Pose | None:
        """Where the slice of a row lies, None where the file does not say."""
        if "pose" not in self._file or row >= len(self._file["pose"]):
            return None
        vectors = [tuple(float(v) for v in vector) for vector in self._file["pose"][row]]
        return Pose(*vectors)  # type: ignore[arg-type]  # five rows of three

    @property
    def pixel_mm(self) -> tuple[float, float]:
        """Pixel size (y, x)."""
        return self.fov_mm[1] / self.shape[1], self.fov_mm[0] / self.shape[2]

    def last_row_of(self, number: int) -> int:
        """Return the last row of a slice."""
        return int(np.flatnonzero(self.slice == number)[-1])

    def read(self, name: str, row: int) -> Float:
        """Return one map, float32 (z, y, x)."""
        return np.asarray(self._file[name][row], np.float32)

    def valid(self, row: int) -> NDArray[np.bool_]:
        """Return which pixels may be believed, bool (z, y, x)."""
        return np.asarray(self._file["valid"][row], np.bool_)

    def target(self, row: int) -> NDArray[np.bool_]:
        """Return where the followed target was, bool (z, y, x)."""
        return np.asarray(self._file["target_mask"][row], np.bool_)

    def has(self, name: str) -> bool:
        """Whether the file holds a map of this name."""
        return name in self._file

    def region_bits(self, row: int) -> NDArray[np.uint16]:
        """Return which regions each pixel lay in, uint16 (z, y, x); see `Maps.region_bits`."""
        return np.asarray(self._file["region_bits"][row], np.uint16)

    def displacement_mm(self) -> Float:
        """Return the target's displacement of each row, float32 (row, 2), (y, x), NaN: unknown."""
        return np.asarray(self._file["displacement_mm"][: self.n_rows], np.float32)

    def temperature_c(self, row: int) -> Float:
        """Return the temperature, float32 (z, y, x), NaN where not valid."""
        return np.where(self.valid(row), self.read("temperature_c", row), np.float32(np.nan))

    def _counter(self, name: str) -> NDArray[np.int64]:
        """Return a counter of each row, 0 where the file has none."""
        if name not in self._file:
            return np.zeros(self.n_rows, np.int64)
        values = np.asarray(self._file[name][: self.n_rows], np.int64)
        return np.pad(values, (0, self.n_rows - len(values)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open(path: Path) -> "h5py.File":
    try:
        return h5py.File(path, "r")
    except FileNotFoundError:
        raise
    except OSError as error:
        # a writer that works, or was killed, leaves the file marked as open; what it has flushed
        # can be read. A truncated file could be read too, as zeros: never that way.
        if "already open" not in str(error) and "consistency" not in str(error):
            raise
        return h5py.File(path, "r", swmr=True)
