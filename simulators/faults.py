"""Fault switches: each takes readouts and yields what a bad day makes of them. They compose.

`index` counts the readouts that reach the fault, from 0.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from functools import reduce

import numpy as np

from simulators.mrd import acquisition_head
from simulators.readout import Readout
from simulators.recording import patched

Fault = Callable[[Iterable[Readout]], Iterator[Readout]]


def drop(indices: Collection[int]) -> Fault:
    """Lose these readouts."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        for index, readout in enumerate(readouts):
            if index not in indices:
                yield readout

    return fault


def duplicate(indices: Collection[int]) -> Fault:
    """Send these readouts twice."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        for index, readout in enumerate(readouts):
            yield readout
            if index in indices:
                yield readout

    return fault


def reorder(indices: Collection[int]) -> Fault:
    """Send each of these readouts after the one that follows it."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        held: list[Readout] = []
        for index, readout in enumerate(readouts):
            if index in indices:
                held.append(readout)
                continue
            yield readout
            yield from held
            held.clear()
        yield from held

    return fault


def stall(index: int, *, delay_s: float) -> Fault:
    """Fall silent for a while before this readout."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        for number, readout in enumerate(readouts):
            yield replace(readout, delay_s=delay_s) if number == index else readout

    return fault


def truncate(index: int, *, n_bytes: int) -> Fault:
    """Break off after n bytes of this readout; nothing follows."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        for number, readout in enumerate(readouts):
            if number == index:
                yield replace(readout, message=readout.message[:n_bytes])
                return
            yield readout

    return fault


def corrupt(indices: Collection[int], *, offset: int, n_bytes: int, seed: int = 0) -> Fault:
    """Overwrite bytes of these readouts, from `offset`, with random ones."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        rng = np.random.default_rng(seed)
        for index, readout in enumerate(readouts):
            if index in indices:
                message = bytearray(readout.message)
                end = min(offset + n_bytes, len(message))
                message[offset:end] = rng.bytes(max(end - offset, 0))
                readout = replace(readout, message=bytes(message))
            yield readout

    return fault


def flood(start: int, *, n_readouts: int) -> Fault:
    """Hold this many readouts back, then send them all at once."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        held: list[Readout] = []
        for index, readout in enumerate(readouts):
            if not start <= index < start + n_readouts:
                yield readout
                continue
            held.append(replace(readout, is_paced=False))
            if len(held) == n_readouts:
                yield from held
                held.clear()
        yield from held

    return fault


def step_clock(index: int, *, ticks: int) -> Fault:
    """Shift the scanner's time stamps from this readout on."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        for number, readout in enumerate(readouts):
            if number >= index:
                stamp = int(acquisition_head(readout.message)["acquisition_time_stamp"]) + ticks
                message = patched(readout.message, acquisition_time_stamp=stamp % 2**32)
                readout = replace(readout, message=message)
            yield readout

    return fault


def chain(*faults: Fault) -> Fault:
    """Apply faults one after the other."""

    def fault(readouts: Iterable[Readout]) -> Iterator[Readout]:
        return reduce(lambda stream, one: one(stream), faults, iter(readouts))

    return fault
