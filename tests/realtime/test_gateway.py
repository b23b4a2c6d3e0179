"""The gateway over real sockets: good sessions, and everybody who is not one."""

import socket
import struct
import threading

import pytest
import zmq

from messages import MonitorError
from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.settings import Settings
from realtime.streams.deidentified_stream import DeidentifiedStream
from realtime.streams.links import open_link
from realtime.streams.player import PlayerSettings, play
from realtime.streams.recordings import open_recording
from realtime.survival.folder_lock import FolderLock
from simulators.mrd import CLOSE, IMAGE, TEXT, ResultReader
from tests.harness import (
    ANYWHERE,
    Running,
    Scan,
    close_message,
    config_message,
    frozen,
    running,
)


def test_a_session_comes_back_as_three_image_series_and_close(shared_gateway: Running, scan: Scan):
    client = shared_gateway.serves(scan, n_frames=4)
    images = [one for one in client.results if one.identifier == IMAGE]
    assert {one.matrix for one in images} == {(32, 32, 1)}
    assert len({one.series for one in images}) == 3
    assert all(len({one.series for one in images[n : n + 3]}) == 3 for n in (0, 3, 6, 9))


def test_good_frames_after_the_baseline_are_granted(shared_gateway: Running, scan: Scan):
    mark = shared_gateway.mark()
    shared_gateway.serves(scan, n_frames=4)
    stop = shared_gateway.events.topic("run.stop", after=mark)
    assert (stop.status, stop.n_frames, stop.n_late, stop.n_fault, stop.n_incomplete) == (
        "completed", 4, 0, 0, 0,
    )  # fmt: skip
    assert stop.n_readouts == 4 * 32
    verdicts = [n for _, t, n in shared_gateway.events.events[mark:] if t == "verdict"]
    assert [one.permit for one in verdicts] == ["HELD", "HELD", "GRANTED", "GRANTED"]
    permits = [n for _, t, n in shared_gateway.events.events[mark:] if t == "permit"]
    assert permits[-1].state == "HELD"  # the end withdraws it


def test_the_plan_is_told_before_the_first_frame_and_the_regions_with_each(
    shared_gateway: Running, scan: Scan
):
    mark = shared_gateway.mark()
    shared_gateway.serves(scan, n_frames=2)
    shared_gateway.events.topic("run.stop", after=mark)
    told = [n for _, t, n in shared_gateway.events.events[mark:] if t in ("run.start", "map")]
    start, *maps = told
    assert [(one.name, one.role) for one in start.regions] == [("focus", "target")]
    assert [(one.rule, one.stop) for one in start.limits] == [("temperature-max", 60.0)]
    assert start.frame_interval_s == pytest.approx(0.32)
    assert len(maps) == 2
    for one in maps:
        assert sorted(set(one.region_bits.ravel().tolist())) == [0, 1]
        assert one.region_bits[0, 16, 16] == 1
    beats = [n for _, t, n in shared_gateway.events.events[mark:] if t == "heartbeat"]
    assert beats[-1].preparing in ("", beats[0].preparing)


def test_config_then_close_gets_exactly_close(shared_gateway: Running):
    client = shared_gateway.connect()
    client.send(config_message("default"), close_message())
    assert [one.identifier for one in client.read_to_end()] == [CLOSE]
    client.hang_up()


def test_a_connection_without_a_byte_is_silent(shared_gateway: Running, scan: Scan):
    mark = shared_gateway.mark()
    client = shared_gateway.connect()
    client.connection.shutdown(socket.SHUT_WR)
    assert client.read_to_end() == []
    client.hang_up()
    shared_gateway.serves(scan, n_frames=1)
    shared_gateway.events.topic("run.stop", after=mark)
    assert not [n for _, t, n in shared_gateway.events.events[mark:] if t == "alert"]


def test_a_query_is_answered_beside_a_session(shared_gateway: Running):
    client = shared_gateway.connect()
    text = b"ismrmrd::version"
    client.send(struct.pack("<HQQQ", 6, 0, 77, len(text)) + text)
    answer = client.connection.recv(1 << 16)
    kind, correlation, length = struct.unpack_from("<HQQ", answer)
    assert (kind, correlation) == (7, 77)
    assert answer[18 : 18 + length] == b"mrmonitor"
    client.hang_up()


