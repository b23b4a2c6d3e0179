"""Several clients at once: nobody makes another wait, and one permit is one permit."""

import json
import threading
from dataclasses import replace

import h5py
import numpy as np
import pytest

from realtime.protocol import load_protocol
from realtime.streams.deidentified_stream import DeidentifiedStream
from realtime.streams.header_allow_list import deidentified_xml
from realtime.streams.recordings import open_recording
from simulators.mrd import IMAGE
from tests.harness import (
    Client,
    Running,
    Scan,
    close_message,
    config_message,
    running,
    small_protocol,
)

SCAN = Scan()
IMAGING = config_message("imaging")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with running(tmp_path_factory.mktemp("neighbours"), keeps_spare=True) as it:
        yield it


def treated(gateway: Running, scan: Scan = SCAN, n_frames: int = 3) -> Client:
    gateway.acknowledge_all()
    mark = gateway.mark()
    client = gateway.connect()
    client.send(scan.opening())
    for n in range(n_frames):
        client.send_frame(scan, n)
    gateway.events.wait(lambda t, n: t == "permit" and n.state == "GRANTED", after=mark)
    return client


def ended(client: Client) -> Client:
    client.send(close_message())
    client.read_to_end()
    client.hang_up()
    assert client.is_closed
    return client


def test_a_stalled_and_a_slow_client_delay_nobody(gateway: Running):
    stalled, slow = gateway.connect(), gateway.connect()
    stalled.send(IMAGING, SCAN.opening(), SCAN.frame(0)[0], SCAN.frame(0)[1][:177])
    is_enough = threading.Event()

    def trickle() -> None:
        for one in IMAGING + SCAN.opening() + b"".join(SCAN.frame(0)):
            if is_enough.is_set():
                return
            slow.send(bytes([one]))

    thread = threading.Thread(target=trickle)
    thread.start()
    mark = gateway.mark()
    healthy = ended(treated(gateway, n_frames=6))
    is_enough.set()
    thread.join()
    found = [one for one in healthy.results if one.identifier == IMAGE]
    assert [one.series for one in found] == [one.series for one in found[:3]] * 6
    run_id = gateway.events.wait(lambda t, n: t == "run.stop" and n.n_frames == 6).run_id
    maps = [one for one in gateway.since(mark, "map") if one.run_id == run_id]
    assert [one.frame_id for one in maps] == list(range(6))
    assert not [one for one in healthy.texts if one.startswith(("ERROR", "WARNING"))]
    stop = gateway.events.topic("run.stop", after=mark)
    assert (stop.status, stop.n_frames, stop.n_late) == ("completed", 6, 0)
    stalled.hang_up()
    slow.hang_up()
    gateway.events.wait(lambda t, n: t == "run.stop" and n.status == "cut", after=mark)


def test_of_two_treatments_only_the_first_ever_sees_granted(gateway: Running):
    first = treated(gateway)
    mark = gateway.mark()
    second = gateway.connect()
    second.send(SCAN.opening())
    for n in range(4):
        second.send_frame(SCAN, n)
        first.send_frame(SCAN, 3 + n)
    ended(first)
    second.send_frame(SCAN, 4)  # even now: it began without the permit
    ended(second)
    gateway.events.wait(lambda t, n: t == "run.stop" and n.n_frames == 5, after=mark)
    verdicts, permits = gateway.since(mark, "verdict"), gateway.since(mark, "permit")
    by_run = {one.run_id: set() for one in verdicts}
    for one in verdicts:
        by_run[one.run_id].add(one.permit)
    (holder,) = {one.run_id for one in permits}
    assert by_run.pop(holder) == {"GRANTED"}
    assert list(by_run.values()) == [{"HELD"}]
    assert permits[-1].state == "HELD"
    assert any("may not treat" in text for text in second.texts)
    beats = [one for one in gateway.since(mark, "heartbeat") if one.permit_state == "GRANTED"]
    assert {one.run_id for one in beats} <= {holder}
    ended(treated(gateway))  # and the next one has it again


