"""A small heated scan for every thermometry method: a disc with noise, frame by frame."""

from dataclasses import replace

import numpy as np

import thermometry
from messages import Encoding, Pose, SessionHeader
from realtime import pipeline
from realtime.lines_left_out import whole_frames
from realtime.protocol import parse_protocol
from realtime.synthetic_frame import synthetic_frame

N, N_COILS, N_BASELINE = 32, 3, 4
FOV_MM = (64.0, 64.0, 5.0)
H1_HZ, ALPHA_PPM_PER_C = 127.7e6, -0.01
TR_S, T1_S, T1_PERCENT_PER_C = 0.02, 0.3, 1.5
FLIPS_DEG = (4.0, 20.0)
ECHO_TIMES_S = (0.014, 0.018, 0.022, 0.026, 0.030)
PROTOCOL = """
[protocol]
name = "every-method"
therapy = "mrgfus"
frame_deadline_ms = 4000.0
lease_ms = 30000.0
[recon]
method = "fft"
[thermometry]
method = "{method}"
baseline_frames = {n_baseline}
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
heated_margin_px = 3.0
{more}
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [3.0, 3.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
"""
HEAT_MODEL = "heat_model = true\ndose_integration = 'model'"
CASES = (*((method, "") for method in thermometry.METHODS), ("hybrid", HEAT_MODEL))


def header_for(method: str) -> SessionHeader:
    """The header of a scan that the method can use."""
    n_contrasts = {"t1": 2}.get(method, 5 if method in thermometry.NEEDS_ECHO_TIMES else 1)
    acceleration = 2 if method == "kspace-hybrid" else 1
    encoding = Encoding(
        (N, N, 1), (N, N, 1), FOV_MM, FOV_MM, "cartesian",
        n_contrasts=n_contrasts, acceleration=(acceleration, 1),
        calibration_mode="embedded" if acceleration > 1 else "",
    )  # fmt: skip
    return SessionHeader(
        b"", (encoding,), echo_times_s=ECHO_TIMES_S, h1_frequency_hz=H1_HZ,
        flip_angles_deg=FLIPS_DEG if method == "t1" else (), repetition_time_s=TR_S,
    )  # fmt: skip


def build(method: str, more: str = "", *, n_baseline: int = N_BASELINE) -> pipeline.Pipeline:
    """The pipeline of a method."""
    if method == "t1":
        more += f"\nt1_change_percent_per_c = {T1_PERCENT_PER_C}"
    text = PROTOCOL.format(method=method, n_baseline=n_baseline, more=more)
    return pipeline.build(
        parse_protocol(text), header_for(method), n_coils=N_COILS, n_samples=N, noise=None,
        imaging_sample_time_us=5.0,
    )  # fmt: skip


class HeatedDisc:
    """Frames of one method's treatment."""

    def __init__(self, built: pipeline.Pipeline, *, noise: float = 0.01):
        self.method = built.protocol.thermometry.method
        self.noise = noise
        # one to spare: a test may lose one
        n_wanted = whole_frames(built.protocol.thermometry)
        self.n_whole = n_wanted + (n_wanted > 0)
        self.whole = synthetic_frame(built, Pose(), is_whole=True)
        self.later = synthetic_frame(built, Pose())

    def frame(self, number: int, rise_c: float = 0.0, *, every_s: float = 2.0):
        """Frame `number`, its centre rise_c hotter."""
        empty = self.whole if number < self.n_whole else self.later
        kspace = self._kspace(number, rise_c)
        rows = empty.readouts.copy()
        rows["time_s"] = every_s * number
        samples = kspace[rows["contrast"], :, rows["kspace_encode_step_1"]]
        return replace(
            empty, frame_id=number, key=replace(empty.key, repetition=number), readouts=rows,
            samples=np.ascontiguousarray(samples), time_s=every_s * number,
        )  # fmt: skip

    def _kspace(self, number: int, rise_c: float) -> np.ndarray:
        """(contrast, coil, ky, kx)."""
        y, x = np.mgrid[:N, :N].astype(float) - N // 2
        body = (np.hypot(y, x) < 0.4 * N).astype(float)
        heat_c = rise_c * np.exp(-(y**2 + x**2) / (2 * 2.5**2))
        coils = np.stack([np.exp(1j * c + x * (-1) ** c / (2 * N)) for c in range(N_COILS)])
        images = np.stack([self._contrast(n, heat_c) * body * coils for n in range(self._n())])
        rng = np.random.default_rng(number)
        noise = rng.standard_normal((*images.shape, 2)) @ (1, 1j)
        centred = np.fft.ifftshift(images + self.noise * noise, axes=(-2, -1))
        kspace = np.fft.fftshift(np.fft.fft2(centred, norm="ortho"), axes=(-2, -1))
        return kspace.astype(np.complex64)

    def _n(self) -> int:
        return int(self.later.readouts["contrast"].max()) + 1

    def _contrast(self, n: int, heat_c: np.ndarray) -> np.ndarray:
        if self.method == "t1":
            flip = np.deg2rad(FLIPS_DEG[n])
            decay = np.exp(-TR_S / (T1_S * (1 + T1_PERCENT_PER_C / 100 * heat_c)))
            return 10 * np.sin(flip) * (1 - decay) / (1 - np.cos(flip) * decay)
        time_s = ECHO_TIMES_S[n]
        turn = 2 * np.pi * ALPHA_PPM_PER_C * 1e-6 * H1_HZ * time_s * heat_c
        return np.exp(1j * turn - time_s / 0.04)
