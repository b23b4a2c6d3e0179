"""What the centre of k-space of radial spokes says of the coils, free of phase and angle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float64]  # changes of a thousandth of the signal are what counts
Complex = NDArray[np.complex128]

SPOKES_A_BLOCK = 8  # averaged: 30 ms at 3.7 ms a spoke
HARMONICS = np.array([-2.0, -1.0, 1.0, 2.0])  # of the angle, which gradient delays put in
HARMONIC_MEMORY = 4000  # spokes


@dataclass(frozen=True, slots=True, eq=False)
class NavigatorSpokes:
    """The centre of k-space of the newest spokes, in order.

    time_s: float64 (spoke,), scanner time. centre: complex64 (spoke, coil). angle_rad: (spoke,).
    """

    time_s: Real
    centre: NDArray[np.complex64]
    angle_rad: Real


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """What is known of the signal.

    reference: (coil,), of the first spokes; the common phase of later ones is turned to it.
    harmonics: (harmonic, coil), how the signal depends on the spoke's angle.
    """

    reference: Complex
    harmonics: Complex
    n_spokes: int = 0


def blocks_of(signal: Signal | None, spokes: NavigatorSpokes) -> tuple[Signal, Real, Real]:
    """Return the signal as known now, and time (block,) and features (block, 2 · coil + 1).

    Features are real and imaginary part of each coil in one common phase and of one common size,
    and that size's logarithm apart: the field's drift, the transmitter and the load change all
    coils alike, by more than motion does.
    """
    centre = spokes.centre.astype(np.complex128)
    if signal is None:
        reference = _in_phase(centre, centre.mean(axis=0)).mean(axis=0)
        signal = Signal(reference, np.zeros((len(HARMONICS), len(reference)), np.complex128))
    seen = _in_phase(centre, signal.reference)
    seen = seen / np.linalg.norm(signal.reference)
    signal, seen = _without_angle(signal, seen, spokes.angle_rad)
    n_blocks = max(1, len(seen) // SPOKES_A_BLOCK)
    first = np.linspace(0, len(seen), n_blocks, endpoint=False).astype(int)
    count = np.diff(np.append(first, len(seen)))
    mean = np.add.reduceat(seen, first, axis=0) / count[:, None]
    time_s = np.add.reduceat(spokes.time_s, first) / count
    size = np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    form = mean / size
    return signal, time_s, np.concatenate([form.real, form.imag, np.log(size)], axis=1)


def _in_phase(centre: Complex, reference: Complex) -> Complex:
    turn = centre @ reference.conj()
    return np.asarray(centre * np.exp(-1j * np.angle(turn))[:, None])


def _without_angle(signal: Signal, seen: Complex, angle_rad: Real) -> tuple[Signal, Complex]:
    """Take away what repeats with the angle; golden angles make its harmonics nearly orthogonal."""
    waves = np.exp(1j * angle_rad[:, None] * HARMONICS)
    n_spokes = signal.n_spokes + len(seen)
    share = len(seen) / min(n_spokes, HARMONIC_MEMORY)
    left = seen - waves @ signal.harmonics
    found = waves.conj().T @ (left - left.mean(axis=0)) / len(seen)
    harmonics = signal.harmonics + share * found
    return Signal(signal.reference, harmonics, n_spokes), np.asarray(seen - waves @ harmonics)
