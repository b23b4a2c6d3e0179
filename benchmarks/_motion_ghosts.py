"""Cartesian R = 2 with interleaved calibration, learned while the target moves: what ghosts."""

from collections.abc import Iterator
from dataclasses import replace

import _path  # noqa: F401 - the repository first
import numpy as np
from _table import Table, Target
from numpy.typing import NDArray

import recon
from messages import READOUT, Frame, FrameKey, Pose, SessionHeader
from realtime.streams.mrd_header import parse_header
from recon import Calibration, Reconstructor
from simulators.linac.motion import Motion, Sinusoid, Still
from simulators.linac.patients import linac_scan
from simulators.linac.scan import LinacScan
from simulators.sequences.planned import PlannedReadout

Complex = NDArray[np.complex64]

N_COILS = 8
N_CALIBRATING = 3  # frames, for R = 2
_SPEEDS: tuple[tuple[str, Motion], ...] = (
    ("still", Still()),
    ("16 mm/s", Sinusoid(amplitude_mm=(0.0, 3.0, 10.0), period_s=4.0)),
    ("31 mm/s", Sinusoid(amplitude_mm=(0.0, 3.0, 10.0), period_s=2.0)),
)


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return the ghosts of kernels learned anywhere in the breath, over those of a still patient.

    Against the same moving patient fully sampled in the same time: what a line left out would
    have been is simulated at its neighbour's moment.
    """
    n, n_frames = (64, 5) if quick else (128, 14)
    rows, means = [], []
    for name, motion in _SPEEDS[:2] if quick else _SPEEDS:
        rms, peak = _ghosts(n, n_frames, motion)
        means.append(float(rms.mean()))
        rows.append(
            (name, f"{100 * rms.mean():.2f} %", f"{100 * rms.max():.2f} %", f"{100 * peak:.1f} %")
        )
    promise = (
        "R = 2, kernel learned while the target moves by up to 16 mm/s: ghosts over a still one"
    )
    targets = (Target(promise, f"{means[1] / means[0]:.2f} times", None),)
    table = Table(
        f"Cartesian R = 2, interleaved calibration of {N_CALIBRATING} frames, {n} × {n}, "
        f"{N_COILS} coils, no noise",
        (
            "fastest motion",
            "RMS error / RMS image, mean",
            "worst kernel",
            "largest pixel / brightest",
        ),
        tuple(rows),
        "Each kernel is learned from frames that follow on one another, somewhere in the breath, "
        "and judged on frames all over it, against the same patient sampled fully in the same "
        "time. What remains for a still patient is the kernel's own error.",
    )
    return targets, table


def _ghosts(n: int, n_frames: int, motion: Motion) -> tuple[NDArray[np.float64], float]:
    """Return each kernel's RMS error, and the largest pixel's of all."""
    scan = linac_scan(
        "lung-sagittal", sequence="cartesian-r2", motion=motion, gain=None, n_coils=N_COILS,
        snr=float("inf"), matrix=(n, n), n_frames=n_frames,
    )  # fmt: skip
    pairs = list(_frames(scan))
    folded, whole = [one for one, _ in pairs], [one for _, one in pairs]
    header = parse_header(scan.header_xml())
    encoding = replace(header.encodings[0], acceleration=(1, 1), calibration_mode="")
    grappa = _method("grappa", header, folded[0])
    fft = _method("fft", replace(header, encodings=(encoding,)), whole[0])
    known = _learned(fft, whole[:1])
    truth = [_pixels(fft, one, known) for one in whole]
    rms, peak = [], 0.0
    for first in range(n_frames - N_CALIBRATING + 1):
        kernel = _learned(grappa, folded[first : first + N_CALIBRATING])
        # coils combined by the same maps: only lines differ
        kernel = replace(kernel, maps=known.maps)
        judged = range(0, n_frames, 4)
        errors = [_pixels(grappa, folded[one], kernel) - truth[one] for one in judged]
        power = np.mean([np.mean(np.abs(truth[one]) ** 2) for one in judged])
        rms.append(float(np.sqrt(np.mean(np.abs(errors) ** 2) / power)))
        peak = max(peak, float(np.abs(errors).max() / np.abs(truth[0]).max()))
    return np.array(rms), peak


def _frames(scan: LinacScan) -> Iterator[tuple[Frame, Frame]]:
    """Yield each frame, and the same with every line, those left out as at their neighbours."""
    sequence, begin_s = scan.sequence, 0.0
    for number in range(sequence.n_frames):
        played = sequence.frame_readouts(number, begin_s)
        begin_s += sequence.frame_time_s(number)
        lines = {one.counter("kspace_encode_step_1"): one for one in played}
        for one in played:
            beside = _beside(one, sequence.matrix[1], sequence.fov_mm[1])
            lines.setdefault(beside.counter("kspace_encode_step_1"), beside)
        yield _frame(scan, played, number), _frame(scan, list(lines.values()), number)


def _beside(one: PlannedReadout, n_lines: int, fov_mm: float) -> PlannedReadout:
    line = one.counter("kspace_encode_step_1")
    step = 1 if line + 1 < n_lines else -1
    k_per_mm = one.k_per_mm.copy()
    k_per_mm[:, 1] += step / fov_mm
    counters = {**one.counters, "kspace_encode_step_1": line + step}
    return replace(one, k_per_mm=k_per_mm, counters=counters)


def _frame(scan: LinacScan, played: list[PlannedReadout], number: int) -> Frame:
    rows = np.zeros(len(played), READOUT)
    rows["kspace_encode_step_1"] = [one.counter("kspace_encode_step_1") for one in played]
    rows["n_samples"], rows["center_sample"] = scan.sequence.n_samples, played[0].center_sample
    samples = np.stack([scan.samples(one) for one in played])
    return Frame(number, FrameKey(repetition=number), rows, samples, 0.0, Pose(), is_complete=True)


def _method(name: str, header: SessionHeader, frame: Frame) -> Reconstructor:
    _, n_coils, n_samples = frame.samples.shape
    return recon.METHODS[name](recon.plan(header, n_coils=n_coils, n_samples=n_samples))


def _learned(method: Reconstructor, frames: list[Frame]) -> Calibration:
    known: Calibration | None = None
    for frame in frames:
        partial = method.absorb(method.start(known), frame.readouts, frame.samples)
        known = method.calibrate(partial, frame, known)
    if known is None or not known.is_ready:
        raise ValueError(f"{len(frames)} frames, expected as many as make a kernel")
    return known


def _pixels(method: Reconstructor, frame: Frame, known: Calibration) -> Complex:
    partial = method.absorb(method.start(known), frame.readouts, frame.samples)
    return method.finish(partial, frame, known).pixels[0]
