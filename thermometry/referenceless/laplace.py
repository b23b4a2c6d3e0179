"""Values inside a mask from those around it, where the field has no source: Laplace's equation.

The solution is linear in the values around, so it is one matrix for each mask: solved once by
sparse factorisation, then multiplied.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, generate_binary_structure, label
from scipy.sparse import csc_array
from scipy.sparse.linalg import splu

REACH_PX: Final = 3.5  # over which a border value is smoothed: a plane through 38 pixels at most
LEAST_SUPPORT: Final = 6  # pixels for a plane that noise does not tilt
NEIGHBOURS: Final = ((-1, 0), (1, 0), (0, -1), (0, 1))  # (y, x)

Pixels = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Extension:
    """How values around a mask extend into it.

    inside: index of each inner pixel that has an answer, in C order of (z, y, x). border: of the
    pixels next to them that have a value; harmonic: float32 (inside, border), from their values.
    support: of the pixels that the border's values are smoothed from; weights: float32
    (inside, support), from theirs; squares: weights², what variances are multiplied with.
    Rows of both matrices sum to 1.
    """

    inside: Pixels
    border: Pixels
    harmonic: NDArray[np.float32]
    support: Pixels
    weights: NDArray[np.float32]
    squares: NDArray[np.float32]


def extension(
    inside: NDArray[np.bool_], known: NDArray[np.bool_], *, voxel_mm: tuple[float, float, float]
) -> Extension:
    """Return the extension into `inside` from the pixels of `known` around it; bool (z, y, x).

    Slice by slice, ∂²φ/∂x² + ∂²φ/∂y² = 0 by second differences. A pixel of the border takes the
    value of a plane through the known pixels about it; where there are too few, nothing flows
    through it. Best fed with what a smooth model has left over: a plane cuts curves short. Kept for
    the next call with the same masks.
    Salomir 2012, doi:10.1109/TMI.2011.2168421, without its iteration.
    """
    ratio = (voxel_mm[2] / voxel_mm[1]) ** 2
    # only what a border pixel reaches counts, so that signal lost farther off changes nothing
    in_plane = generate_binary_structure(2, 2)[None]
    near = binary_dilation(inside, in_plane, iterations=1 + math.ceil(REACH_PX))
    around = known & near & ~inside
    return _extension(inside.tobytes(), around.tobytes(), inside.shape, ratio)


@lru_cache(maxsize=32)
def _extension(inside: bytes, known: bytes, shape: tuple[int, ...], ratio: float) -> Extension:
    inner = np.frombuffer(inside, np.bool_).reshape(shape)
    around = np.frombuffer(known, np.bool_).reshape(shape)
    n_pixels = shape[1] * shape[2]
    parts = [
        (z * n_pixels, _slice_extension(inner[z], around[z], ratio=ratio))
        for z in range(shape[0])
        if inner[z].any()
    ]
    inside_, border, support = (
        np.concatenate([np.empty(0, np.intp)] + [offset + one[n] for offset, one in parts])
        for n in range(3)
    )
    weights = _in_blocks([one[4] for _, one in parts])
    return Extension(
        inside_, border, _in_blocks([one[3] for _, one in parts]), support, weights, weights**2
    )


def _in_blocks(parts: list[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Return one matrix with the slices' own along its diagonal."""
    whole = np.zeros((sum(map(len, parts)), sum(one.shape[1] for one in parts)), np.float32)
    row = column = 0
    for part in parts:
        whole[row : row + part.shape[0], column : column + part.shape[1]] = part
        row, column = row + part.shape[0], column + part.shape[1]
    return whole


def _slice_extension(
    inside: NDArray[np.bool_], known: NDArray[np.bool_], *, ratio: float
) -> tuple[Pixels, Pixels, Pixels, NDArray[np.float64], NDArray[np.float64]]:
    """Return inside, border, support and the matrices from the border and from the support."""
    border, support, planes = _border_values(inside, known)
    is_border = np.zeros_like(inside)
    is_border.ravel()[border] = True
    inside = inside & _touches(inside, is_border)
    pixels = np.flatnonzero(inside)
    if pixels.size == 0:
        nothing = np.zeros((0, 0))
        return pixels, border[:0], support[:0], nothing, nothing
    number = np.full(inside.size, -1)
    number[pixels], number[border] = np.arange(pixels.size), pixels.size + np.arange(border.size)
    rows, columns, flows = _links(inside | is_border, inside, number, ratio=ratio)
    n = pixels.size
    size = (n, n + border.size)
    laplacian = csc_array((flows, (rows, columns)), shape=size)
    solved = splu(laplacian[:, :n]).solve(-laplacian[:, n:].toarray())
    return pixels, border, support, solved, solved @ planes


def _links(
    reached: NDArray[np.bool_], inside: NDArray[np.bool_], number: NDArray[np.intp], *, ratio: float
) -> tuple[Pixels, Pixels, NDArray[np.float64]]:
    """Return row, column and value of the equations Σ (φ_neighbour - φ) / distance² = 0."""
    height, width = inside.shape
    y, x = np.nonzero(inside)
    own = number[y * width + x]
    rows, columns, flows = [], [], []
    for dy, dx in NEIGHBOURS:
        there_y, there_x = y + dy, x + dx
        exists = (there_y >= 0) & (there_y < height) & (there_x >= 0) & (there_x < width)
        exists[exists] = reached[there_y[exists], there_x[exists]]
        other = number[there_y[exists] * width + there_x[exists]]
        flow = np.full(other.size, ratio if dy else 1.0)
        rows += [own[exists], own[exists]]
        columns += [other, own[exists]]
        flows += [flow, -flow]
    return np.concatenate(rows), np.concatenate(columns), np.concatenate(flows)


def _border_values(
    inside: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[Pixels, Pixels, NDArray[np.float64]]:
    """Return the border's pixels that have a value, the support, and the matrix between them."""
    ring = binary_dilation(inside, generate_binary_structure(2, 1)) & ~inside
    known_y, known_x = np.nonzero(known)
    border, rows = [], []
    for y, x in np.argwhere(ring):
        apart_y, apart_x = known_y - y, known_x - x
        near = np.flatnonzero(apart_y**2 + apart_x**2 <= REACH_PX**2)
        if near.size < LEAST_SUPPORT:
            continue
        plane = np.stack([np.ones(near.size), apart_y[near], apart_x[near]], axis=1)
        row = np.zeros(known_y.size)
        row[near] = np.linalg.pinv(plane.T @ plane, hermitian=True)[0] @ plane.T
        border.append(y * inside.shape[1] + x)
        rows.append(row)
    if not border:
        return np.empty(0, np.intp), np.empty(0, np.intp), np.zeros((0, 0))
    matrix = np.stack(rows)
    used = np.flatnonzero(matrix.any(axis=0))
    support = known_y[used] * inside.shape[1] + known_x[used]
    return np.asarray(border, np.intp), support.astype(np.intp), matrix[:, used]


def _touches(inside: NDArray[np.bool_], is_border: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the parts of `inside` that border on a value; the others have no answer."""
    parts, _ = label(inside)
    near = parts[binary_dilation(is_border, generate_binary_structure(2, 1)) & inside]
    return np.isin(parts, np.unique(near))
