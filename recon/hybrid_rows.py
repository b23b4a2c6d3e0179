"""Readouts as they land: whitened, in image space along x, each on its row of k-space."""

from typing import Any

import numpy as np
import sigpy
import sigpy.linop
from numpy.typing import NDArray

from messages import Frame, HeaderError, Image, is_imaging
from messages.acquisition import (
    DUMMY,
    NOISE_MEASUREMENT,
    PARALLEL_CALIBRATION,
    PHASE_CORRECTION,
    REVERSE,
)
from messages.header import ON_A_GRID
from recon.coil_maps import IMAGE_AXES, CoilMaps, combine
from recon.device import Device, device_of, inverse_fft
from recon.ending import Ending
from recon.epi import Misalignment, Shot, misalignment, runs_backwards
from recon.epi_leftover import Leftover, leftover
from recon.hybrid import CartesianCalibration, Hybrid, LineKey, Profile, hybrid_of, leftover_of
from recon.line_transform import line_transform, plain_profile, ramp
from recon.placement import Counters, Placement, counters_of
from recon.reconstruction_plan import ReconstructionPlan
from recon.reconstructor import Calibration, Partial


class HybridRows:
    """The first half of every Cartesian method, and the way from rows to coil images.

    device: None is the one that the plan's settings name.
    """

    knows_devices = False

    def __init__(self, plan: ReconstructionPlan, device: Device | None = None) -> None:
        if not plan.encoding.is_on_grid:
            raise HeaderError(
                f"is {plan.encoding.trajectory!r}, this recon.method expects one of "
                f"{', '.join(sorted(ON_A_GRID))}",
                field="encoding.trajectory",
            )
        self.plan = plan
        device = device or device_of(plan.settings.device, is_known=self.knows_devices)
        self.ending = None if device is None else Ending(device)
        self._placement = Placement(plan)
        self._transform = line_transform(plan, self._placement)
        _, n_ky, n_kz = plan.grid
        # Along ky and kz each row goes to its place in FFT order with a factor of its own.
        self._line_factor = ramp(np.arange(n_ky), n_ky)
        self._partition_factor = ramp(np.arange(n_kz), n_kz)
        self._is_train = plan.encoding.trajectory == "epi"
        self._is_aligned = self._is_train and plan.settings.epi_phase_correction == "linear"
        self._reference = self._reference_lines() if self._is_aligned else None

    def start(
        self, calibration: Calibration | None = None, recycled: Partial | None = None
    ) -> Hybrid:
        """Return an empty frame; `recycled` is used up and lends its buffers."""
        _, n_ky, n_kz = self.plan.grid
        shape = (self.plan.n_coils, n_kz, n_ky, self.plan.recon_matrix[0])
        if isinstance(recycled, Hybrid):
            if recycled.rows.shape != shape:
                raise ValueError(f"the recycled frame is {recycled.rows.shape}, another plan's")
            partial = recycled
            for buffer in (partial.rows, partial.n_averages, partial.noise):
                buffer.fill(0)
            partial.filled.fill(False)
            partial.lines, partial.n_readouts, partial.first_line = {}, 0, -1
            if partial.there is not None:
                partial.there.fill(0)
        else:
            partial = Hybrid(
                n_readouts=0,
                rows=np.zeros(shape, np.complex64),
                n_averages=np.zeros((n_kz, n_ky), np.int32),
                noise=np.zeros((n_kz, n_ky), np.float32),
                are_reverse=np.zeros((n_kz, n_ky), np.bool_),
                filled=np.zeros((n_kz, n_ky), np.bool_),
                there=None if self.ending is None else self.ending.device.zeros(shape),
            )
        partial.calibration = calibration
        partial.shot = Shot()
        if self._reference is not None:
            partial.shot.turns = self._reference.turns(shape[-1])
        return partial

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
        hybrid = hybrid_of(partial)
        if samples.shape[:2] != (len(readouts), self.plan.n_coils):
            raise ValueError(
                f"samples are {samples.shape}, expected {len(readouts)} readouts of "
                f"{self.plan.n_coils} coils"
            )
        # One at a time, so that a batch gives the same bits as its readouts one by one.
        for row, one in zip(readouts.tolist(), samples, strict=True):
            counters: Counters = counters_of(row)
            if is_imaging(counters[-1]):
                self._store(hybrid, counters, one)
            else:
                self._note(hybrid, counters, one)
            hybrid.n_readouts += 1
        return hybrid

    def landed(self, hybrid: Hybrid, partition: int, line: int) -> None:
        """Do what can be done at once, now that a row (in FFT order) is measured."""
        if self.ending is not None:
            self.ending.send_row(hybrid, partition, line)

    def wants_lines(self, calibration: Calibration | None) -> bool:  # noqa: ARG002 - for others
        """Whether calibration lines that make no image are to be kept."""
        return False

    def coil_pixels(
        self, rows: NDArray[np.complex64], n_averages: NDArray[np.int32]
    ) -> NDArray[np.complex64]:
        """Transform along ky and kz, and crop; complex64 (coil, z, y, x), where the rows lie."""
        if n_averages.max() > 1:
            weight = (1 / np.maximum(n_averages, 1)).astype(np.float32)
            rows = rows * np.asarray(weight[..., None], like=rows)
        pixels = inverse_fft(rows, axis=2)
        _, n_y, n_z = self.plan.recon_matrix
        _, n_ky, n_kz = self.plan.grid
        if n_ky > n_y:
            pixels = pixels[:, :, n_ky // 2 - n_y // 2 :][:, :, :n_y]
        if n_kz > 1:
            pixels = inverse_fft(pixels, axis=1)
            pixels = pixels[:, n_kz // 2 - n_z // 2 :][:, :n_z]
        return np.ascontiguousarray(pixels, like=pixels)

    def rows_there(self, hybrid: Hybrid, calibration: Calibration | None) -> NDArray[np.complex64]:
        """Return the aligned rows, on the device where there is one."""
        rows = self.aligned_rows(hybrid, calibration)
        return rows if self.ending is None else self.ending.rows(rows, hybrid)

    def combined(self, coil_pixels: NDArray[np.complex64], maps: CoilMaps) -> NDArray[np.complex64]:
        """Return the coils combined, where they lie."""
        return combine(coil_pixels, maps if self.ending is None else self.ending.maps(maps))

    def home(self, array: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Return an array on the host."""
        return array if self.ending is None else self.ending.device.fetch(array)

    def noise_std(self, hybrid: Hybrid) -> float | None:
        """Return sqrt(E|n|²) of a coil's pixel, the same in all pixels; None without a noise scan.

        An orthonormal FFT spreads the noise of every sample evenly: with E|n|² = 1 in each sample
        the pixel has the number of samples filled over the size of the grid; a row of m averages
        counts 1 / m. Zero-filled rows and short readouts bring no noise, a crop in image space
        takes none. EPI's regridding has its own power, even along x to 1 in 200.
        """
        if self.plan.whitening is None:
            return None
        n_averages = np.maximum(hybrid.n_averages, 1)
        _, n_ky, n_kz = self.plan.grid
        power = float(np.sum(hybrid.noise / n_averages.astype(np.float64) ** 2))
        return float(np.sqrt(power / (n_ky * n_kz)))

    def is_aligned(self, hybrid: Hybrid) -> bool:
        """Whether odd and even lines of an echo train were aligned, or need not be."""
        return not (self._is_aligned and hybrid.shot.is_uncorrected)

    def first_navigator(self, hybrid: Hybrid) -> Profile | None:
        """Return what later frames' drift is measured against, where it is followed."""
        return hybrid.shot.first if self.plan.settings.epi_b0_correction else None

    def find_leftover(self, hybrid: Hybrid) -> Leftover | None:
        """Return what the navigators left, from a whole frame; None where that cannot be seen."""
        if not self._is_aligned or max(self.plan.encoding.acceleration) > 1:
            return None
        return leftover(hybrid.rows, hybrid.are_reverse)

    def aligned_rows(
        self, hybrid: Hybrid, calibration: Calibration | None
    ) -> NDArray[np.complex64]:
        """Return the rows, turned by a leftover that was not known when they landed."""
        found = leftover_of(calibration)
        if found is None or found == leftover_of(hybrid.calibration):
            return hybrid.rows
        n_x = hybrid.rows.shape[-1]
        forward, reverse = (found.turn(n_x, is_reverse=way) for way in (False, True))
        turned: NDArray[np.complex64] = hybrid.rows * np.where(
            hybrid.are_reverse[..., None], reverse, forward
        )
        return turned

    def image(
        self,
        hybrid: Hybrid,
        frame: Frame,
        pixels: NDArray[np.complex64],
        *,
        is_complete: bool = True,
    ) -> Image:
        """Return an image of combined pixels, read-only from here on."""
        pixels.flags.writeable = False
        return Image(
            frame_id=frame.frame_id,
            key=frame.key,
            time_s=frame.time_s,
            pixels=pixels,
            fov_mm=self.plan.recon_fov_mm,
            pose=frame.pose,
            is_complete=frame.is_complete and is_complete and self.is_aligned(hybrid),
        )

    def coil_operator(self) -> sigpy.linop.Linop:
        """Return the forward model, coil images (coil, z, y, x) → k-space (coil, kz, ky, sample).

        Samples of EPI stand for forward lines without a phase between the polarities.
        """
        plan, along_x = self.plan, self._transform.operator()
        coils = (plan.n_coils,)
        image = coils + plan.image_shape
        n_kx, n_ky, n_kz = plan.grid
        if along_x is None:
            grid = (*coils, n_kz, n_ky, n_kx)
            encoded = (*coils, plan.n_partitions, plan.n_lines, plan.encoded_matrix[0])
            fft = sigpy.linop.FFT(grid, axes=IMAGE_AXES)
            return sigpy.linop.Resize(encoded, grid) * fft * sigpy.linop.Resize(grid, image)
        n_samples = along_x.oshape[-1]
        grid = (*coils, n_kz, n_ky, n_samples)
        encoded = (*coils, plan.n_partitions, plan.n_lines, n_samples)
        fft = sigpy.linop.FFT(grid, axes=(-3, -2))
        widen = sigpy.linop.Resize(grid, (*image[:3], n_samples))
        return sigpy.linop.Resize(encoded, grid) * fft * widen * along_x

    def masked_operator(
        self, calibration: Calibration | None, sampled: Partial | None
    ) -> sigpy.linop.Linop:
        """Return the forward model of the rows that `sampled` measured, all where that is None.

        From coil images, or with maps from the image, to the encoded matrix.
        """
        operator, maps = self.coil_operator(), None if calibration is None else calibration.maps
        if maps is not None:
            operator = operator * sigpy.linop.Multiply(self.plan.image_shape, maps.weights.conj())
        if sampled is None:
            return operator
        measured = np.fft.fftshift(hybrid_of(sampled).n_averages > 0).astype(np.float32)
        mask = sigpy.resize(measured, operator.oshape[1:3])[..., None]
        return sigpy.linop.Multiply(operator.oshape, mask) * operator

    def in_fft_order(self, line: int, partition: int) -> tuple[int, int]:
        """Return where a row of the grid is kept: the k-space centre at 0."""
        _, n_ky, n_kz = self.plan.grid
        return (line - n_ky // 2) % n_ky, (partition - n_kz // 2) % n_kz

    def row_of(self, key: LineKey) -> tuple[int, int] | None:
        """Return (partition, line) on the grid of a calibration line; None where it has no row."""
        counters = (key[2], key[1], 0, 0, 0, 0, 0, 0)
        try:
            row = self._placement.row(counters, 0)
        except ValueError:
            return None
        return None if row is None else (row[1], row[0])

    def row_factors(self) -> NDArray[np.complex64]:
        """Return what rows (kz, ky) were multiplied by on their way to FFT order."""
        factors: NDArray[np.complex64] = self._partition_factor[:, None] * self._line_factor
        return factors

    def _store(self, hybrid: Hybrid, counters: Counters, samples: NDArray[np.complex64]) -> None:
        """Whiten, transform and crop one readout (coil, sample) into its row."""
        if self._is_train:
            counters = self._with_polarity(counters)
        row = self._placement.row(counters, hybrid.n_readouts)
        profile, noise = self._transform.profile(samples, counters, hybrid.n_readouts)
        turn = self._turn(hybrid, counters) if self._is_train else None
        if row is None:
            return
        if self.plan.whitening is not None:
            # Coils mix sample by sample, so after the crop it costs half and means the same.
            profile = self.plan.whitening.matrix @ profile
        if hybrid.first_line < 0:
            hybrid.first_line, hybrid.space = row[0], counters[6]
        line, partition = self.in_fft_order(*row)
        factor = self._line_factor[line] * self._partition_factor[partition]
        factor = factor * self._transform.factor
        if turn is not None:
            factor = factor * turn
            hybrid.are_reverse[partition, line] = bool(counters[-1] & REVERSE)
        place = hybrid.rows[:, partition, line]
        if hybrid.n_averages[partition, line]:
            place += profile * factor
        else:
            np.multiply(profile, factor, out=place)
        hybrid.n_averages[partition, line] += 1
        hybrid.noise[partition, line] += noise
        self.landed(hybrid, partition, line)

    def _note(self, hybrid: Hybrid, counters: Counters, samples: NDArray[np.complex64]) -> None:
        """Keep a readout that makes no image but tells something."""
        flags = counters[-1]
        if flags & (NOISE_MEASUREMENT | DUMMY):
            return
        # Real navigators carry flags of other navigators too, so this one is asked for first.
        if flags & PHASE_CORRECTION:
            if self._is_train:
                counters = self._with_polarity(counters)
                hybrid.shot.add_navigator(
                    self._profile(samples, counters, hybrid.n_readouts),
                    is_reverse=bool(counters[-1] & REVERSE),
                )
        elif flags & PARALLEL_CALIBRATION and self.wants_lines(hybrid.calibration):
            self._keep(hybrid, counters, samples)

    def _keep(self, hybrid: Hybrid, counters: Counters, samples: NDArray[np.complex64]) -> None:
        """Keep a calibration line that makes no image; of equal ones the last."""
        is_like_imaging = counters[3] == self.plan.n_samples
        if is_like_imaging and self._is_train:
            counters = self._with_polarity(counters)
            turn: Profile | complex = self._turn(hybrid, counters)
        else:
            turn = 1.0
        if is_like_imaging:
            profile = self._profile(samples, counters, hybrid.n_readouts) * turn
        else:
            # A reference scan of its own, read out otherwise, over the same pixels.
            profile = plain_profile(samples[:, : counters[3]], self.plan.recon_matrix[0])
            profile = self._whiten(profile)
        if len(hybrid.lines) < 2 * self.plan.n_lines * self.plan.n_partitions:
            hybrid.lines[counters[6], counters[1], counters[0]] = profile

    def _profile(self, samples: NDArray[np.complex64], counters: Counters, number: int) -> Profile:
        profile, _ = self._transform.profile(samples, counters, number)
        return self._whiten(profile * self._transform.factor)

    def _whiten(self, profile: Profile) -> Profile:
        if self.plan.whitening is None:
            return profile
        whitened: Profile = self.plan.whitening.matrix @ profile
        return whitened

    def _with_polarity(self, counters: Counters) -> Counters:
        """Return the counters with the flag REVERSE as the settings say."""
        rule = self.plan.settings.epi_reverse
        if rule == "flags":
            return counters
        is_reverse = runs_backwards(counters[-1], counters[0], rule)
        flags = counters[-1] | REVERSE if is_reverse else counters[-1] & ~REVERSE
        return (*counters[:-1], flags)

    def _turn(self, hybrid: Hybrid, counters: Counters) -> Profile | complex:
        """Return what aligns this line of an echo train with those of the other polarity."""
        shot, settings = hybrid.shot, self.plan.settings
        if shot.navigators:
            known = hybrid.calibration
            shot.settle(
                is_aligned=self._is_aligned and self._reference is None,
                follows_drift=settings.epi_b0_correction,
                first=known.navigator if isinstance(known, CartesianCalibration) else None,
            )
        is_reverse = bool(counters[-1] & REVERSE)
        turn, found = shot.turn(is_reverse=is_reverse), leftover_of(hybrid.calibration)
        if found is None:
            return turn
        return turn * found.turn(self.plan.recon_matrix[0], is_reverse=is_reverse)

    def _reference_lines(self) -> Misalignment | None:
        """Return how the polarities differ in the separate scan, if there is one."""
        reference = self.plan.epi_reference
        if reference is None:
            return None
        profiles, are_reverse = [], []
        if reference.samples.shape[1] != self.plan.n_coils:
            raise HeaderError(
                f"has {reference.samples.shape[1]} coils, the readouts have {self.plan.n_coils}",
                field="recon.epi_reference",
            )
        for number, row in enumerate(reference.readouts.tolist()):
            counters = self._with_polarity(counters_of(row))
            profiles.append(self._profile(reference.samples[number], counters, number))
            are_reverse.append(bool(counters[-1] & REVERSE))
        found = misalignment(profiles, are_reverse)
        if found is None:
            raise HeaderError(
                "holds no neighbouring lines of opposite polarity; where its lines carry no flags, "
                "recon.epi_reverse tells which run backwards",
                field="recon.epi_reference",
            )
        return found
