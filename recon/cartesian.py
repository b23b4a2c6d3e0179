"""Cartesian reconstruction by inverse FFT, the readout direction on arrival."""

from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
import sigpy.linop
from numpy.typing import NDArray

from messages import READOUT, Frame, HeaderError, Image, is_imaging
from messages.acquisition import REVERSE
from recon.coil_maps import IMAGE_AXES, combine, estimate_coil_maps
from recon.reconstruction_plan import ReconstructionPlan
from recon.reconstructor import Calibration, Partial

_PLACE = ("kspace_encode_step_1", "kspace_encode_step_2", "center_sample", "n_samples")
_TRIM = ("discard_pre", "discard_post", "flags")
_NAMES = READOUT.names or ()
_fields_of = itemgetter(*(_NAMES.index(name) for name in _PLACE + _TRIM))


class _Readout(NamedTuple):
    """One readout as it is placed: `samples` (step -1: reversed) from `column` of a row on."""

    line: int
    partition: int
    column: int
    samples: slice
    n_filled: int


@dataclass(slots=True, eq=False)
class Hybrid(Partial):
    """Readouts in image space along x, rows still in k-space.

    rows: complex64 (coil, kz, ky, x), in FFT order along kz and ky.
    n_averages: int32 (kz, ky), readouts that have landed on each row.
    n_filled: int32 (kz, ky), samples that those readouts held.
    padded: complex64 (coil, kx), scratch of one readout.
    """

    rows: NDArray[np.complex64]
    n_averages: NDArray[np.int32]
    n_filled: NDArray[np.int32]
    padded: NDArray[np.complex64]


