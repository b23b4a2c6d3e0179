"""What one browser is still to get: alerts and permit each, of all else only the newest.

One beat and one picture are under way at a time: the next goes once the browser says that it has
seen the last. So a slow browser gets fewer and never older ones, wherever on the way bytes pile up,
and a frozen one costs the few messages that it has not taken.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from realtime.outputs.page.picture import Picture, Stream
from realtime.outputs.page.wire import Seen

MOST_KEPT = 600  # an answer of 500 that had been missed, and some more
_MOST_STREAMS = 64

MakeBeat = Callable[[int, float | None], str]


@dataclass(slots=True, eq=False)
class Outbox:
    """Bounded, whatever its browser does.

    is_overrun: more alerts wait than may; the browser must come back and have them replayed.
    wake: set when `next` may have something.
    """

    is_overrun: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: deque[str] = field(default_factory=deque)
    _pictures: dict[Stream, Picture] = field(default_factory=dict)
    _is_beat_due: bool = False
    _n_beats: int = 0
    _beat_seen: int = 0
    _picture_sent: int = 0
    _picture_seen: int = 0
    _stamp_ms: float | None = None

    def keep(self, message: str) -> None:
        """Have a message sent that must not be lost."""
        if len(self._kept) >= MOST_KEPT:
            self.is_overrun = True
        else:
            self._kept.append(message)
        self.wake.set()

    def offer(self, picture: Picture) -> None:
        """Have a picture sent, unless a newer one of its stream comes first."""
        if picture.stream not in self._pictures and len(self._pictures) >= _MOST_STREAMS:
            del self._pictures[next(iter(self._pictures))]
        self._pictures[picture.stream] = picture
        self.wake.set()

    def call(self) -> None:
        """Have a beat sent."""
        self._is_beat_due = True
        self.wake.set()

    def heard(self, seen: Seen) -> None:
        """Take note of what the browser has seen."""
        self._stamp_ms = seen.stamp_ms
        self._beat_seen = max(self._beat_seen, seen.beat)
        self._picture_seen = max(self._picture_seen, seen.picture)
        self.wake.set()

    def next(self, make_beat: MakeBeat) -> str | bytes | None:
        """Return the next message, None where there is none or it must wait."""
        if self._kept:
            return self._kept.popleft()
        if self._is_beat_due and self._beat_seen >= self._n_beats:
            self._is_beat_due = False
            self._n_beats += 1
            return make_beat(self._n_beats, self._stamp_ms)
        if self._pictures and self._picture_seen >= self._picture_sent:
            # the stream that has waited longest: one that is replaced keeps its place
            picture = self._pictures.pop(next(iter(self._pictures)))
            self._picture_sent = picture.number
            return picture.content
        return None
