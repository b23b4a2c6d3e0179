"""Slices in turn, one frame each: sagittal, coronal, sagittal and so on."""

from dataclasses import dataclass, replace

from simulators.sequences.base import Limit
from simulators.sequences.cartesian import Cartesian
from simulators.sequences.planned import PlannedReadout
from simulators.sequences.radial import Radial


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternatingCartesian(Cartesian):
    """Frame f shows plane f % n as repetition f // n; lines that move do so by repetition."""

    def limits(self) -> dict[str, Limit]:
        """Return the encoding limits that differ from (0, 0, 0), by name."""
        return Cartesian.limits(self) | _limits(self.n_frames, self.n_planes)

    def frame_time_s(self, frame: int) -> float:
        """Return how long a frame takes."""
        return Cartesian.frame_time_s(self, frame // self.n_planes)

    def frame_readouts(self, frame: int, start_s: float) -> list[PlannedReadout]:
        """Return the readouts of one frame."""
        repetition = frame // self.n_planes
        played = Cartesian.frame_readouts(self, repetition, start_s)
        return _in_turn(played, frame, self.n_planes)

    def begins_repetition(self, frame: int) -> bool:
        """Return whether a frame is the first of its repetition."""
        return frame % self.n_planes == 0

    def ends_repetition(self, frame: int) -> bool:
        """Return whether a frame is the last of its repetition."""
        return (frame + 1) % self.n_planes == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternatingRadial(Radial):
    """Frame f shows plane f % n as repetition f // n; each plane's golden angle runs on."""

    def limits(self) -> dict[str, Limit]:
        """Return the encoding limits that differ from (0, 0, 0), by name."""
        return Radial.limits(self) | _limits(self.n_frames, self.n_planes)

    def frame_readouts(self, frame: int, start_s: float) -> list[PlannedReadout]:
        """Return the readouts of one frame."""
        played = Radial.frame_readouts(self, frame // self.n_planes, start_s)
        return _in_turn(played, frame, self.n_planes)

    def begins_repetition(self, frame: int) -> bool:
        """Return whether a frame is the first of its repetition."""
        return frame % self.n_planes == 0

    def ends_repetition(self, frame: int) -> bool:
        """Return whether a frame is the last of its repetition."""
        return (frame + 1) % self.n_planes == 0


def _limits(n_frames: int, n_planes: int) -> dict[str, Limit]:
    return {"slice": (0, n_planes - 1, 0), "repetition": (0, (n_frames - 1) // n_planes, 0)}


def _in_turn(played: list[PlannedReadout], frame: int, n_planes: int) -> list[PlannedReadout]:
    index = frame % n_planes
    return [replace(one, frame=frame, counters={**one.counters, "slice": index}) for one in played]
