"""Last readout → image, → permit; k-space centre → permit; and the phase of a tracked sinusoid."""

import math
from dataclasses import dataclass, replace

import _path  # noqa: F401 - the repository first
import numpy as np
from _paced_linac import Heard, play_paced
from _phase_lag import SineFit, fit_sine
from _table import MeasurementError, Table, Target
from numpy.typing import NDArray

from messages import Encoding, EncodingLimit, Frame, Pose, SessionHeader
from realtime import pipeline
from realtime.clock import MonotonicClock
from realtime.protocol import load_protocol, parse_protocol
from realtime.synthetic_frame import synthetic_frame
from simulators.linac.motion import Sinusoid
from simulators.linac.patients import linac_scan
from simulators.linac.scan import LinacScan

Real = NDArray[np.float64]

MOST_PERMIT_MS, MOST_CENTRE_MS, MOST_LAG_MS = 35.0, 100.0, 5.0
N_COILS = 8
# 8 frames/s: 34 spokes of 3.7 ms make a hop, 40 a window
HOP, WINDOW, SPOKE_S = 34, 40, 0.0037
PERIOD_S, AMPLITUDE_MM = 4.0, 8.0
N_FILLING = 3  # frames
N_TRAINING = 40  # as the protocol says
_CLOCK = MonotonicClock()
_PROTOCOL = "mrlinac-lung"
_IMAGING = """
[protocol]
name = "kernels"
therapy = "imaging"
frame_deadline_ms = 1000.0
lease_ms = 4500.0
[recon]
{recon}
"""
_SPOKES = "trajectory = 'golden-angle'\nreadouts_per_frame = {hop}\nwindow_readouts = {window}\n"


@dataclass(frozen=True, slots=True)
class Kernel:
    """One way to make images. hop: spokes a frame, 0 for lines; window: 0 without one."""

    title: str
    matrix: int
    method: str
    hop: int = 0
    window: int = 0


KERNELS = (
    Kernel("radial, window 34, hop 13, nufft", 128, "nufft", 13, 34),
    Kernel("radial, window 55, hop 13, nufft", 128, "nufft", 13, 55),
    Kernel("radial, window 89, hop 13, nufft", 128, "nufft", 13, 89),
    Kernel("radial, window 55, hop 13, cg-sense, 4 iterations", 128, "cg-sense", 13, 55),
    Kernel("Cartesian R = 2, interleaved, grappa", 192, "grappa"),
)


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return the promises of latency, and what each kernel and the whole system took."""
    rows = [_kernel_row(one, n_frames=5 if quick else 100) for one in KERNELS]
    n_frames = 24 if quick else 200
    motion = Sinusoid(amplitude_mm=(0.0, 0.0, AMPLITUDE_MM), period_s=PERIOD_S)
    scan = linac_scan(
        "lung-sagittal", sequence="radial", motion=motion, gain=None, n_coils=N_COILS,
        n_frames=n_frames, spokes_per_frame=HOP, repetition_time_s=SPOKE_S,
    )  # fmt: skip
    heard = play_paced(scan, _protocol_text(), name=_PROTOCOL)
    answered = heard.frames
    # the first ones come while the session is still admitted and the window fills
    begun = answered[0] + N_FILLING if answered else n_frames
    frames = [one for one in answered if one >= begun]
    if not frames:
        raise MeasurementError("no frame with a full window had a verdict in time")
    to_permit_ms = heard.sent_to_permit_ms(frames)
    centre_ms = heard.scanner_to_permit_ms(frames, [_centre_s(scan, one) for one in frames])
    rows += [
        _row(f"8 frames/s, window {WINDOW}, hop {HOP}: last readout sent → permit", to_permit_ms),
        _row("the same: k-space centre of the window → permit", centre_ms),
        *(_stage_row(heard, frames, stage) for stage in ("reconstruct", "measure", "judge")),
    ]
    targets = (
        _at_most(
            "8 frames/s, sliding window: last readout sent → permit received, p99",
            to_permit_ms, MOST_PERMIT_MS,
        ),
        _at_most(
            "8 frames/s, sliding window: k-space centre → permit received, p99",
            centre_ms, MOST_CENTRE_MS,
        ),
        _phase_target(None if quick else _tracked(heard, frames, scan)),
    )  # fmt: skip
    n_late = n_frames - begun - len(frames)
    return targets, _table(rows, n_late=n_late, n_frames=n_frames - begun)


def _stage_row(heard: Heard, frames: list[int], stage: str) -> tuple[str, ...]:
    took_ms = [heard.verdicts[one]["stage_ms"].get(stage, 0.0) for one in frames]
    return _row(f"the same: {stage}", np.array(took_ms))


def _protocol_text() -> str:
    """Return the linac's protocol with a sliding window of spokes."""
    text = load_protocol(_PROTOCOL).text
    spokes = f"[recon]\nreadouts_per_frame = {HOP}\nwindow_readouts = {WINDOW}\n"
    return text.replace("[recon]\n", spokes, 1)


def _centre_s(scan: LinacScan, frame: int) -> float:
    """Return the mean scanner time of a window's spokes, which all pass the k-space centre."""
    newest = (frame + 1) * HOP - 1
    middle = newest - (WINDOW - 1) / 2
    return scan.sequence.echo_times_s[0] + middle * SPOKE_S


