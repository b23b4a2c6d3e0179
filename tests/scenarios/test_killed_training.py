"""A worker killed while a library is gathered: the next one goes on with the images it has."""

import os
import signal

import pytest

from realtime.protocol import parse_protocol
from tests.harness import PROTOCOL, Scan, close_message, running

N_TRAINING, KILLED_IN = 6, 3
TEXT = (
    PROTOCOL.format(deadline_ms=4000.0, lease_ms=30_000.0, stall_ms=20_000.0)
    .replace('"single-baseline"', '"hybrid"')
    .replace("baseline_frames = 2", f"baseline_frames = {N_TRAINING}")
)
SCAN = Scan()


@pytest.mark.slow
def test_the_library_is_not_begun_anew(tmp_path):
    with running(tmp_path, parse_protocol(TEXT)) as gateway:
        client = gateway.connect()
        client.send(SCAN.opening())
        for frame in range(KILLED_IN):
            client.send_frame(SCAN, frame)
        mark, first_pid = gateway.mark(), gateway.gateway.worker_pid
        client.send(*SCAN.frame(KILLED_IN)[:16])
        os.kill(first_pid, signal.SIGKILL)
        gateway.events.wait(
            lambda t, n: t == "verdict" and n.frame_id == KILLED_IN and n.outcome == "FAULT",
            after=mark,
        )
        client.send(*SCAN.frame(KILLED_IN)[16:])
        verdicts, frame = {}, KILLED_IN
        while len(verdicts) < N_TRAINING - KILLED_IN + 1:
            frame += 1
            client.send(*SCAN.frame(frame))
            one = gateway.events.wait(
                lambda t, n, f=frame: t == "verdict" and n.frame_id == f, after=mark
            )
            if one.outcome == "COMPUTED":
                verdicts[frame] = one
        client.send(close_message())
        client.read_to_end()
        client.hang_up()
    # the images of the dead worker count, the lost frames do not
    gathered = [one.baseline_frames for one in verdicts.values()]
    assert gathered == [KILLED_IN + 1, KILLED_IN + 2, N_TRAINING, N_TRAINING]
    assert {one.baseline_wanted for one in verdicts.values()} == {N_TRAINING}
    for one in verdicts.values():
        assert "dose-interrupted" in {finding.rule for finding in one.findings}
