"""The worker's memory, kept where a lost worker leaves it: one whole state of each image stream.

The file has no name. A directory comes first, one row for each stream, then extents. A row has two
entries and says which of them is valid; an entry names two extents, what lasts and what a frame
changes. All is written where no valid entry points, and one aligned store then makes the new entry
the valid one: the writer may be killed between any two instructions. One writer, no locks.
"""

import mmap
import os
import pickle
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from messages import MonitorError
from realtime.pipeline import PipelineState, SliceState, Stream

MAX_BYTES = 4 << 30
MAX_STREAMS = 4096
# large, and the same from frame to frame: written only when one of them is another object. So is
# what a thermometer's state keeps under this name: its baseline, or a whole library of them.
_LASTING = ("masks", "calibration", "thermometer", "forecaster")
_REFERENCE = "reference"
_ENTRY_FIELDS = ("start", "n_bytes", "lasting_start", "lasting_n_bytes", "generation")
_ROW = np.dtype(
    [
        ("stream", np.int64, (4,)),
        ("valid", np.int64),  # 0 none yet, 1 or 2
        ("entries", [(name, np.int64) for name in _ENTRY_FIELDS], (2,)),
    ]
)


class CheckpointError(MonitorError):
    """The state of an image stream could not be kept."""


class _Extent(NamedTuple):
    start: int
    n_bytes: int


