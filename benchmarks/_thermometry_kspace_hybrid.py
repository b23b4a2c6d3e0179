"""Frames that leave lines of k-space out: the k-space hybrid against the published code's figures.

The object is nearly even, as the published demonstration's, and its noise is that one's: in the
image of each of 8 coils sqrt(E|n|²) is 2 % of the object, where the coils' sensitivities have a
root sum of squares of 1 on average over the object (in RMS).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from _scan_frames import Played, play
from _table import MeasurementError, Table, Target
from numpy.typing import NDArray

from messages import Frame, Maps, PowerLog
from realtime import pipeline
from realtime.clock import MonotonicClock
from realtime.pipeline import NoiseScan, PipelineState
from realtime.protocol import parse_protocol
from simulators.patient import Patient
from simulators.phantom import Ellipse
from simulators.scan import Scan
from simulators.sequences import Undersampled
from simulators.spot import HeatedSpot, per_frame

Real = NDArray[np.float64]

NOISE = 0.02
N_BASELINE, PEAK_C, HOT_C = 3, 30.0, 1.0
N_TIMES = 3
RAMP_C = (0.0, 10.0, 20.0)
SUDDEN_C = (10.0, PEAK_C, 0.0)  # within one frame each, after the plateau
ALPHA_PPM_PER_C, BODY_C = -0.01, 37.0
MOST_RMSE_C = {2: 0.21, 4: 0.25, 6: 0.24}
PUBLISHED_PEAK_C = {2: -1.1, 4: -1.7, 6: -2.2}
MOST_MS = 100.0
OUTLINE = Ellipse(1.0, (0, 0), (80, 99))
BODIES = (
    OUTLINE,
    Ellipse(0.15, (0, 10), (50, 60), 20),
    Ellipse(-0.3, (-40, -45), (10, 16), 30),
    Ellipse(0.2, (38, -30), (12, 9)),
    Ellipse(-0.25, (-25, 60), (15, 8)),
    Ellipse(-0.2, (35, 55), (6, 6)),
)
# chosen before anything was measured there, and never tuned on
HELD_OUT = (
    ((-22.0, 34.0), (5.0, 5.0), 18.0),
    ((30.0, -52.0), (8.0, 6.0), 25.0),
    ((-48.0, 8.0), (12.0, 10.0), 30.0),
    ((4.0, 66.0), (6.0, 9.0), 12.0),
)
N_HELD_OUT, MOST_SIGMA = 4, 5.0
METHODS = {"kspace-hybrid": "fft", "single-baseline": "sense"}
_PROTOCOL = """
[protocol]
name = "undersampled"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 2000.0
[recon]
method = "{recon}"
[thermometry]
method = "{method}"
baseline_frames = {n_baseline}
alpha_ppm_per_c = {alpha}
phase_sign = 1
body_temperature_c = {body}
drift_order = 1
max_std_c = 50.0
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_mm = [8.5, -20.0, 43.0]
radii_mm = [8.0, 8.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
"""


@dataclass(frozen=True, slots=True)
class Focus:
    """What is heated; center_mm, fwhm_mm: (x, y). seed: of the noise."""

    center_mm: tuple[float, float] = (6.0, -9.0)
    fwhm_mm: tuple[float, float] = (15.0, 15.0)
    peak_c: float = PEAK_C
    seed: int = 20260501


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What is played: the rise (frame, y, x) as a whole frame without noise shows it, and where.

    rises_c: of the peak in each frame. inside: pixels of the object.
    """

    focus: Focus
    rises_c: tuple[float, ...]
    rise_c: Real
    inside: NDArray[np.bool_]
    snr: float


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """error_c, std_c (frame, y, x), NaN where not valid; method_ms, frame_ms (frame,)."""

    error_c: Real
    std_c: Real
    method_ms: Real
    frame_ms: Real


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return what was promised and what was found, and the figures of each acceleration."""
    n, n_hold = (48, 2) if quick else (128, 12)
    rises_c = (0.0,) * N_BASELINE + RAMP_C + (PEAK_C,) * n_hold + SUDDEN_C
    scene = _scene(n, Focus(), rises_c)
    targets: list[Target] = []
    rows: list[tuple[str, ...]] = []
    for acceleration in (2, 4) if quick else (1, 2, 4, 6):
        played = play(_scan(n, scene, acceleration=acceleration))
        by_method = {
            method: _see(played, scene, method=method, recon_method=recon_method)
            for method, recon_method in METHODS.items()
        }
        rows += [
            (f"{acceleration}", f"{method} ({METHODS[method]})", *_figures(seen, scene, n_hold))
            for method, seen in by_method.items()
        ]
        if acceleration in MOST_RMSE_C:
            seen = by_method["kspace-hybrid"]
            targets += _targets(seen, scene, acceleration=acceleration, n_hold=n_hold)
    if not quick:
        for acceleration, most_rmse_c in MOST_RMSE_C.items():
            more, row = _held_out(n, acceleration, most_rmse_c)
            targets += more
            rows.append(row)
    return tuple(targets), Table(
        f"k-space hybrid: {n}², 8 coils, {N_BASELINE} baselines, {PEAK_C:g} °C at the focus",
        ("R", "method (recon)", "RMSE object °C", f"RMSE above {HOT_C:g} °C", "peak error °C",
         "after a jump °C", "standardised error", "valid %", "method ms p50 / p99",
         "frame ms p50 / p99"),
        tuple(rows),
        "Noise: sqrt(E|n|²) of a coil's pixel is 2 % of the object, coils scaled to a root sum of "
        "squares of 1 over it (RMS). Held-out foci: 5 to 12 mm, 12 to 30 °C, chosen before "
        "anything was measured there, 4 frames and another noise each. RMSE above 1 °C compares "
        "like with like: there neither method smooths; elsewhere the hybrid averages 5 x 5 pixels. "
        "Truth: what a whole frame without noise shows. Peak error: "
        "mean ± standard deviation over the frames at the plateau, at the pixel of the highest "
        "true rise. Jumps: 30 to 10, 10 to 30 and 30 to 0 °C from one frame to the next, largest "
        "error at that pixel. Frame: from the last readout on, without its absorption. "
        "The published code on such data: RMSE 0.156-0.164 / 0.20-0.21 / 0.24-0.27 / 0.23-0.25 °C "
        "at R = 1 / 2 / 4 / 6, peak -1.1 / -1.7 / -2.2 °C at R = 2 / 4 / 6, 1.4-8.1 s a frame.",
    )  # fmt: skip


def _held_out(
    n: int, acceleration: int, most_rmse_c: float
) -> tuple[list[Target], tuple[str, ...]]:
    """Return targets and figures over foci that nobody tuned on, each with noise of its own."""
    frames = slice(0, N_HELD_OUT)
    rmse_c, hot_c, peak_c, errors, scores = [], [], [], [], []
    for number, (center_mm, fwhm_mm, rise_c) in enumerate(HELD_OUT):
        focus = Focus(center_mm, fwhm_mm, rise_c, seed=7000 + 10 * acceleration + number)
        scene = _scene(n, focus, (0.0,) * N_BASELINE + (rise_c,) * N_HELD_OUT)
        played = play(_scan(n, scene, acceleration=acceleration))
        seen = _see(played, scene, method="kspace-hybrid", recon_method="fft", n_times=1)
        error_c = seen.error_c[frames][:, scene.inside]
        hot = scene.rise_c[N_BASELINE:][:, scene.inside] > HOT_C
        rmse_c.append(_rms(error_c))
        hot_c.append(_rms(error_c[hot]))
        peak_c.append(float(np.nanmean(_at_peak(seen, scene))))
        errors.append(error_c)
        scores.append((error_c / seen.std_c[frames][:, scene.inside])[np.isfinite(error_c)])
    score = np.concatenate(scores)
    n_wrong = int(np.count_nonzero(np.abs(score) > MOST_SIGMA))
    name = f"k-space hybrid, R = {acceleration}, {len(HELD_OUT)} held-out foci"
    worst_c = max(peak_c, key=abs)
    most_c = abs(PUBLISHED_PEAK_C[acceleration]) / 2
    targets = [
        Target(f"{name}: worst RMSE in the object at most {most_rmse_c:g} °C",
               f"{max(rmse_c):.3f} °C", max(rmse_c) <= most_rmse_c),
        Target(f"{name}: worst peak error at most {most_c:g} °C", f"{worst_c:+.2f} °C",
               abs(worst_c) <= most_c),
        Target(f"{name}: no valid pixel beyond {MOST_SIGMA:g} standard deviations",
               f"{n_wrong} of {score.size}", n_wrong == 0),
    ]  # fmt: skip
    row = (
        f"{acceleration}", "kspace-hybrid (fft), held-out foci, mean (worst)",
        f"{np.mean(rmse_c):.3f} ({max(rmse_c):.3f})", f"{np.mean(hot_c):.2f} ({max(hot_c):.2f})",
        f"{np.mean(peak_c):+.2f} ({worst_c:+.2f})", "", f"{np.std(score):.2f}",
        f"{100 * score.size / sum(one.size for one in errors):.1f}",
        "", "",
    )  # fmt: skip
    return targets, row


def _targets(seen: Seen, scene: Scene, *, acceleration: int, n_hold: int) -> list[Target]:
    rmse_c = _rms(seen.error_c[_held(n_hold)][:, scene.inside])
    peak_c = float(np.mean(_at_peak(seen, scene)[_held(n_hold)]))
    most_c = abs(PUBLISHED_PEAK_C[acceleration]) / 2
    slowest_ms = float(np.percentile(seen.frame_ms, 99))
    name = f"k-space hybrid, R = {acceleration}"
    most_rmse_c = MOST_RMSE_C[acceleration]
    return [
        Target(f"{name}: RMSE in the object at most {most_rmse_c:g} °C", f"{rmse_c:.3f} °C",
               rmse_c <= most_rmse_c),
        Target(f"{name}: peak error at most {most_c:g} °C", f"{peak_c:+.2f} °C",
               abs(peak_c) <= most_c),
        Target(f"{name}: a frame at most {MOST_MS:g} ms at p99", f"{slowest_ms:.0f} ms",
               slowest_ms <= MOST_MS),
    ]  # fmt: skip


def _figures(seen: Seen, scene: Scene, n_hold: int) -> tuple[str, ...]:
    held = _held(n_hold)
    error_c, std_c = seen.error_c[held][:, scene.inside], seen.std_c[held][:, scene.inside]
    hot = scene.rise_c[N_BASELINE:][held][:, scene.inside] > HOT_C
    at_peak = _at_peak(seen, scene)
    sudden = at_peak[len(RAMP_C) + n_hold :]
    valid = np.isfinite(error_c)
    return (
        f"{_rms(error_c):.3f}",
        f"{_rms(error_c[hot]):.2f}",
        _if_any(at_peak[held], lambda known: f"{known.mean():+.2f} ± {known.std():.2f}"),
        _if_any(sudden, lambda known: f"{np.abs(known).max():.2f}"),
        f"{np.std((error_c / std_c)[valid]):.2f}",
        f"{100 * valid.mean():.1f}",
        *(
            f"{np.percentile(took, 50):.0f} / {np.percentile(took, 99):.0f}"
            for took in (seen.method_ms, seen.frame_ms)
        ),
    )


def _if_any(values: Real, told: Callable[[Real], str]) -> str:
    known = values[np.isfinite(values)]
    return told(known) if known.size else "not valid"


def _held(n_hold: int) -> slice:
    return slice(len(RAMP_C), len(RAMP_C) + n_hold)


def _at_peak(seen: Seen, scene: Scene) -> Real:
    peak = scene.rise_c.max(axis=0)
    y, x = np.unravel_index(int(peak.argmax()), peak.shape)
    return np.asarray(seen.error_c[:, y, x])


def _rms(error_c: Real) -> float:
    return float(np.sqrt(np.nanmean(error_c**2)))


def _scan(n: int, scene: Scene, *, acceleration: int) -> Scan:
    return _played(n, scene.focus, scene.rises_c, snr=scene.snr, acceleration=acceleration)


def _played(
    n: int, focus: Focus, rises_c: tuple[float, ...], *, snr: float, acceleration: int
) -> Scan:
    sequence = Undersampled(
        matrix=(n, n),
        acceleration=acceleration,
        n_frames=len(rises_c),
        n_whole_frames=N_BASELINE,
    )
    spot = HeatedSpot(focus.center_mm, focus.fwhm_mm, per_frame(*rises_c))
    patient = Patient(bodies=BODIES, rise=spot, alpha_ppm_per_c=ALPHA_PPM_PER_C)
    return Scan(sequence, patient=patient, snr=snr, seed=focus.seed)


def _scene(n: int, focus: Focus, rises_c: tuple[float, ...]) -> Scene:
    levels = tuple(sorted(set(rises_c)))
    scan = _played(n, focus, levels, snr=math.inf, acceleration=1)
    images = [_image(frame) for frame in play(scan).frames]
    frequency_hz, echo_time_s = scan.sequence.h1_frequency_hz, scan.sequence.echo_times_s[0]
    rad_per_c = 2 * math.pi * frequency_hz * ALPHA_PPM_PER_C * 1e-6 * echo_time_s
    seen_c = {
        level: np.angle(np.sum(one * images[0].conj(), axis=0)) / rad_per_c
        for level, one in zip(levels, images, strict=True)
    }
    x_mm, y_mm = scan.sequence.columns_mm[None, :], scan.sequence.rows_mm[:, None]
    (semi_x, semi_y), origin = OUTLINE.semi_axes_mm, np.zeros(())
    inside = (x_mm / semi_x) ** 2 + (y_mm / semi_y) ** 2 <= 1
    power = np.sum(np.abs(scan.sensitivity(x_mm, y_mm)) ** 2, axis=0)
    at_centre = np.sum(np.abs(scan.sensitivity(origin, origin)) ** 2)
    share = math.sqrt(float(at_centre / power[inside].mean()))
    # of the noise's real part, all coils together, at the isocentre
    signal = abs(complex(scan.truth(origin, origin)))
    snr = math.sqrt(2) * signal * share / NOISE
    return Scene(focus, rises_c, np.stack([seen_c[one] for one in rises_c]), inside, snr)


def _image(frame: Frame) -> NDArray[np.complex64]:
    """Coil images (coil, y, x) of a whole frame without noise, oversampling cut off."""
    kspace = np.zeros(
        (frame.samples.shape[1], len(frame.readouts), frame.samples.shape[2]), complex
    )
    kspace[:, frame.readouts["kspace_encode_step_1"]] = frame.samples.swapaxes(0, 1)
    axes = (-2, -1)
    image = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes), axes=axes), axes)
    n_y, n_x = image.shape[1:]
    return image[..., n_x // 2 - n_y // 2 :][..., :n_y].astype(np.complex64)


def _see(
    played: Played, scene: Scene, *, method: str, recon_method: str, n_times: int = N_TIMES
) -> Seen:
    text = _PROTOCOL.format(
        recon=recon_method, method=method, n_baseline=N_BASELINE, alpha=ALPHA_PPM_PER_C, body=BODY_C
    )
    _, n_coils, n_samples = played.frames[0].samples.shape
    built = pipeline.build(
        parse_protocol(text),
        played.header,
        n_coils=n_coils,
        n_samples=n_samples,
        noise=NoiseScan(played.noise, 5.0, 8.0),
    )
    _steps(built, played.frames[: N_BASELINE + 2], n_times=1)  # compiled and planned from here on
    maps, took_ms = _steps(built, played.frames, n_times=n_times)
    temperature = np.stack([one.temperature_c[0] for one in maps]).astype(np.float64)
    std_c = np.stack([one.temperature_std_c[0] for one in maps]).astype(np.float64)
    error_c = (temperature - BODY_C - scene.rise_c)[N_BASELINE:]
    if not np.isfinite(error_c[:, scene.inside]).any():
        raise MeasurementError(f"{method}: no pixel of the object is valid")
    method_ms, frame_ms = took_ms[N_BASELINE:].reshape(-1, 2).T
    return Seen(error_c, std_c[N_BASELINE:], method_ms, frame_ms)


def _steps(
    built: pipeline.Pipeline, frames: tuple[Frame, ...], *, n_times: int
) -> tuple[list[Maps], Real]:
    """Return the maps, as `pipeline.fold` makes them, and ms (frame, time, method and frame).

    Steps are pure, so each frame's are timed several times over.
    """
    clock, state, all_maps, took_ms = MonotonicClock(), PipelineState(), [], []
    for number, frame in enumerate(frames):
        timed = replace(frame, time_s=float(number))
        slice_state = pipeline.slice_of(built, state, timed)
        partial = built.reconstructor.start(slice_state.calibration)
        partial = built.reconstructor.absorb(partial, timed.readouts, timed.samples)
        took = []
        for _ in range(n_times):
            times = [clock.now_ns()]
            known, image = pipeline.reconstruct(built, slice_state, partial, timed)
            times.append(clock.now_ns())
            measured = pipeline.measure(known, image)
            times.append(clock.now_ns())
            after, _, maps = pipeline.conclude(built, state, measured, timed, PowerLog())
            times.append(clock.now_ns())
            took.append(((times[2] - times[1]) / 1e6, (times[3] - times[0]) / 1e6))
        state = after
        all_maps.append(maps)
        took_ms.append(took)
    return all_maps, np.array(took_ms)
