"""Density compensation: how much k-space each sample stands for."""

from math import pi
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.sparse
from numpy.typing import NDArray
from scipy.special import i0

STRAIGHT = 0.05  # cycles: how far from a line through the centre a spoke's samples may lie
LEVEL = 2.0  # cycles: spokes that reach equally far within this are one set
PIPE_MENON_ITERATIONS = 10
GRID_STEPS = 2  # a cycle
KERNEL_HALF_WIDTH = 1.5  # cycles
KERNEL_BETA = 10.0

Positions = list[NDArray[np.float32]]


def density(positions: Positions) -> Positions:
    """Return the area of k-space, in cycles², that each sample of a frame stands for.

    positions: for each readout float32 (sample, 2), (y, x). Spokes get the analytic ramp, anything
    else the iterative weights. Summed over a disc that is fully sampled they give its area, so that
    the weighted adjoint has the scale of a centred inverse FFT.
    """
    if all(is_spoke(one) for one in positions):
        return radial_density(positions)
    return iterative_density(positions)


def is_spoke(positions: NDArray[np.float32]) -> bool:
    """Whether the samples lie on a straight line through the k-space centre."""
    along = direction(positions)
    across = positions[:, 0] * along[1] - positions[:, 1] * along[0]
    return bool(np.abs(across).max() <= STRAIGHT + np.hypot(*positions.T).max() * 1e-3)


def direction(positions: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the unit vector (y, x) in which a spoke runs."""
    span = positions[-1].astype(np.float64) - positions[0]
    length = float(np.hypot(*span))
    return span / length if length > 0 else np.array([0.0, 1.0])


def radial_density(positions: Positions) -> Positions:
    """Return the areas of ring sectors around the samples of straight spokes.

    A sample at radius ρ, spacing d, on a ray that has the angle Δ to itself (half the way to its
    neighbours on either side, the Voronoi cell on the circle) stands for Δ·|ρ|·d, and about the
    centre for what `at_center` adds. A spoke has two rays; where some reach less far (asymmetric
    echoes), the angles are shared anew among those that do.
    """
    radii, angles = [], []
    for one in positions:
        along = direction(one)
        radii.append(one.astype(np.float64) @ along)
        angles.append(np.arctan2(along[0], along[1]))
    forward, backward = np.array(angles), np.array(angles) + pi
    rays = np.concatenate([forward, backward]) % (2 * pi)
    reach = np.array([r.max() for r in radii] + [-r.min() for r in radii])
    level = np.round(reach / LEVEL) * LEVEL
    steps = np.unique(level[reach > 0])
    share = np.zeros((len(steps), len(rays)))
    for row, step in zip(share, steps, strict=True):
        chosen = (level >= step) & (reach > 0)
        row[chosen] = _circle_cells(rays[chosen])
    areas = []
    for spoke, radius in enumerate(radii):
        spacing = np.abs(np.gradient(radius)) if len(radius) > 1 else np.ones(1)
        at = np.minimum(np.searchsorted(steps, np.abs(radius) - LEVEL / 2), len(steps) - 1)
        ahead = np.where(radius >= 0, share[at, spoke], share[at, spoke + len(radii)])
        behind = np.where(radius >= 0, share[at, spoke + len(radii)], share[at, spoke])
        center = (ahead + behind) / 2 * at_center(radius, spacing)
        areas.append((ahead * np.abs(radius) * spacing + center).astype(np.float32))
    return areas


def at_center(radius: NDArray[Any], spacing: NDArray[Any] | float) -> NDArray[Any]:
    """Return what the samples next to the centre stand for beyond |ρ|·d, for an angle of 1.

    The ramp |ρ| has a corner at the centre, where a sum over samples misses the integral by
    d²·B₂(ρ / d) times the value there, B₂(t) = t² - t + 1/6 (Euler-Maclaurin): a sample at the
    centre stands for d² / 6. Its cell's area, d² / 4, puts 3 % of the mean signal over the image
    where d is 1/2, and since that does not turn with the heat, 2 % less temperature. What is
    missing is shared by the sample on either side, by how near they are.
    """
    part = np.minimum(np.abs(radius) / spacing, 1)
    missing: NDArray[Any] = (1 - part) * (part**2 - part + 1 / 6) * spacing**2
    return missing


def ring_area(radius: NDArray[Any], spacing: float) -> NDArray[Any]:
    """Return the area that samples of a spoke stand for, for an angle of 1."""
    area: NDArray[Any] = np.abs(radius) * spacing + at_center(radius, spacing)
    return area


def _circle_cells(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle that each ray has to itself; they sum to a whole turn."""
    order = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[order], append=angles[order[0]] + 2 * pi)
    cells = np.empty_like(angles)
    cells[order] = (gaps + np.roll(gaps, 1)) / 2
    return cells


