"""The line between gateway and worker under a flood of rings."""

import os
import socket
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from messages import Acquisition, Verdict
from realtime import control
from realtime.checkpoint import CheckpointMemory
from realtime.clock import MonotonicClock
from realtime.control import Assign
from realtime.mailbox import Layout, Mailbox, anonymous_memory
from realtime.pipeline import PipelineState, SliceState
from realtime.session_memory import SessionMemory
from realtime.session_setup import configuration, plan_layout
from realtime.streams.events import HeaderReceived
from realtime.streams.mrd_decoder import Decoder
from realtime.tuning import REHEARSING_LEVEL, SERVING_LEVEL
from realtime.worker import Station, _advance, _open_station
from recon import Calibration, Partial
from simulators.mrd import header_message
from tests.harness import Scan, close_message, frozen, running, small_protocol


class Spy:
    """A reconstructor that writes down what it is given."""

    def __init__(self):
        self.started, self.absorbed = [], []

    def start(self, calibration=None, recycled=None):
        self.started.append(calibration)
        return Partial(0)

    def absorb(self, partial, readouts, samples, trajectory=None):
        self.absorbed.append((len(readouts), trajectory))
        return partial


def test_a_slice_s_calibration_and_the_trajectory_are_at_hand_from_the_first_readout():
    layout = Layout(2, 4, 1, 8, 64, n_trajectory_dimensions=2)
    fd = anonymous_memory("test", layout.total_bytes)
    mailbox = Mailbox(layout, fd)
    os.close(fd)
    spy, known = Spy(), Calibration()
    state = PipelineState({(3, 1, 0, 2): SliceState({}, known)})
    station = Station(
        SimpleNamespace(reconstructor=spy), state, mailbox, None, MonotonicClock(), session=1
    )
    for slot, slice_ in enumerate((3, 4)):
        row = mailbox.slots[slot]
        row["slice"], row["contrast"], row["set"], row["n_landed"] = slice_, 1, 2, 3
        mailbox.trajectory[slot, :3] = slot + 1
        station.assign(Assign(slot, 0))
        station.advance()
    assert spy.started[1:] == [known, None]
    assert [n for n, _ in spy.absorbed] == [3, 3]
    assert [trajectory.min() for _, trajectory in spy.absorbed] == [1, 2]
    assert spy.absorbed[0][1].shape == (3, 8, 2)


class Desk:
    """A worker's end of the line and its station, in this process; the test is the gateway."""

    def __init__(self, *, has_had_frames=False, may_treat=True):
        scan = Scan(n_slices=3)
        decoder = Decoder()
        decoder.feed(header_message(scan.header()) + b"".join(scan.frame(0)))
        events = list(decoder.events())
        (header,) = (one.header for one in events if isinstance(one, HeaderReceived))
        self.readouts = [one for one in events if isinstance(one, Acquisition)]
        first = self.readouts[0]
        self.memory = SessionMemory(plan_layout(header, first, "mrgfus", n_readouts=32))
        given = configuration(
            small_protocol(), header, first, self.memory.layout, (np.zeros((0, 0), "c8"), 0.0),
            is_deadline_enforced=True, may_treat=may_treat,
        )  # fmt: skip
        given = msgspec.structs.replace(given, has_had_frames=has_had_frames)
        self.content = control.pack_configuration(given)
        self.ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.begin()

    def begin(self):
        """Begin as a worker that was just started does."""
        fd = anonymous_memory("configuration", len(self.content))
        os.pwrite(fd, self.content, 0)
        fds = [os.dup(self.memory.mailbox_fd), fd, os.dup(self.memory.checkpoint_fd)]
        order = control.Configure(len(self.content))
        self.station, _ = _open_station(order, fds, MonotonicClock())
        for fd in fds:
            os.close(fd)

    def frame(self, number, *, slice_=0):
        """What the worker says to a frame, and its verdict where there is one."""
        row = self.memory.mailbox.slots[0]
        for n, acquisition in enumerate(self.readouts):
            self.memory.mailbox.scatter(0, n, acquisition)
        row["frame_id"], row["slice"], row["repetition"] = number, slice_, number
        row["time_s"], row["is_complete"], row["is_closed"] = 1.0 + number, 1, 1
        row["pose"] = np.vstack([np.zeros((1, 3)), np.eye(3), np.zeros((1, 3))])
        self.station.assign(Assign(0, 0))
        _advance(self.station, self.theirs)
        said = control.unpack_for_gateway(self.ours.recv(1 << 16))
        self.pictured = None
        if isinstance(said, control.Pictured):
            self.pictured = self.memory.mailbox.maps[said.result, 0].copy()
            said = control.unpack_for_gateway(self.ours.recv(1 << 16))
        if isinstance(said, control.Failed):
            return said, None
        return said, msgspec.json.decode(self.memory.mailbox.read_verdict(0), type=Verdict)

    def close(self):
        self.station.refiner.close()
        self.memory.close()
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def desk():
    desks = []

    def opened(**settings):
        desks.append(Desk(**settings))
        return desks[-1]

    yield opened
    for one in desks:
        one.close()


