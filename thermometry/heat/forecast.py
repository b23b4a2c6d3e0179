"""What follows if the power ends now: peak and dose when all heat is gone, region by region.

It answers three gaps of thermal monitoring (FDA 2018): what happens between slow frames, what a
voxel hides, and that heat goes on spreading when the source has stopped. In each slice that a
target touches, a square around it follows a heat model of its own; beyond it nothing is known. The
model is of one slice: what leaves it comes back from no neighbour. Not validated in patients.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from messages import Forecast, PowerLog, TemperatureMap, ThermalDose
from thermometry.heat.bank import HeatBank, heat_bank
from thermometry.heat.blur import hidden_c
from thermometry.heat.model_dose import ModelDose, add_future
from thermometry.heat.path import Chosen, course
from thermometry.heat.region import (
    RegionFrame,
    RegionState,
    highest,
    learn,
    quadrature,
    start_region,
)
from thermometry.heat.tissue import Tissue

Mask = NDArray[np.bool_]
Real = NDArray[np.float64]

MARGIN_MM: Final = 10.0  # around the target, for heat to spread in
MOST_PIXELS: Final = 40  # along an edge
MOST_REGIONS: Final = 4  # one a target and slice, in order
COOLING_S: Final = (0.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0)  # from the power's end
MOST_BRIDGED_S: Final = 10.0  # Fuentes 2011, PMC3873725: data loss beyond it cannot be bridged
LEAST_FRAMES: Final = 3
MOST_MISFIT: Final = 3.0  # of the innovations' mean square
UNSEEN: Final = 1.3  # by how much more the variance of what no frame has tested yet is
MOST_EVER: Final = 5.0  # beyond it dose went where no frame tells: what follows rests on that
LEAST_USABLE: Final = 0.5  # of a region's pixels, for a frame to count as measured


@dataclass(frozen=True, slots=True, eq=False)
class HeatRegion:
    """One square in one slice. spacing_mm: (y, x)."""

    z: int
    y: slice
    x: slice
    bank: HeatBank
    spacing_mm: tuple[float, float]
    thickness_mm: float


ForecastState = tuple[RegionState, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Forecaster:
    """The heat models of all targets in an image. shape: (z, y, x)."""

    regions: tuple[HeatRegion, ...]
    shape: tuple[int, int, int]
    body_c: float

    @classmethod
    def around(
        cls,
        targets: Mapping[str, Mask],
        *,
        voxel_mm: tuple[float, float, float],
        tissue: Tissue,
        body_c: float,
    ) -> "Forecaster | None":
        """Return the forecaster of an image's targets; None where it has none.

        targets: bool (z, y, x) by name. voxel_mm: (z, y, x).
        """
        regions: list[HeatRegion] = []
        shape = (0, 0, 0)
        for mask in targets.values():
            n_z, n_y, n_x = mask.shape
            shape = (n_z, n_y, n_x)
            for z in np.flatnonzero(mask.any(axis=(1, 2)))[: MOST_REGIONS - len(regions)]:
                rows, columns = mask[z].any(axis=1), mask[z].any(axis=0)
                if any(_holds(one, int(z), rows, columns) for one in regions):
                    continue
                y, x = _span(rows, voxel_mm[1]), _span(columns, voxel_mm[2])
                extent = (y.stop - y.start, x.stop - x.start)
                bank = heat_bank(extent, voxel_mm[1:], voxel_mm[0], tissue)
                regions.append(HeatRegion(int(z), y, x, bank, voxel_mm[1:], voxel_mm[0]))
        return cls(tuple(regions), shape, body_c) if regions else None

    def start(self) -> ForecastState:
        """Return what is known before the first frame."""
        return tuple(start_region(one.bank) for one in self.regions)

    def step(
        self,
        state: ForecastState,
        temperature: TemperatureMap,
        power: PowerLog,
        *,
        exposure_s: float,
        now_s: float,
    ) -> tuple[ForecastState, Forecast | None]:
        """Return the state after a frame, and what follows if the power ends at now_s.

        temperature: one without valid pixels was lost, and is bridged. exposure_s: how long around
        its time a frame looks; on a Cartesian grid less than it takes, because the lines in the
        middle of k-space show most of the heat. None while the baseline is gathered, and without a
        clock.
        """
        time_s = temperature.time_s
        if temperature.is_baseline or not np.isfinite(time_s):
            return state, None
        moved = []
        for region, one in zip(self.regions, state, strict=True):
            frame = _frame(region, temperature, exposure_s=exposure_s, body_c=self.body_c)
            is_new = not time_s <= one.heat.time_s
            if frame is not None and is_new:
                one = learn(
                    region.bank,
                    one,
                    frame,
                    power,
                    spacing_mm=region.spacing_mm,
                    body_c=self.body_c,
                )
            moved.append(one)
        after = tuple(moved)
        return after, _forecast(self, after, temperature, power, now_s=max(now_s, time_s))

    def dose(self, state: ForecastState, elsewhere: ThermalDose) -> ThermalDose:
        """Return the dose along the model's course in the regions, and another's elsewhere."""
        maps = [
            elsewhere.cem43_min.copy(),
            elsewhere.cem43_low_min.copy(),
            elsewhere.cem43_high_min.copy(),
        ]
        for region, one in zip(self.regions, state, strict=True):
            dose = one.dose
            at = (region.z, region.y, region.x)
            for map_, values in zip(
                maps, (dose.dose_min, dose.low_min(), dose.high_min()), strict=True
            ):
                map_[at] = values
        for map_ in maps:
            map_.flags.writeable = False
        return replace(elsewhere, cem43_min=maps[0], cem43_low_min=maps[1], cem43_high_min=maps[2])


def _holds(region: HeatRegion, z: int, rows: Mask, columns: Mask) -> bool:
    """Whether a target lies in a region that another has already."""
    is_inside = rows[region.y].sum() == rows.sum() and columns[region.x].sum() == columns.sum()
    return region.z == z and bool(is_inside)


def _span(inside: Mask, spacing_mm: float) -> slice:
    """Return a target's extent and a margin, within the image and MOST_PIXELS."""
    at = np.flatnonzero(inside)
    margin = int(np.ceil(MARGIN_MM / spacing_mm))
    first, last = int(at[0]) - margin, int(at[-1]) + 1 + margin
    excess = last - first - MOST_PIXELS
    if excess > 0:
        first, last = first + excess // 2, last - (excess - excess // 2)
    return slice(max(first, 0), min(last, inside.size))


