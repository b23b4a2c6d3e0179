import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq

from messages import Acquisition, MonitorError, StreamError
from realtime.streams import mrd_layout as layout
from realtime.streams.events import CloseReceived, ConfigFile, Event, HeaderReceived
from realtime.streams.links import SocketLink, ZmqLink, open_link
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import (
    encode_acquisition,
    encode_close,
    encode_config_file,
    encode_header,
    encode_text,
)
from realtime.streams.mrd_header import parse_header
from realtime.streams.pacing import Pacer
from realtime.streams.player import PlayerSettings, parse_speed, play
from realtime.streams.recording import RecordedMessage
from realtime.streams.recordings import open_recording
from realtime.streams.time_stamps import TimeStampUnit

Make = Callable[..., Acquisition]
MS = 1_000_000


class Tape:
    """A recording in memory."""

    n_readouts = None

    def __init__(
        self, header_xml: bytes, acquisitions: list[Acquisition], *, config: str = ""
    ) -> None:
        self.header_xml = header_xml
        self.has_config = bool(config)
        self._config = config
        self._acquisitions = acquisitions

    def messages(self) -> Iterator[RecordedMessage]:
        if self._config:
            yield RecordedMessage(layout.CONFIG_FILE, encode_config_file(self._config))
        yield RecordedMessage(layout.HEADER, encode_header(self.header_xml))
        for a in self._acquisitions:
            data = encode_acquisition(a)
            yield RecordedMessage(layout.ACQUISITION, data, a.acquisition_time_stamp)
        yield RecordedMessage(layout.CLOSE, encode_close())


class Server(threading.Thread):
    """Decodes what it is sent, answers each readout with `reply`, and CLOSE with CLOSE."""

    def __init__(self, sock: socket.socket, *, reply: bytes = b"", closes_after: int = -1) -> None:
        super().__init__(daemon=True)
        self.sock, self.reply, self.closes_after = sock, reply, closes_after
        self.events: list[Event] = []
        self.error: MonitorError | None = None
        self.start()

    def run(self) -> None:
        decoder = Decoder()
        with self.sock:
            while not decoder.is_closed and (data := self.sock.recv(65536)):
                decoder.feed(data)
                for event in decoder.events():
                    self.events.append(event)
                    if isinstance(event, Acquisition):
                        self.sock.sendall(self.reply)
                    if len(self.events) == self.closes_after:
                        return
            try:
                decoder.end()
            except StreamError as error:
                self.error = error
            self.sock.sendall(encode_close())


@pytest.fixture
def pair() -> Iterator[tuple[SocketLink, socket.socket]]:
    ours, theirs = socket.socketpair()
    link = SocketLink(ours)
    yield link, theirs
    link.close()
    theirs.close()


def test_what_is_played_arrives_and_replies_come_back(
    pair: tuple[SocketLink, socket.socket], header_xml: bytes, make_acquisition: Make
) -> None:
    link, theirs = pair
    acquisitions = [make_acquisition(n) for n in range(50)]
    server = Server(theirs, reply=encode_text("seen"))
    summary = play(
        Tape(header_xml, acquisitions), link, settings=PlayerSettings(config_name="brain")
    )
    server.join(5)
    assert (summary.n_readouts, summary.is_closed, summary.problem) == (50, True, "")
    assert summary.texts == ["seen"] * 50
    assert server.events[0] == ConfigFile("brain")
    assert isinstance(server.events[1], HeaderReceived)
    assert server.events[-1] == CloseReceived()
    for ours, seen in zip(acquisitions, server.events[2:-1], strict=True):
        assert np.array_equal(seen.samples, ours.samples)
        assert seen.idx == ours.idx


def test_a_recordings_own_configuration_stands(
    pair: tuple[SocketLink, socket.socket], header_xml: bytes
) -> None:
    link, theirs = pair
    server = Server(theirs)
    play(Tape(header_xml, [], config="own"), link, settings=PlayerSettings(config_name="other"))
    server.join(5)
    assert [e for e in server.events if isinstance(e, ConfigFile)] == [ConfigFile("own")]


