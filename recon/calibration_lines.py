"""Where parallel imaging is learned from: the measured lines about the centre of k-space."""

from dataclasses import dataclass

import numpy as np
import sigpy
from numpy.typing import NDArray

from recon.hybrid import Hybrid, LineKey, Profile
from recon.hybrid_rows import HybridRows
from recon.reconstruction_plan import ReconstructionPlan

_MAX_LINES = 48  # kept on either axis; more teach nothing new and would swell the calibration
_MAX_PARTITIONS = 24


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationLines:
    """Lines (coil, kz, ky, x) in k-space order, in image space along x.

    rows: complex64 (coil, kz, ky, x), zero where not measured; the mean over frames by weight.
    weights: float32 (kz, ky), 0 where not measured.
    center: (kz, ky) of the k-space centre among the rows.
    n_frames: that they come from.
    """

    rows: NDArray[np.complex64]
    weights: NDArray[np.float32]
    center: tuple[int, int]
    n_frames: int = 1

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which lines there are, (kz, ky)."""
        return np.asarray(self.weights > 0)

    def joined(self, older: "CalibrationLines | None", acceleration: int) -> "CalibrationLines":
        """Return these lines with those of older frames, all as at one moment.

        A lattice that shifts from frame to frame sees a moving patient at other moments on other
        lines, and a kernel fitted to that ghosts. The frames' weights 1, 2, … R, … 2, 1 put each
        line, by linear interpolation in time, at the middle one of 2 R - 1 frames.
        """
        if older is None or older.rows.shape != self.rows.shape:
            return self
        weight = max(acceleration - abs(older.n_frames - (acceleration - 1)), 1)
        weights = (older.weights + weight * self.measured).astype(np.float32)
        share = np.where(self.measured, weight / np.maximum(weights, 1), 0).astype(np.float32)
        rows = older.rows + share[..., None] * (self.rows - older.rows)
        return CalibrationLines(rows, weights, self.center, older.n_frames + 1)

    def are_of_one_moment(self, acceleration: int) -> bool:
        """Whether they are of one frame, or of as many of a moving lattice as make them agree."""
        return self.n_frames == 1 or self.n_frames >= 2 * acceleration - 1


def calibration_lines(
    method: HybridRows, hybrid: Hybrid, run_length: int, older: CalibrationLines | None
) -> CalibrationLines:
    """Return what a frame holds to learn from, and what older ones held besides.

    Lines that were sent for calibration only stand alone where `run_length` of them are
    neighbours, or the header says that they are separate: their contrast may differ from the
    image's; otherwise they and the image's own lines are taken together (embedded calibration,
    interleaved sampling, or nobody set flags). Of a reference scan in another encoded space only
    the neighbourhood of lines is known, so its middle is taken for the centre.
    """
    is_separate = method.plan.encoding.calibration_mode == "separate"
    acceleration = method.plan.encoding.acceleration[0]
    if hybrid.lines:
        alone = _reference(method, hybrid)
        if is_separate or longest_run(alone.measured) >= run_length:
            return alone.joined(older, acceleration)
    if is_separate and older is not None:
        return older
    return _measured(method, hybrid).joined(older, acceleration)


def longest_run(measured: NDArray[np.bool_]) -> int:
    """Return how many neighbouring lines are measured in some partition."""
    longest = 0
    for partition in measured:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], partition, [False]]).astype(int)))
        if len(edges):
            longest = max(longest, int(np.max(edges[1::2] - edges[::2])))
    return longest


def centered_run(lines: CalibrationLines) -> tuple[int, int]:
    """Return the first and one past the last line measured in all the centre's neighbourhood.

    Of the partition through the centre; (0, 0) where the centre itself was not measured.
    """
    partition, center = lines.center
    measured = lines.measured[partition]
    if not measured[center]:
        return 0, 0
    gaps = np.flatnonzero(~measured)
    below, above = gaps[gaps < center], gaps[gaps > center]
    first = int(below[-1]) + 1 if len(below) else 0
    return first, int(above[0]) if len(above) else len(measured)


def without_factors(method: HybridRows, hybrid: Hybrid) -> NDArray[np.complex64]:
    """Return the rows as k-space has them: averaged, in its order, free of the FFT's factors."""
    weight = method.row_factors().conj() / np.maximum(hybrid.n_averages, 1)
    rows = hybrid.rows * weight[..., None].astype(np.complex64)
    ordered: NDArray[np.complex64] = np.fft.fftshift(rows, axes=(1, 2))
    return ordered