def _frame(
    region: HeatRegion, temperature: TemperatureMap, *, exposure_s: float, body_c: float
) -> RegionFrame | None:
    """Return what a map shows of a region; None where too little of it may be believed."""
    at = (region.z, region.y, region.x)
    values = temperature.temperature_c[at].astype(np.float64)
    std_c = temperature.temperature_std_c[at].astype(np.float64)
    usable = temperature.valid[at] & np.isfinite(values) & np.isfinite(std_c)
    if np.mean(usable) < LEAST_USABLE:
        return None
    common = temperature.common_std_c[at][usable].astype(np.float64)
    own = np.sqrt(np.maximum(std_c[usable] ** 2 - common**2, 0))
    return RegionFrame(
        temperature.time_s,
        exposure_s,
        np.where(usable, values - body_c, 0.0),
        usable,
        max(float(np.sqrt(np.mean(own**2))), 1e-3),
        float(np.median(common)),
    )


def _forecast(
    forecaster: Forecaster,
    state: ForecastState,
    temperature: TemperatureMap,
    power: PowerLog,
    *,
    now_s: float,
) -> Forecast | None:
    maps = np.full((7, *forecaster.shape), np.nan, np.float32)
    hottest, summary = -np.inf, (np.nan, np.nan, np.nan)
    reasons: list[str] = []
    bridged_s = 0.0
    for region, one in zip(forecaster.regions, state, strict=True):
        if one.chosen is None:
            continue
        found = _foreseen(region, one, power, now_s=now_s, body_c=forecaster.body_c)
        maps[:, region.z, region.y, region.x] = found.maps
        bridged_s = max(bridged_s, temperature.time_s - one.heat.time_s)
        reasons += [_doubt(one, power, bridged_s=temperature.time_s - one.heat.time_s)]
        if found.peak_rise_c > hottest:
            hottest, summary = found.peak_rise_c, (found.hidden_c, one.expected_c, one.z)
    if not reasons:
        return None
    reason = next(filter(None, reasons), "")
    maps.flags.writeable = False
    hidden, expected_c, z = summary
    return Forecast(
        frame_id=temperature.frame_id,
        time_s=temperature.time_s,
        temperature_c=maps[0],
        temperature_std_c=maps[1],
        peak_c=maps[2],
        peak_std_c=maps[3],
        final_cem43_min=maps[4],
        final_low_cem43_min=maps[5],
        final_high_cem43_min=maps[6],
        hidden_c=hidden,
        expected_rise_c=expected_c,
        rise_z=z,
        is_trusted=not reason,
        reason=reason,
        bridged_s=bridged_s,
    )


