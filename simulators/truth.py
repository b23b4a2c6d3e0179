"""What really happened in the patient, for whoever judges the monitor afterwards."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from simulators.bioheat import BioheatField
from simulators.phantom import Ellipse
from simulators.sequence import GradientEcho
from simulators.view import BandLimitedView

Real = NDArray[np.float64]
Maps = list[NDArray[np.float32]]

_NEAR_MM = 22.0  # no heat gets farther within a treatment


@dataclass(slots=True, eq=False)
class TruthLog:
    """Truth as it accrues; the names are those of the datasets that `write_truth` writes.

    One entry a frame, at the echo of its k-space centre; maps are float32 (y, x) on the
    reconstruction's pixels:
        frame_time_s: scanner time.
        temperature_point_c: the true field at the pixel centres.
        temperature_voxel_c: the true field averaged over each pixel's box.
        temperature_bandlimited_c: what the acquired k-space extent shows of the true field at that
            instant, without noise: compare an unfiltered inverse FFT with this one.
        dose_cem43_min: dose of the true field at the pixel centres.
    One entry a readout, and one a power change:
        sample_time_s, peak_c: the true temperature in the middle of the focus.
        peak_dose_cem43_min: its dose.
    One entry a power change: power_time_s, power_w (the power from then on).
    """

    frame_time_s: list[float] = field(default_factory=list)
    temperature_point_c: Maps = field(default_factory=list)
    temperature_voxel_c: Maps = field(default_factory=list)
    temperature_bandlimited_c: Maps = field(default_factory=list)
    dose_cem43_min: Maps = field(default_factory=list)
    sample_time_s: list[float] = field(default_factory=list)
    peak_c: list[float] = field(default_factory=list)
    peak_dose_cem43_min: list[float] = field(default_factory=list)
    power_time_s: list[float] = field(default_factory=list)
    power_w: list[float] = field(default_factory=list)

    @property
    def watts_now(self) -> float:
        """Power since the last change."""
        return self.power_w[-1] if self.power_w else 0.0

    def note_power(self, t_s: float, *, watts: float) -> None:
        """Log a power change; the same power again is none."""
        if watts != self.watts_now:
            self.power_time_s.append(t_s)
            self.power_w.append(watts)

    def peak_at_c(self, t_s: float) -> float:
        """Return the true focus temperature, interpolated between readouts."""
        return float(np.interp(t_s, self.sample_time_s, self.peak_c))


class Truth:
    """Samples the patient for the log.

    CEM43 (Sapareto and Dewey 1984, doi:10.1016/0360-3016(84)90379-1): trapezoid rule from readout
    to readout, R = 0.5 from 43 °C and 0.25 below, without a lower cut-off.
    """

    def __init__(
        self,
        heat: BioheatField,
        sequence: GradientEcho,
        ellipses: Sequence[Ellipse],
        *,
        focus_mm: tuple[float, float],
        body_c: float,
        rad_per_c: float,
    ) -> None:
        self.log = TruthLog()
        self._heat, self._body_c = heat, body_c
        x_mm, y_mm = sequence.columns_mm - focus_mm[0], sequence.rows_mm - focus_mm[1]
        self._points = heat.sampler(x_mm, y_mm)
        self._voxels = heat.sampler(x_mm, y_mm, box_mm=sequence.pixel_mm)
        self._view = BandLimitedView(
            heat, sequence, ellipses, focus_mm=focus_mm, rad_per_c=rad_per_c
        )
        near_x, near_y = abs(x_mm) < _NEAR_MM, abs(y_mm) < _NEAR_MM
        self._near = np.ix_(near_y, near_x)
        self._near_points = heat.sampler(x_mm[near_x], y_mm[near_y])
        self._far_rate = float(_dose_rate(np.array(body_c)))
        self._dose = np.zeros(sequence.matrix[::-1])
        self._peak_dose = 0.0
        self._rate = np.full((int(near_y.sum()), int(near_x.sum())), self._far_rate)
        self._peak_rate = self._far_rate

    def note_state(self, t_s: float, *, step_s: float) -> None:
        """Log the peak, and add the dose of the step that ends now."""
        rate = _dose_rate(self._near_points(self._heat.in_plane()) + self._body_c)
        peak_c = self._body_c + self._heat.peak_c()
        peak_rate = float(_dose_rate(np.array(peak_c)))
        self._dose += step_s * self._far_rate
        self._dose[self._near] += step_s * ((self._rate + rate) / 2 - self._far_rate)
        self._peak_dose += step_s * (self._peak_rate + peak_rate) / 2
        self._rate, self._peak_rate = rate, peak_rate
        self.log.sample_time_s.append(t_s)
        self.log.peak_c.append(peak_c)
        self.log.peak_dose_cem43_min.append(self._peak_dose)

    def note_frame(self, t_s: float) -> None:
        """Log the maps at a frame's k-space centre."""
        modes, log, body_c = self._heat.in_plane(), self.log, self._body_c
        log.frame_time_s.append(t_s)
        log.temperature_point_c.append(_as_map(body_c + self._points(modes)))
        log.temperature_voxel_c.append(_as_map(body_c + self._voxels(modes)))
        log.temperature_bandlimited_c.append(_as_map(body_c + self._view.rise_c(modes)))
        log.dose_cem43_min.append(_as_map(self._dose))


def write_truth(path: Path, log: TruthLog) -> None:
    """Write the log to HDF5, one dataset for each of its fields."""
    with h5py.File(path, "w") as file:
        for entry in fields(log):
            values = np.array(getattr(log, entry.name))
            file.create_dataset(
                entry.name, data=values, compression="gzip" if values.size else None
            )


def _dose_rate(temperature_c: Real) -> Real:
    halvings = np.where(temperature_c >= 43, 1.0, 2.0)
    return np.asarray(np.exp2(halvings * (temperature_c - 43)) / 60)


def _as_map(values: Real) -> NDArray[np.float32]:
    return values.astype(np.float32)
