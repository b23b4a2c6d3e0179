"""Echo trains inside the other loops of a scan: averages, segments, slices."""

import numpy as np
import pytest

from messages import Acquisition
from messages.acquisition import LAST_IN_SLICE, NOISE_MEASUREMENT
from realtime.assembler import Assembler
from realtime.streams.events import HeaderReceived
from realtime.streams.mrd_decoder import Decoder
from simulators.mrd import header_message
from simulators.scan import Scan
from simulators.sequences import Cartesian

N_FRAMES, ECHOES_S = 3, (0.004, 0.008, 0.012)
LOOPS = {
    "plain": ({}, 1),
    "averages": ({"n_averages": 2}, 1),
    "segments": ({"n_segments": 4}, 1),
    "slices": ({"slices_z_mm": (-10.0, 0.0, 10.0)}, 3),
    "averages and slices": ({"n_averages": 2, "slices_z_mm": (-5.0, 5.0)}, 2),
}


def played(**loops):
    """The header and the imaging readouts of a scan."""
    sequence = Cartesian(
        matrix=(16, 16), n_frames=N_FRAMES, echo_times_s=ECHOES_S, repetition_time_s=0.06, **loops
    )
    scan, decoder = Scan(sequence, n_coils=1), Decoder()
    decoder.feed(header_message(scan.header_xml()))
    header, readouts = None, []
    for one in scan.readouts():
        decoder.feed(one.message)
        for event in decoder.events():
            if isinstance(event, HeaderReceived):
                header = event.header
            elif isinstance(event, Acquisition) and not event.flags & NOISE_MEASUREMENT:
                readouts.append(event)
    return header, readouts


def sorted_into_frames(header, readouts):
    """(repetition, slice, is_complete) of each frame as it ends, and the assembler."""
    assembler, over = Assembler(header, n_echoes=len(ECHOES_S)), []
    for number, one in enumerate(readouts, 1):
        placed = assembler.place(one, readout=number)
        over += [*placed.ended, *([placed.frame] if placed.is_last else [])]
    over += assembler.end()
    return [(frame.key.repetition, frame.key.slice, frame.is_complete) for frame in over], assembler


@pytest.fixture(scope="module", params=LOOPS)
def scan(request):
    loops, n_slices = LOOPS[request.param]
    return (*played(**loops), n_slices)


def expected(n_slices, broken=()):
    keys = [(frame, slice_) for frame in range(N_FRAMES) for slice_ in range(n_slices)]
    return [(*key, key not in broken) for key in keys]


def echo_of(one, echo, *, frame=1, slice_=0, line=5):
    idx = one.idx
    found = (idx.contrast, idx.repetition, idx.slice, idx.kspace_encode_step_1)
    return found == (echo, frame, slice_, line)


def test_each_dynamic_and_slice_is_one_whole_frame(scan):
    header, readouts, n_slices = scan
    frames, _ = sorted_into_frames(header, readouts)
    assert sorted(frames) == expected(n_slices)


@pytest.mark.parametrize("echo", range(len(ECHOES_S)))
def test_a_lost_echo_breaks_its_own_frame_and_no_other(scan, echo):
    header, readouts, n_slices = scan
    lost = next(n for n, one in enumerate(readouts) if echo_of(one, echo))
    frames, _ = sorted_into_frames(header, readouts[:lost] + readouts[lost + 1 :])
    assert sorted(frames) == expected(n_slices, broken={(1, 0)})


@pytest.mark.parametrize("echo", range(len(ECHOES_S)))
def test_an_echo_that_comes_twice_is_counted_and_taken_once(scan, echo):
    header, readouts, n_slices = scan
    twice = next(n for n, one in enumerate(readouts) if echo_of(one, echo))
    frames, assembler = sorted_into_frames(
        header, readouts[: twice + 1] + readouts[twice : twice + 1] + readouts[twice + 1 :]
    )
    assert sorted(frames) == expected(n_slices)
    assert assembler.n_duplicates == 1


def shuffled(readouts, *, is_last_kept):
    """The echoes of each excitation in any order; the last one of each frame and slice may stay.

    Those of dynamic 0 stay: it is held where scan counters run on, as if lines of two were mixed.
    """
    n, rng, moved = len(ECHOES_S), np.random.default_rng(3), []
    for first in range(0, len(readouts), n):
        train = readouts[first : first + n]
        is_last = any(one.flags & LAST_IN_SLICE for one in train)
        is_kept = train[0].idx.repetition == 0 or (is_last and is_last_kept)
        order = range(n) if is_kept else rng.permutation(n)
        moved += [train[one] for one in order]
    return moved


def test_echoes_of_an_excitation_may_come_in_any_order(scan):
    header, readouts, n_slices = scan
    frames, _ = sorted_into_frames(header, shuffled(readouts, is_last_kept=True))
    assert sorted(frames) == expected(n_slices)


def test_what_comes_after_the_mark_of_the_last_echo_completes_no_frame(scan):
    """No frame is mixed of two: those that are whole are so by their own lines."""
    header, readouts, n_slices = scan
    frames, _ = sorted_into_frames(header, shuffled(readouts, is_last_kept=False))
    keys = [key[:2] for key in frames]
    assert set(keys) == {key[:2] for key in expected(n_slices)}
    for repetition, slice_, is_complete in frames:
        assert is_complete == (keys.count((repetition, slice_)) == 1)