def test_many_replies_while_sending_do_not_lock_both_sides_up(
    pair: tuple[SocketLink, socket.socket], header_xml: bytes, make_acquisition: Make
) -> None:
    # The server blocks in sendall until the player reads; 100 × 100 kB is beyond any socket buffer.
    link, theirs = pair
    acquisitions = [make_acquisition(n, n_coils=8, n_samples=1000) for n in range(100)]
    Server(theirs, reply=encode_text("x" * 100_000))
    summary = play(Tape(header_xml, acquisitions), link, settings=PlayerSettings(timeout_s=10))
    assert (summary.problem, len(summary.texts)) == ("", 100)


def test_a_server_that_leaves_early_ends_the_play_and_is_said(
    pair: tuple[SocketLink, socket.socket], header_xml: bytes, make_acquisition: Make
) -> None:
    link, theirs = pair
    Server(theirs, closes_after=3)
    acquisitions = [make_acquisition(n, n_coils=8, n_samples=1000) for n in range(100)]
    summary = play(Tape(header_xml, acquisitions), link)
    assert not summary.is_closed
    assert summary.n_readouts < 100
    assert "the server" in summary.problem


def test_a_silent_server_is_given_up(
    pair: tuple[SocketLink, socket.socket], header_xml: bytes
) -> None:
    link, _ = pair
    summary = play(Tape(header_xml, []), link, settings=PlayerSettings(timeout_s=0.1))
    assert summary.problem == "the server has been silent for 0.1 s"


def test_a_damaged_recording_is_played_up_to_the_damage(
    pair: tuple[SocketLink, socket.socket],
    tmp_path: Path,
    header_xml: bytes,
    make_acquisition: Make,
) -> None:
    whole = encode_header(header_xml) + b"".join(
        encode_acquisition(make_acquisition(n, ticks=4 * n)) for n in range(5)
    )
    (tmp_path / "raw.mrd").write_bytes(whole[:-10])
    link, theirs = pair
    server = Server(theirs)
    recording = open_recording(tmp_path / "raw.mrd")
    summary = play(recording, link, settings=PlayerSettings(speed=1000.0))
    server.join(5)
    assert summary.n_readouts == 4
    assert "message cut" in summary.problem
    assert len(server.events) == 1 + 4
    assert server.error is not None  # it sees a stream that was cut, not one that ended


# --- pacing -------------------------------------------------------------------------------------


class FakeClock:
    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def sleep_until_ns(self, then_ns: int) -> None:
        self.ns = max(self.ns, then_ns)


