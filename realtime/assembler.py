"""Readouts to frames: which frame a readout belongs to, and when that frame is over.

A frame ends at its last expected line, at LAST_IN_SLICE, or when a readout of the same slice shows
that a new dynamic has begun, whichever comes first; a frame that joins an echo train when each echo
has ended so. It never waits for the next frame.
"""

from collections import Counter
from dataclasses import dataclass, field

from messages import Acquisition, EncodingCounters, FrameKey, MonitorError, SessionHeader
from messages.acquisition import LAST_IN_MEASUREMENT, LAST_IN_REPETITION, LAST_IN_SLICE
from realtime.expectation import Expectation, Line, Place

Stream = tuple[int, int, int, int]  # slice, contrast, phase, set
Stamp = tuple[int, int]  # scan counter, scanner ticks
# Each has its own lease and alerts, looked through at every frame: thousands would stop the clock.
_MAX_STREAMS = 512
# A frame of two halves that lie a whole dynamic apart takes at least twice as long as others.
_MIXED_SPANS = 1.5
# So many frames of one and the same line, one after the other, are no chance.
_MAX_SAME_LINE = 3
_OVERRIDE = "the protocol's recon.encoded_matrix can set a wrong header right"


@dataclass(slots=True, eq=False)
class Echo:
    """One echo of a frame that is still filling; most frames hold one.

    landed: imaging readouts. lines: those of k-space that `landed` holds, as `Expectation` tells
    them apart. is_over: nothing more is expected of it, whether or not it is complete.
    """

    landed: dict[Place, Stamp] = field(default_factory=dict)
    lines: set[Line] = field(default_factory=set)
    residues: Counter[int] = field(default_factory=Counter)
    is_over: bool = False
    is_complete: bool = False


@dataclass(slots=True, eq=False)
class OpenFrame:
    """A frame that is still filling.

    first: place and stamp of the readout that opened it. echoes: by contrast.
    n_companions: navigators and calibration lines that travel with its imaging readouts.
    """

    frame_id: int
    key: FrameKey
    first: tuple[Place, Stamp]
    echoes: tuple[Echo, ...]
    n_companions: int = 0
    n_skipped: int = 0  # scan counters that ran on without a readout, once the frame is over
    is_complete: bool = False

    @property
    def n_landed(self) -> int:
        """Imaging readouts that have landed, duplicates not counted."""
        return sum(len(echo.landed) for echo in self.echoes)

    @property
    def n_rows(self) -> int:
        """Rows of the frame that are taken: the next readout's row."""
        return self.n_landed + self.n_companions


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


