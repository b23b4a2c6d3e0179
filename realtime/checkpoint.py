"""The worker's memory, kept where a lost worker leaves it: one whole state of each image stream.

The file has no name. A directory comes first, one row for each stream, then extents. A row has two
entries and says which of them is valid; an entry names the extent of a state. An array that lasts
from one state to the next (a baseline, a library, coil maps) is written once more, into an extent
of its own, and from then on the states only name it. All is written where no valid entry points,
and one aligned store then makes the new entry the valid one: the writer may be killed between any
two instructions. One writer, no locks.
"""

import mmap
import os
import pickle
import weakref
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from messages import MonitorError
from realtime.pipeline import PipelineState, Stream

MAX_BYTES = 4 << 30
MAX_STREAMS = 4096
LEAST_LASTING_BYTES = 1 << 14  # smaller arrays are written with each state
# the row of what belongs to no single stream: the pairs of MR-ARFI and what they found
_SESSION: Stream = (-1, -1, -1, -1)
_ENTRY_FIELDS = ("start", "n_bytes", "generation")
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
    generation: int

    @property
    def end(self) -> int:
        return self.start + self.n_bytes


class _Array(NamedTuple):
    """An array of a state, which no step changes. extent: its own; None in the first state."""

    memory: memoryview  # holds it, so that no other array comes to lie at its address
    extent: _Extent | None


_Arrays = dict[tuple[int, int], _Array]  # by address and length