def test_a_port_in_use_is_said_in_a_line_and_leaves_nothing(shared_gateway: Running, tmp_path):
    anywhere = Addresses(ANYWHERE, ANYWHERE)
    settings = Settings(
        tmp_path, None, tcp=("127.0.0.1", shared_gateway.port), zmq=None, addresses=anywhere
    )
    before = set(threading.enumerate())
    where = rf"127\.0\.0\.1:{shared_gateway.port}: Address already in use; choose another port"
    with pytest.raises(MonitorError, match=where):
        Gateway(settings, MonotonicClock())
    assert set(threading.enumerate()) <= before  # those of tests before may end meanwhile
    FolderLock(tmp_path).close()  # another monitor may have it


def verdicts_since(gateway: Running, mark: int) -> list:
    return [noun for _, topic, noun in gateway.events.events[mark:] if topic == "verdict"]


def start(gateway: Running, scan: Scan, n_frames: int = 3):
    """A client with `n_frames` good frames behind it: the permit is granted."""
    gateway.acknowledge_all()
    mark = gateway.mark()
    client = gateway.connect()
    client.send(scan.opening())
    for n in range(n_frames):
        client.send_frame(scan, n)
    gateway.events.wait(lambda t, n: t == "permit" and n.state == "GRANTED", after=mark)
    return client


def finish(client) -> None:
    client.send(close_message())
    client.read_to_end()
    assert client.is_closed
    client.hang_up()


def test_a_second_treatment_is_served_but_has_no_permit(shared_gateway: Running, scan: Scan):
    first = start(shared_gateway, scan)
    mark = shared_gateway.mark()
    second = shared_gateway.serves(scan, n_frames=4)
    first.send_frame(scan, 3)
    shared_gateway.events.wait(lambda t, n: t == "permit" and n.frame_id == 3, after=mark)
    finish(first)
    assert not first.texts
    assert [text[:7] for text in second.texts] == ["WARNING"]
    assert "has the permit" in second.texts[0]
    permits = shared_gateway.since(mark, "permit")
    (holder,) = {one.run_id for one in permits}
    assert permits[0].state == "GRANTED"
    others = [one for one in shared_gateway.since(mark, "verdict") if one.run_id != holder]
    assert [(one.outcome, one.permit) for one in others] == [("COMPUTED", "HELD")] * 4
    alerts = shared_gateway.since(mark, "alert")
    assert [one.event for one in alerts if one.state == "raised"] == ["permit-taken.inform"]
    maps = shared_gateway.since(mark, "map")
    assert {one.run_id for one in maps} >= {one.run_id for one in others}


def test_garbage_from_a_stranger_does_not_withdraw_the_permit(shared_gateway: Running, scan: Scan):
    first = start(shared_gateway, scan)
    mark = shared_gateway.mark()
    stranger = shared_gateway.connect()
    stranger.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    stranger.read_to_end()
    stranger.hang_up()
    first.send_frame(scan, 3)
    shared_gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == 3, after=mark)
    permits = [n.state for _, t, n in shared_gateway.events.events[mark:] if t == "permit"]
    finish(first)
    assert permits == ["GRANTED"]


def test_alert_ids_are_never_used_twice(shared_gateway: Running, scan: Scan):
    """A stranger's mistake and the running session's own alert are two alerts."""
    mark = shared_gateway.mark()
    first = start(shared_gateway, scan)
    stranger = shared_gateway.connect()
    stranger.send(b"\xff\xff")
    stranger.read_to_end()
    stranger.hang_up()
    first.send(b"\xff\xff")  # the session's own mistake
    first.read_to_end()
    first.hang_up()
    shared_gateway.events.topic("run.stop", after=mark)
    shared_gateway.serves(scan, n_frames=1)  # the alerts have passed the journal by now
    shared_gateway.events.wait(lambda t, n: t == "run.stop" and n.status == "completed", after=mark)
    raised = [
        n.alert_id
        for _, t, n in shared_gateway.events.events[mark:]
        if t == "alert" and n.state == "raised"
    ]
    assert len(raised) >= 2
    assert len(raised) == len(set(raised))


def test_a_client_that_vanishes_stops_the_run_and_the_next_is_served(
    shared_gateway: Running, scan: Scan
):
    first = start(shared_gateway, scan)
    mark = shared_gateway.mark()
    folder = shared_gateway.gateway.folders[-1]
    first.send(*scan.frame(3)[:10])
    first.hang_up()
    stop = shared_gateway.events.topic("run.stop", after=mark)
    assert stop.status in ("cut", "failed")
    assert "CLOSE" in stop.reason
    permits = [n for _, t, n in shared_gateway.events.events[mark:] if t == "permit"]
    assert permits[-1].state == "HELD"
    shared_gateway.serves(scan, n_frames=1)
    recorded = (folder / "raw.mrd").read_bytes()
    sent = scan.opening() + b"".join(b"".join(scan.frame(n)) for n in range(3))
    kept = DeidentifiedStream(()).take(sent)
    assert recorded[: len(kept)] == kept  # all that was answered, at least


