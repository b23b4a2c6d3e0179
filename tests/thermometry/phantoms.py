"""Images whose temperature is known; the forward model is written anew, not imported."""

import numpy as np

from messages import FrameKey, Image, Pose, TemperatureMap
from thermometry import ThermometryPlan

ECHO_TIME_S = 0.013
H1_FREQUENCY_HZ = 123.2e6
ALPHA_PPM_PER_C = -0.0094
BODY_C = 37.0
# 2π · 123.2 MHz · -0.0094 ppm/°C · 13 ms, worked out by hand
RAD_PER_C = -0.0945930


def make_plan(shape=(1, 48, 48), **changes):
    plan = {
        "echo_time_s": ECHO_TIME_S,
        "h1_frequency_hz": H1_FREQUENCY_HZ,
        "alpha_ppm_per_c": ALPHA_PPM_PER_C,
        "phase_sign": 1,
        "body_temperature_c": BODY_C,
        "baseline_frames": 1,
        "drift_order": -1,
        "shape": shape,
        "reference_mask": np.ones(shape, np.bool_),
        "heated_mask": np.zeros(shape, np.bool_),
    }
    return ThermometryPlan(**{**plan, **changes})


def coordinates(shape):
    """(z, y, x) from -1 to 1 across the field of view."""
    axes = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in shape]
    return np.meshgrid(*axes, indexing="ij")


def anatomy(shape, n_coils=8):
    """Coil images of unit combined magnitude, each coil with a phase of its own."""
    z, y, x = coordinates(shape)
    angles = 2 * np.pi * np.arange(n_coils) / n_coils
    coils = np.stack(
        [
            np.exp(-((x - np.cos(a)) ** 2 + (y - np.sin(a)) ** 2) / 2 + 1j * (a + x - 2 * y + z))
            for a in angles
        ]
    )
    return (coils / np.sqrt(np.sum(np.abs(coils) ** 2, axis=0))).astype(np.complex64)


def hot_spot(shape, peak_c, *, centre=(0.2, -0.3), width=0.12):
    _, y, x = coordinates(shape)
    return peak_c * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2))


def make_image(coils, frame_id=0, **changes):
    coils = np.asarray(coils, np.complex64)
    fields = {
        "frame_id": frame_id,
        "key": FrameKey(repetition=frame_id),
        "time_s": float(frame_id),
        "pixels": coils.sum(axis=0),
        "fov_mm": (200.0, 200.0, 5.0),
        "pose": Pose(),
        "coil_pixels": coils,
    }
    return Image(**{**fields, **changes})


def heated(coils, rise_c, *, drift_rad=0.0, rad_per_c=RAD_PER_C):
    return coils * np.exp(1j * (rad_per_c * np.asarray(rise_c) + drift_rad))


def complex_noise(rng, shape, std):
    """White, with sqrt(E|n|²) = std."""
    return std / np.sqrt(2) * (rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def fold(thermometer, images):
    state, maps = thermometer.start(), []
    for image in images:
        state, map_ = thermometer.step(state, image)
        maps.append(map_)
    return state, maps


def make_map(temperature_c, time_s, *, std_c=0.0, common_c=0.0, valid=True, frame_id=0):
    temperature_c = np.asarray(temperature_c, np.float32)
    valid = np.broadcast_to(valid, temperature_c.shape)
    full = np.full(temperature_c.shape, 1.0, np.float32)
    return TemperatureMap(
        frame_id=frame_id,
        key=FrameKey(),
        time_s=time_s,
        temperature_c=np.where(valid, temperature_c, np.float32(np.nan)),
        temperature_std_c=np.where(valid, full * np.float32(std_c), np.float32(np.nan)),
        common_std_c=np.where(valid, full * np.float32(common_c), np.float32(np.nan)),
        valid=valid,
        is_baseline=False,
        baseline_frames=1,
    )
