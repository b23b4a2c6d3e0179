"""What the baseline of an echo train is made of: water, fat, and how well they are known."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from thermometry.coil_images import frozen
from thermometry.echoes.water_fat_fit import fit_echoes

Volume = NDArray[np.float32]
Echoes = NDArray[np.complex64]
Shape = tuple[int, int, int]

N_FIELDS: Final = (
    48  # searched: over a train of four spacings, a twelfth of a turn from one to the next
)
NEIGHBOURS_PX: Final = 7  # the field changes by less than the fat shift over so many pixels
TYPICAL_R2_HZ: Final = 25.0  # R2* of soft tissue at 1.5 and 3 T, where the fit starts
# Water of which less is known turns a wrong share of the signal: a false scale of temperature.
MOST_WATER_STD: Final = 0.1
# Fat spectra differ by some per cent from body to body; so much of pure fat looks like water.
MOST_FAT_FRACTION: Final = 0.9
MISFIT: Final = 4.0  # χ² per degree of freedom that noise does not reach


@dataclass(frozen=True, slots=True, eq=False)
class WaterFatLibrary:
    """The baseline and its water. The same object for all frames.

    baseline, water: complex64 (echo, pixel). gain: complex64 (pixel, 4, echo), see `fit_echoes`;
    larger where the spectrum of fat does not fit. fat_fraction: float32 (pixel,), of the signal;
    NaN where it is not known to a tenth.
    has_signal, usable: bool (pixel,), enough signal; and its water known to a tenth. field_hz:
    float32 (pixel,), from -1/(2ΔTE) to 1/(2ΔTE). per_frame: float32 (pixel,), 1 / frames.
    """

    baseline: Echoes
    water: Echoes
    gain: Echoes
    fat_fraction: Volume
    has_signal: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    field_hz: Volume
    per_frame: Volume


def fit_library(
    baseline: Echoes,
    *,
    fat: NDArray[np.complex128],
    echo_times_s: tuple[float, ...],
    noise_variance: float,
    count: NDArray[np.int32],
    shape: Shape,
    min_snr: float,
) -> WaterFatLibrary:
    """Separate the mean baseline (echo, pixel) into water and fat.

    fat: complex128 (echo,), see `fat_at_echoes`. noise_variance: E|n|² of one frame. count: frames
    in each pixel, (z, y, x).
    The field is first sought on a grid over one period, 1 / ΔTE, where the residual over a
    neighbourhood is least, which keeps water and fat from being exchanged (variable
    projection and a smooth field: Hernando 2008, doi:10.1002/mrm.21522). Then each
    pixel is fitted by itself.
    """
    times = np.asarray(echo_times_s)
    energy = np.mean(baseline.real**2 + baseline.imag**2, axis=0)
    per_frame = (1.0 / np.maximum(count.ravel(), 1)).astype(np.float32)
    signal = energy - noise_variance * per_frame
    seen = (count.ravel() > 0) & (signal > 0) & (signal >= 0.5 * min_snr**2 * noise_variance)
    start_hz, step_hz = _search_field(baseline, fat=fat, times=times, shape=shape)
    water, field_hz, fraction, gain, squares = fit_echoes(
        baseline, fat, times, seen, start_hz, TYPICAL_R2_HZ, step_hz
    )
    half_noise = 0.5 * noise_variance * per_frame
    degrees = 2 * len(times) - 6
    if degrees > 0:
        chi2 = squares / (half_noise * degrees)
        gain *= np.sqrt(np.where(chi2 > MISFIT, chi2, np.float32(1)))[:, None, None]
    # of ln|w_n| at the mean echo; at echo time 0 R2* would add what no echo needs
    to_water = gain[:, 0] - np.float32(times.mean()) * gain[:, 3]
    water_std = np.sqrt(half_noise * np.sum(np.abs(to_water) ** 2, axis=1))
    is_known = (water_std * (1 - fraction) <= MOST_WATER_STD) & np.any(water != 0, axis=0)
    fraction = np.where(seen & is_known, fraction, np.float32(np.nan))
    # false for NaN
    usable = (fraction <= MOST_FAT_FRACTION) & (water_std <= MOST_WATER_STD)
    parts = (baseline, water, gain, fraction, seen, usable, field_hz, per_frame)
    for part in parts:
        frozen(part)
    return WaterFatLibrary(*parts)


def _search_field(
    baseline: Echoes, *, fat: NDArray[np.complex128], times: NDArray[np.float64], shape: Shape
) -> tuple[Volume, float]:
    """Field of each pixel in Hz, on a grid, and the step of the grid."""
    period_hz = 1.0 / float(np.min(np.diff(times)))
    fields_hz = (np.arange(N_FIELDS) / N_FIELDS - 0.5) * period_hz
    decay = np.exp(-TYPICAL_R2_HZ * times)
    pair, _ = np.linalg.qr(np.stack([decay, fat * decay], axis=1))
    turn = np.exp(-2j * math.pi * np.multiply.outer(fields_hz, times))
    explained = np.empty((N_FIELDS, baseline.shape[1]), np.float32)
    for field, demodulate in enumerate(turn):
        parts = (pair.conj().T * demodulate).astype(np.complex64) @ baseline
        explained[field] = np.sum(parts.real**2 + parts.imag**2, axis=0)
    volume = explained.reshape(N_FIELDS, *shape)
    size = (1, *(min(NEIGHBOURS_PX, n) for n in shape))
    around = uniform_filter(volume, size, mode="nearest").reshape(explained.shape)
    chosen = np.argmax(around, axis=0)
    return fields_hz[chosen].astype(np.float32), period_hz / N_FIELDS
