"""Water and fat in equal parts, a hot spot and a drifting field, by the water-fat method."""

from dataclasses import dataclass, replace

import numpy as np
from _scan_frames import Played, play
from _table import Table, Target
from numpy.typing import NDArray

from realtime import pipeline
from realtime.clock import MonotonicClock
from realtime.pipeline import NoiseScan, PipelineState
from realtime.protocol import parse_protocol
from simulators.phantom import Ellipse
from simulators.sequences import CATALOGUE
from simulators.tissue import FAT, WATER, FieldDrift, Gaussian, Heat, MagnetField, Part, Tissue
from simulators.tissue.heat import on_off
from simulators.tissue_scan import TissueScan

Real = NDArray[np.float64]

MOST_RMSE_C, MOST_MS = 0.15, 100.0
WATER_SNR = 40.0
ECHO_TIMES_S = (0.014, 0.018, 0.022, 0.026, 0.03)
REPETITION_S = 0.036
HOT_C, PEAK_C, PAUSE_S = 5.0, 25.0, 10.0
N_BASELINE, N_HOT = 8, 4
T2_STAR_S = 0.04
BODY_C = 37.0
_MIDDLE = 2  # of the echoes
_HOT = f"hotter by {HOT_C:g} °C"
_FOV_MM = 200.0
_MIXTURE = Ellipse(1.0, (0, 0), (80, 70))
_SPOT_MM = (12.0, -8.0)
_PROTOCOL = """
[protocol]
name = "water-fat"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 20000.0
[recon]
method = "fft"
[thermometry]
method = "{method}"
baseline_frames = {n_baseline}
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1
heated_margin_px = {margin}
max_std_c = 5.0
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [{y}, {x}]
radii_px = [{radius}, {radius}]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
"""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """error_c, std_c (frame, y, x) of the heated frames, NaN where not valid; how long each took.

    trained_ms: of the slowest frame of the training.
    """

    error_c: Real
    std_c: Real
    took_ms: Real
    trained_ms: float


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return what was promised, and the figures by method and region."""
    n, n_coils = (32, 2) if quick else (128, 8)
    n_baseline, n_hot = (3, 2) if quick else (N_BASELINE, N_HOT)
    scan = water_fat_scan(n, n_coils=n_coils, n_baseline=n_baseline, n_hot=n_hot)
    heated = range(n_baseline, n_baseline + n_hot)
    rise_c = np.stack([scan.seen_rise_c(frame, contrast=_MIDDLE) for frame in heated])
    played = _timed(play(scan, joins_echoes=True), scan)
    seen = {
        name: watched(played, scan, name, n_baseline=n_baseline, rise_c=rise_c, n=n)
        for name in ("water-fat", "multi-echo")
    }
    regions = {"all of it": _within(scan, 0.95), "centre": _within(scan, 0.4)}
    regions = {name: np.broadcast_to(one, rise_c.shape) for name, one in regions.items()}
    regions[_HOT] = regions["all of it"] & (rise_c > HOT_C)
    rows = [
        _row(method, name, one, where)
        for method, one in seen.items()
        for name, where in regions.items()
    ]
    found = seen["water-fat"]
    rmse_c, hot_c = (_rms(found.error_c[regions[name]]) for name in ("all of it", _HOT))
    slowest_ms = float(np.percentile(found.took_ms, 99))
    targets = (
        Target(
            f"water/fat 50 %, water SNR {WATER_SNR:g}, {len(ECHO_TIMES_S)} echoes, {n}²: RMSE at "
            f"most {MOST_RMSE_C} °C (published code 0.125 to 0.15)",
            f"{rmse_c:.3f} °C; {hot_c:.3f} °C where {_HOT}",
            max(rmse_c, hot_c) <= MOST_RMSE_C,
        ),
        Target(
            f"water/fat: temperature within {MOST_MS:g} ms a frame (published code 9.4 s)",
            f"{slowest_ms:.0f} ms at p99; {found.trained_ms:.0f} ms for the slowest of training",
            max(slowest_ms, found.trained_ms) <= MOST_MS,
        ),
    )
    columns = ("method", "region", "valid", "RMSE °C", "bias °C", "reported σ °C", "error / σ")
    note = (
        f"Raw data of {n_coils} coils, echoes at {', '.join(f'{t * 1e3:g}' for t in ECHO_TIMES_S)} "
        f"ms, 3 T, T2* {T2_STAR_S * 1e3:g} ms; {n_baseline} baseline trains; field drifting by "
        f"1.8 Hz/min. Fat lies {_displaced_px(scan):.2f} pixels off along the readout; its "
        "spectrum is the simulator's own. Warm water has less signal and a longer T2*. Error / σ: "
        "standard deviation of the standardised error. Multi-echo takes fat for water."
    )
    return targets, Table("Water and fat in one pixel", columns, tuple(rows), note)


def water_fat_scan(n: int, *, n_coils: int, n_baseline: int, n_hot: int) -> TissueScan:
    """Return a disc of water and fat in equal parts with a hot spot, in a field that drifts."""
    sequence = CATALOGUE["multi-echo"](
        n_frames=n_baseline + n_hot,
        matrix=(n, n),
        fov_mm=(_FOV_MM, _FOV_MM),
        echo_times_s=ECHO_TIMES_S,
        repetition_time_s=REPETITION_S,
    )
    # heat comes in the pause before the first heated frame: what comes within a frame blurs it, and
    # that is another benchmark's matter
    hot_s = n_baseline * (sequence.frame_time_s(0) + PAUSE_S)
    tissue = Tissue(
        parts=(Part(water=(_MIXTURE,), fat=(_MIXTURE,)),),
        water=replace(WATER, t2_star_s=T2_STAR_S, t2_star_per_c=0.005, magnitude_per_c=-0.005),
        fat=replace(FAT, t2_star_s=T2_STAR_S),
        field=MagnetField(order0_hz=12.0, order1_hz=(20.0, -15.0), order2_hz=(10.0, 0.0, 10.0)),
        drift=FieldDrift(pattern=MagnetField(order0_hz=6.0, order1_hz=(2.0, 1.0)), after_s=200.0),
        heat=Heat(
            source=Gaussian(center_mm=_SPOT_MM, fwhm_mm=(24, 24, 30)),
            plan=on_off(hot_s - PAUSE_S, hot_s, watts=30),
            rate_c_per_s_w=PEAK_C / (30 * PAUSE_S),
            extent_mm=(100.0, 100.0),
            grid_mm=1.5,
            center_mm=_SPOT_MM,
        ),
    )
    # the scan's SNR is that of water and fat together, without their decay, at the isocentre
    return TissueScan(sequence, tissue, n_coils=n_coils, snr=2 * WATER_SNR, pause_s=PAUSE_S)


def watched(
    played: Played, scan: TissueScan, method: str, *, n_baseline: int, rise_c: Real, n: int
) -> Seen:
    """Fold the frames through the pipeline and return what it says of the heated ones."""
    x, y = (mm / _FOV_MM * n + n // 2 for mm in _SPOT_MM)
    text = _PROTOCOL.format(
        method=method, n_baseline=n_baseline, x=x, y=y, radius=8.0 * n / 128, margin=22.0 * n / 128
    )
    _, n_coils, n_samples = played.frames[0].samples.shape
    noise = NoiseScan(
        played.noise, scan.sequence.noise_sample_time_us, scan.sequence.sample_time_us
    )
    built = pipeline.build(
        parse_protocol(text), played.header, n_coils=n_coils, n_samples=n_samples, noise=noise
    )
    clock = MonotonicClock()
    for _ in range(2):  # the first time kernels are compiled, as when a session opens
        state, took_ms, errors, stds = PipelineState(), [], [], []
        for number, frame in enumerate(played.frames):
            began_ns = clock.now_ns()
            state, _, maps = pipeline.fold(built, state, frame)
            took_ms.append((clock.now_ns() - began_ns) / 1e6)
            if number >= n_baseline:
                error_c = maps.temperature_c - BODY_C - rise_c[number - n_baseline]
                errors.append(np.where(maps.valid, error_c, np.nan)[0])
                stds.append(maps.temperature_std_c[0])
    return Seen(
        np.stack(errors), np.stack(stds), np.array(took_ms[n_baseline:]), max(took_ms[:n_baseline])
    )


def _timed(played: Played, scan: TissueScan) -> Played:
    """Give each frame the time of its middle echo at the centre of k-space."""
    times_s = [scan.center_time_s(n, contrast=_MIDDLE) for n in range(len(played.frames))]
    frames = zip(played.frames, times_s, strict=True)
    return replace(played, frames=tuple(replace(frame, time_s=t_s) for frame, t_s in frames))


def _within(scan: TissueScan, share: float) -> NDArray[np.bool_]:
    """Where the mixture lies, up to a share of its radius: its rim is no mixture any more."""
    (nx, ny), (a, b) = scan.sequence.matrix, _MIXTURE.semi_axes_mm
    x, y = ((np.arange(n) - n // 2) * _FOV_MM / n for n in (nx, ny))
    return np.asarray((x[None, :] / a) ** 2 + (y[:, None] / b) ** 2 <= share**2)


def _displaced_px(scan: TissueScan) -> float:
    """By how much fat's main peak, 3.4 ppm below water, lies off along the readout."""
    sequence = scan.sequence
    pixel_hz = 1e6 / (sequence.sample_time_us * sequence.matrix[0] * sequence.oversampling)
    return 3.4e-6 * sequence.h1_frequency_hz / pixel_hz


def _row(method: str, region: str, seen: Seen, where: NDArray[np.bool_]) -> tuple[str, ...]:
    error_c, std_c = seen.error_c[where], seen.std_c[where]
    valid = np.isfinite(error_c)
    if not valid.any():
        return method, region, "0 %", "–", "–", "–", "–"
    error_c, std_c = error_c[valid], std_c[valid]
    return (
        method,
        region,
        f"{100 * valid.mean():.1f} %",
        f"{_rms(error_c):.3f}",
        f"{error_c.mean():+.3f}",
        f"{_rms(std_c):.3f}",
        f"{(error_c / std_c).std():.3f}",
    )


def _rms(values: Real) -> float:
    return float(np.sqrt(np.nanmean(values**2)))
