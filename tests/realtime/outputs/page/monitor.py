"""A monitor that says what a test wants, and browsers that talk to a page over real sockets."""

import contextlib
import http.client
import json
import re
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zmq
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from messages import Alert, FrameKey, Heartbeat, Maps, Pose
from messages.codec import Noun, encode
from realtime.cli.companion import Place
from realtime.cli.page_process import PageProcess
from realtime.clock import MonotonicClock
from realtime.outputs.publisher import Addresses

PATIENCE_S = 20.0
ANYWHERE = "tcp://127.0.0.1:*"
POSE = Pose((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0))


def alert(number: int, state: str = "raised", **changed: object) -> Alert:
    fields = {"priority": "medium", "latched": False, "text": f"alert {number}"} | changed
    return Alert(number, "drift.warn", state=state, **fields)


def maps(frame_id: int, *, n_pixels: int = 32, slice_: int = 0) -> Maps:
    shape = (1, n_pixels, n_pixels)
    return Maps(
        frame_id,
        FrameKey(frame_id, slice_, 0, 0, 0),
        float(frame_id),
        (200.0, 200.0, 5.0),
        POSE,
        np.full(shape, 2.0, np.float32),
        np.full(shape, 37.0, np.float32),
        valid=np.ones(shape, np.bool_),
        run_id="run",
    )


class Monitor:
    """Beats ten times a second, publishes what it is told to, replays alerts, acknowledges."""

    def __init__(self, epoch: str = "one") -> None:
        self.epoch = epoch
        self.permit_state, self.run_id, self.preparing = "HELD", "", ""
        self.asked: list[dict] = []
        self._context = zmq.Context()
        self._events, self._control = (
            self._context.socket(zmq.PUB),
            self._context.socket(zmq.ROUTER),
        )
        self._events.setsockopt(zmq.SNDHWM, 0)
        self._control.setsockopt(zmq.SNDHWM, 0)
        for one in (self._events, self._control):
            one.bind(ANYWHERE)
        self.endpoints = Addresses(
            *(one.getsockopt_string(zmq.LAST_ENDPOINT) for one in (self._events, self._control))
        )
        self._clock = MonotonicClock()
        self._sequences: dict[type, int] = {}
        self._alerts: list[list[bytes]] = []
        self._lock = threading.Lock()
        self._is_over, self.is_beating = threading.Event(), True
        self._threads = [threading.Thread(target=one) for one in (self._beat, self._answer)]
        for thread in self._threads:
            thread.start()

    def say(self, noun: Noun, *, is_lost: bool = False) -> None:
        """Publish; `is_lost`: it is journalled, and nobody hears it."""
        with self._lock:
            sequence = self._sequences[type(noun)] = self._sequences.get(type(noun), 0) + 1
            at_ms = self._clock.now_ns() / 1e6
            parts = encode(noun, epoch=self.epoch, sequence=sequence, at_ms=at_ms)
            if isinstance(noun, Alert):
                self._alerts.append([bytes(part) for part in parts[:2]])
            if not is_lost:
                self._events.send_multipart(parts)

    def close(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._context.destroy(linger=0)

    def _beat(self) -> None:
        while not self._is_over.wait(0.1):
            if self.is_beating:
                last = self._sequences.get(Alert, 0)
                self.say(Heartbeat(last, self.permit_state, self.run_id, self.preparing))

    def _answer(self) -> None:
        while not self._is_over.is_set():
            if not self._control.poll(50):
                continue
            who, text = self._control.recv_multipart()
            request = json.loads(text)
            self.asked.append(request)
            status = "done"
            if request["type"] == "resume":
                for parts in self._alerts[request["after"] :][:500]:
                    self._control.send_multipart([who, *parts])
            elif request["alert_id"] >= len(self._alerts):
                status = "refused"
            answer = json.dumps({"status": status, "text": "no open alert"})
            self._control.send_multipart([who, answer.encode()])


class Browser:
    """A browser as the page's own script is one: it says what it has seen."""

    def __init__(self, address: str, *, epoch: str = "", after: int = 0) -> None:
        self._stack = contextlib.ExitStack()
        self.line = self._stack.enter_context(open_socket(address))
        self.is_attentive = True
        self.heard: list[dict] = []
        self._seen = {"beat": 0, "picture": 0}
        self.say({"type": "hello", "epoch": epoch, "after": after})

    def say(self, word: object) -> None:
        self.line.send(json.dumps(word))

    def see(self) -> None:
        self.say({"type": "seen", "stamp_ms": 1.0, **self._seen})

    def next(self) -> dict:
        """The next message; of a picture its header, with each plane's codes."""
        message = self.line.recv(PATIENCE_S)
        told = json.loads(message) if isinstance(message, str) else read_picture(message)
        self.heard.append(told)
        if told["type"] in self._seen:
            self._seen[told["type"]] = told["number"]
            if self.is_attentive:
                self.see()
        return told

    def wait(self, kind: str, **wanted: object) -> dict:
        """The next message of a kind with these values."""
        while True:
            told = self.next()
            if told["type"] == kind and all(told[key] == wanted[key] for key in wanted):
                return told

    def wait_live(self) -> dict:
        """The next beat of a page that hears its monitor."""
        while (beat := self.wait("beat"))["silent_ms"] is None:
            pass
        return beat

    def close(self) -> None:
        self._stack.close()


def open_socket(address: str, **changed: object) -> connect:
    host = address.removeprefix("http://").rstrip("/")
    options = {"origin": f"http://{host}", "compression": None, "close_timeout": 2} | changed
    return connect(f"ws://{host}/socket", max_size=None, **options)


def farewell(line: ClientConnection) -> tuple[int, str]:
    """Read to the end; return the code and reason of the close."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            line.recv(PATIENCE_S)
    return line.close_code, line.close_reason


def read_picture(message: bytes) -> dict:
    (length,) = struct.unpack_from("<I", message)
    header = json.loads(message[4 : 4 + length])
    for plane in header["planes"]:
        codes = np.frombuffer(
            message,
            f"<u{plane['bits'] // 8}",
            int(np.prod(plane["shape"])),
            4 + length + plane["byte"],
        )
        plane["codes"] = codes.reshape(plane["shape"])
    return header


def get(address: str, path: str, **headers: str) -> http.client.HTTPResponse:
    """Ask for a path exactly as it is written."""
    host, port = address.removeprefix("http://").rstrip("/").rsplit(":", 1)
    line = http.client.HTTPConnection(host, int(port), timeout=PATIENCE_S)
    line.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": f"{host}:{port}"} | headers).items():
        line.putheader(name, value)
    line.endheaders()
    answer = line.getresponse()
    answer.text = answer.read()
    line.close()
    return answer


@contextlib.contextmanager
def page_for(monitor: Monitor, *, port: int = 0) -> Iterator[PageProcess]:
    process = PageProcess("127.0.0.1", port, Place(monitor.endpoints, None))
    try:
        yield process
    finally:
        process.close()


def n_page_faults(pid: int) -> int:
    """Return how often the kernel has given the process a page of memory."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[7])


def resident_mib(pid: int) -> float:
    (line,) = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(line) / 1024
