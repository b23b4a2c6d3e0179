"""The pictures of a finished run, read when they are looked at."""

from bisect import bisect_right
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from messages import FrameKey, Maps, MonitorError, Pose
from realtime.outputs.page.picture import Stream
from realtime.outputs.report_maps import MapFile
from realtime.outputs.report_record import RunRecord
from realtime.region_bits import region_bits

MOST_PIXELS = 1 << 24  # of one picture; the largest that a header may claim have fewer
_MAPS = ("temperature_c", "temperature_std_c", "dose_cem43_min", "dose_gy")


class RecordedPictures:
    """Which picture of each stream is the newest by a frame, and that picture's maps."""

    def __init__(self, run: RunRecord, *, run_id: str) -> None:
        """Take a run's maps. Raises MonitorError where they are too large for a screen."""
        self._maps, self._run_id = run.maps, run_id
        self._still: dict[int, NDArray[np.uint16]] = {}  # by slice
        self._rows: dict[Stream, list[tuple[int, int]]] = defaultdict(list)
        if run.maps is None:
            return
        if np.prod(run.maps.shape) > MOST_PIXELS:
            raise MonitorError(
                f"{run.folder / 'maps.h5'}: pictures of {run.maps.shape} pixels, expected at most "
                f"{MOST_PIXELS} in one"
            )
        if run.protocol is not None and not run.maps.has("region_bits"):
            self._still = {
                number: region_bits(run.protocol, masks, shape=run.maps.shape)
                for number, masks in run.slice_masks.items()
            }
        for row, frame in enumerate(run.maps.frame.tolist()):
            stream = run_id, int(run.maps.slice[row]), int(run.maps.contrast[row])
            self._rows[stream].append((frame, row))
        for rows in self._rows.values():
            rows.sort()

    def newest_by(self, frame_id: int) -> list[tuple[Stream, int]]:
        """Return of each stream the row of its newest picture up to a frame."""
        found = []
        for stream, rows in self._rows.items():
            n = bisect_right(rows, (frame_id, len(rows) + self._n_rows))
            if n:
                found.append((stream, rows[n - 1][1]))
        return found

    def read(self, row: int) -> Maps:
        """Return the maps of a row; of one that cannot be read nothing is valid."""
        maps = self._maps
        if maps is None:
            raise ValueError("a run without pictures has no row")
        key = FrameKey(0, int(maps.slice[row]), int(maps.contrast[row]), 0, 0)
        frame, time_s = int(maps.frame[row]), float(maps.time_s[row])
        try:
            told = _told(maps, row) | {"region_bits": self._bits(maps, row)}
        except (OSError, KeyError, ValueError):  # the file is broken here
            told = {"magnitude": np.full(maps.shape, np.nan, np.float32)}
        is_timed = np.isfinite(time_s)
        return Maps(
            frame,
            key,
            time_s if is_timed else None,
            maps.fov_mm,
            Pose(),
            **told,  # type: ignore[arg-type]  # arrays by their own names
            run_id=self._run_id,
        )

    @property
    def _n_rows(self) -> int:
        return 0 if self._maps is None else self._maps.n_rows

    def _bits(self, maps: MapFile, row: int) -> NDArray[np.uint16] | None:
        if maps.has("region_bits"):
            return maps.region_bits(row)
        return self._still.get(int(maps.slice[row]))


def _told(maps: MapFile, row: int) -> dict[str, object]:
    told: dict[str, object] = {"magnitude": maps.read("magnitude", row)}
    told |= {name: maps.read(name, row) for name in _MAPS if maps.has(name)}
    if maps.has("valid"):
        told["valid"] = maps.valid(row)
    if maps.has_target:
        told["target_mask"] = maps.target(row)
    return told
