"""Sequences by name, as therapy plays them."""

import math
from collections.abc import Callable

from simulators.sequences.base import ScanSequence
from simulators.sequences.cartesian import Cartesian
from simulators.sequences.encoded_pairs import EncodedPairs
from simulators.sequences.epi import Epi
from simulators.sequences.radial import Radial
from simulators.sequences.spiral import Spiral
from simulators.sequences.undersampled import Undersampled


def _named(kind: Callable[..., ScanSequence], **fixed: object) -> Callable[..., ScanSequence]:
    return lambda **chosen: kind(**(fixed | chosen))


def _epi(matrix: tuple[int, int] = (80, 80), n_shots: int = 1, **chosen: object) -> Epi:
    """Fit the dwell time and the echo time to the matrix."""
    plain = Epi()
    open_us = plain.echo_spacing_us - 2 * plain.delay_us
    n_lines = matrix[1] // 2 // n_shots + 8  # to the centre; navigators and more
    fitted: dict[str, object] = {
        "sample_time_us": math.floor(open_us / (2 * matrix[0]) * 10) / 10,
        "echo_times_s": (round(n_lines * plain.echo_spacing_us * 1e-6, 3),),
    }
    return Epi(matrix=matrix, n_shots=n_shots, **(fitted | chosen))  # type: ignore[arg-type]


CATALOGUE: dict[str, Callable[..., ScanSequence]] = {
    "gre": _named(Cartesian),
    "grappa": _named(Cartesian, acceleration=2, calibration="embedded"),
    "grappa-separate": _named(Cartesian, acceleration=2, calibration="separate"),
    "tgrappa": _named(Cartesian, acceleration=2, calibration="interleaved"),
    "undersampled": _named(Undersampled, acceleration=4, n_frames=8),
    "partial-fourier": _named(Cartesian, partial_fourier=0.75),
    "multi-slice": _named(Cartesian, slices_z_mm=(-10.0, 0.0, 10.0), repetition_time_s=0.0468),
    "multi-echo": _named(
        Cartesian, echo_times_s=(0.004, 0.008, 0.012, 0.016), repetition_time_s=0.022
    ),
    "arfi": _named(EncodedPairs),
    "3d": _named(
        Cartesian, matrix=(64, 64), partitions=24, repetition_time_s=0.012, echo_times_s=(0.008,)
    ),
    "epi": _named(_epi, odd_even_phase_rad=0.4, gradient_delay_us=1.5),
    "epi-segmented": _named(_epi, n_shots=4, odd_even_phase_rad=0.4),
    "radial": _named(Radial, spokes_per_frame=89, repetition_time_s=0.006, echo_times_s=(0.004,)),
    "spiral": _named(Spiral),
}
"""Each takes `n_frames`, `matrix` and any other parameter of its sequence to change its default."""
