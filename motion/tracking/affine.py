"""How a structure has moved and deformed: inverse-compositional alignment with gain and bias.

Baker and Matthews 2004, doi:10.1023/B:VISI.0000011205.11775.fd (section 3.2), with the linear
appearance variation {template, 1} projected out of the steepest-descent images (Baker, Gross and
Matthews 2003, CMU-RI-TR-03-35, section 2.2): the image may be brighter or flatter than it was.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motion.compiled import compiled, inner
from motion.tracking.precision import NOISE_AREA_PX, SHAPE_STD, shift_covariance
from motion.tracking.structure import Structure

MOST_STEPS = 12
SMALL_STEP_PX = 0.01  # of the box's rim

Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A structure's look in one breathing state, in the reference image's coordinates.

    pixels: float32 (y, x) of the box. descent: float32 (y, x, 6), steepest-descent images of
    (dy, dx, Ayy, Ayx, Axy, Axx), gain and bias projected out; changes of shape in units of
    pixels at the structure's radius. hessian: float64 (6, 6). levers: (6,), weighted mean squares
    of what multiplies the slopes in descent. spectrum: for the search.
    mean, variance: of the pixels, weighted. flow_solver: what `Flow` needs of it, None without.
    std_mm: of the place that it was taken at, one component; 0 for the reference.
    """

    pixels: NDArray[np.float32]
    descent: NDArray[np.float32]
    hessian: Real
    levers: Real
    spectrum: NDArray[np.complex64]
    mean: float
    variance: float
    flow_solver: NDArray[np.float32] | None = None
    std_mm: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Where the structure was found.

    template: the one that it was aligned with. shift_px: (y, x) of the centroid. matrix: float64
    (2, 2). similarity: weighted correlation after alignment. gain, bias: now = gain · template +
    bias. covariance_px2: (2, 2), of the shift.
    outside: the share of the weight that left the search box.
    """

    template: Template
    shift_px: Real
    matrix: Real
    similarity: float
    gain: float
    bias: float
    covariance_px2: Real
    outside: float


def template_of(
    structure: Structure, pixels: NDArray[np.float32], spectrum: NDArray[np.complex64]
) -> Template:
    """Prepare a template from the box of a view, float32 (y, x)."""
    weights = structure.weights.astype(np.float64)
    offsets = _offsets(structure)
    slope_y, slope_x = np.gradient(pixels.astype(np.float64))
    unit = offsets / structure.radius_px
    descent = np.stack(
        [
            slope_y, slope_x,
            slope_y * unit[0], slope_y * unit[1], slope_x * unit[0], slope_x * unit[1],
        ],
        axis=-1,
    )  # fmt: skip
    mean = float(np.sum(weights * pixels))
    centred = pixels - mean
    variance = float(np.sum(weights * centred**2))
    descent -= np.einsum("yx,yxp->p", weights, descent)
    along = np.einsum("yx,yx,yxp->p", weights, centred, descent) / max(variance, 1e-30)
    descent -= centred[..., None] * along
    hessian = np.einsum("yx,yxp,yxq->pq", weights, descent, descent)
    return Template(
        pixels=pixels,
        descent=descent.astype(np.float32),
        hessian=hessian,
        levers=np.array([1.0, 1.0, *np.tile(np.einsum("yx,pyx->p", weights, unit**2), 2)]),
        spectrum=spectrum,
        mean=mean,
        variance=variance,
    )


def align(
    structure: Structure,
    template: Template,
    view: NDArray[np.float32],
    *,
    start_px: tuple[float, float],
    start_matrix: Real,
    grain: float,
    n_steps: int = MOST_STEPS,
) -> Fit:
    """Return how the template has to move and deform to look like the view of the search box.

    grain: of the view. With n_steps = 0 the start is judged and stays as it is.
    """
    radius = structure.radius_px
    state = np.empty(6)
    state[:2], state[2:] = start_px, np.ravel(start_matrix)
    size = float(np.sum(structure.weights.astype(np.float64) ** 2))
    at, seen = _aligned(
        view, template.pixels, template.descent, structure.weights, template.hessian,
        state, structure.origin_px, structure.corner_px, radius, template.variance,
        size * NOISE_AREA_PX / SHAPE_STD**2, n_steps,
    )  # fmt: skip
    gain, bias, similarity, residual, outside = (float(value) for value in seen)
    covariance = np.full((2, 2), np.nan)
    if gain > 0.0 and np.isfinite(residual):
        covariance = shift_covariance(
            template.hessian,
            template.levers,
            residual=residual / gain**2,
            grain=grain / gain,
            sample_size=size,
            radius_px=radius,
            is_rigid=n_steps == 0,
        )
    return Fit(
        template=template,
        shift_px=at[:2],
        matrix=at[2:].reshape(2, 2),
        similarity=similarity,
        gain=gain,
        bias=bias,
        covariance_px2=covariance,
        outside=outside,
    )


def _offsets(structure: Structure) -> Real:
    box = structure.box
    rows = np.arange(box.height) + box.top - structure.centroid_px[0]
    columns = np.arange(box.width) + box.left - structure.centroid_px[1]
    return np.stack(np.meshgrid(rows, columns, indexing="ij"))


@inner
def _sample(view: NDArray[np.float32], y: float, x: float) -> float:
    """Return the view between its pixels, by cubic convolution.

    Keys 1981, doi:10.1109/TASSP.1981.1163711, eq. 15 (a = -1/2). Beyond the border its rim goes on.
    """
    n_y, n_x = view.shape
    y = min(max(y, 0.0), n_y - 1.0)
    x = min(max(x, 0.0), n_x - 1.0)
    row, column = int(y), int(x)
    s, t = y - row, x - column
    u0 = ((-0.5 * t + 1.0) * t - 0.5) * t
    u1 = (1.5 * t - 2.5) * t * t + 1.0
    u2 = ((-1.5 * t + 2.0) * t + 0.5) * t
    u3 = (0.5 * t - 0.5) * t * t
    v0 = ((-0.5 * s + 1.0) * s - 0.5) * s
    v1 = (1.5 * s - 2.5) * s * s + 1.0
    v2 = ((-1.5 * s + 2.0) * s + 0.5) * s
    v3 = (0.5 * s - 0.5) * s * s
    c0, c1, c2, c3 = max(column - 1, 0), column, min(column + 1, n_x - 1), min(column + 2, n_x - 1)
    r0, r1, r2, r3 = max(row - 1, 0), row, min(row + 1, n_y - 1), min(row + 2, n_y - 1)
    value: float = (
        v0 * (u0 * view[r0, c0] + u1 * view[r0, c1] + u2 * view[r0, c2] + u3 * view[r0, c3])
        + v1 * (u0 * view[r1, c0] + u1 * view[r1, c1] + u2 * view[r1, c2] + u3 * view[r1, c3])
        + v2 * (u0 * view[r2, c0] + u1 * view[r2, c1] + u2 * view[r2, c2] + u3 * view[r2, c3])
        + v3 * (u0 * view[r3, c0] + u1 * view[r3, c1] + u2 * view[r3, c2] + u3 * view[r3, c3])
    )
    return value


def affine_field(structure: Structure, fit: Fit) -> NDArray[np.float32]:
    """Return the displacement of each pixel of the box, float32 (2, y, x), pixels."""
    stretch = np.tensordot(fit.matrix - np.eye(2), _offsets(structure), axes=1)
    return np.asarray(fit.shift_px[:, None, None] + stretch, np.float32)


def warped(
    structure: Structure, view: NDArray[np.float32], field_px: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the structure's box, float32 (y, x), as it would look in the reference's place."""
    return _warped(view, field_px, structure.origin_px, structure.corner_px)


