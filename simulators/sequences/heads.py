"""The header of each readout, as the plan of its sequence says."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.mrd import ACQUISITION_HEAD, NOISE_MEASUREMENT
from simulators.sequences.base import ScanSequence
from simulators.sequences.plane import Plane
from simulators.sequences.planned import PlannedReadout

_CENTER_LINE = 5  # of the user counters, where Siemens' converter puts the centre line


class Heads:
    """Fills header rows (0-d `ACQUISITION_HEAD`)."""

    def __init__(self, sequence: ScanSequence, *, n_coils: int) -> None:
        self._sequence = sequence
        self._center_line = sequence.limits().get("kspace_encoding_step_1", (0, 0, 0))[2]
        self._blank = np.zeros((), ACQUISITION_HEAD)
        self._blank["version"] = 1
        self._blank["measurement_uid"] = 1
        self._blank["available_channels"] = self._blank["active_channels"] = n_coils
        self._planes = [sequence.plane(index) for index in range(sequence.n_planes)]

    def of_readout(self, planned: PlannedReadout, *, scan_counter: int) -> NDArray[Any]:
        """Return the header of a planned readout."""
        stamp_s = planned.t_s if planned.stamp_s is None else planned.stamp_s
        head = self._stamped(stamp_s, scan_counter, self._planes[planned.counter("slice")])
        head["flags"] = planned.flags
        head["number_of_samples"] = len(planned.k_per_mm)
        head["center_sample"] = planned.center_sample
        head["sample_time_us"] = self._sequence.sample_time_us
        if planned.trajectory is not None:
            head["trajectory_dimensions"] = planned.trajectory.shape[1]
        for name, value in planned.counters.items():
            head["idx"][name] = value
        head["idx"]["user"][_CENTER_LINE] = self._center_line
        return head

    def of_noise(self, t_s: float, *, scan_counter: int) -> NDArray[Any]:
        """Return the header of a readout of the noise scan."""
        head = self._stamped(t_s, scan_counter, self._planes[0])
        head["flags"] = NOISE_MEASUREMENT
        head["number_of_samples"] = self._sequence.n_samples
        head["sample_time_us"] = self._sequence.noise_sample_time_us
        return head

    def _stamped(self, t_s: float, scan_counter: int, plane: Plane) -> NDArray[Any]:
        head = self._blank.copy()
        head["position"] = plane.position_mm
        head["read_dir"], head["phase_dir"] = plane.read_dir, plane.phase_dir
        head["slice_dir"] = plane.slice_dir
        head["scan_counter"] = scan_counter
        head["acquisition_time_stamp"] = self._sequence.ticks(t_s)
        return head
