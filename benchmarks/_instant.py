"""What all lines of a frame, taken at one instant through these very coils, say of temperature.

The simulator's own encoder and numpy's FFT, no line of the monitor: the truth of a Fourier image of
this matrix with this array. What the monitor reads beyond it is due to itself, to heating within
the frame, and to drift. The simulator's `temperature_bandlimited_c` is the same for one uniform
coil.
"""

import itertools

import numpy as np
from _treatment import Played
from numpy.typing import NDArray

from simulators.anatomy import Anatomy
from simulators.bioheat import BioheatField
from simulators.coils import head_coils
from simulators.heating import HeatedPatch

Real = NDArray[np.float64]

_HALF_WIDTH_MM = (18.0, 21.0)


def instant_temperature_c(played: Played) -> Real:
    """Return the temperature at each frame's k-space centre, float64 (frame, y, x)."""
    treatment, sequence = played.treatment, played.treatment.sequence
    coils, rad_per_c = head_coils(treatment.n_coils), treatment.rad_per_c
    anatomy = Anatomy(
        treatment.anatomy,
        coils,
        sequence,
        drift=treatment.drift,
        rad_per_c=rad_per_c,
        duration_s=treatment.n_frames * sequence.frame_time_s,
    )
    patch = HeatedPatch(
        treatment.anatomy,
        coils,
        sequence,
        drift=treatment.drift,
        rad_per_c=rad_per_c,
        center_mm=treatment.focus_mm,
        half_width_mm=_HALF_WIDTH_MM,
    )
    x_mm, y_mm = patch.x_mm - treatment.focus_mm[0], patch.y_mm - treatment.focus_mm[1]
    field = BioheatField(treatment.source, treatment.tissue)
    rise_of = field.sampler(x_mm, y_mm)
    frames, time_s = [], 0.0
    for frame_s in played.truth.frame_time_s:
        _advance(field, played, time_s, frame_s)
        time_s, rise_c = frame_s, rise_of(field.in_plane())
        rows = range(sequence.matrix[1])
        cold = np.stack([anatomy.line(row, frame_s) for row in rows], axis=1)
        heat = np.stack([patch.line(row, frame_s, rise_c=rise_c) for row in rows], axis=1)
        frames.append(treatment.body_c + _phase(cold + heat, cold) / rad_per_c)
    return np.stack(frames)


def _advance(field: BioheatField, played: Played, start_s: float, end_s: float) -> None:
    """Let the field follow the logged power from one time to another."""
    log, rate = played.truth, played.treatment.rate_c_per_s
    inside = [t for t in log.power_time_s if start_s < t < end_s]
    marks = [start_s, *inside, end_s]
    for begin, finish in itertools.pairwise(marks):
        index = int(np.searchsorted(log.power_time_s, begin, side="right")) - 1
        watts = log.power_w[index] if index >= 0 else 0.0
        field.advance(finish - begin, rate_c_per_s=rate if watts > 0 else 0.0)


def _phase(hot: NDArray[np.complex64], cold: NDArray[np.complex64]) -> Real:
    """Return the phase between two k-spaces (coil, ky, kx), coils as a matched filter."""
    images = [
        np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(one, axes=(1, 2))), axes=(1, 2))
        for one in (hot, cold)
    ]
    n_x = hot.shape[2]
    n_kept = n_x // 2  # the simulator oversamples the readout twice
    first = (n_x - n_kept) // 2
    product = np.sum(images[0] * images[1].conj(), axis=0)[:, first : first + n_kept]
    return np.asarray(np.angle(product), np.float64)
