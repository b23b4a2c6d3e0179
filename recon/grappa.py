"""GRAPPA: missing lines are synthesised from their neighbours in all coils, as these land."""

from dataclasses import dataclass, field, replace

import numpy as np
import sigpy.linop
from numpy.typing import NDArray

from messages import Frame, HeaderError, Image
from recon.calibration_lines import CalibrationLines, calibration_lines
from recon.coil_maps import CoilMaps, combine, estimate_coil_maps
from recon.grappa_kernel import FIRST_SOURCE, N_SOURCES, fit_kernel, run_length, synthesise
from recon.grappa_noise import combined_noise_std
from recon.hybrid import CartesianCalibration, Hybrid, hybrid_of
from recon.hybrid_rows import HybridRows
from recon.line_transform import ramp
from recon.reconstruction_plan import ReconstructionPlan
from recon.reconstructor import Calibration, Partial

_MOST_OTHERS = 64  # noise maps kept beside the calibrations' own: of slices, and lattices of each


def _no_kernel() -> NDArray[np.complex64]:
    return np.zeros((0, 0, 0, N_SOURCES, 0), np.complex64)


@dataclass(frozen=True, slots=True, eq=False)
class GrappaCalibration(CartesianCalibration):
    """Kernel, sampling and noise.

    kernel: complex64 (target, coil, coil of source, source, x) on rows in FFT order; without a
        target where nothing is missing or too few lines were measured yet.
    gathered: of frames with interleaved sampling, until they fill the centre; then None.
    measured: bool (kz, ky) in k-space order, the lines of the calibrating frame.
    first, last: lines between which missing ones are synthesised.
    offset: of the measured lattice; None where each frame has its own.
    noise_std: float32 (z, y, x) of the combined image where samples have 1; None without a noise
        scan.
    """

    kernel: NDArray[np.complex64] = field(default_factory=_no_kernel)
    gathered: CalibrationLines | None = None
    measured: NDArray[np.bool_] | None = None
    first: int = 0
    last: int = -1
    offset: int | None = None
    noise_std: NDArray[np.float32] | None = None

    def expects(self, partition: int, line: int) -> bool:
        """Whether a line of the lattice (k-space order) comes in a whole frame."""
        if not self.first <= line <= self.last:
            return False
        return self.offset is None or self.measured is None or bool(self.measured[partition, line])