def iterative_density(positions: Positions) -> Positions:
    """Return the areas of an arbitrary trajectory, by iteration.

    w ← w · t / |G Gᴴ w| (Pipe and Menon 1999,
    doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V), G a Kaiser-Bessel kernel
    between the samples and a grid of half a cycle. Their t is 1 everywhere, which asks the rim to
    make up for the emptiness outside and leaves the scale open; here t is what a disc of density 1,
    as wide as the samples reach, would give through the same kernels. SigPy's `pipe_menon_dcf`
    moreover wraps round the edges of k-space, where it takes opposite ends for neighbours. The
    first guess is the speed across the radius (Hoge, Kwan and Pike 1997,
    doi:10.1002/mrm.1910380117), which knows the centre better than any kernel can.
    """
    everything = np.concatenate(positions).astype(np.float64)
    gridding, disc = _kernels(everything)
    target = gridding @ disc
    weights = np.concatenate([_across(one.astype(np.float64)) for one in positions])
    weights = np.clip(weights, weights[weights > 0].min(initial=1.0) / 8, None)
    for _ in range(PIPE_MENON_ITERATIONS):
        weights *= target / (gridding @ (gridding.T @ weights))
    cuts = np.cumsum([len(one) for one in positions])[:-1]
    return [one.astype(np.float32) for one in np.split(weights, cuts)]


def _across(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return |k × dk| / |k| from each sample to the next."""
    step = np.gradient(positions, axis=0) if len(positions) > 1 else np.zeros_like(positions)
    crossed = np.abs(positions[:, 0] * step[:, 1] - positions[:, 1] * step[:, 0])
    far = np.hypot(positions[:, 0], positions[:, 1])
    speed: NDArray[np.float64] = crossed / np.where(far > 0, far, 1)
    return speed


def _kernels(
    positions: NDArray[np.float64],
) -> tuple[scipy.sparse.csr_matrix, NDArray[np.float64]]:
    """Return the kernel, samples (rows) to grid points (columns), and the disc seen through it."""
    place = positions * GRID_STEPS
    reach = int(GRID_STEPS * KERNEL_HALF_WIDTH)
    taps = np.arange(-reach, reach + 1)
    nearest = np.round(place).astype(np.int64)
    margin = int(np.abs(nearest).max()) + len(taps)
    size = 2 * margin + 1
    columns = nearest[:, :, None] + taps
    weight = _kaiser_bessel(columns - place[:, :, None])
    columns += margin
    values = weight[:, 0, :, None] * weight[:, 1, None, :]
    where = columns[:, 0, :, None] * size + columns[:, 1, None, :]
    starts = np.arange(0, values.size + 1, len(taps) ** 2)
    gridding = scipy.sparse.csr_matrix(
        (values.ravel(), where.ravel(), starts), shape=(len(place), size**2)
    )
    grid = np.arange(-margin, margin + 1)
    radius = np.hypot(*np.meshgrid(grid, grid))
    covered = np.clip(np.hypot(*place.T).max() - radius + 0.5, 0, 1)  # the rim not in steps
    profile = _kaiser_bessel(taps.astype(np.float64))
    disc = covered / GRID_STEPS**2
    for axis in (0, 1):
        disc = scipy.ndimage.convolve1d(disc, profile, axis=axis, mode="constant")
    return gridding, disc.ravel()


def _kaiser_bessel(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the kernel at a distance in grid points."""
    part = np.clip(np.abs(distance) / (GRID_STEPS * KERNEL_HALF_WIDTH), 0, 1)
    kernel: NDArray[np.float64] = i0(KERNEL_BETA * np.sqrt(1 - part**2)) * (part < 1)
    return kernel