def _doubt(state: RegionState, power: PowerLog, *, bridged_s: float) -> str:
    """Return why limits may not rest on a region's forecast; empty where they may."""
    if not power.is_known:
        return "the therapy device has not said its power"
    if bridged_s > MOST_BRIDGED_S:
        return f"no frame was measured for {bridged_s:.1f} s, at most {MOST_BRIDGED_S:g} s"
    if state.n_frames < LEAST_FRAMES:
        return f"{state.n_frames} frames so far, at least {LEAST_FRAMES}"
    if state.heat.reference_w > 0 and state.n_heated < 1:
        return "no frame since the power began"
    if state.misfit > MOST_MISFIT:
        return f"frames differ from the model by {state.misfit:.1f} times their variance"
    if state.worst > MOST_EVER:
        return f"a frame differed from the model by {state.worst:.1f} times its variance"
    return ""


def _across_mm(region: HeatRegion, chosen: Chosen) -> float:
    """Return the source's standard deviation through the slice, as far as cooling tells it."""
    return float(chosen.weight @ region.bank.across_mm[region.bank.tissue[chosen.members]])


@dataclass(frozen=True, slots=True, eq=False)
class _Foreseen:
    """maps: (7, y, x) in the order of Forecast's arrays. peak_rise_c: the highest rise to come."""

    maps: NDArray[np.float32]
    peak_rise_c: float
    hidden_c: float


def _foreseen(
    region: HeatRegion, state: RegionState, power: PowerLog, *, now_s: float, body_c: float
) -> _Foreseen:
    """Return what follows in a region: the logged power until now, none after it."""
    chosen = state.chosen
    if chosen is None:
        raise ValueError("a region without a frame foresees nothing")
    ended = power.merged(PowerLog(np.array([now_s]), np.array([0.0])))
    since_s = state.heat.time_s
    ends_s = [since_s] if now_s <= since_s else [since_s, now_s]
    until_now_s, now_weights = quadrature(ends_s, 2) if len(ends_s) > 1 else (np.zeros(0),) * 2
    later_s, later_weights = quadrature([now_s + after for after in COOLING_S], 2)
    times_s = np.concatenate([until_now_s, [now_s], later_s])
    weights_s = np.concatenate([[0.0], now_weights, [0.0], later_weights])
    coming = course(region.bank, state.heat, ended, times_s, chosen, misfit=UNSEEN * state.misfit)
    n = len(until_now_s) + 1
    final: ModelDose = add_future(state.dose, coming, weights_s, body_c=body_c)
    peak_c, peak_std_c = highest(state, coming)
    maps = np.array(
        [
            coming.rise_c[n] + body_c,
            np.sqrt(np.maximum(coming.variance[n], 0)),
            peak_c + body_c,
            peak_std_c,
            final.dose_min,
            final.low_min(),
            final.high_min(),
        ],
        np.float32,
    )
    hidden = hidden_c(
        coming.rise_c[0],
        region.spacing_mm,
        thickness_mm=region.thickness_mm,
        across_mm=_across_mm(region, chosen),
    )
    hidden += max(float(coming.rise_c[: n + 1].max() - coming.rise_c[0].max()), 0.0)
    return _Foreseen(maps, float(coming.rise_c.max()), hidden)
