"""Where in k-space the samples of a readout lie: as the scanner sent it, or computed."""

from math import cos, log, pi, sin, sqrt
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from messages import READOUT, HeaderError
from messages.acquisition import REVERSE
from recon.reconstruction_plan import OFF_THE_GRID, ReconstructionPlan

GOLDEN_ANGLE_RAD = pi * (sqrt(5) - 1) / 2  # Winkelmann et al. 2007, doi:10.1109/TMI.2006.885337
# A known unit puts the outermost sample between this and its inverse of the encoded edge: matrices
# are rounded up, and arms differ. Units lie further apart, and a stretched trajectory would put
# everything elsewhere.
UNIT_TOLERANCE = 0.75
EDGE_TOLERANCE = 1.1

_NAMES = READOUT.names or ()
fields_of = itemgetter(
    *(
        _NAMES.index(name)
        for name in (
            "kspace_encode_step_1",
            "center_sample",
            "n_samples",
            "discard_pre",
            "discard_post",
            "repetition",
            "flags",
        )
    )
)


class Unit(NamedTuple):
    """What a scanner's trajectory is multiplied by to be in cycles per field of view, and why."""

    scale: float
    name: str


class Trajectory:
    """The sampling of a session. Positions are (y, x) in cycles per reconstructed extent along x.

    reach: how far the encoded matrix goes. n_spokes: readouts of one frame, None where unknown.
    is_computed: spokes by their counters; otherwise the readouts bring their positions.
    """

    def __init__(self, plan: ReconstructionPlan, method: str) -> None:
        encoding, settings = plan.encoding, plan.settings
        if encoding.trajectory not in OFF_THE_GRID:
            expected = ", ".join(sorted(OFF_THE_GRID))
            raise HeaderError(
                f"is {encoding.trajectory!r}, recon.method {method} expects one of {expected}",
                field="encoding.trajectory",
            )
        if plan.n_partitions > 1 or plan.recon_matrix[2] > 1:
            n_z = max(plan.encoded_matrix[2], plan.recon_matrix[2])
            raise HeaderError(
                f"is {n_z}, recon.method {method} reconstructs 2-D slices only, expected 1",
                field="encoding.encodedSpace.matrixSize.z",
            )
        self.is_computed = settings.trajectory != "header"
        self.is_spiral = encoding.trajectory == "spiral"
        if self.is_computed and self.is_spiral:
            raise HeaderError(
                f"is 'spiral', recon.trajectory {settings.trajectory} computes radial spokes; "
                "expected readouts that bring their trajectory (recon.trajectory header)",
                field="encoding.trajectory",
            )
        limit = encoding.kspace_encoding_step_1
        # a maximum of 0 is a gap in the header, not a limit
        known = None if limit is None or limit.maximum < 1 else limit.maximum + 1
        # of a sliding window a frame is a hop, and the header says by how many the scanner counts
        counted = known if settings.window_readouts else None
        self.n_spokes = counted or settings.readouts_per_frame or known
        if self.is_computed and self.n_spokes is None:
            raise HeaderError(
                f"tells no number of spokes, which recon.trajectory {settings.trajectory} counts "
                "by; expected a maximum above 0, or recon.readouts_per_frame",
                field="encoding.encodingLimits.kspace_encoding_step_1.maximum",
            )
        self._source = settings.trajectory
        self._fov_mm = plan.recon_fov_mm[0]
        self.spacing = plan.recon_fov_mm[0] / plan.encoded_fov_mm[0]
        self.reach = plan.encoded_matrix[0] / 2 * self.spacing
        # from cycles per extent along x to cycles per extent along each axis
        self.aspect = np.array([plan.recon_fov_mm[1] / plan.recon_fov_mm[0], 1.0], np.float32)

    def taken(self, fields: tuple[int, ...], n_held: int, number: int) -> slice:
        """Return which samples of a readout count."""
        _, center, n_samples, discard_pre, discard_post, _, _ = fields
        last = n_samples - discard_post
        if not 1 <= n_samples <= n_held:
            raise ValueError(f"readout {number}: n_samples is {n_samples}, limit 1 to {n_held}")
        if not 0 <= discard_pre < last <= n_samples:
            raise ValueError(
                f"readout {number}: discard_pre {discard_pre} and discard_post {discard_post} "
                f"leave nothing of {n_samples} samples"
            )
        if self.is_computed and not 0 <= center < n_samples:
            raise ValueError(
                f"readout {number}: center_sample is {center}, limit 0 to {n_samples - 1}"
            )
        return slice(discard_pre, last)

    def spoke(self, fields: tuple[int, ...]) -> int:
        """Return a spoke's number: its counter, or counted through the repetitions before it.

        A counter beyond the frame runs on by itself; otherwise it restarts in each repetition.
        """
        step_1, repetition = fields[0], fields[5]
        n_spokes = self.n_spokes or 1
        if self._source == "golden-angle" and step_1 < n_spokes:
            return step_1 + repetition * n_spokes
        return step_1 if self._source == "golden-angle" else step_1 % n_spokes

    def angle_rad(self, spoke: int) -> float:
        """Return the angle of a spoke's end from x towards y."""
        if self._source == "uniform-angle":
            return pi * spoke / (self.n_spokes or 1)
        return spoke * GOLDEN_ANGLE_RAD % (2 * pi)

    def computed(self, fields: tuple[int, ...], taken: slice, number: int) -> NDArray[np.float32]:
        """Return positions of one spoke, float32 (sample, 2); a reversed one starts at its end."""
        angle = self.angle_rad(self.spoke(fields))
        n_far = max(fields[1] - taken.start, taken.stop - 1 - fields[1])
        if n_far * self.spacing > self.reach * EDGE_TOLERANCE:
            raise ValueError(
                f"readout {number}: its samples reach {n_far} to one side of center_sample, "
                f"expected at most {self.reach / self.spacing:g}, half the encoded matrix; "
                "oversampling belongs into encodedSpace, its matrix and its field of view"
            )
        step = -self.spacing if fields[6] & REVERSE else self.spacing
        radius = np.arange(taken.start - fields[1], taken.stop - fields[1], dtype=np.float32)
        radius *= np.float32(step)
        return np.multiply.outer(radius, np.array([sin(angle), cos(angle)], np.float32))

    def brought(
        self, positions: NDArray[np.float32], unit: Unit, number: int
    ) -> NDArray[np.float32]:
        """Return positions of one readout from what it brought, float32 (sample, 2).

        positions: float32 (sample, dimension), (kx, ky, …). Each sample has its own, so the flag
        REVERSE changes nothing.
        """
        scaled: NDArray[np.float32] = positions[:, 1::-1] * np.float32(unit.scale)
        far = float(np.abs(scaled).max())
        if not far <= self.reach * EDGE_TOLERANCE:
            raise ValueError(
                f"readout {number}: its trajectory reaches {far:g} cycles per field of view "
                f"({unit.name}), expected at most {self.reach:g}, half the encoded matrix"
            )
        return scaled

    def unit(self, positions: NDArray[np.float32], number: int) -> Unit:
        """Return the unit that puts the outermost sample of a readout nearest to the encoded edge.

        Where no known unit puts it near, the maximum is the edge.
        """
        far = float(np.hypot(positions[:, 0], positions[:, 1]).max())
        if not (np.isfinite(far) and far > 0):
            raise ValueError(
                f"readout {number}: its trajectory reaches {far:g}, expected a number above 0"
            )
        fov_m = self._fov_mm / 1000
        units = (
            Unit(2 * self.reach, "a fraction of the encoded matrix"),
            Unit(1.0, "cycles per reconstructed field of view"),
            Unit(self.spacing, "cycles per encoded field of view"),
            Unit(fov_m, "1/m"),
            Unit(self._fov_mm, "1/mm"),
            Unit(fov_m / (2 * pi), "rad/m"),
        )
        nearest = min(units, key=lambda unit: abs(log(far * unit.scale / self.reach)))
        if UNIT_TOLERANCE <= far * nearest.scale / self.reach <= 1 / UNIT_TOLERANCE:
            return nearest
        return Unit(self.reach / far, "normalised by its maximum")

    def check_brought(
        self, trajectory: NDArray[np.float32] | None, n_readouts: int, n_held: int
    ) -> NDArray[np.float32]:
        """Return the trajectory of a batch, (readout, sample, dimension), if it can be one."""
        if trajectory is None or trajectory.shape[-1] == 0:
            raise ValueError(
                "the readouts bring no trajectory; recon.trajectory computes radial ones: "
                "golden-angle, golden-angle-restarted or uniform-angle"
            )
        if trajectory.shape[:2] != (n_readouts, n_held) or trajectory.ndim != 3:
            raise ValueError(
                f"the trajectory is {trajectory.shape}, expected {n_readouts} readouts of "
                f"{n_held} samples"
            )
        if trajectory.shape[2] not in (2, 3):
            raise ValueError(
                f"the trajectory has {trajectory.shape[2]} dimensions, expected 2 (or 3, of which "
                "the third is a density weight)"
            )
        return trajectory


def check_third_column(positions: NDArray[np.float32], number: int) -> None:
    """Refuse a third column that is no density weight but a position along z."""
    if positions.shape[1] == 3 and positions[:, 2].min() < 0 < positions[:, 2].max():
        raise ValueError(
            f"readout {number}: the third column of its trajectory changes sign, so it is kz; "
            "expected a 2-D trajectory"
        )
