"""Images of the last so many spokes, anew with each hop of fewer: the rate and the window part."""

from dataclasses import dataclass, replace
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import sigpy.linop
from numpy.typing import NDArray

from messages import Frame, HeaderError, Image, is_imaging
from recon.noncartesian import NonCartesian, SampledCalibration
from recon.reconstruction_plan import OFF_THE_GRID, ReconstructionPlan
from recon.reconstructor import Calibration, Partial, Reconstructor

MOST_STEP = 1.5  # from hop to hop, over the shortest; after more a hop is missing


@dataclass(frozen=True, slots=True, eq=False)
class Hop:
    """The spokes of one frame, kept for the windows that they are still part of.

    readouts, samples, trajectory: as in `Frame`, imaging readouts alone; never changed, so that the
    checkpoint writes them once.
    """

    readouts: NDArray[Any]
    samples: NDArray[np.complex64]
    trajectory: NDArray[np.float32] | None
    time_s: float
    repetition: int
    is_complete: bool

    @property
    def n_spokes(self) -> int:
        """Imaging readouts."""
        return len(self.readouts)


@dataclass(frozen=True, slots=True, eq=False)
class WindowCalibration(Calibration):
    """What the first full window taught, and the hops that the next window may be made of.

    hops: oldest first, the latest frame's last; the fewest that hold a window.
    learned: by the method itself. shortest_step: from hop to hop, see `_step`.
    """

    hops: tuple[Hop, ...] = ()
    learned: Calibration | None = None
    shortest_step: float = inf


@dataclass(slots=True, eq=False)
class PartialWindow(Partial):
    """A window half reconstructed, by the method itself.

    before: hops absorbed at the start, without the first one's `n_skipped` first spokes.
    """

    one: Partial
    before: tuple[Hop, ...] = ()
    n_skipped: int = 0