def test_what_was_recorded_of_a_cut_session_replays(shared_gateway: Running, scan: Scan, tmp_path):
    first = start(shared_gateway, scan)
    mark = shared_gateway.mark()
    folder = shared_gateway.gateway.folders[-1]
    first.send(*scan.frame(3)[:10])
    first.hang_up()
    shared_gateway.events.topic("run.stop", after=mark)
    mark = shared_gateway.mark()
    link = open_link(f"tcp://127.0.0.1:{shared_gateway.port}")
    try:
        summary = play(open_recording(folder / "raw.mrd"), link, settings=PlayerSettings())
    finally:
        link.close()
    assert summary.n_readouts >= 3 * 32
    shared_gateway.events.topic("run.stop", after=mark)


def test_a_session_cut_off_with_a_frame_at_the_worker_leaves_nothing_behind(
    shared_gateway: Running, scan: Scan
):
    """The worker that still has the old session's frame in hand is not the new one's."""
    first = start(shared_gateway, scan)
    mark = shared_gateway.mark()
    pid = shared_gateway.gateway.worker_pid
    with frozen(pid):
        first.send(*scan.frame(3))
        first.hang_up()
        shared_gateway.events.topic("run.stop", after=mark)
        mark = shared_gateway.mark()
        second = shared_gateway.connect()
        second.send(scan.opening(), *scan.frame(0))
        second.read_until(lambda _: second.n_images == 3)
    second.send_frame(scan, 1)
    second.send_frame(scan, 2)
    finish(second)
    shared_gateway.events.topic("run.stop", after=mark)
    assert [one.frame_id for one in verdicts_since(shared_gateway, mark)] == [0, 1, 2]


def test_a_client_that_reads_only_at_the_end_gets_everything_and_close(tmp_path):
    """12 MB of images wait for it; farewell must not cut them off."""
    scan = Scan(n_pixels=256, n_coils=1, lines=tuple(range(256)))
    with running(tmp_path, is_lossless=True) as gateway:
        client = gateway.connect()
        client.send(scan.session(16))
        client.connection.shutdown(socket.SHUT_WR)
        gateway.events.topic("run.stop")
        client.read_to_end()
        assert client.n_images == 3 * 16
        assert client.is_closed
        client.hang_up()


def test_zeromq_gives_the_same_answers(shared_gateway: Running, scan: Scan):
    mark = shared_gateway.mark()
    dealer = zmq.Context.instance().socket(zmq.DEALER)
    dealer.connect(shared_gateway.gateway.zmq_endpoint)
    reader, results = ResultReader(), []

    def until(n_images: int) -> None:
        while sum(one.identifier == IMAGE for one in results) < n_images:
            assert dealer.poll(20_000)
            results.extend(reader.feed(b"".join(dealer.recv_multipart())))

    dealer.send(scan.opening())
    for n in range(3):
        for message in scan.frame(n):
            dealer.send(message)
        until(3 * n + 3)
    dealer.send(close_message())
    assert dealer.poll(20_000)
    results.extend(reader.feed(b"".join(dealer.recv_multipart())))
    assert results[-1].identifier == CLOSE
    stop = shared_gateway.events.topic("run.stop", after=mark)
    assert (stop.status, stop.n_frames) == ("completed", 3)
    dealer.close(linger=0)


def test_a_refused_zeromq_client_that_goes_on_sending_raises_one_alert(
    shared_gateway: Running, scan: Scan
):
    mark = shared_gateway.mark()
    dealer = zmq.Context.instance().socket(zmq.DEALER)
    dealer.connect(shared_gateway.gateway.zmq_endpoint)
    for message in (struct.pack("<H", 4711), *scan.frame(0), *scan.frame(1)):
        dealer.send(message)
    reader, results = ResultReader(), []
    while not any(one.identifier == CLOSE for one in results):
        assert dealer.poll(20_000)
        results.extend(reader.feed(b"".join(dealer.recv_multipart())))
    dealer.close(linger=0)
    shared_gateway.serves(scan, n_frames=1)
    shared_gateway.events.topic("run.stop", after=mark)
    alerts = [n for _, t, n in shared_gateway.events.events[mark:] if t == "alert"]
    assert len({one.alert_id for one in alerts}) == 1
    assert [one.identifier for one in results] == [TEXT, CLOSE]