def _tracked(heard: Heard, frames: list[int], scan: LinacScan) -> SineFit:
    """Return the sinusoid that was tracked, against the scanner's own clock."""
    seen = [heard.verdicts[one].get("motion") or {} for one in frames if one >= N_TRAINING + 2]
    believed = [one for one in seen if one.get("displacement_mm") and not one.get("doubts")]
    if len(believed) < 4:
        raise MeasurementError("the target was followed in fewer than 4 frames")
    # the session's clock begins with the first readout
    began_s = scan.sequence.echo_times_s[0]
    times_s = np.array([one["time_s"] + began_s for one in believed])
    along_mm = np.array([one["displacement_mm"][0] for one in believed])
    return fit_sine(times_s, along_mm, period_s=PERIOD_S)


def _kernel_row(kernel: Kernel, *, n_frames: int) -> tuple[str, ...]:
    built = _build(kernel)
    plan = built.reconstructor.plan
    warm = math.ceil(kernel.window / kernel.hop) + 2 if kernel.hop else 4
    still = synthetic_frame(built, Pose())
    state = pipeline.PipelineState()
    took_ms = []
    for number in range(warm + n_frames):
        frame = _numbered(still, number, is_lattice=not kernel.hop)
        state, ms = _timed(built, state, frame)
        took_ms.append(ms)
    size = "x".join(str(n) for n in plan.recon_matrix[:2])
    return _row(f"{kernel.title}, {size}: last readout → image", np.array(took_ms[warm:]))


def _build(kernel: Kernel) -> pipeline.Pipeline:
    n, limit = kernel.matrix, EncodingLimit(0, kernel.matrix - 1, kernel.matrix // 2)
    recon_text = f"method = '{kernel.method}'\niterations = 4\n"
    if kernel.hop:
        recon_text += _SPOKES.format(hop=kernel.hop, window=kernel.window)
    encoding = Encoding(
        (2 * n, 2 * n if kernel.hop else n, 1), (n, n, 1),
        (760.0, 760.0 if kernel.hop else 380.0, 7.0), (380.0, 380.0, 7.0),
        "goldenangle" if kernel.hop else "cartesian",
        kspace_encoding_step_1=None if kernel.hop else limit,
        acceleration=(1 if kernel.hop else 2, 1),
        calibration_mode="" if kernel.hop else "interleaved",
    )  # fmt: skip
    header = SessionHeader(b"", (encoding,), h1_frequency_hz=63.87e6)
    protocol = parse_protocol(_IMAGING.format(recon=recon_text))
    return pipeline.build(protocol, header, n_coils=N_COILS, n_samples=2 * n, noise=None)


def _numbered(frame: Frame, number: int, *, is_lattice: bool) -> Frame:
    """Return the frame as a later one: counted on, its lattice of lines moved."""
    rows = frame.readouts.copy()
    samples = frame.samples
    if is_lattice:
        kept = rows["kspace_encode_step_1"] % 2 == number % 2
        rows, samples = rows[kept], samples[kept]
        rows["flags"] = 0
    rows["repetition"] = number
    rows["time_s"] = number * 0.05
    key = replace(frame.key, repetition=number)
    time_s = number * 0.05
    return replace(frame, frame_id=number, key=key, readouts=rows, samples=samples, time_s=time_s)


def _timed(
    built: pipeline.Pipeline, state: pipeline.PipelineState, frame: Frame
) -> tuple[pipeline.PipelineState, float]:
    """Return the state after a frame, and the ms from its last readout to its image."""
    reconstructor = built.reconstructor
    slice_state = pipeline.slice_of(built, state, frame)
    partial = reconstructor.start(slice_state.calibration)
    partial = reconstructor.absorb(partial, frame.readouts[:-1], frame.samples[:-1])
    began_ns = _CLOCK.now_ns()
    partial = reconstructor.absorb(partial, frame.readouts[-1:], frame.samples[-1:])
    slice_state, _ = pipeline.reconstruct(built, slice_state, partial, frame)
    took_ms = (_CLOCK.now_ns() - began_ns) / 1e6
    slices = {**state.slices, pipeline.stream_of(frame): slice_state}
    return replace(state, slices=slices), took_ms


def _at_most(promise: str, values_ms: Real, most_ms: float) -> Target:
    p50, p99 = np.percentile(values_ms, (50, 99))
    return Target(
        f"{promise} at most {most_ms:g} ms",
        f"{p99:.1f} ms (median {p50:.1f})",
        bool(p99 <= most_ms),
    )


def _phase_target(fit: SineFit | None) -> Target:
    promise = f"a tracked sinusoid's phase agrees with the clock within {MOST_LAG_MS:g} ms"
    if fit is None:
        return Target(promise, "not measured in so short a run", None)
    text = (
        f"{1e3 * fit.lag_s:+.2f} ms (amplitude {fit.amplitude:.2f} of {AMPLITUDE_MM:g} mm, "
        f"residual {fit.residual:.3f} mm)"
    )
    return Target(promise, text, abs(1e3 * fit.lag_s) <= MOST_LAG_MS)


def _row(title: str, values_ms: Real) -> tuple[str, ...]:
    figures = np.percentile(values_ms, (50, 99, 100))
    return title, *(f"{one:.2f}" for one in figures), str(values_ms.size)


def _table(rows: list[tuple[str, ...]], *, n_late: int, n_frames: int) -> Table:
    return Table(
        f"Real-time images, {N_COILS} coils, in ms",
        ("from → to", "p50", "p99", "max", "frames"),
        tuple(rows),
        f"Kernels: one process. Permits: client, gateway and worker in three processes, readouts "
        f"sent when the scanner would have them ({SPOKE_S * 1e3:g} ms apart), with {_PROTOCOL}; "
        f"{n_late} of {n_frames} frames had no verdict in time; those while the session was "
        "admitted and its first window filled are left out. The window's k-space centre is the "
        f"mean of its {WINDOW} spokes' passes, {(WINDOW - 1) / 2 * SPOKE_S * 1e3:.0f} ms before "
        "the last.",
    )
