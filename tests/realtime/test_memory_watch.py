"""A process that grows is told once near its cap and once beyond it."""

import os

from realtime.memory_watch import MemoryWatch, private_bytes

S = 1_000_000_000
MIB = 1 << 20


def test_each_step_is_told_once_and_again_after_it_was_gone():
    taken = {1: 10 * MIB, 2: 10 * MIB}
    watch = MemoryWatch(100, taken=taken.__getitem__)

    def told(at_s: float) -> list[tuple[int, bool]]:
        return [(one.pid, one.is_beyond) for one in watch.look((1, 2), now_ns=round(at_s * S))]

    assert told(0) == []
    taken[1] = 80 * MIB
    assert told(0.9) == []  # it looks once a second
    assert told(1) == [(1, False)]
    assert told(2) == []
    taken[1], taken[2] = 101 * MIB, 75 * MIB
    assert told(3) == [(1, True), (2, False)]
    assert told(4) == []
    taken[1] = 10 * MIB
    assert told(5) == []
    taken[1] = 90 * MIB
    assert told(6) == [(1, False)]


def test_the_text_says_which_how_much_and_how_much_there_may_be():
    (one,) = MemoryWatch(100, taken=lambda _: 90 * MIB).look([7], now_ns=0)
    assert one.text == "process 7 takes 90 MiB, at most 100"


def test_memory_that_is_touched_counts_and_a_process_that_is_gone_does_not():
    before = private_bytes(os.getpid())
    kept = bytearray(os.urandom(1)) * (64 * MIB)
    assert 60 * MIB < private_bytes(os.getpid()) - before < 80 * MIB
    del kept
    assert private_bytes(2**22 + 1) == 0