def rules(verdict):
    return {one.rule for one in verdict.findings}


def test_the_picture_goes_ahead_and_is_the_one_that_the_verdict_brings(desk):
    one = desk()
    one.frame(0)
    assert one.pictured is not None
    assert one.pictured.max() > 0
    np.testing.assert_array_equal(one.pictured, one.memory.mailbox.maps[0, 0])


def test_a_state_that_cannot_be_kept_is_the_fault_of_the_next_frame(desk):
    one = desk()
    one.frame(0)
    checkpoint = one.station.checkpoint
    one.station.checkpoint = CheckpointMemory(one.memory.checkpoint_fd, max_bytes=0)
    said, _ = one.frame(1)  # its answer is out before it is kept
    assert isinstance(said, control.Done)
    said, _ = one.frame(2)
    assert isinstance(said, control.Failed)
    assert "checkpoint of slice 0" in said.text
    one.station.checkpoint = checkpoint
    assert isinstance(one.frame(3)[0], control.Done)
    assert isinstance(one.frame(4)[0], control.Done)
    kept = CheckpointMemory(one.memory.checkpoint_fd).load()
    assert kept.slices[0, 0, 0, 0].previous_time_s == 5.0


def test_the_next_worker_takes_each_slice_s_state_and_says_that_it_was_interrupted(desk):
    one = desk()
    for number in range(4):
        for slice_ in range(3):
            _, verdict = one.frame(number, slice_=slice_)
            assert "dose-interrupted" not in rules(verdict)
    before = one.station.state.slices
    one.begin()
    after = one.station.state.slices
    assert set(after) == set(before)
    for stream, kept in after.items():
        assert kept.previous_time_s == before[stream].previous_time_s
        assert np.array_equal(kept.dose.dose_min, before[stream].dose.dose_min)
        assert kept.dose.interrupted
    _, verdict = one.frame(4, slice_=2)
    assert "dose-interrupted" in rules(verdict)


@pytest.mark.parametrize("has_had_frames", [True, False])
def test_a_dose_of_which_nothing_was_kept_says_so(desk, has_had_frames):
    one = desk(has_had_frames=has_had_frames)
    for number in range(3):
        _, verdict = one.frame(number)
    assert ("dose-interrupted" in rules(verdict)) == has_had_frames


@pytest.mark.slow
def test_an_order_is_not_lost_behind_rings_that_nobody_hears(tmp_path):
    """1024 readouts fill the line while the worker stands still; the next frame is computed."""
    scan = Scan(n_pixels=1024, n_coils=1, lines=tuple(range(1024)))
    with running(tmp_path, small_protocol(deadline_ms=15_000.0)) as gateway:
        client = gateway.connect()
        client.send(scan.opening())
        client.send_frame(scan, 0)
        mark = gateway.mark()
        frame = scan.frame(1)
        client.send(*frame[:4])
        gateway.mark()
        with frozen(gateway.gateway.worker_pid):
            client.send(*frame[4:], *scan.frame(2))
            gateway.events.wait(lambda t, n: gateway.gateway.sessions[0].n_readouts == 3072)
        verdict = gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == 1, after=mark)
        assert verdict.outcome == "COMPUTED"
        # assigned at once, while the line still holds what nobody has heard
        verdict = gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == 2, after=mark)
        assert verdict.outcome == "COMPUTED"
        client.send(close_message())
        client.read_to_end()
        client.hang_up()


@pytest.mark.slow
def test_a_deaf_worker_with_a_full_line_is_replaced_when_the_next_client_comes(tmp_path):
    scan = Scan(n_pixels=1024, n_coils=1, lines=tuple(range(1024)))
    small = Scan()
    with running(tmp_path, small_protocol(deadline_ms=15_000.0)) as gateway:
        first = gateway.connect()
        first.send(scan.opening())
        first.send_frame(scan, 0)
        mark = gateway.mark()
        pid = gateway.gateway.worker_pid
        frame = scan.frame(1)
        first.send(*frame[:4])
        gateway.mark()
        with frozen(pid):
            first.send(*frame[4:])
            first.hang_up()
            gateway.events.topic("run.stop", after=mark)
            mark = gateway.mark()
            second = gateway.connect()
            second.send(small.opening())
            for n in range(1000):  # each is answered; once the next worker is ready, computed
                second.send(*small.frame(n))
                verdict = gateway.events.wait(
                    lambda t, found, n=n: t == "verdict" and found.frame_id == n, after=mark
                )
                if verdict.outcome == "COMPUTED":
                    break
        assert verdict.outcome == "COMPUTED"
        assert gateway.gateway.worker_pid != pid
        second.send(close_message())
        second.read_to_end()
        second.hang_up()
        assert second.is_closed


def test_a_session_that_may_not_treat_is_less_urgent(desk):
    assert desk().station.level == SERVING_LEVEL
    assert desk(may_treat=False).station.level == REHEARSING_LEVEL < SERVING_LEVEL