class CheckpointMemory:
    """A checkpoint in memory that the gateway owns and that this, its only writer, makes larger.

    fd: of any size; only our own worker ever writes it, so unpickling it trusts nobody else.
    """

    def __init__(self, fd: int, *, max_bytes: int = MAX_BYTES) -> None:
        self._directory_bytes = _padded(MAX_STREAMS * _ROW.itemsize)
        self._max_bytes = max_bytes - self._directory_bytes
        least = self._directory_bytes + mmap.PAGESIZE
        # memory that runs out is an error of this call; a page that is not there would be a signal
        if os.fstat(fd).st_size < least:
            os.posix_fallocate(fd, 0, least)
        self._fd = os.dup(fd)
        weakref.finalize(self, os.close, self._fd)
        # two maps: the one with the numpy view could not be made larger
        self._rows = np.frombuffer(mmap.mmap(fd, self._directory_bytes), _ROW, count=MAX_STREAMS)
        n_bytes = os.fstat(fd).st_size - self._directory_bytes
        self._memory = mmap.mmap(fd, n_bytes, offset=self._directory_bytes)
        self._places: dict[Stream, int] = {}
        for place in range(int(np.count_nonzero(self._rows["valid"]))):
            one, two, three, four = self._rows["stream"][place].tolist()
            self._places[one, two, three, four] = place
        self._generation = int(self._rows["entries"]["generation"].max())
        self._written: dict[Stream, object] = {}
        self._arrays: dict[Stream, _Arrays] = {}

    def save(self, state: PipelineState) -> None:
        """Write each image stream that is another object than the one last written.

        Raises CheckpointError where one could not be kept: what was kept of it before stays, and
        all others are written.
        """
        failed: CheckpointError | None = None
        for stream, one in (*state.slices.items(), (_SESSION, self._of_no_stream(state))):
            if self._written.get(stream) is one:
                continue
            try:
                self._save(stream, one)
            except (CheckpointError, OSError, MemoryError) as error:
                failed = failed or CheckpointError(
                    "checkpoint of slice {}, contrast {}, phase {}, set {}: ".format(*stream)
                    + str(error)
                )
        if failed is not None:
            raise failed

    def load(self) -> PipelineState | None:
        """Return the last whole state of each image stream, None where there is none."""
        for stream, place in self._places.items():
            arrays: _Arrays = {}
            found = self._read(self._valid_entry(place), arrays)
            self._arrays[stream] = arrays
            if found is not None:
                self._written[stream] = found
        slices: dict[Stream, Any] = {**self._written}
        whole = slices.pop(_SESSION, PipelineState())
        return replace(whole, slices=slices) if self._written else None

    def _of_no_stream(self, state: PipelineState) -> object:
        """Return what is not of one stream, as it was last written where nothing of it changed."""
        last = self._written.get(_SESSION)
        is_same = last is not None and all(
            _is_same(getattr(last, one.name), getattr(state, one.name))
            for one in fields(state)
            if one.name != "slices"
        )
        return last if is_same else replace(state, slices={})

    def _save(self, stream: Stream, state: object) -> None:
        place = self._places.get(stream, len(self._places))
        if place == MAX_STREAMS:
            raise CheckpointError(f"at most {MAX_STREAMS} image streams are kept")
        self._generation += 1
        extent, arrays = self._write(state, self._arrays.get(stream, {}))
        self._point(place, stream, extent)
        self._places[stream] = place
        self._written[stream] = state
        self._arrays[stream] = arrays

    def _point(self, place: int, stream: Stream, entry: tuple[int, ...]) -> None:
        row = self._rows[place]
        other = 2 if row["valid"] == 1 else 1
        row["stream"] = stream
        row["entries"][other - 1] = entry
        self._turn(place, other)

    def _turn(self, place: int, valid: int) -> None:
        self._rows["valid"][place] = valid

    def _valid_entry(self, place: int) -> _Extent:
        row = self._rows[place]
        return _Extent(*row["entries"][row["valid"] - 1].tolist())

    def _write(self, state: object, before: _Arrays) -> tuple[_Extent, _Arrays]:
        """Put a state where nothing valid lies; return where, and its arrays.

        before: the arrays of the stream's last state.
        """
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(state, protocol=5, buffer_callback=buffers.append)
        parts, table, arrays = [memoryview(pickled)], [(0, len(pickled), 0)], _Arrays()
        for one in (buffer.raw() for buffer in buffers):
            extent = None
            if len(one) >= LEAST_LASTING_BYTES:
                key = _address(one), len(one)
                known = before.get(key)
                extent = known and (known.extent or self._write_array(one, arrays))
                arrays[key] = _Array(one, extent)
            if extent is None:
                parts.append(one)
            table.append(extent or (0, len(one), 0))
        head = np.array([self._generation, len(table), *np.ravel(table)], np.int64).tobytes()
        extent = self._room(len(head) + sum(map(len, parts)), arrays)
        start = extent.start
        for part in (memoryview(head), *parts):
            self._store(start, part)
            start += len(part)
        return extent, arrays

    def _write_array(self, array: memoryview, beside: _Arrays) -> _Extent:
        head = np.int64(self._generation).tobytes()
        extent = self._room(len(head) + len(array), beside)
        self._store(extent.start, memoryview(head))
        self._store(extent.start + len(head), array)
        return extent

    def _store(self, start: int, part: memoryview) -> None:
        self._memory[start : start + len(part)] = part

    def _read(self, extent: _Extent, arrays: _Arrays) -> object:
        """Return the state in an extent and put its arrays into `arrays`.

        None where something else has been written over a part of it.
        """
        generation, n_parts = self._numbers(extent.start, 2)
        if generation != extent.generation:
            return None
        table = np.reshape(self._numbers(extent.start + 16, 3 * n_parts), (n_parts, 3))
        start, buffers = extent.start + 16 + table.nbytes, []
        for own in map(_Extent._make, table.tolist()):
            is_inside = own.generation == 0
            if not is_inside and self._numbers(own.start, 1)[0] != own.generation:
                return None
            begin, end = (start, start + own.n_bytes) if is_inside else (own.start + 8, own.end)
            buffers.append(bytearray(self._memory[begin:end]))
            start = end if is_inside else start
            memory = memoryview(buffers[-1])
            if len(memory) >= LEAST_LASTING_BYTES:
                known = None if is_inside else own
                arrays[_address(memory), len(memory)] = _Array(memory, known)
        return pickle.loads(buffers[0], buffers=buffers[1:])

    def _numbers(self, start: int, n: int) -> list[int]:
        numbers: list[int] = np.frombuffer(self._memory[start : start + 8 * n], np.int64).tolist()
        return numbers

    def _room(self, n_bytes: int, beside: _Arrays) -> _Extent:
        """Return the smallest gap that is large enough, or room at the end of a larger file."""
        taken = [self._valid_entry(place) for place in self._places.values()]
        for arrays in (*self._arrays.values(), beside):
            taken += [one.extent for one in arrays.values() if one.extent is not None]
        needed, gaps, end = _padded(n_bytes), [], 0
        for one in sorted(taken):
            if one.start - end >= needed:
                gaps.append((one.start - end, end))
            end = max(end, one.start + _padded(one.n_bytes))
        if gaps:
            return _Extent(min(gaps)[1], n_bytes, self._generation)
        if end + needed > self._max_bytes:
            raise CheckpointError(
                f"it needs {needed >> 10} KiB beside {end >> 10} KiB, "
                f"at most {self._max_bytes >> 10} KiB are kept"
            )
        if end + needed > len(self._memory):
            os.posix_fallocate(self._fd, 0, self._directory_bytes + end + needed)
            self._memory.resize(end + needed)
        return _Extent(end, n_bytes, self._generation)


def _address(memory: memoryview) -> int:
    return int(np.frombuffer(memory, np.uint8).ctypes.data)


def _is_same(one: object, other: object) -> bool:
    """Whether nothing has to be written anew: the same object, or nothing at all in both."""
    return one is other or (isinstance(one, Mapping) and one == other == {})


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // mmap.PAGESIZE) * mmap.PAGESIZE
