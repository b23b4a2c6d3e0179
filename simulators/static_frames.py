"""One frame, computed once and replayed with its counters moved on: load without computation."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from simulators.mrd import ACQUISITION_HEAD, LAST_IN_MEASUREMENT
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment


def static_frame_bytes(treatment: Treatment, *, n_frames: int) -> Iterator[tuple[float, bytes]]:
    """Yield (scanner time in s, MRD message) of n frames of the unheated head.

    Every frame is the same but for its counters and stamps, so it costs the sender nothing; noise
    readouts come first, as in a treatment.
    """
    sequence, n_rows = treatment.sequence, treatment.sequence.matrix[1]
    simulator = TreatmentSimulator(replace(treatment, n_frames=1))
    noise = [(readout.t_s, readout.message) for readout in simulator.noise_readouts()]
    yield from noise
    frame = [bytearray(simulator.next_readout(sonicating=False).message) for _ in range(n_rows)]
    heads = [np.frombuffer(message, ACQUISITION_HEAD, 1, 2) for message in frame]
    for index in range(n_frames * n_rows):
        repetition, row = divmod(index, n_rows)
        head = heads[row]
        head["scan_counter"] = len(noise) + 1 + index
        head["acquisition_time_stamp"] = sequence.ticks(sequence.echo_s(index))
        head["idx"]["repetition"] = repetition
        flags = int(head["flags"][0]) & ~LAST_IN_MEASUREMENT
        is_end = index == n_frames * n_rows - 1
        head["flags"] = flags | (LAST_IN_MEASUREMENT if is_end else 0)
        yield sequence.echo_s(index), bytes(frame[row])
