"""A readout that opens a frame of its own, which never fills, with a real worker."""

import pytest

from simulators.mrd import acquisition_message
from tests.harness import Running, Scan, close_message, running, small_protocol

SCAN = Scan()
N_FRAMES = 8


@pytest.fixture
def gateway(tmp_path):
    with running(tmp_path, small_protocol(deadline_ms=2000.0)) as it:
        yield it


def test_a_stray_readout_costs_no_other_frame_its_verdict(gateway: Running):
    """The worker had it in hand, and every other frame was LATE until the scanner fell silent."""
    client = gateway.connect()
    client.send(SCAN.opening(TE="10</TE><TE>20"))
    for n in range(N_FRAMES):
        if n == 3:
            head = SCAN.head(n, 0)
            head["idx"]["contrast"] = 1
            client.send(acquisition_message(head, SCAN.kspace(n)[0]))
        client.send_frame(SCAN, n)
        gateway.events.wait(lambda t, v, n=n: t == "verdict" and v.key.repetition == n)
    before = gateway.mark()
    verdicts = gateway.events.all("verdict")
    assert [one.outcome for one in verdicts] == ["COMPUTED"] * N_FRAMES
    assert [one.permit for one in verdicts[2:]] == ["GRANTED"] * (N_FRAMES - 2)
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    stop = gateway.events.topic("run.stop", after=before)
    assert (stop.n_frames, stop.n_incomplete, stop.n_late) == (N_FRAMES + 1, 1, 0)
    (stray,) = gateway.since(before, "verdict")
    assert (stray.key.contrast, stray.outcome, stray.permit) == (1, "COMPUTED", "HELD")
    assert "incomplete-frame" in {one.rule for one in stray.findings}
