"""Readouts to frames: which frame a readout belongs to, and when that frame is over.

A frame ends at its last expected line, at LAST_IN_SLICE, or when a readout of the same slice shows
that a new dynamic has begun, whichever comes first. It never waits for the next frame.
"""

from dataclasses import dataclass, field
from itertools import pairwise

from messages import Acquisition, Encoding, FrameKey, HeaderError, MonitorError, SessionHeader
from messages.acquisition import LAST_IN_SLICE

Place = tuple[int, int, int, int]  # step 1, step 2, average, segment
_Stream = tuple[int, int, int, int]  # slice, contrast, phase, set
# Each has its own lease and alerts, looked through at every frame: thousands would stop the clock.
_MAX_STREAMS = 512


@dataclass(slots=True, eq=False)
class OpenFrame:
    """A frame that is still filling."""

    frame_id: int
    key: FrameKey
    landed: dict[Place, tuple[int, int]] = field(default_factory=dict)
    n_skipped: int = 0  # scan counters that ran on without a readout, once the frame is over
    is_complete: bool = False

    @property
    def n_landed(self) -> int:
        """Readouts that have landed, duplicates not counted."""
        return len(self.landed)


@dataclass(frozen=True, slots=True)
class Placement:
    """What one readout does to the frames.

    ended: frames that this readout shows to be over, still incomplete.
    frame: the frame it belongs to; is_new where it opens it.
    row: where in the frame it goes, None for a duplicate.
    is_last: the frame is over with this readout.
    """

    ended: tuple[OpenFrame, ...]
    frame: OpenFrame
    is_new: bool
    row: int | None
    is_last: bool


class Expectation:
    """Which lines make a frame: as many as the header says, or those that the first frame showed.

    Headers lie: a limit's maximum of 0 beside a matrix of 64 says nothing, and partial Fourier may
    stop early. Where the header is silent, the first frame that LAST_IN_SLICE ended without a gap
    is the pattern for those to come; a gap in it is a lost line and teaches nothing.
    """

    def __init__(self, encoding: Encoding) -> None:
        step_1, step_2 = encoding.kspace_encoding_step_1, encoding.kspace_encoding_step_2
        _, n_y, n_z = encoding.encoded_matrix
        is_told = step_1 is not None and (step_1.maximum > 0 or n_y == 1)
        self.n_lines = step_1.maximum - step_1.minimum + 1 if step_1 and is_told else n_y
        if step_2 is not None:
            n_z = step_2.maximum - step_2.minimum + 1
        self.n_partitions = max(n_z, 1)
        sizes = encoding.encoded_matrix[1:]
        for step, (limit, size) in enumerate(zip((step_1, step_2), sizes, strict=True), 1):
            if limit is not None and limit.maximum - limit.minimum >= size:
                raise HeaderError(
                    f"{limit.minimum} to {limit.maximum} does not fit the matrix of {size}",
                    field=f"encoding[0].encodingLimits.kspace_encoding_step_{step}",
                )
        self.n_averages = max(encoding.n_averages, 1)
        self.n_readouts = self.n_lines * self.n_partitions * self.n_averages
        self._step = encoding.acceleration[0]
        self._is_told = is_told and encoding.acceleration == (1, 1)
        self._pattern: frozenset[Place] | None = None

    @property
    def is_settled(self) -> bool:
        """Whether it is known what a whole frame is."""
        return self._is_told or self._pattern is not None

    def is_met(self, frame: OpenFrame) -> bool:
        """Whether everything expected has landed."""
        if self._pattern is None:
            return frame.n_landed >= self.n_readouts
        return self._pattern <= frame.landed.keys()

    def learn(self, frame: OpenFrame) -> None:
        """Take a frame that ended by itself as the pattern, unless the pattern is known."""
        lines = sorted({place[0] for place in frame.landed})
        gaps = (after - before for before, after in pairwise(lines))
        if not self.is_settled and all(gap <= self._step for gap in gaps):
            self._pattern = frozenset(frame.landed)