class CheckpointMemory:
    """A checkpoint in memory that the gateway owns and that this, its only writer, makes larger.

    fd: of any size; only our own worker ever writes it, so unpickling it trusts nobody else.
    """

    def __init__(self, fd: int, *, max_bytes: int = MAX_BYTES) -> None:
        self._directory_bytes = _padded(MAX_STREAMS * _ROW.itemsize)
        self._max_bytes = max_bytes - self._directory_bytes
        least = self._directory_bytes + mmap.PAGESIZE
        if os.fstat(fd).st_size < least:
            os.ftruncate(fd, least)
        # two maps: the one with the numpy view could not be made larger
        self._rows = np.frombuffer(mmap.mmap(fd, self._directory_bytes), _ROW, count=MAX_STREAMS)
        n_bytes = os.fstat(fd).st_size - self._directory_bytes
        self._memory = mmap.mmap(fd, n_bytes, offset=self._directory_bytes)
        self._places: dict[Stream, int] = {}
        for place in range(int(np.count_nonzero(self._rows["valid"]))):
            one, two, three, four = self._rows["stream"][place].tolist()
            self._places[one, two, three, four] = place
        self._generation = int(self._rows["entries"]["generation"].max())
        self._written: dict[Stream, SliceState] = {}

    def save(self, state: PipelineState) -> None:
        """Write each image stream that is another object than the one last written.

        Raises CheckpointError where one could not be kept: what was kept of it before stays, and
        all others are written.
        """
        failed: CheckpointError | None = None
        for stream, one in state.slices.items():
            if self._written.get(stream) is one:
                continue
            try:
                self._save_stream(stream, one)
            except (CheckpointError, OSError, MemoryError) as error:
                failed = failed or CheckpointError(
                    "checkpoint of slice {}, contrast {}, phase {}, set {}: ".format(*stream)
                    + str(error)
                )
        if failed is not None:
            raise failed

    def load(self) -> PipelineState | None:
        """Return the last whole state of each image stream, None where there is none."""
        found: dict[Stream, SliceState] = {}
        for stream, place in self._places.items():
            moving, lasting, generation = self._valid_entry(place)
            marks = [self._read(extent) for extent in (moving, lasting)]
            if all(mark == generation for mark, _ in marks):
                found[stream] = _joined(marks[0][1], marks[1][1])
        self._written.update(found)
        return PipelineState(found) if found else None

    def _save_stream(self, stream: Stream, state: SliceState) -> None:
        place = self._places.get(stream, len(self._places))
        if place == MAX_STREAMS:
            raise CheckpointError(f"at most {MAX_STREAMS} image streams are kept")
        before = self._written.get(stream)
        rest, parts = _parted(state)
        known = None if before is None else _parted(before)[1]
        if known is None or any(parts[name] is not known[name] for name in parts):
            self._generation += 1
            generation = self._generation
            lasting = self._write(generation, parts)
        else:
            _, lasting, generation = self._valid_entry(place)
        moving = self._write(generation, rest, beside=(lasting,))
        self._point(place, stream, (*moving, *lasting, generation))
        self._places[stream] = place
        self._written[stream] = state

    def _point(self, place: int, stream: Stream, entry: tuple[int, ...]) -> None:
        row = self._rows[place]
        other = 2 if row["valid"] == 1 else 1
        row["stream"] = stream
        row["entries"][other - 1] = entry
        self._turn(place, other)

    def _turn(self, place: int, valid: int) -> None:
        self._rows["valid"][place] = valid

    def _valid_entry(self, place: int) -> tuple[_Extent, _Extent, int]:
        row = self._rows[place]
        entry = row["entries"][row["valid"] - 1].tolist()
        return _Extent(*entry[:2]), _Extent(*entry[2:4]), entry[4]

    def _write(
        self, generation: int, content: object, *, beside: Iterable[_Extent] = ()
    ) -> _Extent:
        """Put content where nothing valid lies, nor what is in `beside`; return where."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(content, protocol=5, buffer_callback=buffers.append)
        parts = [memoryview(pickled), *(one.raw() for one in buffers)]
        head = np.array([generation, len(parts), *map(len, parts)], np.int64).tobytes()
        extent = self._room(len(head) + sum(map(len, parts)), beside)
        start = extent.start
        for part in (memoryview(head), *parts):
            self._store(start, part)
            start += len(part)
        return extent

    def _store(self, start: int, part: memoryview) -> None:
        self._memory[start : start + len(part)] = part

    def _read(self, extent: _Extent) -> tuple[int, Any]:
        """Return the generation and the content of an extent."""
        with memoryview(self._memory) as whole, whole[extent.start :] as view:
            generation, n_parts = np.frombuffer(bytes(view[:16]), np.int64).tolist()
            start = 16 + 8 * n_parts
            parts: list[bytearray] = []
            for length in np.frombuffer(bytes(view[16:start]), np.int64).tolist():
                parts.append(bytearray(view[start : start + length]))
                start += length
        return generation, pickle.loads(parts[0], buffers=parts[1:])

    def _room(self, n_bytes: int, beside: Iterable[_Extent]) -> _Extent:
        """Return the smallest gap that is large enough, or room at the end of a larger file."""
        n_bytes = _padded(n_bytes)
        taken = list(beside)
        for place in self._places.values():
            taken += self._valid_entry(place)[:2]
        gaps, end = [], 0
        for start, length in sorted(taken):
            if start - end >= n_bytes:
                gaps.append((start - end, end))
            end = start + length
        if gaps:
            return _Extent(min(gaps)[1], n_bytes)
        if end + n_bytes > self._max_bytes:
            raise CheckpointError(
                f"it needs {n_bytes >> 10} KiB beside {end >> 10} KiB, "
                f"at most {self._max_bytes >> 10} KiB are kept"
            )
        if end + n_bytes > len(self._memory):
            self._memory.resize(end + n_bytes)
        return _Extent(end, n_bytes)


def _parted(state: SliceState) -> tuple[SliceState, dict[str, Any]]:
    """Return the state without what lasts, and what lasts by name."""
    parts = {name: getattr(state, name) for name in _LASTING}
    parts[_REFERENCE] = getattr(state.thermometry, _REFERENCE, None)
    rest = replace(state, masks={}, calibration=None, thermometer=None, forecaster=None)
    if parts[_REFERENCE] is not None:
        rest = replace(rest, thermometry=_with_reference(state.thermometry, None))
    return rest, parts


def _joined(rest: SliceState, parts: dict[str, Any]) -> SliceState:
    reference = parts[_REFERENCE]
    if reference is not None:
        rest = replace(rest, thermometry=_with_reference(rest.thermometry, reference))
    return replace(rest, **{name: parts[name] for name in _LASTING})


def _with_reference(thermometry: Any, reference: object) -> object:  # noqa: ANN401 - the method's own
    return replace(thermometry, **{_REFERENCE: reference})


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
