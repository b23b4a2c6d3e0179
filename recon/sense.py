"""SENSE: coil maps undo the folding that missing lines leave, by weights made once."""

from dataclasses import dataclass, replace

import numpy as np
import sigpy.linop
from numpy.typing import NDArray

from messages import Frame, HeaderError, Image
from recon.calibration_lines import (
    CalibrationLines,
    calibration_lines,
    center_of,
    pixels_of,
)
from recon.coil_maps import CALIBRATION_LINES, CoilMaps, estimate_coil_maps
from recon.device import Device
from recon.espirit import espirit_maps
from recon.hybrid import CartesianCalibration, Hybrid, hybrid_of
from recon.hybrid_rows import HybridRows
from recon.reconstruction_plan import ReconstructionPlan
from recon.reconstructor import Calibration, Partial
from recon.unfolding import Unfolding, unfolding

_FEWEST_LINES = 12  # neighbouring, about the centre of k-space, to make maps from
_MOST_BYTES = 1 << 30  # of unfoldings kept beside the calibrations' own


@dataclass(frozen=True, slots=True, eq=False)
class SenseCalibration(CartesianCalibration):
    """Maps, sampling and what follows from both.

    gathered: of frames with interleaved sampling, until they fill the centre; then None.
    measured: bool (kz, ky) in k-space order, the lines of the calibrating frame.
    unfolding: of that sampling, made with the maps; None where a method needs none.
    """

    gathered: CalibrationLines | None = None
    measured: NDArray[np.bool_] | None = None
    unfolding: Unfolding | None = None


class MappedRows(HybridRows):
    """What methods with coil maps share: the maps come from calibration lines.

    Lines come separate, embedded or interleaved, as for GRAPPA; of an interleaved scan as many
    frames are merged as fill the centre, and until then images are marked incomplete.
    """

    def __init__(self, plan: ReconstructionPlan, device: Device | None = None) -> None:
        super().__init__(plan, device)
        if plan.encoding.acceleration[1] > 1:
            raise HeaderError(
                f"is {plan.encoding.acceleration[1]}, recon.method expects 1: lines along ky only",
                field="encoding.parallelImaging.accelerationFactor.kspace_encoding_step_2",
            )
        self._n_needed = min(_FEWEST_LINES, plan.grid[1], plan.n_lines)

    def operator(
        self, calibration: Calibration | None = None, sampled: Partial | None = None
    ) -> sigpy.linop.Linop:
        """Return the forward model, image → k-space, zero where `sampled` was not measured."""
        return self.masked_operator(calibration, sampled)

    def wants_lines(self, calibration: Calibration | None) -> bool:
        """Whether calibration lines that make no image are to be kept."""
        return calibration is None or not calibration.is_ready

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Calibration | None:
        """Return maps from the first frame, or the frames, that show the whole centre."""
        hybrid = hybrid_of(partial)
        if not frame.is_complete or not self.is_aligned(hybrid):
            return calibration
        if calibration is not None and calibration.is_ready:
            return calibration
        if not np.isfinite(hybrid.rows).all():
            return calibration
        older = calibration.gathered if isinstance(calibration, SenseCalibration) else None
        lines = calibration_lines(self, hybrid, self._n_needed, older)
        found = SenseCalibration(
            is_ready=False,
            navigator=self.first_navigator(hybrid),
            leftover=self.find_leftover(hybrid),
            gathered=lines,
            measured=np.fft.fftshift(hybrid.n_averages > 0),
        )
        if not lines.are_of_one_moment(self.plan.encoding.acceleration[0]):
            return found
        center = center_of(lines, CALIBRATION_LINES + 1)
        if center is None or center.shape[2] < self._n_needed - 1:
            return found
        maps = estimate_coil_maps(pixels_of(center, self.plan), n_lines=center.shape[2])
        found = replace(found, is_ready=True, gathered=None, center=center)
        return self.with_maps(found, maps)

    def refine(self, calibration: Calibration) -> Calibration:
        """Return the calibration with ESPIRiT's maps, where settings.coil_maps asks for them."""
        wanted = self.plan.settings.coil_maps == "espirit"
        if not isinstance(calibration, SenseCalibration) or not wanted:
            return calibration
        if calibration.center is None or calibration.maps is None:
            return calibration
        maps = espirit_maps(calibration.center, calibration.maps, self.plan)
        return self.with_maps(replace(calibration, center=None), maps)

    def with_maps(self, found: SenseCalibration, maps: CoilMaps) -> SenseCalibration:
        """Return the calibration with maps and all that follows from them."""
        return replace(found, maps=maps)

    def adjoint(
        self, hybrid: Hybrid, calibration: Calibration | None
    ) -> tuple[NDArray[np.complex64], CoilMaps]:
        """Return the adjoint image (z, y, x) where the rows lie, and the maps that made it."""
        coil_pixels = self.coil_pixels(self.rows_there(hybrid, calibration), hybrid.n_averages)
        maps = None if calibration is None else calibration.maps
        if maps is None:
            maps = estimate_coil_maps(self.home(coil_pixels))
        return self.combined(coil_pixels, maps), maps


