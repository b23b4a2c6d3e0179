"""What one frame showed, as the rules see it, and the figures of each region."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from messages import Forecast, Pose, PowerLog, RegionReading, TemperatureMap, ThermalDose
from realtime.alerts.history import History
from realtime.protocol import Protocol
from thermometry import Focus

Mask = NDArray[np.bool_]
# One pixel in twenty may be an artefact; the response of a region is read past these.
_ARTEFACT_SHARE = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """All that the rules may look at.

    time_s, previous_time_s: scanner time of this and the last complete frame of the same slice.
    power: what the therapy device said so far. forecast: None where no heat model runs.
    voxel_mm: (z, y, x).
    is_complete, is_calibrated: every line has landed; the image is not aliased for want of others.
    is_finite: no NaN or infinity in the image.
    pose: where the frame lies. magnitude: float32 (z, y, x).
    history: of the frames so far, this one included; previous_peak_c: what the forecast's peak was
        before it.
    focus: where ARFI has found it; None where nobody looked.
    """

    temperature: TemperatureMap
    dose: ThermalDose | None
    masks: Mapping[str, Mask]
    regions: tuple[RegionReading, ...] = ()
    time_s: float | None = None
    previous_time_s: float | None = None
    power: PowerLog = field(default_factory=PowerLog)
    forecast: Forecast | None = None
    voxel_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    is_complete: bool = True
    is_calibrated: bool = True
    is_finite: bool = True
    body_temperature_c: float = 37.0
    pose: Pose | None = None
    magnitude: NDArray[np.float32] | None = None
    history: History = field(default_factory=History)
    previous_peak_c: NDArray[np.float32] | None = None
    focus: Focus | None = None

    def believed(self, region: str) -> Mask:
        """Return the pixels of a region whose temperature may be believed."""
        temperature = self.temperature
        return self.masks[region] & temperature.valid & np.isfinite(temperature.temperature_c)


def read_regions(
    protocol: Protocol,
    masks: Mapping[str, Mask],
    temperature: TemperatureMap,
    dose: ThermalDose | None,
    forecast: Forecast | None = None,
) -> tuple[RegionReading, ...]:
    """Return the figures of each region in this slice, in the protocol's order."""
    return tuple(
        _read(region.name, region.role, masks[region.name], temperature, dose, forecast)
        for region in protocol.region
        if region.name in masks  # the others lie in other slices
    )


def _read(
    name: str,
    role: str,
    mask: Mask,
    temperature: TemperatureMap,
    dose: ThermalDose | None,
    forecast: Forecast | None,
) -> RegionReading:
    inside = mask & temperature.valid & np.isfinite(temperature.temperature_c)
    n_pixels, n_valid = int(np.count_nonzero(mask)), int(np.count_nonzero(inside))
    to_come = _to_come(mask, forecast)
    if n_valid == 0 or temperature.is_baseline:
        return RegionReading(name, role, n_pixels, n_valid, **to_come)
    inside_c = temperature.temperature_c[inside]
    std_c = float(np.median(temperature.temperature_std_c[inside]))
    most = None if dose is None else largest(dose.cem43_min[inside])
    least = None if dose is None else largest(-dose.cem43_min[inside])
    return RegionReading(
        name,
        role,
        n_pixels,
        n_valid,
        temperature_max_c=float(inside_c.max()),
        temperature_mean_c=float(inside_c.mean(dtype=np.float64)),
        temperature_std_c=_finite(std_c),
        dose_max_cem43_min=_finite(most),
        dose_min_cem43_min=None if least is None else _finite(-least),
        **to_come,
    )


def _to_come(mask: Mask, forecast: Forecast | None) -> dict[str, float | None]:
    """Return a region's figures of a forecast; a lost frame has them too."""
    if forecast is None:
        return {}
    maps = {
        "peak_c": forecast.peak_c,
        "final_cem43_min": forecast.final_cem43_min,
        "final_high_cem43_min": forecast.final_high_cem43_min,
    }
    return {name: _finite(largest(values[mask])) for name, values in maps.items()}


def n_spared(n_valid: int) -> int:
    """Return how many of a region's hottest or coldest pixels may be artefacts; never all."""
    return min(int(_ARTEFACT_SHARE * n_valid), n_valid - 1)


def largest(values: NDArray[np.float32]) -> float | None:
    """Return the largest value, infinity included, None where all are NaN."""
    known = values[~np.isnan(values)]
    return float(known.max()) if known.size else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