def _measured(method: HybridRows, hybrid: Hybrid) -> CalibrationLines:
    _, n_ky, n_kz = method.plan.grid
    rows = without_factors(method, hybrid)
    measured = np.fft.fftshift(hybrid.n_averages > 0)
    rows[:, ~measured] = 0  # synthesised lines teach nothing
    for key, profile in hybrid.lines.items():
        place = method.row_of(key) if key[0] == hybrid.space else None
        if place is not None and not measured[place]:
            rows[:, place[0], place[1]] = profile
            measured[place] = True
    return _about_center(rows, measured, (n_kz // 2, n_ky // 2))


def _reference(method: HybridRows, hybrid: Hybrid) -> CalibrationLines:
    """Return the lines of a reference scan by themselves."""
    spaces = [key[0] for key in hybrid.lines]
    space = max(set(spaces), key=spaces.count)
    keys = [key for key in hybrid.lines if key[0] == space]
    places = dict[LineKey, tuple[int, int]]()
    if space == hybrid.space:
        _, n_ky, n_kz = method.plan.grid
        shape, center = (n_kz, n_ky), (n_kz // 2, n_ky // 2)
        for key in keys:
            place = method.row_of(key)
            if place is not None:
                places[key] = place
    else:
        first = min(key[1] for key in keys), min(key[2] for key in keys)
        last = max(key[1] for key in keys), max(key[2] for key in keys)
        shape = last[0] - first[0] + 1, last[1] - first[1] + 1
        center = shape[0] // 2, shape[1] // 2
        places = {key: (key[1] - first[0], key[2] - first[1]) for key in keys}
    profile: Profile = hybrid.lines[keys[0]]
    rows = np.zeros((profile.shape[0], *shape, profile.shape[1]), np.complex64)
    measured = np.zeros(shape, np.bool_)
    for key, place in places.items():
        rows[:, place[0], place[1]] = hybrid.lines[key]
        measured[place] = True
    return _about_center(rows, measured, center)


def _about_center(
    rows: NDArray[np.complex64], measured: NDArray[np.bool_], center: tuple[int, int]
) -> CalibrationLines:
    n_kz, n_ky = measured.shape
    first_z = max(center[0] - _MAX_PARTITIONS // 2, 0)
    first_y = max(center[1] - _MAX_LINES // 2, 0)
    last_z = min(center[0] + (_MAX_PARTITIONS + 1) // 2, n_kz)
    last_y = min(center[1] + (_MAX_LINES + 1) // 2, n_ky)
    kept = np.ascontiguousarray(rows[:, first_z:last_z, first_y:last_y])
    return CalibrationLines(
        kept,
        measured[first_z:last_z, first_y:last_y].astype(np.float32),
        (center[0] - first_z, center[1] - first_y),
    )


def center_of(lines: CalibrationLines, width: int) -> NDArray[np.complex64] | None:
    """Return the measured centre of k-space, complex64 (coil, kz, ky, kx), its middle at n // 2.

    width: at most so many on every axis; an odd number. None where too little was measured.
    """
    partition, line = lines.center
    first, last = centered_run(lines)
    half_y = min(line - first, last - 1 - line, width // 2)
    n_kz, n_x = lines.measured.shape[0], lines.rows.shape[-1]
    half_z = min(partition, n_kz - 1 - partition, width // 2)
    if last == 0:
        return None
    rows = lines.rows[
        :, partition - half_z : partition + half_z + 1, line - half_y : line + half_y + 1
    ]
    kspace = sigpy.fft(rows, axes=(-1,))
    half_x = min((n_x - 1) // 2, width // 2)
    kept: NDArray[np.complex64] = kspace[..., n_x // 2 - half_x : n_x // 2 + half_x + 1]
    return np.ascontiguousarray(kept)


def pixels_of(center: NDArray[np.complex64], plan: ReconstructionPlan) -> NDArray[np.complex64]:
    """Return the low-resolution coil images (coil, z, y, x) of the centre of k-space."""
    _, n_ky, n_kz = plan.grid
    grid = (plan.n_coils, n_kz, n_ky, plan.recon_matrix[0])
    pixels = sigpy.ifft(sigpy.resize(center, grid), axes=(-3, -2, -1))
    cropped: NDArray[np.complex64] = sigpy.resize(pixels, (plan.n_coils, *plan.image_shape))
    return cropped
