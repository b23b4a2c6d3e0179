"""What one browser is still to get: alerts and permit each, of all else only the newest.

One beat and one picture are under way at a time: the next goes once the browser says that it has
seen the last. Frames' words are small: the newest few go between two of its words. So a slow
browser gets fewer and never older ones, wherever on the way bytes pile up, and a frozen one costs
the few messages that it has not taken.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from realtime.outputs.page.picture import Picture, Stream
from realtime.outputs.page.wire import FrameTold, History, Seen, write

MOST_KEPT = 600  # an answer of 500 that had been missed, and some more
MOST_FRAMES = 8  # that wait, and that are under way to a browser that has not said a word since
_HISTORY_ROWS = 100  # in one message: a tenth of a megabyte
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
    _run_id: str = ""
    _history: deque[msgspec.Raw] = field(default_factory=deque)
    _frames: deque[msgspec.Raw] = field(default_factory=lambda: deque(maxlen=MOST_FRAMES))
    _n_frames: int = 0
    _n_skipped: int = 0
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

    def recall(self, run_id: str, rows: Iterable[msgspec.Raw]) -> None:
        """Have the frames of before sent, in parts, so that few bytes are under way at a time."""
        self._run_id, self._history = run_id, deque(rows)
        self.wake.set()

    def forget(self) -> None:
        """Drop what waits of a run that is over: its words would be taken for the next one's."""
        self._history.clear()
        self._frames.clear()
        self._pictures.clear()

    def tell(self, frame: msgspec.Raw) -> None:
        """Have a frame's word sent, unless too many newer ones come first."""
        self._n_skipped += len(self._frames) == MOST_FRAMES
        self._frames.append(frame)
        self.wake.set()

    def call(self) -> None:
        """Have a beat sent."""
        self._is_beat_due = True
        self.wake.set()

    def heard(self, seen: Seen) -> None:
        """Take note of what the browser has seen."""
        self._stamp_ms = seen.stamp_ms
        self._n_frames = 0
        self._beat_seen = max(self._beat_seen, seen.beat)
        # of several streams one that waited bears a lower number than the last
        self._picture_seen = seen.picture
        self.wake.set()

    def next(self, make_beat: MakeBeat) -> str | bytes | None:
        """Return the next message, None where there is none or it must wait."""
        if self._kept:
            return self._kept.popleft()
        if self._frames and not self._history and self._n_frames < MOST_FRAMES:
            # before the beat, which bears the newest: a browser takes none that is older
            told = FrameTold(self._frames.popleft(), self._n_skipped)
            self._n_skipped = 0
            self._n_frames += 1
            return write(told)
        if self._is_beat_due and self._beat_seen >= self._n_beats:
            self._is_beat_due = False
            self._n_beats += 1
            return make_beat(self._n_beats, self._stamp_ms)
        if self._history:
            n_rows = min(len(self._history), _HISTORY_ROWS)
            some = [self._history.popleft() for _ in range(n_rows)]
            return write(History(self._run_id, some))
        if self._pictures and self._picture_seen == self._picture_sent:
            # the stream that has waited longest: one that is replaced keeps its place
            picture = self._pictures.pop(next(iter(self._pictures)))
            self._picture_sent = picture.number
            return picture.content
        return None
