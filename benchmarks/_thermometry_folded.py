"""A played scan through the pipeline's fold, frame by frame: maps and how long each took."""

from collections.abc import Iterator
from dataclasses import replace

from _scan_frames import Played

from messages import Maps
from realtime import pipeline
from realtime.clock import MonotonicClock
from realtime.pipeline import NoiseScan, PipelineState
from realtime.protocol import parse_protocol
from simulators.sequences.base import ScanSequence

_PROTOCOL = """
[protocol]
name = "benchmark"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 4500.0
[recon]
method = "fft"
[thermometry]
method = "{method}"
baseline_frames = {n_baseline}
alpha_ppm_per_c = {alpha}
phase_sign = 1
body_temperature_c = 37.0
drift_order = {drift_order}
max_std_c = 5.0
heated_margin_px = {margin_px}
off_resonance_shift = {is_moved}
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [{y}, {x}]
radii_px = [{radius_px}, {radius_px}]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
"""


def protocol_text(
    method: str,
    *,
    n_baseline: int,
    alpha: float,
    drift_order: int,
    center_px: tuple[float, float],
    radius_px: float,
    margin_px: float,
    is_moved: bool = False,
) -> str:
    """Return a protocol with one target; center_px (y, x)."""
    return _PROTOCOL.format(
        method=method,
        n_baseline=n_baseline,
        alpha=alpha,
        drift_order=drift_order,
        y=center_px[0],
        x=center_px[1],
        radius_px=radius_px,
        margin_px=margin_px,
        is_moved=str(is_moved).lower(),
    )


def folded(played: Played, sequence: ScanSequence, text: str) -> Iterator[tuple[Maps, float]]:
    """Yield each frame's maps, and the milliseconds from its samples to them."""
    first = played.frames[0]
    dwell_us = sequence.noise_sample_time_us, sequence.sample_time_us
    noise = NoiseScan(played.noise, *dwell_us) if played.noise.size else None
    built = pipeline.build(
        parse_protocol(text),
        played.header,
        n_coils=first.samples.shape[1],
        n_samples=first.samples.shape[2],
        noise=noise,
        imaging_sample_time_us=sequence.sample_time_us,
    )
    clock, state = MonotonicClock(), PipelineState()
    for number, frame in enumerate(played.frames):
        began_ns = clock.now_ns()
        state, _, maps = pipeline.fold(built, state, replace(frame, time_s=1.0 + number))
        yield maps, (clock.now_ns() - began_ns) / 1e6
