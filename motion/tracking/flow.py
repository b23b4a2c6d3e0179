"""How a structure is deformed beyond an affine change: a smooth displacement of its box.

Inverse-compositional as the affine alignment is (Baker and Matthews 2004), with hat functions on a
coarse grid instead of six parameters, and a smoothness that Horn and Schunck 1981 gave,
doi:10.1016/0004-3702(81)90024-2. Its system belongs to the template and is solved beforehand.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from motion.tracking.affine import Fit, affine_field, warped
from motion.tracking.structure import MARGIN_PX, Structure

Single = NDArray[np.float32]

SPACING_PX: Final = 5.0
MOST_NODES: Final = 9  # in one direction
STIFFNESS: Final = 0.3  # of the mean information of a node, for each difference of neighbours
FREEDOM: Final = 0.1  # of the same, that holds a node to the affine change
N_STEPS: Final = 4
MOST_PX: Final = 4.0  # what is farther from the affine change than this is no refinement


@dataclass(frozen=True, slots=True, eq=False)
class Flowed:
    """What the flow adds. field_px: float32 (2, y, x), displacement of each pixel of the box.

    shift_px: (y, x), its mean over the structure. area: the mean of its Jacobian determinant there.
    """

    field_px: Single
    shift_px: NDArray[np.float64]
    area: float


class Flow:
    """The dense refinement of one structure."""

    def __init__(self, structure: Structure) -> None:
        self._structure = structure
        hats_y, hats_x = (_hats(n) for n in structure.box_size)
        n_y, n_x = hats_y.shape[1], hats_x.shape[1]
        basis = np.einsum("ya,xb->yxab", hats_y, hats_x)
        self._basis = basis.reshape(-1, n_y * n_x).astype(np.float32)
        self._smoothness = np.kron(_differences(n_y), np.eye(n_x)) + np.kron(
            np.eye(n_y), _differences(n_x)
        )
        self._inside = structure.mask[structure.box.cut]
        # beyond the structure only its shift is told, and the rim leads over to it
        self._taper = np.clip(1.0 + (structure.depth_px + 2.0) / (MARGIN_PX - 2.0), 0.0, 1.0)

    def solver(self, pixels: Single) -> Single:
        """Return float32 (2, 2 node, 2 node), for a template's pixels.

        First what takes slopes times error to a change of the nodes, then what takes the nodes to
        the part of it that smoothness asks back.
        """
        weights = self._structure.weights.ravel()
        n_nodes = self._basis.shape[1]
        slopes = [slope.ravel() for slope in np.gradient(pixels.astype(np.float64))]
        system = np.empty((2 * n_nodes, 2 * n_nodes))
        for a in range(2):
            for b in range(2):
                lever = (weights * slopes[a] * slopes[b])[:, None]
                system[a * n_nodes : (a + 1) * n_nodes, b * n_nodes : (b + 1) * n_nodes] = (
                    self._basis.T @ (lever * self._basis)
                )
        unit = float(np.trace(system)) / len(system)
        hold = STIFFNESS * self._smoothness + FREEDOM * np.eye(n_nodes)
        holding = unit * np.kron(np.eye(2), hold)
        inverse = np.linalg.inv(system + holding + 1e-30 * np.eye(len(system)))
        return np.stack([inverse, inverse @ holding]).astype(np.float32)

    def refined(self, view: Single, fit: Fit) -> Flowed:
        """Return the field that makes the template look like the view, from the affine one on."""
        pixels, solver = fit.template.pixels, fit.template.flow_solver
        if solver is None:
            solver = self.solver(pixels)
        slopes = np.gradient(pixels)
        start = affine_field(self._structure, fit)
        beyond, nodes = np.zeros_like(start), np.zeros(len(solver[0]), np.float32)
        weights = self._structure.weights
        for _ in range(N_STEPS):
            now = warped(self._structure, view, start + beyond)
            error = weights * ((now - fit.bias) / fit.gain - pixels)
            pull = [self._basis.T @ (slope * error).ravel() for slope in slopes]
            nodes = nodes + solver[0] @ np.concatenate(pull) - solver[1] @ nodes
            np.clip(nodes, -MOST_PX, MOST_PX, out=nodes)
            back = (nodes.reshape(2, -1) @ self._basis.T).reshape(start.shape)
            beyond = -np.tensordot(fit.matrix.astype(np.float32), back, axes=1)
        return self._flowed(start + beyond, fit)

    def _flowed(self, field: Single, fit: Fit) -> Flowed:
        shift = fit.shift_px.astype(np.float32)[:, None, None]
        field = shift + self._taper * (field - shift)
        (yy, yx), (xy, xx) = (np.gradient(one) for one in field)
        area = (1.0 + yy) * (1.0 + xx) - yx * xy
        return Flowed(
            np.asarray(field, np.float32),
            field[:, self._inside].mean(axis=1).astype(np.float64),
            float(area[self._inside].mean()),
        )


def _hats(n: int) -> NDArray[np.float64]:
    """Return hat functions (pixel, node) whose sum is 1."""
    n_nodes = int(np.clip(round(n / SPACING_PX), 2, MOST_NODES))
    at = np.arange(n) * (n_nodes - 1) / max(n - 1, 1)
    return np.clip(1.0 - np.abs(at[:, None] - np.arange(n_nodes)), 0.0, None)


def _differences(n: int) -> NDArray[np.float64]:
    steps = np.diff(np.eye(n), axis=0)
    return np.asarray(steps.T @ steps)