class Sense(MappedRows):
    """Image = (Eᴴ E + λ)⁻¹ Eᴴ k-space for any set of lines, by weights that are made once.

    Pruessmann 1999 (doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S), with
    λ = settings.regularisation; see `unfolding`. Equal to conjugate gradients on `operator` run to
    the end. A lattice of lines costs a few products a pixel; any other set of lines a matrix of
    each column, whose memory grows with y² x. A whole frame of other lines than the first (which
    alone had calibration lines, or whose lattice had a line more) has weights of its own; they are
    made when such a frame first comes, which that once takes longer than a frame.
    """

    knows_devices = True

    def __init__(self, plan: ReconstructionPlan, device: Device | None = None) -> None:
        super().__init__(plan, device)
        plan.check_coils()
        # Remembered, not learned: the same lines and maps always give the same weights.
        self._others: dict[tuple[int, bytes], tuple[CoilMaps, Unfolding]] = {}

    def with_maps(self, found: SenseCalibration, maps: CoilMaps) -> SenseCalibration:
        """Return the calibration with maps and the unfolding of the first frame's sampling."""
        if found.measured is None:
            return replace(found, maps=maps)
        along_y = np.asarray(found.measured.any(axis=0))
        folded = unfolding(maps.weights, along_y, self.plan.settings.regularisation)
        return replace(found, maps=maps, unfolding=folded)

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the image; `partial` is left alone, the arrays are fresh and read-only."""
        hybrid = hybrid_of(partial)
        adjoint, _ = self.adjoint(hybrid, calibration)
        known = calibration if isinstance(calibration, SenseCalibration) else None
        if known is None or known.unfolding is None:
            is_whole = bool((hybrid.n_averages > 0).all())
            return self.image(hybrid, frame, self.home(adjoint), is_complete=is_whole)
        n_ky = hybrid.n_averages.shape[1]
        found, offset = self._unfolding_for(hybrid, frame, known)
        there = found if self.ending is None else self.ending.unfolding(found)
        pixels = self.home(there.image(adjoint, offset=offset, n_ky=n_ky))
        image = self.image(hybrid, frame, pixels)
        if self.plan.whitening is None:
            return image
        is_measured: NDArray[np.bool_] = np.greater(hybrid.n_averages, 0)
        power = hybrid.noise[is_measured] / hybrid.n_averages[is_measured].astype(np.float64) ** 2
        strength = np.float32(np.sqrt(power.mean())) if power.size else np.float32(1)
        noise_std = found.noise_std * strength
        noise_std.flags.writeable = False
        return replace(image, noise_std=noise_std)

    def _unfolding_for(
        self, hybrid: Hybrid, frame: Frame, known: SenseCalibration
    ) -> tuple[Unfolding, int]:
        """Return the unfolding of a frame's lines, and how much further on these lie.

        A frame with lines lost, whose image is incomplete anyway, is not worth weights of its own.
        """
        maps, first = known.maps, known.unfolding
        if maps is None or first is None or known.measured is None:
            raise ValueError("the calibration is not ready")
        measured = np.asarray(np.fft.fftshift(hybrid.n_averages > 0).any(axis=0))
        lines, expected = np.flatnonzero(measured), np.flatnonzero(known.measured.any(axis=0))
        offset = int(np.argmax(measured)) - int(expected[0])
        if not frame.is_complete or np.array_equal(lines - offset, expected):
            return first, offset
        key = id(maps), measured.tobytes()
        if key not in self._others:
            made = unfolding(maps.weights, measured, self.plan.settings.regularisation)
            n_bytes = made.weights.nbytes
            n_bytes += sum(other.weights.nbytes for _, other in self._others.values())
            while self._others and n_bytes > _MOST_BYTES:
                n_bytes -= self._others.pop(next(iter(self._others)))[1].weights.nbytes
            self._others[key] = maps, made  # the maps too, so that no others take their id
        return self._others[key][1], 0
