"""A scan that never ends: a bank of small frames played over and over, counters and times going on.

Making a frame costs the sender next to nothing, so what is measured is the monitor.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.mrd import ACQUISITION, LAST_IN_SLICE
from simulators.mrd import ACQUISITION_HEAD as HEAD
from simulators.sequence import GradientEcho
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment

Complex = NDArray[np.complex64]

PIXEL_MM = 4.0
NOISE = 0.01  # of the body's signal, in each image of the bank
PERIOD = 32  # frames: one breath at 8 frames/s
DEPTH_PX = 2.0
RISE_C = 21.0
TICKS_PER_S = 400  # of 2.5 ms
FIRST_TICKS = 4_000_000  # late in the morning


@dataclass(frozen=True, slots=True, eq=False)
class EndlessScan:
    """bank: k-space, complex64 (frame, line, coil, sample). frame_s: from one frame to the next."""

    header_xml: bytes
    bank: Complex
    frame_s: float

    @property
    def n_lines(self) -> int:
        """Readouts of a frame."""
        return int(self.bank.shape[1])

    def messages(self, frame: int) -> bytes:
        """Return the readouts of a frame as they go over the line."""
        n_coils, n_samples = self.bank.shape[2:]
        samples = ("samples", "<c8", (n_coils, n_samples))
        readouts = np.zeros(self.n_lines, np.dtype([("id", "<u2"), ("head", HEAD), samples]))
        readouts["id"], readouts["samples"] = ACQUISITION, self.bank[frame % len(self.bank)]
        head, lines = readouts["head"], np.arange(self.n_lines)
        head["version"] = head["measurement_uid"] = 1
        head["flags"][-1] = LAST_IN_SLICE
        head["scan_counter"] = 1 + frame * self.n_lines + lines
        head["acquisition_time_stamp"] = _ticks((frame + lines / self.n_lines) * self.frame_s)
        head["number_of_samples"], head["center_sample"] = n_samples, n_samples // 2
        head["available_channels"] = head["active_channels"] = n_coils
        head["sample_time_us"] = 8.0
        head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3)
        head["idx"]["kspace_encode_step_1"] = lines
        head["idx"]["repetition"] = frame & 0xFFFF
        return readouts.tobytes()


def heated(n_pixels: int, n_coils: int) -> EndlessScan:
    """Return a head that is heated for half of each period and has cooled in the other half."""
    sequence = _sequence(n_pixels, frame_s=1.0)
    treatment = Treatment(sequence=sequence)
    y, x = _grid(n_pixels)
    spot = np.exp(-(y**2 + x**2) / (2 * 1.5**2))
    phase = np.arange(PERIOD) / PERIOD
    rise_c = RISE_C * np.maximum(-np.sin(2 * np.pi * phase), 0.0)  # the baseline is cool
    turned = np.exp(1j * treatment.rad_per_c * rise_c[:, None, None] * spot)
    return _scan(sequence, _body(n_pixels) * turned, n_coils)


def breathing(n_pixels: int, n_coils: int) -> EndlessScan:
    """Return a tumour that goes up and down in tissue that stays."""
    y, x = _grid(n_pixels)
    shift = DEPTH_PX * np.sin(2 * np.pi * np.arange(PERIOD) / PERIOD)
    far = np.hypot(y - shift[:, None, None], x) - 0.16 * n_pixels
    tumour = 1 / (1 + np.exp(2 * far))
    tissue = (0.4 + 0.1 * np.cos(0.5 * x + 0.2 * y)) * _body(n_pixels)
    return _scan(_sequence(n_pixels, frame_s=0.125), tissue + tumour, n_coils)


def _sequence(n_pixels: int, *, frame_s: float) -> GradientEcho:
    return GradientEcho(
        matrix=(n_pixels, n_pixels),
        fov_mm=(n_pixels * PIXEL_MM, n_pixels * PIXEL_MM),
        repetition_time_s=frame_s / n_pixels,
    )


def _scan(sequence: GradientEcho, images: NDArray[np.complex128], n_coils: int) -> EndlessScan:
    """images: (frame, y, x)."""
    n = sequence.matrix[0]
    _, x = _grid(n)
    coils = np.stack([np.exp(1j * c + x * (-1) ** c / (2.0 * n)) for c in range(n_coils)])
    seen = images[:, None] * coils
    rng = np.random.default_rng(0)
    seen = seen + NOISE * (rng.standard_normal(seen.shape) + 1j * rng.standard_normal(seen.shape))
    wide = np.pad(seen, ((0, 0), (0, 0), (0, 0), (n // 2, n // 2)))
    axes = (2, 3)
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(wide, axes)), axes)
    header = TreatmentSimulator(Treatment(sequence=sequence, n_coils=n_coils)).header()
    bank = np.ascontiguousarray(kspace.transpose(0, 2, 1, 3), np.complex64)
    return EndlessScan(header, bank, n * sequence.repetition_time_s)


def _grid(n: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[:n, :n] - n // 2.0
    return y, x


def _body(n: int) -> NDArray[np.float64]:
    y, x = _grid(n)
    return (y**2 + x**2 < (0.42 * n) ** 2).astype(np.float64)


def _ticks(at_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the scanner's clock, which starts anew at midnight."""
    ticks = FIRST_TICKS + np.rint(at_s * TICKS_PER_S).astype(np.int64)
    return ticks % (86_400 * TICKS_PER_S)
