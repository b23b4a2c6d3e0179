import itertools

import numpy as np
import pytest

from simulators import GradientEcho, Readout, faults
from simulators.mrd import acquisition_head, acquisition_message


@pytest.fixture
def readouts():
    head = GradientEcho(matrix=(4, 4)).head(1)
    stream = []
    for index in range(6):
        head["scan_counter"] = index
        head["acquisition_time_stamp"] = 2**32 - 10 + index
        message = acquisition_message(head, np.zeros((1, 8), np.complex64))
        stream.append(Readout(message, index * 0.1, 0))
    return stream


def counters(readouts):
    return [int(acquisition_head(readout.message)["scan_counter"]) for readout in readouts]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.drop({0, 4}), [1, 2, 3, 5]),
        (faults.duplicate({2}), [0, 1, 2, 2, 3, 4, 5]),
        (faults.reorder({1, 5}), [0, 2, 1, 3, 4, 5]),
        (faults.chain(faults.drop({1}), faults.duplicate({1})), [0, 2, 2, 3, 4, 5]),
        (faults.chain(), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_order_of_arrival(readouts, fault, expected):
    assert counters(fault(readouts)) == expected


def test_stall_and_flood_touch_only_the_pace(readouts):
    stream = list(
        faults.chain(faults.stall(2, delay_s=0.5), faults.flood(3, n_readouts=2))(readouts)
    )
    assert [r.delay_s for r in stream] == [0, 0, 0.5, 0, 0, 0]
    assert [r.is_paced for r in stream] == [True, True, True, False, False, True]
    assert [r.message for r in stream] == [r.message for r in readouts]


def test_truncation_ends_the_stream(readouts):
    stream = list(faults.truncate(3, n_bytes=17)(readouts))
    assert [len(r.message) for r in stream[-2:]] == [len(readouts[2].message), 17]
    assert len(stream) == 4


def test_corruption_hits_its_bytes_and_is_repeatable(readouts):
    once, again = (list(faults.corrupt({1}, offset=342, n_bytes=8)(readouts)) for _ in range(2))
    assert once == again
    differing = [
        i
        for i, (a, b) in enumerate(zip(once[1].message, readouts[1].message, strict=True))
        if a != b
    ]
    assert differing
    assert set(differing) <= set(range(342, 350))
    assert once[2] == readouts[2]


def test_clock_steps_once_and_wraps(readouts):
    stream = faults.step_clock(3, ticks=1000)(readouts)
    stamps = [int(acquisition_head(r.message)["acquisition_time_stamp"]) for r in stream]
    assert stamps == [2**32 - 10, 2**32 - 9, 2**32 - 8, 993, 994, 995]


def test_flood_waits_for_its_last_readout(readouts):
    pulled = []

    def watched():
        for readout in readouts:
            pulled.append(readout)
            yield readout

    stream = faults.flood(1, n_readouts=3)(watched())
    assert next(stream) == readouts[0]
    next(stream)
    assert len(pulled) == 4


def test_faults_pull_no_more_than_they_need(readouts):
    endless = itertools.cycle(readouts)
    assert len(list(itertools.islice(faults.drop({0})(endless), 5))) == 5