class Assembler:
    """Sorts imaging readouts into frames. It keeps places and counts, never samples."""

    def __init__(self, header: SessionHeader) -> None:
        self.encoding = header.encodings[0]
        self.expected = Expectation(self.encoding)
        self.open: dict[_Stream, OpenFrame] = {}
        self.n_frames = 0
        self.n_duplicates = 0
        self._streams: set[_Stream] = set()
        self._previous: dict[_Stream, OpenFrame] = {}
        self._usual_skips = 0

    @property
    def capacity(self) -> int:
        """The most readouts that one frame can hold."""
        _, n_y, n_z = self.encoding.encoded_matrix
        most = max(n_y, self.expected.n_lines) * max(n_z, self.expected.n_partitions)
        return most * self.expected.n_averages * max(self.encoding.n_segments, 1)

    def place(self, acquisition: Acquisition, *, readout: int) -> Placement:
        """Return where an imaging readout belongs.

        readout: its count in the session, for messages. Raises MonitorError for an index outside
        the matrix.
        """
        self._refuse_outside(acquisition, readout)
        idx = acquisition.idx
        key = FrameKey(idx.repetition, idx.slice, idx.contrast, idx.phase, idx.set)
        stream = (idx.slice, idx.contrast, idx.phase, idx.set)
        self._streams.add(stream)
        if len(self._streams) > _MAX_STREAMS:
            raise MonitorError(
                f"readout {readout}: more than {_MAX_STREAMS} slices, contrasts, phases and sets"
            )
        place = (idx.kspace_encode_step_1, idx.kspace_encode_step_2, idx.average, idx.segment)
        stamp = (acquisition.scan_counter, acquisition.acquisition_time_stamp)

        frame = self.open.get(stream)
        previous = self._previous.get(stream)
        if frame is None and previous is not None and _is_again(previous, key, place, stamp):
            self.n_duplicates += 1
            return Placement((), previous, False, None, False)
        ended: tuple[OpenFrame, ...] = ()
        if frame is not None and self._is_next(frame, key, place, stamp):
            ended = (self.open.pop(stream),)
            frame = None
        is_new = frame is None
        if frame is None:
            frame = self.open[stream] = OpenFrame(self.n_frames, key)
            frame.n_skipped = readout - acquisition.scan_counter
            self.n_frames += 1
        if place in frame.landed:
            self.n_duplicates += 1
            return Placement(ended, frame, is_new, None, False)
        row = frame.n_landed
        frame.landed[place] = stamp
        is_last = self._is_over(frame, acquisition)
        if is_last:
            frame.n_skipped += acquisition.scan_counter - readout
            self._distrust_a_mixture(frame)
            self._previous[stream] = self.open.pop(stream)
        return Placement(ended, frame, is_new, row, is_last)

    def end(self) -> tuple[OpenFrame, ...]:
        """Return the frames that are still open, oldest first, and forget them."""
        left = tuple(sorted(self.open.values(), key=lambda frame: frame.frame_id))
        self.open.clear()
        return left

    def _is_next(
        self, frame: OpenFrame, key: FrameKey, place: Place, stamp: tuple[int, int]
    ) -> bool:
        if key.repetition != frame.key.repetition:
            return True
        # A scanner that never counts repetitions: the same line again is a duplicate where its
        # counter and time stamp are the same too, otherwise it opens the next dynamic. Without
        # counter and time stamp nothing tells them apart, and two short frames are held while
        # one frame mixed from two dynamics would be believed.
        seen = frame.landed.get(place)
        return seen is not None and (seen != stamp or stamp == (0, 0))

    def _is_over(self, frame: OpenFrame, acquisition: Acquisition) -> bool:
        expected = self.expected
        is_marked = bool(acquisition.flags & LAST_IN_SLICE) and (
            acquisition.idx.average >= expected.n_averages - 1
        )
        # of a volume every partition may carry the mark, so there the count alone decides
        is_marked = is_marked and expected.n_partitions == 1
        if is_marked or expected.is_met(frame):
            expected.learn(frame)
            frame.is_complete = expected.is_settled and expected.is_met(frame)
            return True
        return False

    def _distrust_a_mixture(self, frame: OpenFrame) -> None:
        """Call a frame incomplete that may hold lines of two dynamics.

        Without repetition counters, lines lost at the end of one dynamic can be filled by the next
        one's where that has lost its beginning. The scan counter then ran on unseen; how far it
        does so in this scanner's usual frame (readouts that it counts and does not send) is known
        from the frame before.
        """
        if frame.key.repetition == 0 and frame.n_skipped > self._usual_skips:
            frame.is_complete = False
        self._usual_skips = frame.n_skipped

    def _refuse_outside(self, acquisition: Acquisition, readout: int) -> None:
        _, n_y, n_z = self.encoding.encoded_matrix
        limits = (self.encoding.kspace_encoding_step_1, self.encoding.kspace_encoding_step_2)
        steps = (acquisition.idx.kspace_encode_step_1, acquisition.idx.kspace_encode_step_2)
        for axis, (step, limit, size) in enumerate(zip(steps, limits, (n_y, n_z), strict=True)):
            centre = limit.center if limit is not None else size // 2
            row = step + size // 2 - centre
            if not 0 <= row < size:
                low, high = centre - size // 2, centre - size // 2 + size - 1
                raise MonitorError(
                    f"readout {readout}: idx.kspace_encode_step_{axis + 1} is {step}, "
                    f"outside the encoded matrix, expected {max(low, 0)} to {high}"
                )


def _is_again(previous: OpenFrame, key: FrameKey, place: Place, stamp: tuple[int, int]) -> bool:
    """Whether a readout has landed already, in the frame that has just closed."""
    is_same = previous.key == key and previous.landed.get(place) == stamp
    return is_same and stamp != (0, 0)
