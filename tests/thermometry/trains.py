"""Echo trains whose temperature is known; the forward model is written anew, not imported."""

import numpy as np

from tests.thermometry.phantoms import ALPHA_PPM_PER_C, H1_FREQUENCY_HZ, make_image, make_plan

ECHO_TIMES_S = (0.004, 0.008, 0.012, 0.016)


def rad_per_c(echo_time_s):
    return 2 * np.pi * H1_FREQUENCY_HZ * ALPHA_PPM_PER_C * 1e-6 * echo_time_s


def train_plan(shape=(1, 48, 48), *, echo_times_s=ECHO_TIMES_S, **changes):
    times = {"echo_time_s": echo_times_s[0], "echo_times_s": tuple(echo_times_s)}
    return make_plan(shape, **{**times, **changes})


def train_image(
    coils,
    rise_c=0.0,
    *,
    echo_times_s=ECHO_TIMES_S,
    field_hz=0.0,
    offset_rad=0.0,
    t2_star_s=0.03,
    noise_std=0.0,
    rng=None,
    frame_id=0,
    **changes,
):
    """Image of a train; field_hz: drift of the field, (z, y, x) or one number."""
    echoes = []
    for echo, time_s in enumerate(echo_times_s):
        phase = rad_per_c(time_s) * np.asarray(rise_c) + offset_rad
        phase = phase + 2 * np.pi * np.asarray(field_hz) * time_s
        # each echo has a phase of its own in the anatomy, as a bipolar readout gives it
        signal = coils * np.exp(-time_s / np.asarray(t2_star_s) + 1j * (phase + 0.3 * echo))
        if noise_std:
            noise = rng.standard_normal((2, *coils.shape)) * noise_std / np.sqrt(2)
            signal = signal + noise[0] + 1j * noise[1]
            changes = {**changes, "noise_std": noise_std}
        echoes.append(make_image(signal, frame_id, **changes))
    first = echoes[0]
    fields = {name: getattr(first, name) for name in ("noise_std", "is_complete")}
    return make_image(first.coil_pixels, frame_id, echoes=tuple(echoes), **fields)
