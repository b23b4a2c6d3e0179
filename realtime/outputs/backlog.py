"""What the run folder's process has not taken yet: all rows, and of pictures the newest."""

from collections import deque
from dataclasses import dataclass

from messages.codec import Part

MOST_PICTURES = 50  # of half a megabyte and more each
MOST_ROWS = 10_000  # small ones: an hour of them


@dataclass(frozen=True, slots=True)
class _Held:
    parts: list[Part]
    is_picture: bool


class Backlog:
    """Keeps messages in their order, as copies.

    n_pictures: of those that wait; n_lost: how many found no place.
    """

    def __init__(self) -> None:
        self._held: deque[_Held] = deque()
        self.n_pictures = self.n_lost = 0

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._held)

    def add(self, parts: list[Part], *, is_picture: bool) -> None:
        """Put a message at the end; where there is no place the oldest of its kind is lost."""
        n_alike = self.n_pictures if is_picture else len(self._held) - self.n_pictures
        if n_alike >= (MOST_PICTURES if is_picture else MOST_ROWS):
            self._lose_oldest(is_picture=is_picture)
        # what lies in shared memory will be written over
        self._held.append(_Held([bytes(part) for part in parts], is_picture))
        self.n_pictures += is_picture

    def first(self) -> list[Part]:
        """Return the message whose turn it is."""
        return self._held[0].parts

    def pop(self) -> None:
        """Forget the first: it has been taken."""
        self.n_pictures -= self._held.popleft().is_picture

    def _lose_oldest(self, *, is_picture: bool) -> None:
        oldest = next(n for n, one in enumerate(self._held) if one.is_picture is is_picture)
        del self._held[oldest]
        self.n_pictures -= is_picture
        self.n_lost += 1