class Grappa(HybridRows):
    """Synthesis of missing lines by a kernel of 4 x 5 (ky x kx), fitted to calibration lines.

    Griswold 2002 (doi:10.1002/mrm.10171). Acceleration is along ky; in three dimensions each
    partition is filled by itself.
    Calibration lines come separate (a scan of their own, or lines for calibration only), embedded
    (in each frame or the first), or interleaved: the lattice shifts from frame to frame, and R
    consecutive frames fill the centre (TGRAPPA, Breuer 2005, doi:10.1002/mrm.20430). The patient
    moves between them, so 2 R - 1 are interpolated to one moment; until then images are marked
    incomplete. Lines for calibration only are not put into the image; measured lines are never
    replaced. A line beside the lattice's end has fewer sources.

    The kernel is fixed once fitted, so the method is linear and phase passes through. Coils are
    combined before the image leaves: after synthesis their noise is no longer independent.
    """

    def __init__(self, plan: ReconstructionPlan) -> None:
        super().__init__(plan)
        self._acceleration, across = plan.encoding.acceleration
        if across > 1:
            raise HeaderError(
                f"is {across}, recon.method grappa expects 1: it fills lines, not partitions",
                field="encoding.parallelImaging.accelerationFactor.kspace_encoding_step_2",
            )
        plan.check_coils()
        self._sources = (np.arange(N_SOURCES) + FIRST_SOURCE) * self._acceleration
        # Remembered, not learned: noise of frames whose lines are not the calibrating frame's.
        self._others: dict[tuple[int, bytes], tuple[CoilMaps, NDArray[np.float32]]] = {}

    def operator(
        self, calibration: Calibration | None = None, sampled: Partial | None = None
    ) -> sigpy.linop.Linop:
        """Return the forward model, image → k-space, zero where `sampled` was not measured.

        Its least-squares inverse is what GRAPPA estimates without coil maps.
        """
        return self.masked_operator(calibration, sampled)

    def wants_lines(self, calibration: Calibration | None) -> bool:
        """Whether calibration lines that make no image are to be kept."""
        return self._acceleration > 1 and (calibration is None or not calibration.is_ready)

    def landed(self, hybrid: Hybrid, partition: int, line: int) -> None:
        """Synthesise the missing lines whose last source this one is."""
        known = hybrid.calibration
        if isinstance(known, GrappaCalibration) and len(known.kernel):
            _, n_ky, _ = self.plan.grid
            self._fill_around(hybrid, known, partition, (line + n_ky // 2) % n_ky)

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Calibration | None:
        """Return maps and kernel from the first frames that show the whole centre."""
        hybrid = hybrid_of(partial)
        if not frame.is_complete or not self.is_aligned(hybrid):
            return calibration
        if calibration is not None and calibration.is_ready:
            return calibration
        if not np.isfinite(hybrid.rows).all():
            return calibration
        before = calibration if isinstance(calibration, GrappaCalibration) else None
        found = self._learned(hybrid, before)
        if not found.is_ready:
            return found
        coil_pixels = self.coil_pixels(self._filled(hybrid, found), hybrid.n_averages)
        maps = estimate_coil_maps(coil_pixels)
        if self.plan.whitening is None:
            return replace(found, maps=maps)
        return replace(found, maps=maps, noise_std=self._noise(hybrid, found, maps))

    def refine(self, calibration: Calibration) -> Calibration:
        """Return the calibration as it is: maps only weigh coils that are whole already."""
        return calibration

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the image; `partial` is left alone, the arrays are fresh and read-only."""
        hybrid = hybrid_of(partial)
        known = calibration if isinstance(calibration, GrappaCalibration) else None
        known = None if known is None else self._in_place(hybrid, known)
        rows = hybrid.rows if known is None else self._filled(hybrid, known)
        coil_pixels = self.coil_pixels(rows, hybrid.n_averages)
        maps = None if calibration is None else calibration.maps
        if maps is None:
            maps = estimate_coil_maps(coil_pixels)
        is_whole = self._acceleration == 1 or (known is not None and known.is_ready)
        image = self.image(hybrid, frame, combine(coil_pixels, maps), is_complete=is_whole)
        return replace(image, noise_std=self._noise_of(hybrid, frame, known))

    def _learned(self, hybrid: Hybrid, before: GrappaCalibration | None) -> GrappaCalibration:
        """Return the kernel, or what is gathered so far."""
        n_ky = hybrid.n_averages.shape[1]
        navigator = self.first_navigator(hybrid)
        measured = np.fft.fftshift(hybrid.n_averages > 0)
        if self._acceleration == 1 or not measured.any():
            return GrappaCalibration(
                is_ready=bool(measured.any()),
                navigator=navigator,
                leftover=self.find_leftover(hybrid),
            )
        older = None if before is None else before.gathered
        lines = calibration_lines(self, hybrid, run_length(self._acceleration), older)
        seen = np.flatnonzero(measured.any(axis=0))
        first, last = int(seen[0]), int(seen[-1])
        is_interleaved = self.plan.encoding.calibration_mode == "interleaved" or older is not None
        if older is not None and before is not None:
            first, last = min(first, before.first), max(last, before.last)
        found = GrappaCalibration(
            is_ready=False, navigator=navigator, gathered=lines, first=first, last=last
        )
        if not lines.are_of_one_moment(self._acceleration):
            return found
        kernel = fit_kernel(lines, self._acceleration)
        if kernel is None:
            return found
        for number in range(self._acceleration - 1):
            # Rows carry the factors that spare the FFT its shift; their ratio goes by distance.
            kernel[number] *= ramp(number + 1 - self._sources, n_ky)[:, None]
        residues = np.bincount(np.nonzero(measured)[1] % self._acceleration)
        if not is_interleaved:
            top = n_ky // 2 - self.plan.n_lines // 2 + self.plan.n_lines
            last = min(last + self._acceleration - 1, top - 1, n_ky - 1)
        return replace(
            found,
            is_ready=True,
            gathered=None,
            kernel=kernel,
            measured=measured,
            last=last,
            offset=None if is_interleaved else int(np.argmax(residues)),
        )

    def _fill_around(
        self, hybrid: Hybrid, known: GrappaCalibration, partition: int, line: int
    ) -> None:
        """Synthesise the lines of which `line` (k-space order) is the last source to land."""
        offset = self._offset(hybrid, known)
        if (line - offset) % self._acceleration or not known.first <= line <= known.last:
            return
        _, n_ky, n_kz = self.plan.grid
        half, n_averages = n_ky // 2, hybrid.n_averages[partition]
        ordered = (partition + n_kz // 2) % n_kz
        for before in (line - self._sources[::-1]).tolist():
            for source in (before + self._sources).tolist():
                if known.expects(ordered, source) and n_averages[(source - half) % n_ky] != 1:
                    break
            else:
                for target in range(before + 1, before + self._acceleration):
                    self._fill(hybrid, known, partition, target)

    def _fill(self, hybrid: Hybrid, known: GrappaCalibration, partition: int, target: int) -> None:
        """Synthesise a line (k-space order) in place, unless it was measured."""
        n_ky = hybrid.rows.shape[2]
        place = (target - n_ky // 2) % n_ky
        if known.first <= target <= known.last and not hybrid.n_averages[partition, place]:
            line = self._synthesised(hybrid, known, hybrid.rows, partition, target)
            hybrid.rows[:, partition, place] = line
            hybrid.filled[partition, place] = True

    def _synthesised(
        self,
        hybrid: Hybrid,
        known: GrappaCalibration,
        rows: NDArray[np.complex64],
        partition: int,
        target: int,
    ) -> NDArray[np.complex64]:
        """Return a missing line (coil, x) from those of its sources that were measured."""
        n_ky = rows.shape[2]
        number = (target - self._offset(hybrid, known)) % self._acceleration
        sources = target - number + self._sources
        places = (sources - n_ky // 2) % n_ky
        is_there = (sources >= known.first) & (sources <= known.last)
        is_there &= hybrid.n_averages[partition, places] > 0
        return synthesise(
            known.kernel[number - 1], rows[:, partition], np.where(is_there, places, -1)
        )

    def _filled(self, hybrid: Hybrid, known: GrappaCalibration) -> NDArray[np.complex64]:
        """Return the rows with every missing line; what was filled on arrival stays."""
        missing = self._missing(hybrid, known)
        is_averaged = hybrid.n_averages.max() > 1
        if not is_averaged and known is hybrid.calibration:
            missing &= ~hybrid.filled
        if not missing.any():
            return self.aligned_rows(hybrid, known)
        measured = hybrid.rows
        if is_averaged:
            weight = (1 / np.maximum(hybrid.n_averages, 1)).astype(np.float32)
            measured = measured * weight[..., None]
        rows, n_ky = hybrid.rows.copy(), hybrid.rows.shape[2]
        for partition, place in np.argwhere(missing):
            target = (place + n_ky // 2) % n_ky
            rows[:, partition, place] = self._synthesised(
                hybrid, known, measured, partition, int(target)
            )
        return rows

    def _missing(self, hybrid: Hybrid, known: GrappaCalibration) -> NDArray[np.bool_]:
        """Return which rows (kz, ky), in FFT order, are to be synthesised."""
        n_ky = hybrid.n_averages.shape[1]
        if not len(known.kernel):
            return np.zeros(hybrid.n_averages.shape, np.bool_)
        lines = (np.arange(n_ky) + n_ky // 2) % n_ky
        is_between = (lines >= known.first) & (lines <= known.last)
        is_between &= (lines - self._offset(hybrid, known)) % self._acceleration != 0
        is_used = np.asarray(hybrid.n_averages.any(axis=1))
        missing: NDArray[np.bool_] = is_used[:, None] & is_between & (hybrid.n_averages == 0)
        return missing

    def _in_place(self, hybrid: Hybrid, known: GrappaCalibration) -> GrappaCalibration:
        """Return the calibration for this frame's lattice, where that has moved unannounced."""
        if known.offset is None or known.measured is None:
            return known
        measured = np.fft.fftshift(hybrid.n_averages > 0)
        lost = np.count_nonzero(known.measured & ~measured)
        residues = np.bincount(np.nonzero(measured)[1] % self._acceleration)
        own = int(np.argmax(residues)) if residues.size else known.offset
        if not lost or own == known.offset:
            return known
        return replace(known, offset=own)

    def _offset(self, hybrid: Hybrid, known: GrappaCalibration) -> int:
        """Return the lattice's offset, the frame's own where they are interleaved."""
        offset = hybrid.first_line if known.offset is None else known.offset
        return offset % self._acceleration

    def _noise_of(
        self, hybrid: Hybrid, frame: Frame, known: GrappaCalibration | None
    ) -> NDArray[np.float32] | None:
        """Return the noise of the combined image, in this frame's strength.

        Averages and short readouts change the strength of a line's noise, in all lines alike. That
        of a lattice without the calibration lines that the first frame had is made once, when such
        a frame first comes; an incomplete frame is taken for the calibrating one.
        """
        if known is None or known.noise_std is None:
            return None
        is_measured: NDArray[np.bool_] = np.greater(hybrid.n_averages, 0)
        power = hybrid.noise[is_measured] / hybrid.n_averages[is_measured].astype(np.float64) ** 2
        strength = np.float32(np.sqrt(power.mean())) if power.size else np.float32(1)
        measured = np.fft.fftshift(is_measured)
        noise_std, maps, first = known.noise_std, known.maps, known.measured
        is_other = first is not None and not np.array_equal(measured, first)
        if is_other and frame.is_complete and maps is not None:
            key = id(maps), measured.tobytes()
            if key not in self._others:
                while len(self._others) >= _MOST_OTHERS:
                    self._others.pop(next(iter(self._others)))
                # the maps too, so that no others take their id
                self._others[key] = maps, self._noise(hybrid, known, maps)
            noise_std = self._others[key][1]
        std: NDArray[np.float32] = noise_std * strength
        std.flags.writeable = False
        return std

    def _noise(
        self, hybrid: Hybrid, known: GrappaCalibration, maps: CoilMaps
    ) -> NDArray[np.float32]:
        """Return the combined image's noise where samples have 1."""
        n_ky = hybrid.rows.shape[2]
        missing = self._missing(hybrid, known)
        places: NDArray[np.int64] = np.argwhere(hybrid.n_averages > 0)
        lines = (places[:, 1] + n_ky // 2) % n_ky
        is_source = (lines - self._offset(hybrid, known)) % self._acceleration == 0
        is_source &= (lines >= known.first) & (lines <= known.last)
        identity = np.eye(hybrid.rows.shape[0], dtype=np.complex64)[..., None]
        # By the step from a measured line to the line that it feeds; 0 is the line itself.
        kernels = [np.broadcast_to(identity, (*identity.shape[:2], hybrid.rows.shape[3]))]
        steps, feeds = [0], [np.ones(len(lines), np.bool_)]
        for number, kernel in enumerate(known.kernel):
            for index, source in enumerate(self._sources.tolist()):
                step = number + 1 - source
                target = lines + step
                is_inside = (target >= 0) & (target < n_ky)
                is_wanted = missing[places[:, 0], (target - n_ky // 2) % n_ky]
                steps.append(step)
                feeds.append(is_source & is_inside & is_wanted)
                # Rows carry factors that the FFT undoes.
                kernels.append(kernel[:, :, index] * ramp(np.array(-step), n_ky))
        patterns, counts = np.unique(np.array(feeds).T, axis=0, return_counts=True)
        return combined_noise_std(
            maps.weights,
            np.array(kernels),
            patterns,
            counts,
            np.array(steps),
            (hybrid.rows.shape[1], n_ky),
        )
