"""Coil images of a body that breathes: tissue slides, and the field changes with it."""

import numpy as np

from tests.thermometry.phantoms import RAD_PER_C, complex_noise, coordinates, make_image


def breath(index, *, period=6.3, depth=1.0):
    """Where the organ stands, 0 to `depth`; the period is no multiple of the frame time."""
    return depth * (1 - np.cos(np.pi * np.asarray(index) / period) ** 4)


def body(shape, at, *, n_coils=4, travel=0.12, field_rad=25.0):
    """Coils (coil, z, y, x) with the organ at `at`: vessels ride on it, the coils stay.

    travel: of the organ along y, in half fields of view. field_rad: what the lung's edge does.
    """
    _, y, x = coordinates(shape)
    moved = travel * at * np.exp(-((y + 0.1) ** 2) / 0.5)
    own_y = y - moved
    texture = 1 + 0.15 * np.sin(9 * own_y) * np.cos(11 * x) + 0.1 * np.sin(17 * x + 5 * own_y)
    inside = 1 / (1 + np.exp((np.hypot(own_y / 0.92, x / 0.85) - 1) / 0.02))
    # an air pocket below the diaphragm: its dipole moves with it, and is not linear in the motion
    dy, dx = y + 0.95 - 1.5 * moved, x - 0.1
    distance = dy**2 + dx**2 + 0.06
    field = field_rad * 0.06 * (dy**2 - dx**2) / distance**2
    angles = 2 * np.pi * np.arange(n_coils) / n_coils
    coils = np.stack(
        [
            np.exp(-((x - np.cos(a)) ** 2 + (y - np.sin(a)) ** 2) / 2 + 1j * (a + x - 2 * y))
            for a in angles
        ]
    )
    coils /= np.sqrt(np.sum(np.abs(coils) ** 2, axis=0))
    return coils * inside * texture * np.exp(1j * (field + 0.3 * own_y))


def spot(shape, at, peak_c, *, centre=(0.15, -0.1), width=0.07, travel=0.12):
    """Rise (z, y, x) of a spot that rides on the organ."""
    _, y, x = coordinates(shape)
    own_y = y - travel * at * np.exp(-((y + 0.1) ** 2) / 0.5)
    return peak_c * np.exp(-((own_y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2))


def breathing_images(
    rng, shape, *, n_baseline, n_heated, snr, peak_c=0.0, depth=1.0, drift_rad=0.0, **of_body
):
    """Yield (image, rise): first the training, then heating up to `peak_c`.

    drift_rad: per frame, growing evenly, with a slope.
    """
    _, y, x = coordinates(shape)
    noise_std = np.sqrt(2) / snr
    for index in range(n_baseline + n_heated):
        at = breath(index, depth=depth)
        heated = max(index - n_baseline + 1, 0) / n_heated
        rise = spot(shape, at, peak_c * heated)
        drift = drift_rad * index * (1 + 0.4 * y - 0.3 * x)
        coils = body(shape, at, **of_body) * np.exp(1j * (RAD_PER_C * rise + drift))
        noisy = coils + complex_noise(rng, coils.shape, noise_std)
        yield make_image(noisy, index, noise_std=float(noise_std)), rise