@compiled
def _warped(
    view: NDArray[np.float32],
    field: NDArray[np.float32],
    origin: tuple[float, float],
    corner: tuple[float, float],
) -> NDArray[np.float32]:
    _, n_y, n_x = field.shape
    box = np.empty((n_y, n_x), np.float32)
    for row in range(n_y):
        for column in range(n_x):
            y = origin[0] + corner[0] + row + field[0, row, column]
            x = origin[1] + corner[1] + column + field[1, row, column]
            box[row, column] = _sample(view, y, x)
    return box


@compiled
def _aligned(
    view: NDArray[np.float32],
    pixels: NDArray[np.float32],
    descent: NDArray[np.float32],
    weights: NDArray[np.float32],
    hessian: Real,
    start: Real,
    origin: tuple[float, float],
    corner: tuple[float, float],
    radius: float,
    variance: float,
    prior: float,
    n_steps: int,
) -> tuple[Real, Real]:
    """Return (dy, dx, Ayy, Ayx, Axy, Axx) and (gain, bias, similarity, residual, outside)."""
    at = start.copy()
    seen = np.zeros(5)
    slope = np.zeros(6)
    for step in range(n_steps + 1):
        _look(view, pixels, descent, weights, at, origin, corner, variance, seen, slope)
        gain = seen[0]
        if step == n_steps or gain <= 0.0:
            break
        system = hessian.copy()
        wanted = slope / gain
        # the shape is held near that of the start, the more so the noisier the image is
        stiff = seen[3] / gain**2 * prior / radius**2
        for p in range(2, 6):
            system[p, p] += stiff
            wanted[p] += stiff * radius * (at[p] - start[p])
        # a direction in which the template has no structure must not make it singular
        rounding = 1e-6 * (hessian[0, 0] + hessian[1, 1]) + 1e-30
        for p in range(6):
            system[p, p] += rounding
        change = np.linalg.solve(system, wanted)
        change[2:] /= radius
        _compose(at, change)
        most = max(abs(change[0]), abs(change[1]))
        for p in range(2, 6):
            most = max(most, abs(change[p]) * radius)
        if most < SMALL_STEP_PX:
            _look(view, pixels, descent, weights, at, origin, corner, variance, seen, slope)
            break
    return at, seen