class SlidingWindow:
    """A method for spokes whose frames are hops: each image shows the last `n_readouts` spokes.

    The spokes of older hops are absorbed when a frame begins, before its first readout lands. By
    the golden angle (Winkelmann et al. 2007, doi:10.1109/TMI.2006.885337) each window is the last
    one turned: weights stay, by the place in the window, and new spokes are spread as they land.

    Until the window is full, images are made of what is there and marked incomplete. So are all
    windows that a hop with lost spokes is part of. After a hop that is lost altogether (by its
    time, or by its repetition where there is no clock) the window fills anew. Such windows are
    weighted by themselves. Coil maps come from the first full one.
    """

    def __init__(self, reconstructor: Reconstructor, n_readouts: int) -> None:
        if not isinstance(reconstructor, NonCartesian):
            raise HeaderError(
                f"is {reconstructor.plan.encoding.trajectory!r}, recon.window_readouts expects "
                f"one of {', '.join(sorted(OFF_THE_GRID))}",
                field="encoding.trajectory",
            )
        self._one: Reconstructor = reconstructor
        self.n_readouts = n_readouts

    @property
    def plan(self) -> ReconstructionPlan:
        """The geometry it works for."""
        return self._one.plan

    def start(
        self, calibration: Calibration | None = None, recycled: Partial | None = None
    ) -> PartialWindow:
        """Return a window of the spokes that came before; `recycled` lends its buffers.

        As many as a hop as long as the last one leaves room for.
        """
        used = recycled.one if isinstance(recycled, PartialWindow) else None
        known = _known(calibration)
        n_before = max(self.n_readouts - known.hops[-1].n_spokes, 0) if known.hops else 0
        before = _last(known.hops, n_before)
        n_skipped = sum(one.n_spokes for one in before) - n_before
        if not known.hops or n_skipped < 0:
            return PartialWindow(0, self._one.start(_short(known), used))
        one = self._one.start(known.learned, used)
        for hop in before:
            one = self._absorb_hop(one, hop, n_skipped if hop is before[0] else 0)
        return PartialWindow(0, one, before, n_skipped)

    def absorb(
        self,
        partial: Partial,
        readouts: NDArray[Any],
        samples: NDArray[np.complex64],
        trajectory: NDArray[np.float32] | None = None,
    ) -> PartialWindow:
        """Return the window with more readouts in it."""
        window = _window(partial)
        one = self._one.absorb(window.one, readouts, samples, trajectory)
        n_readouts = window.n_readouts + len(readouts)
        return PartialWindow(n_readouts, one, window.before, window.n_skipped)

    def calibrate(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> WindowCalibration:
        """Return what the next frame needs of this one, and coil maps once a window is full."""
        known = _followed(_known(calibration), hop_of(frame))
        known = replace(known, hops=_last(known.hops, self.n_readouts), is_rolling=True)
        learned = known.learned
        if learned is None and self._is_full(known.hops):
            arrived = self._arrived(_window(partial), known.hops, None)
            learned = self._one.calibrate(arrived, self._frame(known.hops, frame))
            learned = _by_place(learned)
        if learned is None:
            return replace(known, is_ready=False)
        return replace(known, maps=learned.maps, is_ready=learned.is_ready, learned=learned)

    def finish(
        self, partial: Partial, frame: Frame, calibration: Calibration | None = None
    ) -> Image:
        """Return the window's image, at the mean time of its spokes.

        calibration: what `calibrate` returned for this very frame.
        """
        known = _known(calibration)
        hops = known.hops or (hop_of(frame),)
        learned = known.learned if self._is_full(hops) else _short(known)
        arrived = self._arrived(_window(partial), hops, learned)
        return self._one.finish(arrived, self._frame(hops, frame), learned)

    def refine(self, calibration: Calibration) -> Calibration:
        """Return the calibration as it is: it changes with each frame."""
        return calibration

    def operator(
        self, calibration: Calibration | None = None, sampled: Partial | None = None
    ) -> sigpy.linop.Linop:
        """Return the forward model of the window, image → samples, oldest spoke first."""
        one = None if sampled is None else _window(sampled).one
        return self._one.operator(_known(calibration).learned, one)

    def _is_full(self, hops: tuple[Hop, ...]) -> bool:
        is_complete = all(hop.is_complete for hop in hops)
        return is_complete and sum(hop.n_spokes for hop in hops) >= self.n_readouts

    def _absorb_hop(self, one: Partial, hop: Hop, n_skipped: int) -> Partial:
        trajectory = None if hop.trajectory is None else hop.trajectory[n_skipped:]
        return self._one.absorb(one, hop.readouts[n_skipped:], hop.samples[n_skipped:], trajectory)

    def _arrived(
        self, window: PartialWindow, hops: tuple[Hop, ...], learned: Calibration | None
    ) -> Partial:
        """Return the hops' last spokes absorbed: as they came, or all anew."""
        n_skipped = max(sum(hop.n_spokes for hop in hops) - self.n_readouts, 0)
        if window.before == hops[:-1] and window.n_skipped == n_skipped:
            return window.one
        one = self._one.start(learned)
        for hop in hops:
            one = self._absorb_hop(one, hop, n_skipped if hop is hops[0] else 0)
        return one

    def _frame(self, hops: tuple[Hop, ...], frame: Frame) -> Frame:
        """Return the last spokes of the hops as one frame."""
        readouts = np.concatenate([hop.readouts for hop in hops])[-self.n_readouts :]
        brought = [hop.trajectory for hop in hops if hop.trajectory is not None]
        return replace(
            frame,
            readouts=readouts,
            samples=np.concatenate([hop.samples for hop in hops])[-self.n_readouts :],
            trajectory=np.concatenate(brought)[-self.n_readouts :] if brought else None,
            time_s=float(np.mean(readouts["time_s"])) if len(readouts) else nan,
            is_complete=self._is_full(hops),
        )


def hop_of(frame: Frame) -> Hop:
    """Return a copy of a frame's imaging readouts."""
    is_kept = np.array([is_imaging(flags) for flags in frame.readouts["flags"].tolist()], np.bool_)
    hop = Hop(
        readouts=frame.readouts[is_kept],
        samples=frame.samples[is_kept],
        trajectory=None if frame.trajectory is None else frame.trajectory[is_kept],
        time_s=frame.time_s,
        repetition=frame.key.repetition,
        is_complete=frame.is_complete,
    )
    for one in (hop.readouts, hop.samples, hop.trajectory):
        if one is not None:
            one.flags.writeable = False
    return hop


def _known(calibration: Calibration | None) -> WindowCalibration:
    if calibration is None:
        return WindowCalibration(is_ready=False)
    if not isinstance(calibration, WindowCalibration):
        raise TypeError(f"{type(calibration).__name__} is another method's calibration")
    return calibration


def _window(partial: Partial) -> PartialWindow:
    if not isinstance(partial, PartialWindow):
        raise TypeError(f"{type(partial).__name__} is another method's partial frame")
    return partial


def _last(hops: tuple[Hop, ...], n_spokes: int) -> tuple[Hop, ...]:
    """Return the fewest of the last hops that hold so many spokes; all where none do."""
    n_held, first = 0, len(hops)
    while first and n_held < n_spokes:
        first -= 1
        n_held += hops[first].n_spokes
    return hops[first:]


def _short(known: WindowCalibration) -> Calibration | None:
    """Return what is known for a window that is not full: of fewer spokes, each weighs more."""
    learned = known.learned
    return replace(learned, sampling=None) if isinstance(learned, SampledCalibration) else learned


def _by_place(learned: Calibration | None) -> Calibration | None:
    """Return the calibration with weights by the place in the window: counters run past it."""
    if not isinstance(learned, SampledCalibration) or learned.sampling is None:
        return learned
    return replace(learned, sampling=replace(learned.sampling, places={}))


def _followed(known: WindowCalibration, hop: Hop) -> WindowCalibration:
    """Return the calibration with one more hop; alone where it does not follow on the last."""
    if not known.hops:
        return replace(known, hops=(hop,))
    last, shortest = known.hops[-1], known.shortest_step
    step = _step(last, hop)
    if last.is_complete and hop.is_complete and step > 0:
        shortest = min(shortest, step)
    # a shorter step shows that hops were missing between those before
    before = known.hops if known.shortest_step <= MOST_STEP * shortest else (last,)
    is_next = 0 < step <= MOST_STEP * shortest
    return replace(known, hops=(*before, hop) if is_next else (hop,), shortest_step=shortest)


def _step(last: Hop, hop: Hop) -> float:
    """Return how far hops are apart, in seconds; in repetitions where there is no clock."""
    step_s = hop.time_s - last.time_s
    # a scanner that does not count them leaves nothing to tell by
    return step_s if isfinite(step_s) else float(hop.repetition - last.repetition or 1)