class FakeLink:
    """Notes when each message was sent; waiting moves the clock."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.sent: list[tuple[int, int]] = []
        self.has_ended = False

    def send(self, data: memoryview) -> int:
        self.sent.append((self.clock.ns, int.from_bytes(data[:2], "little")))
        return len(data)

    def receive(self) -> bytes | None:
        return encode_close() if self.has_ended else None

    def wait(self, timeout_s: float, *, for_sending: bool) -> None:
        self.clock.ns += round(timeout_s * 1e9)

    def end_sending(self) -> None:
        self.has_ended = True

    def close(self) -> None: ...


def readout_times_ms(
    tape: Tape, *, speed: float | None, unit: TimeStampUnit = "auto"
) -> tuple[list[float], str]:
    clock = FakeClock()
    link = FakeLink(clock)
    settings = PlayerSettings(speed=speed, time_stamp_unit=unit)
    summary = play(tape, link, settings=settings, clock=clock)
    return [ns / MS for ns, kind in link.sent if kind == layout.ACQUISITION], summary.pacing


def test_the_pace_is_the_scanners(header_xml: bytes, make_acquisition: Make) -> None:
    tape = Tape(header_xml, [make_acquisition(n, ticks=t) for n, t in enumerate((8, 12, 412, 416))])
    times_ms, pacing = readout_times_ms(tape, speed=1.0)
    assert times_ms == [0, 10, 1010, 1020]  # ticks of 2.5 ms
    assert pacing == "time stamps of 2.5ms: the vendor is SIEMENS"
    assert readout_times_ms(tape, speed=2.0)[0] == [0, 5, 505, 510]
    assert readout_times_ms(tape, speed=1.0, unit="ms")[0] == [0, 4, 404, 408]
    assert readout_times_ms(tape, speed=None)[0] == [0, 0, 0, 0]


def test_without_a_clock_the_tr_sets_the_pace(header_xml: bytes, make_acquisition: Make) -> None:
    still = [make_acquisition(n, ticks=0) for n in range(4)]
    times_ms, pacing = readout_times_ms(Tape(header_xml, still), speed=1.0)
    assert times_ms == [0, 10, 20, 30]
    assert pacing == "a TR of 10 ms a readout: the time stamps do not move"
    bare = header_xml.replace(b"<TR>10</TR>", b"")
    times_ms, pacing = readout_times_ms(Tape(bare, still), speed=1.0)
    assert times_ms == [0, 0, 0, 0]
    assert pacing.startswith("not paced, neither clock nor TR")


def test_a_stamp_that_steps_back_does_not_stop_the_play(
    header_xml: bytes, make_acquisition: Make
) -> None:
    tape = Tape(header_xml, [make_acquisition(n, ticks=t) for n, t in enumerate((8, 16, 12, 20))])
    assert readout_times_ms(tape, speed=1.0)[0] == [0, 20, 20, 30]
    due_s = [due_s for due_s, _ in Pacer(tape.messages(), vendor="SIEMENS").due()]
    assert due_s == sorted(due_s)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast", ""])
def test_a_speed_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(MonitorError, match="expected max or a number above 0"):
        parse_speed(text)


def test_speeds_are_factors_or_max() -> None:
    assert (parse_speed("max"), parse_speed("2.5")) == (None, 2.5)


# --- other links, and the process ---------------------------------------------------------------


def test_zeromq_carries_one_message_a_message(header_xml: bytes, make_acquisition: Make) -> None:
    context = zmq.Context()
    router = context.socket(zmq.ROUTER)
    router.setsockopt(zmq.LINGER, 0)
    port = router.bind_to_random_port("tcp://127.0.0.1")
    seen: list[bytes] = []

    def serve() -> None:
        while not seen or seen[-1] != encode_close():
            client, message = router.recv_multipart()
            seen.append(message)
        router.send_multipart([client, encode_text("done")])
        router.send_multipart([client, encode_close()])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    link = open_link(f"zmq://127.0.0.1:{port}")
    assert isinstance(link, ZmqLink)
    tape = Tape(header_xml, [make_acquisition(n) for n in range(10)])
    summary = play(tape, link)
    link.close()
    thread.join(5)
    router.close()
    context.term()
    assert seen == [message.data for message in tape.messages()]
    assert (summary.texts, summary.is_closed) == (["done"], True)


@pytest.mark.parametrize("url", ["", "tcp://", "tcp://host", "http://host:1", "tcp://host:x"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(MonitorError, match="expected tcp://host:port"):
        open_link(url)


def test_nobody_there_is_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(MonitorError, match="Connection refused"):
            open_link(f"tcp://127.0.0.1:{port}")


def run_player(*arguments: str, fd: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "realtime.streams.player", *arguments],
        pass_fds=() if fd is None else (fd,),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_process_plays_into_an_inherited_socket(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    path = tmp_path / "raw.mrd"
    tape = Tape(header_xml, [make_acquisition(n) for n in range(20)])
    path.write_bytes(b"".join(message.data for message in tape.messages()))
    ours, theirs = socket.socketpair()
    server = Server(theirs, reply=encode_text("seen"))
    with ours:
        done = run_player(
            "--fd",
            str(ours.fileno()),
            str(path),
            "--speed",
            "max",
            "--config",
            "b",
            fd=ours.fileno(),
        )
    server.join(5)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["n_readouts"], report["is_closed"]) == (20, True)
    assert server.events[0] == ConfigFile("b")
    assert len(server.events) == 20 + 3


def test_the_process_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    done = run_player(str(tmp_path / "f"), "--connect", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("is empty, expected ISMRMRD HDF5 or an MRD stream")
    assert done.stderr.count("\n") == 1


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["skyra_epi_2ch.h5", "trio_epi_1ch.h5"])
def test_epi_is_paced_by_its_stamps_whoever_made_the_scanner(real_scans: Path, name: str) -> None:
    recording = open_recording(real_scans / name)
    tr_s = parse_header(recording.header_xml).repetition_time_s
    pacer = Pacer(recording.messages(), vendor="", tr_s=tr_s, readouts_per_tr=None)
    assert pacer.reason.startswith("time stamps of 2.5ms: a mean step of")
    *_, (last_s, _) = pacer.due()
    assert 0.04 < last_s < 0.1  # a train of echoes, not a TR a line
