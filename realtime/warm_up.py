"""Every kernel run once before anybody connects: on a new machine numba compiles for seconds."""

from collections.abc import Iterator

import numpy as np

import thermometry
from messages import Encoding, EpiTiming, Pose, SessionHeader
from motion.dose import DoseCloud, DoseGrid, DosePlan, Structure
from realtime import pipeline
from realtime.clock import Clock
from realtime.dry_run import rehearse
from realtime.protocol import parse_protocol

# The smallest treatment that runs through every kernel.
_PROTOCOL = """
[protocol]
name = "warm-up"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 2000.0
[recon]
method = "{method}"
[thermometry]
method = "{by}"
baseline_frames = 1
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1
{more}
[[region]]
name = "middle"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [3.0, 3.0]
[[limit]]
rule = "temperature-max"
region = "middle"
stop_above_c = 60.0
"""
_FOLLOWED = """
[protocol]
name = "warm-up"
therapy = "mrlinac"
frame_deadline_ms = 1000.0
lease_ms = 2000.0
[recon]
method = "{method}"
[motion]
tracker = "{by}"
predictor = "rls"
latency_ms = 250.0
gate_margin_mm = 3.0
max_outside_percent = 5.0
[[region]]
name = "middle"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [3.0, 3.0]
"""
# In the order in which sessions are likely to want them: what measures temperature, or follows.
_CASES = (
    ("fft", "cartesian", 1, "single-baseline"),
    ("grappa", "cartesian", 2, "ncc-affine"),
    ("nufft", "goldenangle", 1, "ncc-flow"),
    ("grappa", "cartesian", 2, "single-baseline"),
    ("fft", "epi", 1, "single-baseline"),
    ("fft", "cartesian", 1, "multi-echo"),
    ("fft", "cartesian", 1, "hybrid"),
    ("fft", "cartesian", 1, "water-fat"),
    ("nufft", "goldenangle", 1, "single-baseline"),
    ("nufft", "spiral", 1, "single-baseline"),
    ("cg-sense", "goldenangle", 1, "single-baseline"),
    ("sense", "cartesian", 2, "single-baseline"),
    ("l1-wavelet", "cartesian", 2, "single-baseline"),
    ("fft", "cartesian", 2, "kspace-hybrid"),
)
# What any method may have beside it, once.
_MORE = {"hybrid": 'off_resonance_shift = true\ndose_integration = "log-linear"'}
_ECHO_TIMES_S = (0.005, 0.01, 0.015)
_N, _N_COILS, _DWELL_US = 32, 4, 5.0
_EXTENT_MM = (64.0, 64.0, 5.0)
_TIMING = EpiTiming(20.0, 100.0, 20.0, 10.0, _N, 3.75)


def warm_up(clock: Clock) -> Iterator[str]:
    """Run one method after another and yield its name, so that a session may come between."""
    for method, trajectory, acceleration, by in _CASES:
        n_contrasts = len(_ECHO_TIMES_S) if by in thermometry.JOINS_CONTRASTS else 1
        encoding = Encoding(
            (_N, _N, 1),
            (_N, _N, 1),
            _EXTENT_MM,
            _EXTENT_MM,
            trajectory,
            n_contrasts=n_contrasts,
            acceleration=(acceleration, 1),
            calibration_mode="embedded" if acceleration > 1 else "",
            epi=_TIMING if trajectory == "epi" else None,
        )
        header = SessionHeader(
            b"", (encoding,), echo_times_s=_ECHO_TIMES_S, h1_frequency_hz=127.7e6
        )
        is_thermal = by in thermometry.METHODS
        template, more = _PROTOCOL if is_thermal else _FOLLOWED, _MORE.get(by, "")
        built = pipeline.build(
            parse_protocol(template.format(method=method, by=by, more=more)),
            header,
            n_coils=_N_COILS,
            n_samples=_N,
            noise=None,
            imaging_sample_time_us=_DWELL_US,
            dose_plan=None if is_thermal else _dose_plan(),
        )
        rehearse(built, Pose(), clock=clock, enough_ms=0.0)
        yield method


def _dose_plan() -> DosePlan:
    """Return the dose of one beam, even all over the image."""
    shape = (4, 8, 8)
    step_mm = ((0.0, 0.0, 8.0), (0.0, 8.0, 0.0), (8.0, 0.0, 0.0))
    grid = DoseGrid(shape, (-32.0, -32.0, -16.0), step_mm)
    cloud = DoseCloud(1, 100.0, np.ones(shape, np.float32), grid)
    middle = Structure("middle", "target", np.zeros((1, 3)), np.ones(1))
    return DosePlan((cloud,), (middle,), "middle", 1.0)
