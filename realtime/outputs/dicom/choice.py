"""Which frames become DICOM: every n-th of each slice and contrast, and always the last."""

from collections.abc import Hashable
from typing import Generic, TypeVar

LAST_ONLY = 0
_Frame = TypeVar("_Frame")


class Choice(Generic[_Frame]):
    """Takes frames in order. every: 1 is all of them, LAST_ONLY the last alone."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._n_taken: dict[Hashable, int] = {}
        self._last: dict[Hashable, _Frame] = {}

    def take(self, stream: Hashable, frame: _Frame) -> bool:
        """Return whether this frame is one of them; one that is not may still be the last."""
        n = self._n_taken.get(stream, 0)
        self._n_taken[stream] = n + 1
        if self._every != LAST_ONLY and n % self._every == 0:
            self._last.pop(stream, None)
            return True
        self._last[stream] = frame
        return False

    def rest(self) -> list[_Frame]:
        """Return, once all have come, the last of each stream that was not among them."""
        last = list(self._last.values())
        self._last.clear()
        return last