class CartesianFFT:
    """Image = centred orthonormal inverse FFT of k-space, no flips; the adjoint of `operator`.

    Rows that were not measured are zero-filled around the true k-space centre: partial Fourier
    keeps its phase and loses resolution (no homodyne: it would replace phase by an estimate).
    Averages are averaged. Samples of NaN stay NaN in the image: who uses it must look.
    """

    def __init__(self, plan: ReconstructionPlan) -> None:
        if plan.encoding.trajectory != "cartesian":
            raise HeaderError(
                f"is {plan.encoding.trajectory!r}, recon.method fft expects 'cartesian'",
                field="encoding.trajectory",
            )
        self.plan = plan
        n_kx, n_ky, n_kz = plan.grid
        n_x = plan.recon_matrix[0]
        first = n_kx // 2 - n_x // 2
        self._kept = slice(first, first + n_x)
        # The centred FFT without a single shift of data: along kx a phase ramp before and after;
        # along ky and kz each row goes to its place in FFT order with a factor of its own.
        ramp = _turn(np.arange(n_kx), n_kx)
        self._ramp_in = ramp
        self._ramp_out = (ramp * _turn(np.array(-(n_kx // 2)), n_kx))[self._kept]
        self._line_factor = _turn(np.arange(n_ky), n_ky)
        self._partition_factor = _turn(np.arange(n_kz), n_kz)

    def operator(
        self,
        calibration: Calibration | None = None,
        sampled: Partial | None = None,  # noqa: ARG002 - the whole matrix, whatever was sampled
    ) -> sigpy.linop.Linop:
        """Return the forward model, image → k-space, whose adjoint this class computes.

        From coil images (coil, z, y, x), or with maps from the image (z, y, x), to the k-space
        of the encoded matrix (coil, kz, ky, kx).
        """
        plan, maps = self.plan, None if calibration is None else calibration.maps
        n_coils = (plan.n_coils,)
        image = n_coils + plan.image_shape
        grid = n_coils + plan.grid[::-1]
        encoded = (*n_coils, plan.n_partitions, plan.n_lines, plan.encoded_matrix[0])
        fft = sigpy.linop.FFT(grid, axes=IMAGE_AXES)
        forward = sigpy.linop.Resize(encoded, grid) * fft * sigpy.linop.Resize(grid, image)
        if maps is None:
            return forward
        return forward * sigpy.linop.Multiply(plan.image_shape, maps.weights.conj())

    def start(
        self,
        calibration: Calibration | None = None,  # noqa: ARG002 - nothing on arrival depends on it
        recycled: Partial | None = None,
    ) -> Hybrid:
        """Return an empty frame; `recycled` is used up and lends its buffers."""
        n_kx, n_ky, n_kz = self.plan.grid
        n_coils, n_x = self.plan.n_coils, self.plan.recon_matrix[0]
        if not isinstance(recycled, Hybrid):
            return Hybrid(
                n_readouts=0,
                rows=np.zeros((n_coils, n_kz, n_ky, n_x), np.complex64),
                n_averages=np.zeros((n_kz, n_ky), np.int32),
                n_filled=np.zeros((n_kz, n_ky), np.int32),
                padded=np.zeros((n_coils, n_kx), np.complex64),
            )
        if recycled.rows.shape != (n_coils, n_kz, n_ky, n_x):
            raise ValueError(f"the recycled frame is {recycled.rows.shape}, another plan's")
        recycled.rows.fill(0)
        recycled.n_averages.fill(0)
        recycled.n_filled.fill(0)
        recycled.n_readouts = 0
        return recycled

    def absorb(
        self,
        partial: Partial,
        readouts: NDArray[Any],
        samples: NDArray[np.complex64],
        trajectory: NDArray[np.float32] | None = None,  # noqa: ARG002 - counters tell the place
    ) -> Hybrid:
        """Return the frame with more readouts in it; `partial` is used up, `samples` never.

        readouts: rows of `READOUT` (readout,). samples: complex64 (readout, coil, sample).
        Raises ValueError for a readout that has no place in the encoded matrix.
        """
        hybrid = _hybrid(partial)
        if samples.shape[:2] != (len(readouts), self.plan.n_coils):
            raise ValueError(
                f"samples are {samples.shape}, expected {len(readouts)} readouts of "
                f"{self.plan.n_coils} coils"
            )
        # One at a time, so that a batch gives the same bits as its readouts one by one.
        for row, one in zip(readouts.tolist(), samples, strict=True):
            fields = _fields_of(row)
            if is_imaging(fields[-1]):
                placed = self._place(fields, samples.shape[2], hybrid.n_readouts)
                if placed is not None:
                    self._store(hybrid, placed, one)
            hybrid.n_readouts += 1
        return hybrid

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Calibration | None:
        """Return the coil maps of a run from its first complete frame."""
        if calibration is not None or not frame.is_complete:
            return calibration
        coil_pixels = self._coil_pixels(_hybrid(partial))
        if not np.isfinite(coil_pixels).all():
            return None
        return Calibration(estimate_coil_maps(coil_pixels))

    def refine(self, calibration: Calibration) -> Calibration:
        """Return the calibration as it is: each coil keeps its own phase, maps only weigh."""
        return calibration

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the image; `partial` is left alone, the arrays are fresh and read-only."""
        hybrid = _hybrid(partial)
        coil_pixels = self._coil_pixels(hybrid)
        coil_pixels.flags.writeable = False
        maps = None if calibration is None else calibration.maps
        if maps is None:
            maps = estimate_coil_maps(coil_pixels)
        pixels = combine(coil_pixels, maps)
        pixels.flags.writeable = False
        return Image(
            frame_id=frame.frame_id,
            key=frame.key,
            time_s=frame.time_s,
            pixels=pixels,
            fov_mm=self.plan.recon_fov_mm,
            pose=frame.pose,
            coil_pixels=coil_pixels,
            noise_std=self._noise_std(hybrid),
            is_complete=frame.is_complete,
        )

    def _place(self, fields: tuple[int, ...], n_held: int, number: int) -> _Readout | None:
        """Return where a readout goes; None where the grid leaves its row out."""
        step_1, step_2, center, n_samples, discard_pre, discard_post, flags = fields
        plan = self.plan
        line = step_1 + plan.line_offset
        partition = step_2 + plan.partition_offset
        _within(line, plan.n_lines, step_1, "kspace_encode_step_1", number)
        _within(partition, plan.n_partitions, step_2, "kspace_encode_step_2", number)
        _within(n_samples - 1, n_held, n_samples, "n_samples", number)
        n_left = n_samples - discard_pre - discard_post
        center -= discard_pre
        _within(center, n_left, center + discard_pre, "center_sample", number)
        if flags & REVERSE:
            center = n_left - 1 - center
        n_kx, n_ky, n_kz = plan.grid
        self._check_overhang(center, n_left, number)
        line += n_ky // 2 - plan.n_lines // 2
        partition += n_kz // 2 - plan.n_partitions // 2
        if not (0 <= line < n_ky and 0 <= partition < n_kz):
            return None
        column = n_kx // 2 - center
        cut = max(-column, 0)
        n_filled = min(column + n_left, n_kx) - (column + cut)
        if flags & REVERSE:
            last = n_samples - discard_post - 1 - cut
            stop = last - n_filled
            taken = slice(last, stop if stop >= 0 else None, -1)
        else:
            taken = slice(discard_pre + cut, discard_pre + cut + n_filled)
        return _Readout(line, partition, column + cut, taken, n_filled)

    def _check_overhang(self, center: int, n_left: int, number: int) -> None:
        """Refuse a readout that the encoded matrix cannot hold.

        One sample may stick out and is left out: the mirror image of an even readout is off by one.
        """
        n_encoded = self.plan.encoded_matrix[0]
        first = n_encoded // 2 - center
        if first < -1 or first + n_left > n_encoded + 1:
            raise ValueError(
                f"readout {number}: center_sample puts its {n_left} samples at {first} to "
                f"{first + n_left - 1}, limit 0 to {n_encoded - 1} (encodedSpace x)"
            )

    def _store(self, partial: Hybrid, placed: _Readout, samples: NDArray[np.complex64]) -> None:
        """Whiten, transform and crop one readout (coil, sample) into its row."""
        padded, column, n_filled = partial.padded, placed.column, placed.n_filled
        columns = slice(column, column + n_filled)
        if n_filled < padded.shape[1]:
            padded.fill(0)
        np.multiply(samples[:, placed.samples], self._ramp_in[columns], out=padded[:, columns])
        profile = scipy.fft.ifft(padded, norm="ortho", overwrite_x=True)[:, self._kept]
        if self.plan.whitening is not None:
            # Coils mix sample by sample, so after the crop it costs half and means the same.
            profile = self.plan.whitening.matrix @ profile
        # FFT order: the k-space centre goes to row 0.
        n_kz, n_ky = partial.n_averages.shape
        line = (placed.line - n_ky // 2) % n_ky
        partition = (placed.partition - n_kz // 2) % n_kz
        factor = self._line_factor[line] * self._partition_factor[partition] * self._ramp_out
        row = partial.rows[:, partition, line]
        if partial.n_averages[partition, line]:
            row += profile * factor
        else:
            np.multiply(profile, factor, out=row)
        partial.n_averages[partition, line] += 1
        partial.n_filled[partition, line] += n_filled

    def _coil_pixels(self, partial: Hybrid) -> NDArray[np.complex64]:
        """Transform along ky and kz, and crop; complex64 (coil, z, y, x)."""
        hybrid = partial.rows
        if partial.n_averages.max() > 1:
            weight = (1 / np.maximum(partial.n_averages, 1)).astype(np.float32)
            hybrid = hybrid * weight[..., None]
        pixels: NDArray[np.complex64] = scipy.fft.ifft(hybrid, axis=2, norm="ortho")
        _, n_y, n_z = self.plan.recon_matrix
        _, n_ky, n_kz = self.plan.grid
        if n_ky > n_y:
            pixels = pixels[:, :, n_ky // 2 - n_y // 2 :][:, :, :n_y]
        if n_kz > 1:
            pixels = scipy.fft.ifft(pixels, axis=1, norm="ortho")
            pixels = pixels[:, n_kz // 2 - n_z // 2 :][:, :n_z]
        return np.ascontiguousarray(pixels)

    def _noise_std(self, partial: Hybrid) -> float | None:
        """Return sqrt(E|n|²) of a coil's pixel, the same in all pixels.

        An orthonormal FFT spreads the noise of every sample evenly: with E|n|² = 1 in each sample
        the pixel has the number of samples filled over the size of the grid; a row of m averages
        counts 1 / m. Zero-filled rows and short readouts bring no noise, a crop in image space
        takes none.
        """
        if self.plan.whitening is None:
            return None
        n_averages = np.maximum(partial.n_averages, 1)
        n_kx, n_ky, n_kz = self.plan.grid
        power = float(np.sum(partial.n_filled / n_averages**2))
        return float(np.sqrt(power / (n_kx * n_ky * n_kz)))


def _hybrid(partial: Partial) -> Hybrid:
    if not isinstance(partial, Hybrid):
        raise TypeError(f"{type(partial).__name__} is another method's partial frame")
    return partial


def _turn(index: NDArray[np.int_], size: int) -> NDArray[np.complex64]:
    """Return e^(-2πi · index · c / size) with c = size // 2: ±1 where the size is even."""
    whole = index * (size // 2) % size  # reduced in integers, so that even sizes are exact
    turn: NDArray[np.complex64] = np.exp(-2j * np.pi * whole / size).astype(np.complex64)
    return turn


def _within(place: int, size: int, value: int, name: str, number: int) -> None:
    if not 0 <= place < size:
        low = value - place
        raise ValueError(f"readout {number}: {name} is {value}, limit {low} to {low + size - 1}")