def test_imaging_beside_a_treatment_speaks_of_no_permit(gateway: Running):
    mark = gateway.mark()
    imaging = gateway.connect()
    imaging.send(IMAGING, SCAN.opening())
    imaging.send_frame(SCAN, 0)
    first = treated(gateway)
    imaging.send_frame(SCAN, 1)
    ended(imaging)
    gateway.events.wait(lambda t, n: t == "run.stop", after=mark)
    first.send_frame(SCAN, 3)
    gateway.events.wait(lambda t, n: t == "permit" and n.frame_id == 3, after=mark)
    ended(first)
    permits = gateway.since(mark, "permit")
    assert len({one.run_id for one in permits}) == 1
    assert [one.state for one in permits[-3:]][-1] in ("GRANTED", "HELD")
    assert not any("may not treat" in text for text in imaging.texts + first.texts)


def test_a_frozen_holder_loses_the_permit_to_the_next_treatment(tmp_path):
    with running(tmp_path, small_protocol(stall_ms=60.0)) as gateway:
        frozen_client = treated(gateway)
        mark = gateway.mark()
        early = gateway.connect()
        early.send(SCAN.opening(), *SCAN.frame(0))
        early.read_until(lambda results: bool(results))
        assert "may not treat" in early.texts[0]
        ended(early)
        for _ in range(8):  # beats are 100 ms apart: ten times the stall limit passes
            gateway.mark()
        second = gateway.connect()
        second.send(SCAN.opening())
        for n in range(2):
            second.send_frame(SCAN, n)
        gateway.acknowledge_all()
        second.send_frame(SCAN, 2)
        gateway.events.wait(lambda t, n: t == "permit" and n.state == "GRANTED", after=mark)
        stop = gateway.events.wait(lambda t, n: t == "run.stop" and n.status == "cut", after=mark)
        assert "silent for" in stop.reason
        order = [
            (t, getattr(n, "run_id", ""), getattr(n, "state", ""))
            for _, t, n in gateway.events.events[mark:]
            if t in ("permit", "run.stop")
        ]
        held = order.index(("permit", stop.run_id, "HELD"))
        assert held < order.index(("run.stop", stop.run_id, ""))
        assert all(run == stop.run_id for _, run, state in order[: held + 1] if state)
        gateway.events.wait(
            lambda t, n: t == "alert" and n.event == "stream-lost.hold" and n.run_id == stop.run_id,
            after=mark,
        )
        frozen_client.read_to_end()
        assert frozen_client.is_closed
        frozen_client.hang_up()
        ended(second)


def test_one_session_too_many_is_refused_in_words_and_kept(tmp_path):
    with running(tmp_path, max_sessions=1) as gateway:
        first = treated(gateway)
        second = gateway.connect()
        second.send(SCAN.opening(), *SCAN.frame(0)[:3])
        second.read_to_end()
        second.hang_up()
        assert any("at most 1 at once" in text for text in second.texts)
        assert second.is_closed
        first.send_frame(SCAN, 3)
        ended(first)
        gateway.serves(SCAN, 1)
        epoch = gateway.gateway.epoch
    run = json.loads((tmp_path / f"{epoch}-002" / "run.json").read_text())
    assert run["stop"]["status"] == "refused"
    assert "at most 1" in run["stop"]["reason"]
    assert "start" not in run
    recorded = (tmp_path / f"{epoch}-002" / "raw.mrd").read_bytes()
    assert recorded.startswith(DeidentifiedStream(()).take(SCAN.opening()))
    third = json.loads((tmp_path / f"{epoch}-003" / "run.json").read_text())
    assert third["stop"]["status"] == "completed"


def test_frozen_clients_do_not_keep_the_next_one_out(tmp_path):
    with running(tmp_path, small_protocol(stall_ms=40.0), max_sessions=1) as gateway:
        frozen_client = treated(gateway)
        for _ in range(6):
            gateway.mark()
        gateway.serves(SCAN, 3)
        frozen_client.read_to_end()
        frozen_client.hang_up()
        assert any("silent for" in text for text in frozen_client.texts)