class Assembler:
    """Sorts imaging readouts into frames. It keeps places and counts, never samples.

    readouts_per_frame: the protocol's word on how many readouts make an image, above the header's.
    n_echoes: how many contrasts, from 0 on, one frame joins; with 1 each is a frame of its own.
    """

    def __init__(
        self, header: SessionHeader, *, readouts_per_frame: int | None = None, n_echoes: int = 1
    ) -> None:
        self.encoding = header.encodings[0]
        self.n_echoes = n_echoes
        self.expected = Expectation(self.encoding, readouts_per_frame)
        self.open: dict[Stream, OpenFrame] = {}
        # the most imaging readouts that one frame can hold
        self.capacity = self.expected.capacity * n_echoes
        self.n_frames = 0
        self.n_duplicates = 0
        self._streams: set[Stream] = set()
        self._previous: dict[Stream, OpenFrame] = {}
        self._usual_skips = 0
        self._shortest_span = 0
        self._n_whole = 0
        self._n_same_line = 0
        # Off the grid: whether readouts are numbered at all, and whether the numbers ever restart.
        self._latest_step: dict[Stream, int] = {}
        self._is_counted = False
        self._restarts = False

    def place(self, acquisition: Acquisition, *, readout: int, n_waiting: int = 0) -> Placement:
        """Return where an imaging readout belongs.

        readout: its count in the session, for messages. n_waiting: companions that go before it
        where it opens a frame. Raises MonitorError for an index outside the matrix, and for
        counters that cannot be those of an image.
        """
        if self.expected.is_on_grid:
            self._refuse_outside(acquisition, readout)
        idx = acquisition.idx
        number, stream = self._echo_and_stream(idx, readout)
        key = FrameKey(idx.repetition, *stream)
        self._streams.add(stream)
        if len(self._streams) > _MAX_STREAMS:
            raise MonitorError(
                f"readout {readout}: more than {_MAX_STREAMS} slices, contrasts, phases and sets"
            )
        place = (idx.kspace_encode_step_1, idx.kspace_encode_step_2, idx.average, idx.segment)
        stamp = (acquisition.scan_counter, acquisition.acquisition_time_stamp)

        frame = self.open.get(stream)
        previous = self._previous.get(stream)
        if frame is None and previous is not None and previous.key == key:
            again = self._is_again(previous.echoes[number], place, stamp)
            if again:
                return self._duplicate((), previous, is_new=False)
        # off the grid each echo has numbers of its own
        counted = (idx.slice, idx.contrast, idx.phase, idx.set)
        ended: tuple[OpenFrame, ...] = ()
        if frame is not None and self._is_next(frame, number, key, counted, place, stamp):
            ended = (self.open.pop(stream),)
            self._refuse_stuck_counters(frame, place, readout)
            frame = None
        is_new = frame is None
        if frame is None:
            frame = self._open(stream, key, (place, stamp), n_waiting)
            frame.n_skipped = readout - acquisition.scan_counter
        echo = frame.echoes[number]
        if not self.expected.is_on_grid:
            self._note_step(counted, idx.kspace_encode_step_1)
        if place in echo.landed:
            if self.expected.is_on_grid or self._is_counted or _holds(echo, stamp):
                return self._duplicate(ended, frame, is_new=is_new)
            # spokes that nobody numbers are told apart by their order alone
            place = (*place[:3], -len(echo.landed))
        self._refuse_overfull(frame, echo, readout)
        row = frame.n_rows
        self._land(echo, place, stamp)
        is_last = self._is_over(frame, number, acquisition)
        if is_last:
            frame.n_skipped += acquisition.scan_counter - readout
            self._distrust_a_mixture(frame, acquisition)
            self._n_whole += frame.is_complete
            self._previous[stream] = self.open.pop(stream)
        return Placement(ended, frame, is_new, row, is_last)

    def frame_for(self, acquisition: Acquisition) -> OpenFrame | None:
        """Return the open frame that a companion belongs to, None where it has to wait for one."""
        idx = acquisition.idx
        contrast = idx.contrast if self.n_echoes == 1 else 0
        frame = self.open.get((idx.slice, contrast, idx.phase, idx.set))
        if frame is None or frame.key.repetition != idx.repetition:
            return None
        return frame

    def end(self) -> tuple[OpenFrame, ...]:
        """Return the frames that are still open, oldest first, and forget them."""
        left = tuple(sorted(self.open.values(), key=lambda frame: frame.frame_id))
        self.open.clear()
        return left

    def _echo_and_stream(self, idx: EncodingCounters, readout: int) -> tuple[int, Stream]:
        """Return which echo of its frame a readout belongs to, and the frame's stream."""
        if self.n_echoes == 1:
            return 0, (idx.slice, idx.contrast, idx.phase, idx.set)
        if not 0 <= idx.contrast < self.n_echoes:
            raise MonitorError(
                f"readout {readout}: idx.contrast is {idx.contrast}, the header's limits name "
                f"{self.n_echoes} contrasts, which thermometry joins to one frame"
            )
        return idx.contrast, (idx.slice, 0, idx.phase, idx.set)

    def _open(
        self, stream: Stream, key: FrameKey, first: tuple[Place, Stamp], n_waiting: int
    ) -> OpenFrame:
        echoes = tuple(Echo() for _ in range(self.n_echoes))
        frame = OpenFrame(self.n_frames, key, first, echoes, n_companions=n_waiting)
        self.open[stream] = frame
        self.n_frames += 1
        return frame

    def _land(self, echo: Echo, place: Place, stamp: Stamp) -> None:
        echo.landed[place] = stamp
        line = self.expected.line_of(place)
        if line is not None and line not in echo.lines:
            echo.lines.add(line)
            echo.residues[place[0] % self.expected.acceleration[0]] += 1

    def _duplicate(
        self, ended: tuple[OpenFrame, ...], frame: OpenFrame, *, is_new: bool
    ) -> Placement:
        self.n_duplicates += 1
        return Placement(ended, frame, is_new, None, is_last=False)

    def _is_next(
        self,
        frame: OpenFrame,
        number: int,
        key: FrameKey,
        counted: Stream,
        place: Place,
        stamp: Stamp,
    ) -> bool:
        if key.repetition != frame.key.repetition:
            return True
        if not self.expected.is_on_grid and self._runs_into_next(frame, counted, place[0]):
            return True
        # A scanner that never counts repetitions: the same line again is a duplicate where its
        # counter and time stamp are the same too, otherwise it opens the next dynamic. Without
        # counter and time stamp nothing tells them apart, and two short frames are held while
        # one frame mixed from two dynamics would be believed.
        seen = frame.echoes[number].landed.get(place)
        if seen is None or not (self.expected.is_on_grid or self._is_counted):
            return False
        return seen != stamp or stamp == (0, 0)

    def _is_again(self, previous: Echo, place: Place, stamp: Stamp) -> bool:
        """Whether a readout has landed already, in the frame that has just closed."""
        if stamp == (0, 0):
            return False
        if previous.landed.get(place) == stamp:
            return True
        return not (self.expected.is_on_grid or self._is_counted) and _holds(previous, stamp)

    def _runs_into_next(self, frame: OpenFrame, counted: Stream, step_1: int) -> bool:
        """Whether spokes that are numbered on and on have passed the end of this frame."""
        expected = self.expected
        latest = self._latest_step.get(counted)
        if not expected.is_told or expected.n_partitions > 1 or self._restarts or latest is None:
            return False
        first, n = frame.first[0][0], expected.n_readouts
        return latest < step_1 < latest + n and step_1 // n != first // n

    def _note_step(self, counted: Stream, step_1: int) -> None:
        latest = self._latest_step.get(counted, step_1)
        self._is_counted = self._is_counted or step_1 != latest
        is_on = latest <= step_1 < latest + self.expected.n_readouts
        self._restarts = self._restarts or not is_on
        self._latest_step[counted] = step_1

    def _is_over(self, frame: OpenFrame, number: int, acquisition: Acquisition) -> bool:
        """Whether a frame ends with this readout of its echo `number`.

        A scanner marks the end of each echo, or of the last alone. Echoes come in order, so a mark
        ends those before it too, where they have begun: one that has lost its own mark, and none
        that is acquired after.
        """
        expected, echo = self.expected, frame.echoes[number]
        # of a volume every partition may carry the slice's mark
        mark = LAST_IN_SLICE
        if expected.n_partitions > 1:
            mark = LAST_IN_REPETITION | LAST_IN_MEASUREMENT
        is_marked = bool(acquisition.flags & mark) and (
            acquisition.idx.average >= expected.n_averages - 1
        )
        if not is_marked:
            echo.is_complete = expected.is_met(echo)
            echo.is_over = echo.is_over or echo.is_complete
        for one in frame.echoes[: number + 1] if is_marked else ():
            if one.landed:
                one.is_complete, one.is_over = expected.learn(one), True
        frame.is_complete = all(one.is_complete for one in frame.echoes)
        return all(one.is_over for one in frame.echoes)

    def _distrust_a_mixture(self, frame: OpenFrame, last: Acquisition) -> None:
        """Call a frame incomplete that may hold lines of two dynamics.

        Without repetition counters, lines lost at the end of one dynamic can be filled by the next
        one's where that has lost its beginning. The scan counter then ran on unseen; how far it
        does so in this scanner's usual frame (readouts that it counts and does not send) is known
        from the frame before. Where nothing is counted, the frame took longer than others did.
        """
        if frame.key.repetition == 0 and frame.n_skipped > self._usual_skips:
            frame.is_complete = False
        self._usual_skips = frame.n_skipped
        counter, ticks = frame.first[1]
        span = last.acquisition_time_stamp - ticks
        if frame.key.repetition or counter != last.scan_counter or span <= 0:
            return
        if self._shortest_span and span > _MIXED_SPANS * self._shortest_span:
            frame.is_complete = False
        self._shortest_span = min(span, self._shortest_span or span)

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
                    f"outside the encoded matrix, expected {max(low, 0)} to {high}; {_OVERRIDE}"
                )
        if self.expected.is_within(steps[0]):
            return
        if self._n_whole:
            limit = self.expected.limit
            low, high = (limit.minimum, limit.maximum) if limit else (0, 0)
            raise MonitorError(
                f"readout {readout}: idx.kspace_encode_step_1 is {steps[0]}, the header's limits "
                f"say {low} to {high} and frames have been closed by them; {_OVERRIDE}"
            )
        self.expected.grow()

    def _refuse_stuck_counters(self, ended: OpenFrame, place: Place, readout: int) -> None:
        expected = self.expected
        is_same = expected.is_on_grid and all(
            echo.landed.keys() <= {place} for echo in ended.echoes
        )
        self._n_same_line = self._n_same_line + 1 if is_same else 0
        if self._n_same_line >= _MAX_SAME_LINE and expected.n_lines * expected.n_partitions > 1:
            raise MonitorError(
                f"readout {readout}: idx.kspace_encode_step_1 is {place[0]} in one readout after "
                "the other; without line numbers a Cartesian image cannot be put together, "
                "the scanner or its converter has to count them"
            )

    def _refuse_overfull(self, frame: OpenFrame, echo: Echo, readout: int) -> None:
        if len(echo.landed) >= self.expected.capacity:
            raise MonitorError(
                f"readout {readout}: frame {frame.frame_id} holds {frame.n_landed} readouts and no "
                "end is in sight; the protocol's recon.readouts_per_frame says where frames end"
            )


def _holds(echo: Echo, stamp: Stamp) -> bool:
    """Whether a readout of this scan counter has landed in the echo, wherever."""
    return stamp[0] != 0 and stamp in echo.landed.values()
