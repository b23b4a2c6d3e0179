"""Images in turn with displacement encoded one way and the other, as MR-ARFI plays them."""

from dataclasses import dataclass, replace

from simulators.sequences.base import Limit
from simulators.sequences.cartesian import Cartesian
from simulators.sequences.planned import PlannedReadout


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedPairs(Cartesian):
    """A gradient echo whose frames alternate in the `set` counter; a repetition is one of each.

    frames count on: frame 5 of two sets is set 1 of repetition 2.
    """

    n_sets: int = 2

    def limits(self) -> dict[str, Limit]:
        """Return the encoding limits that differ from (0, 0, 0), by name."""
        last = (self.n_frames - 1) // self.n_sets
        sets = {"set": (0, self.n_sets - 1, 0), "repetition": (0, last, 0)}
        return Cartesian.limits(self) | sets

    def frame_readouts(self, frame: int, start_s: float) -> list[PlannedReadout]:
        """Return the readouts of one frame."""
        repetition, index = divmod(frame, self.n_sets)
        counters = {"repetition": repetition, "set": index}
        return [
            replace(each, counters={**each.counters, **counters})
            for each in Cartesian.frame_readouts(self, frame, start_s)
        ]