@inner
def _compose(at: Real, change: Real) -> None:
    """W ← W ∘ W(change)⁻¹ (Baker and Matthews 2004, eq. 34)."""
    a, b, c, d = 1.0 + change[2], change[3], change[4], 1.0 + change[5]
    det = a * d - b * c
    yy, yx = (at[2] * d - at[3] * c) / det, (-at[2] * b + at[3] * a) / det
    xy, xx = (at[4] * d - at[5] * c) / det, (-at[4] * b + at[5] * a) / det
    at[2], at[3], at[4], at[5] = yy, yx, xy, xx
    at[0] -= yy * change[0] + yx * change[1]
    at[1] -= xy * change[0] + xx * change[1]


@inner
def _look(
    view: NDArray[np.float32],
    pixels: NDArray[np.float32],
    descent: NDArray[np.float32],
    weights: NDArray[np.float32],
    at: Real,
    origin: tuple[float, float],
    corner: tuple[float, float],
    variance: float,
    seen: Real,
    slope: Real,
) -> None:
    """Fill `seen` and `slope`, Σ w · descent · view, with the view warped as `at` says."""
    n_y, n_x = pixels.shape
    last_y, last_x = view.shape[0] - 1.0, view.shape[1] - 1.0
    s0 = s1 = s2 = s3 = s4 = s5 = 0.0
    sum_t = sum_e = sum_te = sum_ee = outside = 0.0
    for row in range(n_y):
        oy = row + corner[0]
        for column in range(n_x):
            ox = column + corner[1]
            y = origin[0] + at[0] + at[2] * oy + at[3] * ox
            x = origin[1] + at[1] + at[4] * oy + at[5] * ox
            weight = weights[row, column]
            if y < 0.0 or x < 0.0 or y > last_y or x > last_x:
                outside += weight
            now = _sample(view, y, x)
            then = pixels[row, column]
            pull = weight * now
            sum_t += weight * then
            sum_e += pull
            sum_te += pull * then
            sum_ee += pull * now
            s0 += pull * descent[row, column, 0]
            s1 += pull * descent[row, column, 1]
            s2 += pull * descent[row, column, 2]
            s3 += pull * descent[row, column, 3]
            s4 += pull * descent[row, column, 4]
            s5 += pull * descent[row, column, 5]
    slope[0], slope[1], slope[2], slope[3], slope[4], slope[5] = s0, s1, s2, s3, s4, s5
    covariance = sum_te - sum_t * sum_e
    spread = max(sum_ee - sum_e * sum_e, 0.0)
    # an image without structure has no gain: nothing in it resembles the template
    gain = covariance / variance if variance > 0.0 else 0.0
    seen[0] = gain
    seen[1] = sum_e - gain * sum_t
    seen[2] = covariance / np.sqrt(variance * spread) if variance * spread > 0.0 else 0.0
    seen[3] = max(spread - gain * covariance, 0.0)
    seen[4] = outside
