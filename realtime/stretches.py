"""A set of whole numbers that come nearly in order: it grows with its gaps, not with its members.

The ids of a million frames that were all answered are one stretch.
"""

from bisect import bisect_right
from collections.abc import Iterator, MutableSet


class Stretches(MutableSet[int]):
    """Numbers, kept as stretches without a gap.

    most: stretches; beyond it the lowest one is forgotten. None: none ever is.
    """

    def __init__(self, *, most: int | None = None) -> None:
        self._most = most
        self._starts: list[int] = []
        self._stops: list[int] = []  # the first number that is not in the stretch

    @property
    def n_stretches(self) -> int:
        """How many stretches there are."""
        return len(self._starts)

    def __contains__(self, number: object) -> bool:
        if not isinstance(number, int):
            return False
        at = bisect_right(self._starts, number) - 1
        return at >= 0 and number < self._stops[at]

    def __iter__(self) -> Iterator[int]:
        for start, stop in zip(self._starts, self._stops, strict=True):
            yield from range(start, stop)

    def __len__(self) -> int:
        return sum(self._stops) - sum(self._starts)

    def add(self, value: int) -> None:
        """Put a number in."""
        if value in self:
            return
        at = bisect_right(self._starts, value)
        goes_on = at > 0 and self._stops[at - 1] == value
        leads_on = at < len(self._starts) and self._starts[at] == value + 1
        if goes_on and leads_on:
            self._stops[at - 1] = self._stops.pop(at)
            del self._starts[at]
        elif goes_on:
            self._stops[at - 1] = value + 1
        elif leads_on:
            self._starts[at] = value
        else:
            self._starts.insert(at, value)
            self._stops.insert(at, value + 1)
        if self._most is not None and len(self._starts) > self._most:
            del self._starts[0], self._stops[0]

    def discard(self, value: int) -> None:
        """Take a number out."""
        if value not in self:
            return
        at = bisect_right(self._starts, value) - 1
        start, stop = self._starts[at], self._stops[at]
        parts = [one for one in ((start, value), (value + 1, stop)) if one[0] < one[1]]
        self._starts[at : at + 1] = [one for one, _ in parts]
        self._stops[at : at + 1] = [one for _, one in parts]
