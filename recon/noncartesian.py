"""What radial and spiral methods share: readouts spread as they arrive."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sigpy.linop
from numpy.typing import NDArray

from messages import Frame, HeaderError, is_imaging
from recon.coil_maps import CoilMaps, estimate_coil_maps
from recon.density import density, direction, is_spoke, ring_area
from recon.device import device_of
from recon.gradient_delay import GradientDelay, estimate_delay
from recon.gridding import OVERSAMPLING, OversampledGrid
from recon.nufft import NUFFT
from recon.reconstruction_plan import ReconstructionPlan
from recon.reconstructor import Calibration, Partial
from recon.trajectory import Trajectory, Unit, check_third_column, fields_of

SAME = 0.05  # cycles: how far positions may differ from the first frame's, turned


@dataclass(frozen=True, slots=True, eq=False)
class Sampling:
    """What one whole frame taught about the trajectory of a session.

    unit: of what the scanner sends; None where positions are computed.
    positions, areas: of each readout, float32 (sample, 2) and (sample,); without the delay.
    farthest: of each readout, its outermost sample.
    places: a readout's number within the frame by its counter; empty: by its order.
    """

    unit: Unit | None
    delay: GradientDelay | None
    positions: tuple[NDArray[np.float32], ...]
    areas: tuple[NDArray[np.float32], ...]
    farthest: tuple[int, ...]
    places: dict[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class SampledCalibration(Calibration):
    """Coil maps, and the sampling by which later frames are weighted while they arrive."""

    sampling: Sampling | None = None


@dataclass(slots=True, eq=False)
class Gridded(Partial):
    """Readouts spread on the oversampled grid.

    grid: complex64 (y, x, coil).
    coord: of each imaging readout float32 (sample, 2), (y, x) in cycles per field of view.
    counters: of each imaging readout, within the frame.
    turn: cosine and sine of the angle by which this frame is turned against the first.
    power: sum of squared weights.
    is_spread: False once a readout did not lie where the sampling says, or while there is none: the
        frame is then spread when it is finished.
    """

    grid: NDArray[np.complex64]
    sampling: Sampling | None
    unit: Unit | None
    is_spread: bool
    coord: list[NDArray[np.float32]] = field(default_factory=list)
    counters: list[int] = field(default_factory=list)
    turn: tuple[np.float32, np.float32] | None = None
    power: float = 0.0


class NonCartesian:
    """Spreads readouts as they land; a subclass says how they weigh, and makes the image.

    Weights of a frame depend on all its readouts, so the first complete frame teaches them. Later
    frames that are the same, or the same turned about the k-space centre (golden angles counted
    on), have the same weights, and are spread while they are acquired. Any other frame is spread
    when it is finished, by weights of its own: right, but late.
    """

    name = ""
    oversampling = OVERSAMPLING
    is_weighted = True  # by areas; otherwise every sample counts 1 and nothing need be known

    def __init__(self, plan: ReconstructionPlan) -> None:
        device_of(plan.settings.device, is_known=False)  # raises where it is not the host
        self.plan = plan
        self.trajectory = Trajectory(plan, self.name)
        if plan.settings.gradient_delay == "ring" and self.trajectory.is_spiral:
            raise HeaderError(
                "is 'spiral', recon.gradient_delay ring expects radial spokes",
                field="encoding.trajectory",
            )
        n_x, n_y, _ = plan.recon_matrix
        self._oversampled = OversampledGrid((n_y, n_x), plan.n_coils, self.oversampling)
        self._mix = None if plan.whitening is None else plan.whitening.matrix.T
        self._ones = np.ones(plan.n_samples, np.float32)
        self._is_square = bool(self.trajectory.aspect[0] == 1)

    def operator(
        self, calibration: Calibration | None = None, sampled: Partial | None = None
    ) -> sigpy.linop.Linop:
        """Return the forward model, image → samples (coil, point), at the positions of `sampled`.

        From coil images (coil, z, y, x), or with maps from the image (z, y, x). Points are the
        samples of the frame's imaging readouts, one readout after the other.
        Raises ValueError without a frame: each may be sampled elsewhere.
        """
        partial = gridded(sampled)
        if not partial.coord:
            raise ValueError("the sampled frame holds no readouts, and without them no positions")
        shape = self.plan.image_shape
        coils = (self.plan.n_coils, *shape[1:])
        forward = NUFFT(coils, np.concatenate(partial.coord)) * sigpy.linop.Reshape(
            coils, (self.plan.n_coils, *shape)
        )
        maps = None if calibration is None else calibration.maps
        if maps is None:
            return forward
        return forward * sigpy.linop.Multiply(shape, maps.weights.conj())

    def start(
        self, calibration: Calibration | None = None, recycled: Partial | None = None
    ) -> Gridded:
        """Return an empty frame; `recycled` is used up and lends its buffers."""
        sampling = _sampling_of(calibration)
        unit = None if sampling is None else sampling.unit
        is_spread = sampling is not None or not self.is_weighted
        if isinstance(recycled, Gridded):
            if recycled.grid.shape != (*self._oversampled.size, self.plan.n_coils):
                raise ValueError(f"the recycled frame is {recycled.grid.shape}, another plan's")
            recycled.grid.fill(0)
            return Gridded(0, recycled.grid, sampling, unit, is_spread)
        return Gridded(0, self._oversampled.zeros(), sampling, unit, is_spread)

    def absorb(
        self,
        partial: Partial,
        readouts: NDArray[Any],
        samples: NDArray[np.complex64],
        trajectory: NDArray[np.float32] | None = None,
    ) -> Gridded:
        """Return the frame with more readouts in it; `partial` is used up, `samples` never.

        readouts: rows of `READOUT` (readout,). samples: complex64 (readout, coil, sample).
        trajectory: float32 (readout, sample, 2), (kx, ky) in any unit, or (…, 3) with a density
        weight that is not used; None where positions are computed.
        Raises ValueError for a readout or a trajectory that cannot belong to this session.
        """
        frame = gridded(partial)
        n_held = samples.shape[2]
        if samples.shape[:2] != (len(readouts), self.plan.n_coils):
            raise ValueError(
                f"samples are {samples.shape}, expected {len(readouts)} readouts of "
                f"{self.plan.n_coils} coils"
            )
        if not self.trajectory.is_computed:
            trajectory = self.trajectory.check_brought(trajectory, len(readouts), n_held)
        # One at a time, so that a batch gives the same bits as its readouts one by one.
        for index, row in enumerate(readouts.tolist()):
            fields = fields_of(row)
            if is_imaging(fields[-1]):
                brought = None if trajectory is None else trajectory[index]
                self._take(frame, fields, samples[index], brought)
            frame.n_readouts += 1
        return frame

    def refine(self, calibration: Calibration) -> Calibration:
        """Return the calibration as it is: each coil keeps its own phase, maps only weigh."""
        return calibration

    def _weights(
        self, frame: Gridded, positions: NDArray[np.float32], counter: int
    ) -> NDArray[np.float32] | None:
        """Return how the samples of a readout weigh; None where the sampling does not tell."""
        if not self.is_weighted:
            return self._ones[: len(positions)]
        sampling = frame.sampling
        order = len(frame.coord)
        place = order if sampling is None else sampling.places.get(counter, order)
        if sampling is None or place >= len(sampling.positions):
            return None
        expected = sampling.positions[place]
        if expected.shape != positions.shape:
            return None
        if frame.turn is None:
            at = sampling.farthest[place]
            frame.turn = _turn(expected[at], positions[at])
        cosine, sine = frame.turn
        off_y = positions[:, 0] - (cosine * expected[:, 0] + sine * expected[:, 1])
        off_x = positions[:, 1] - (cosine * expected[:, 1] - sine * expected[:, 0])
        # written so that what is no number does not pass
        if not (np.abs(off_y).max() <= SAME and np.abs(off_x).max() <= SAME):
            return None
        return sampling.areas[place]

    def _take(
        self,
        frame: Gridded,
        fields: tuple[int, ...],
        samples: NDArray[np.complex64],
        brought: NDArray[np.float32] | None,
    ) -> None:
        """Place one readout, and spread it where its weights are known."""
        number = frame.n_readouts
        taken = self.trajectory.taken(fields, samples.shape[1], number)
        positions = self._positions(frame, fields, taken, brought)
        n_spokes = self.trajectory.n_spokes
        counter = fields[0] if n_spokes is None else fields[0] % n_spokes
        weights = self._weights(frame, positions, counter) if frame.is_spread else None
        delay = None if frame.sampling is None else frame.sampling.delay
        if delay is not None:
            positions, weights = _delayed(positions, weights, delay)
        coord = positions if self._is_square else positions * self.trajectory.aspect
        frame.coord.append(coord)
        frame.counters.append(counter)
        frame.is_spread = weights is not None
        if weights is not None:
            kept = samples[:, taken].T
            mixed = np.ascontiguousarray(kept) if self._mix is None else kept @ self._mix
            frame.power += self._oversampled.spread(frame.grid, coord, weights, mixed)

    def _positions(
        self,
        frame: Gridded,
        fields: tuple[int, ...],
        taken: slice,
        brought: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        if brought is None or self.trajectory.is_computed:
            return self.trajectory.computed(fields, taken, frame.n_readouts)
        number = frame.n_readouts
        brought = brought[taken]
        if frame.unit is None:
            frame.unit = self.trajectory.unit(brought, number)
        check_third_column(brought, number)
        return self.trajectory.brought(brought, frame.unit, number)

    def _fold(self, frame: Frame, sampling: Sampling | None) -> Gridded:
        start = self.start(SampledCalibration(sampling=sampling))
        return self.absorb(start, frame.readouts, frame.samples, frame.trajectory)

    def _settled(self, partial: Partial, frame: Frame, calibration: Calibration | None) -> Gridded:
        """Return the frame spread by the right weights: as it arrived, or else all anew."""
        arrived, known = gridded(partial), _sampling_of(calibration)
        if arrived.is_spread and (known is None or known is arrived.sampling):
            return arrived
        if known is not None:
            again = self._fold(frame, known)
            if again.is_spread:
                return again
        if not arrived.coord:
            return arrived
        return self._fold(frame, self._learn(frame, known))

    def _learn(self, frame: Frame, known: Sampling | None) -> Sampling:
        """Return the sampling of a frame: its own weights, unit and delay as known before."""
        kept = None if known is None else replace(known, positions=(), delay=None)
        bare = self._fold(frame, kept)
        positions = [one / self.trajectory.aspect for one in bare.coord]
        stretch = np.float32(self.trajectory.aspect[0])
        delay = None if known is None else known.delay
        if known is None and frame.is_complete:
            delay = self._delay(frame, positions)
        n_counted = len(set(bare.counters))
        if self.trajectory.is_computed and n_counted == 1 < len(bare.counters):
            raise ValueError(
                f"every readout of the frame has kspace_encode_step_1 {bare.counters[0]}, by which "
                "computed spokes are counted; expected a counter that runs"
            )
        is_named = n_counted == len(bare.counters)
        return Sampling(
            unit=bare.unit,
            delay=delay,
            positions=tuple(positions),
            areas=tuple(stretch * one for one in density(positions)),
            farthest=tuple(int(np.argmax(np.hypot(*one.T))) for one in positions),
            places={c: i for i, c in enumerate(bare.counters)} if is_named else {},
        )

    def _delay(self, frame: Frame, positions: list[NDArray[np.float32]]) -> GradientDelay | None:
        if self.plan.settings.gradient_delay != "ring":
            return None
        if not all(is_spoke(one) for one in positions):
            raise ValueError("the readouts are not straight, as recon.gradient_delay ring expects")
        spokes, number = [], 0
        for row, samples in zip(frame.readouts.tolist(), frame.samples, strict=True):
            fields = fields_of(row)
            if is_imaging(fields[-1]):
                spokes.append(samples[:, self.trajectory.taken(fields, samples.shape[1], number)])
                number += 1
        if not all(np.isfinite(one).all() for one in spokes):
            return None
        along = [direction(one) for one in positions]
        starts = [float(one[0] @ n) for one, n in zip(positions, along, strict=True)]
        spacing = float(np.hypot(*(positions[0][-1] - positions[0][0]))) / (len(positions[0]) - 1)
        return estimate_delay(spokes, [-start / spacing for start in starts], along, spacing)


def maps_from(coil_pixels: NDArray[np.complex64]) -> CoilMaps | None:
    """Return maps from coil images (coil, z, y, x), None where these hold NaN."""
    return estimate_coil_maps(coil_pixels) if np.isfinite(coil_pixels).all() else None


def _delayed(
    positions: NDArray[np.float32], weights: NDArray[np.float32] | None, delay: GradientDelay
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return shifted positions, and weights for the radii at which the samples now lie.

    What both gradients are late by moves the samples along their spokes. What they differ by also
    moves spokes aside, so that none passes through the centre; that hole no weight can fill.
    """
    along = direction(positions)
    if weights is not None:
        radius = positions @ along.astype(np.float32)
        spacing = float(abs(radius[-1] - radius[0])) / max(len(radius) - 1, 1)
        moved = ring_area(radius + np.float32((delay.x + delay.y) / 2), spacing)
        weights = (weights * moved / ring_area(radius, spacing)).astype(np.float32)
    return positions + delay.shift(along), weights


def _turn(before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    """Return cosine and sine of the angle, from x towards y, between two positions (y, x)."""
    angle = float(np.arctan2(after[0], after[1]) - np.arctan2(before[0], before[1]))
    return np.float32(np.cos(angle)), np.float32(np.sin(angle))


def gridded(partial: Partial | None) -> Gridded:
    """Return the partial frame as this module's own; TypeError for another method's."""
    if not isinstance(partial, Gridded):
        raise TypeError(f"{type(partial).__name__} is another method's partial frame")
    return partial


def _sampling_of(calibration: Calibration | None) -> Sampling | None:
    return calibration.sampling if isinstance(calibration, SampledCalibration) else None