def test_strangers_cannot_fill_the_disk_with_refused_sessions(tmp_path, monkeypatch):
    monkeypatch.setattr("realtime.run_opening.MAX_REFUSED_KEPT", 2)
    with running(tmp_path) as gateway:
        for n in range(5):
            client = gateway.connect()
            late = (SCAN.frame(0)[0], b"\xff\xff") if n % 2 else (SCAN.frame(0)[0],)
            client.send(SCAN.opening(**({} if n % 2 else {"TE": ""})), *late)
            client.read_to_end()
            client.hang_up()
            assert client.is_closed
        gateway.serves(SCAN, 1)
    assert len(list(tmp_path.glob("*/raw.mrd"))) == 3
    assert len(list(tmp_path.glob("*/run.json"))) == 3


def test_runs_at_once_are_written_into_their_own_folders(tmp_path):
    with running(tmp_path) as gateway:
        clients = [gateway.connect() for _ in range(2)]
        for client in clients:
            client.send(IMAGING, SCAN.opening())
        for n in range(3):
            for k, client in enumerate(clients):
                client.send_frame(SCAN, 10 * k + n)
        for client in clients:
            ended(client)
        folders = list(gateway.gateway.folders)
    assert len(folders) == 2
    pictures = []
    for folder in folders:
        assert json.loads((folder / "run.json").read_text())["stop"]["n_frames"] == 3
        with h5py.File(folder / "maps.h5") as maps:
            assert list(maps["frame"]) == [0, 1, 2]
            pictures.append(maps["magnitude"][:])
        assert open_recording(folder / "raw.mrd").header_xml == deidentified_xml(SCAN.header())
    assert not np.array_equal(*pictures)


def test_a_json_text_after_the_header_chooses_the_protocol(gateway: Running):
    text = json.dumps({"version": "1.4.1", "parameters": {"config": "imaging"}}).encode()
    message = (5).to_bytes(2, "little") + len(text).to_bytes(4, "little") + text
    mark = gateway.mark()
    client = gateway.connect()
    client.send(config_message("openrecon"), SCAN.opening(), message)
    client.send_frame(SCAN, 0)
    ended(client)
    assert gateway.events.topic("run.start", after=mark).protocol_name == "imaging"
    assert load_protocol("imaging").protocol.therapy == "imaging"


def test_a_header_without_anything_after_it_begins_all_the_same(gateway: Running):
    mark = gateway.mark()
    client = gateway.connect()
    client.send(SCAN.opening())
    gateway.events.wait(lambda t, n: bool(gateway.gateway.sessions), after=mark)
    ended(client)
    stop = gateway.events.topic("run.stop", after=mark)
    assert (stop.status, stop.n_readouts) == ("completed", 0)


def test_a_worker_that_dies_in_one_session_does_not_touch_the_other(gateway: Running):
    import os
    import signal

    first = treated(gateway)
    other = gateway.connect()
    other.send(IMAGING, SCAN.opening())
    other.send_frame(SCAN, 0)
    mark = gateway.mark()
    victim = gateway.gateway._runs[1].worker.pid
    assert victim != gateway.gateway.worker_pid
    os.kill(victim, signal.SIGKILL)
    gateway.events.wait(lambda t, n: t == "alert" and n.event == "fault.hold", after=mark)
    first.send_frame(SCAN, 3)
    gateway.events.wait(lambda t, n: t == "verdict" and n.frame_id == 3, after=mark)
    permits = gateway.since(mark, "permit")
    assert [one.state for one in permits] == ["GRANTED"]
    (alert,) = {one.alert_id for one in gateway.since(mark, "alert")}
    request = f'{{"type": "acknowledge", "alert_id": {alert}, "who": "me"}}'
    assert b"done" in gateway.ask(request.encode())[-1][0]
    ended(first)
    ended(other)


def test_scans_of_other_sizes_run_side_by_side(gateway: Running):
    small = replace(SCAN, n_pixels=16, lines=tuple(range(16)))
    clients = [gateway.connect() for _ in range(2)]
    for client, scan in zip(clients, (SCAN, small), strict=True):
        client.send(IMAGING, scan.opening())
    for n in range(2):
        for client, scan in zip(clients, (SCAN, small), strict=True):
            client.send_frame(scan, n)
    for client, n in zip(clients, (32, 16), strict=True):
        ended(client)
        matrices = {one.matrix for one in client.results if one.identifier == IMAGE}
        assert matrices == {(n, n, 1)}
