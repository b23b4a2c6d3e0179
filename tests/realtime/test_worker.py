"""The line between gateway and worker under a flood of rings."""

import os
from types import SimpleNamespace

import pytest

from realtime.clock import MonotonicClock
from realtime.control import Assign
from realtime.mailbox import Layout, Mailbox, anonymous_memory
from realtime.pipeline import PipelineState, SliceState
from realtime.worker import Station
from recon import Calibration, Partial
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
