"""Echo trains of a phantom of water and fat; physics and constants of its own.

Fat: Deveau-free six peaks as the ISMRM water/fat challenge of 2012 gives them, water at 4.7 ppm.
"""

import numpy as np

from messages import FrameKey, Image, Pose
from thermometry import ThermometryPlan

F0_3T, F0_1T5 = 123.2e6, 63.87e6
ALPHA = -0.0094
BODY_C = 37.0
CHALLENGE_PEAKS = {0.90: 0.087, 1.30: 0.693, 2.10: 0.128, 2.76: 0.004, 4.31: 0.039, 5.30: 0.048}
TRAIN_3T = (0.014, 0.018, 0.022, 0.026, 0.03)
TRAIN_1T5 = (0.01471, 0.01771, 0.02071, 0.02371, 0.02671)  # Wyatt 2012's three, and two before
SHAPE = (1, 48, 48)


def make_plan(shape=SHAPE, **changes):
    plan = {
        "echo_time_s": TRAIN_3T[0],
        "echo_times_s": TRAIN_3T,
        "h1_frequency_hz": F0_3T,
        "alpha_ppm_per_c": ALPHA,
        "phase_sign": 1,
        "body_temperature_c": BODY_C,
        "baseline_frames": 5,
        "drift_order": 1,
        "shape": shape,
        "reference_mask": np.ones(shape, np.bool_),
        "heated_mask": np.zeros(shape, np.bool_),
        "max_std_c": 2.0,
    }
    return ThermometryPlan(**{**plan, **changes})


def grid(shape):
    _, y, x = np.meshgrid(
        *[np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape], indexing="ij"
    )
    return y, x


def spot(shape, peak_c, centre=(0.1, -0.2), width=0.15):
    y, x = grid(shape)
    return peak_c * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2))


def fat_signal(time_s, f0, peaks, water_ppm=4.7):
    return sum(
        a * np.exp(2j * np.pi * (ppm - water_ppm) * 1e-6 * f0 * time_s) for ppm, a in peaks.items()
    ) / sum(peaks.values())


def train(
    plan,
    *,
    fat_fraction=0.5,
    rise_c=0.0,
    field_hz=None,
    drift_hz=0.0,
    phase_rad=0.0,
    r2_hz=25.0,
    fat_r2_hz=None,
    water_scale=1.0,
    fat_scale=1.0,
    water_r2_change_hz=0.0,
    fat_phase=0.3,
    peaks=CHALLENGE_PEAKS,
    bipolar_rad=0.0,
):
    """Signal of each echo, complex (echo, z, y, x); water has magnitude 1 at echo time 0.

    fat_fraction may be a map; where it is 1 there is fat of magnitude 1 alone.
    """
    y, x = grid(plan.shape)
    ratio = np.broadcast_to(np.asarray(fat_fraction, float), plan.shape)
    water = np.where(ratio < 1, 1.0, 0.0) * np.exp(1j * (0.7 + x - y))
    fat = np.where(ratio < 1, ratio / np.where(ratio < 1, 1 - ratio, 1), 1.0)
    fat = fat * np.exp(1j * (0.7 + x - y + fat_phase))
    field_hz = 30 * y - 40 * x * y + 20 * x if field_hz is None else field_hz
    f0, sign = plan.h1_frequency_hz, plan.phase_sign
    echoes = []
    for n, t in enumerate(plan.echo_times_s):
        shift_hz = plan.alpha_ppm_per_c * 1e-6 * f0 * np.asarray(rise_c)
        w = water_scale * water * np.exp((2j * np.pi * shift_hz - water_r2_change_hz - r2_hz) * t)
        f = fat_scale * fat * fat_signal(t, f0, peaks) * np.exp(-(fat_r2_hz or r2_hz) * t)
        turn = 2 * np.pi * (field_hz + drift_hz) * t + phase_rad + bipolar_rad * (-1) ** n * x
        signal = (w + f) * np.exp(1j * turn)
        echoes.append(signal if sign == 1 else signal.conj())
    return np.stack(echoes)


def coils(shape, n_coils=4):
    y, x = grid(shape)
    angles = 2 * np.pi * np.arange(n_coils) / n_coils
    maps = np.stack(
        [np.exp(-((x - np.cos(a)) ** 2 + (y - np.sin(a)) ** 2) / 2 + 1j * (a + x)) for a in angles]
    )
    return maps / np.sqrt(np.sum(np.abs(maps) ** 2, axis=0))


def make_image(
    plan, signal, frame_id=0, *, rng=None, snr=40.0, n_coils=4, is_noise_known=True, **changes
):
    """An image of a train; snr: water's magnitude at echo time 0 over the noise's real part."""
    maps = coils(plan.shape, n_coils)
    echoes = []
    for contrast, one in enumerate(signal):
        seen = maps * one
        if rng is not None:
            seen = (
                seen
                + (rng.standard_normal(seen.shape) + 1j * rng.standard_normal(seen.shape)) / snr
            )
        seen = seen.astype(np.complex64)
        fields = {
            "frame_id": frame_id,
            "key": FrameKey(repetition=frame_id, contrast=contrast),
            "time_s": float(frame_id),
            "pixels": seen.sum(axis=0),
            "fov_mm": (200.0, 200.0, 5.0),
            "pose": Pose(),
            "coil_pixels": seen,
            "noise_std": np.sqrt(2) / snr if rng is not None and is_noise_known else None,
        }
        echoes.append(Image(**{**fields, **changes}))
    first = echoes[0]
    return Image(**{**{n: getattr(first, n) for n in fields}, **changes, "echoes": tuple(echoes)})


def fold(thermometer, images):
    state, maps = thermometer.start(), []
    for image in images:
        state, map_ = thermometer.step(state, image)
        maps.append(map_)
    return state, maps
