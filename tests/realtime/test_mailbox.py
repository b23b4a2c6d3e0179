"""The shared memory: two views of the same bytes, and nothing beyond its sections."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messages import READOUT, EncodingCounters
from realtime.mailbox import (
    MAP_NAMES,
    TOUCHED_BYTES,
    VERDICT_BYTES,
    Layout,
    Mailbox,
    anonymous_memory,
)
from realtime.streams.mrd_decoder import Decoder
from simulators.mrd import header_message
from tests.harness import Scan

LAYOUT = Layout(n_slots=3, n_readouts=8, n_coils=2, n_samples=16, n_pixels=64)


@pytest.fixture
def ends():
    fd = anonymous_memory("test", LAYOUT.total_bytes)
    yield Mailbox(LAYOUT, fd), Mailbox(LAYOUT, fd)
    os.close(fd)


def test_what_one_end_writes_the_other_reads(ends):
    gateway, worker = ends
    scan = Scan(n_pixels=8, lines=tuple(range(8)))
    decoder = Decoder()
    decoder.feed(header_message(scan.header()) + b"".join(scan.frame(0)))
    _, *readouts = decoder.events()
    for row, acquisition in enumerate(readouts):
        assert worker.slots[1]["n_landed"] == row
        gateway.scatter(1, row, acquisition)
    assert worker.slots[1]["n_landed"] == 8
    assert np.array_equal(worker.samples[1], [one.samples for one in readouts])
    assert list(worker.readouts[1]["kspace_encode_step_1"]) == list(range(8))
    assert list(worker.slots["n_landed"]) == [0, 8, 0]
    assert not worker.samples[[0, 2]].any()


def test_results_go_the_other_way(ends):
    gateway, worker = ends
    for index, name in enumerate(MAP_NAMES["mrgfus"]):
        worker.images(1, (1, 8, 8))[name][...] = index + 1
    found = gateway.images(1, (1, 8, 8))
    assert [found[name][0, 3, 3] for name in MAP_NAMES["mrgfus"]] == [1, 2, 3, 4, 5, 6, 7]
    assert not gateway.images(0, (1, 8, 8))["magnitude"].any()
    worker.write_verdict(1, b'{"verdict": 1}')
    assert gateway.read_verdict(1) == b'{"verdict": 1}'
    worker.write_verdict(1, b"{}")
    assert gateway.read_verdict(1) == b"{}"
    assert gateway.read_verdict(0) == b""


def test_a_verdict_that_does_not_fit_is_refused_and_the_old_one_stays(ends):
    gateway, worker = ends
    worker.write_verdict(0, b"old")
    with pytest.raises(ValueError, match="room for"):
        worker.write_verdict(0, bytes(VERDICT_BYTES + 1))
    assert gateway.read_verdict(0) == b"old"


sizes = st.integers(1, 9)


@settings(max_examples=60, deadline=None)
@given(st.builds(Layout, sizes, sizes, sizes, sizes, sizes, st.integers(0, 3)))
def test_sections_never_overlap_and_fill_what_was_asked_for(layout):
    fd = anonymous_memory("test", layout.total_bytes)
    try:
        mailbox = Mailbox(layout, fd)
        names = [name for name, _, _ in layout.sections()]
        for value, name in enumerate(names, 1):
            getattr(mailbox, name).view(np.uint8)[...] = value
        again = Mailbox(layout, fd)
        for value, name in enumerate(names, 1):
            array = getattr(again, name)
            assert (array.view(np.uint8) == value).all(), name
            assert array.ctypes.data % 64 == 0 or array.ctypes.data % array.dtype.alignment == 0
    finally:
        os.close(fd)


def test_trajectories_and_waveforms_go_along():
    layout = Layout(2, 4, 2, 16, 64, n_trajectory_dimensions=2)
    fd = anonymous_memory("test", layout.total_bytes)
    gateway, worker = Mailbox(layout, fd), Mailbox(layout, fd)
    os.close(fd)
    decoder = Decoder()
    scan = Scan(n_pixels=8, lines=tuple(range(8)))
    decoder.feed(header_message(scan.header()) + scan.frame(0)[5])
    _, one = decoder.events()
    path = np.arange(32, dtype=np.float32).reshape(16, 2)
    gateway.scatter(1, 0, replace(one, trajectory=path, encoding_space_ref=3))
    assert np.array_equal(worker.trajectory[1, 0], path)
    assert worker.readouts[1, 0]["encoding_space_ref"] == 3
    gateway.scatter(1, 0, one)  # a navigator has none, and must not inherit the last one's
    assert not worker.trajectory[1, 0].any()
    gateway.write_waveforms(1, b"beat")
    assert worker.read_waveforms(1) == b"beat"
    assert worker.read_waveforms(0) == b""
    assert worker.slots[1]["n_landed"] == 1


def test_each_field_of_a_readout_has_its_own_value(ends):
    gateway, worker = ends
    decoder = Decoder()
    scan = Scan(n_pixels=8, lines=tuple(range(8)))
    decoder.feed(header_message(scan.header()) + scan.frame(0)[0])
    _, readout = decoder.events()
    counters = EncodingCounters(7, 8, 9, repetition=10, segment=11, contrast=12)
    odd = replace(
        readout, center_sample=3, discard_pre=4, discard_post=5, encoding_space_ref=6,
        flags=1 << 63, sample_time_us=2.5, idx=counters,
    )  # fmt: skip
    gateway.scatter(0, 0, odd)
    row = worker.readouts[0, 0]
    assert {name: row[name] for name in READOUT.names if name != "time_s"} == {
        "kspace_encode_step_1": 7, "kspace_encode_step_2": 8, "center_sample": 3, "n_samples": 16,
        "discard_pre": 4, "discard_post": 5, "segment": 11, "average": 9, "repetition": 10,
        "contrast": 12, "encoding_space_ref": 6, "flags": 1 << 63, "sample_time_us": 2.5,
    }  # fmt: skip


@pytest.mark.parametrize("n_samples", [1 << 10, 1 << 15])
def test_memory_that_nothing_landed_in_is_not_taken(n_samples):
    """A header may claim a gigabyte a frame; to clear it all would stop the gateway for seconds."""
    layout = replace(LAYOUT, n_slots=32, n_readouts=128, n_samples=n_samples)
    fd = anonymous_memory("test", layout.total_bytes)
    Mailbox(layout, fd).touch()
    n_taken = os.fstat(fd).st_blocks * 512
    os.close(fd)
    assert layout.total_bytes > 4 * TOUCHED_BYTES
    assert TOUCHED_BYTES // 2 < n_taken < 2 * TOUCHED_BYTES
