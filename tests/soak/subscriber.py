"""A subscriber written from docs/wire.md alone: it shares no code with the monitor.

`python -m tests.soak.subscriber LOG EVENTS CONTROL` appends a line of JSON for each thing that it
hears, and goes on from its own log after it was killed. An alert is `taken` where it is the next in
order; whatever else comes is written down and not taken.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zmq

from simulators.clock import now_s

SCHEMA = 1
SILENCE_S = 0.3  # three heartbeats
_TOPICS = (b"permit", b"verdict", b"alert", b"heartbeat", b"run.")
_PATIENCE_S = 1.0  # for an answer, before it is asked again
_POLL_MS = 20

Line = dict[str, Any]


class Log:
    """Lines of JSON, each written in one piece; a killed writer leaves at most one torn line."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if path.stat().st_size and path.read_bytes()[-1:] != b"\n":
            os.write(self._fd, b"\n")

    def write(self, how: str, **said: Any) -> None:
        """Append what has happened now."""
        text = json.dumps({"at_s": now_s(), "how": how, **said}, allow_nan=False)
        os.write(self._fd, text.encode() + b"\n")


def lines(path: Path) -> Iterator[Line]:
    """Yield the lines of a log; a torn one was never received."""
    if not path.exists():
        return
    for text in path.read_bytes().splitlines():
        try:
            yield json.loads(text)
        except ValueError:
            continue


class Reading:
    """What a device may believe: GRANTED while lease and heartbeat last and nothing is missing."""

    def __init__(self) -> None:
        self.epoch, self._sequence = "", 0
        self._granted_until_s = self._beat_s = -1.0

    def take(self, topic: str, header: Line, at_s: float) -> None:
        """Take an event."""
        if header["epoch"] != self.epoch:
            self.epoch, self._sequence, self._granted_until_s = header["epoch"], 0, -1.0
        if topic == "heartbeat":
            self._beat_s = at_s
        elif topic == "permit":
            body = header["body"]
            is_known = header["schema"] == SCHEMA and body["state"] == "GRANTED"
            self._granted_until_s = at_s + body["lease_ms"] / 1e3 if is_known else -1.0
            self._sequence = header["sequence"]

    def misses(self, topic: str, header: Line) -> bool:
        """Whether a permit before this one was missed."""
        is_same = topic == "permit" and header["epoch"] == self.epoch
        return is_same and self._sequence > 0 and header["sequence"] != self._sequence + 1

    def state(self, at_s: float) -> str:
        """GRANTED or HELD."""
        is_fresh = at_s < self._beat_s + SILENCE_S
        return "GRANTED" if is_fresh and at_s < self._granted_until_s else "HELD"


class Subscriber:
    """The sockets, the log, and the last alert that was taken."""

    def __init__(self, path: Path, events: str, control: str) -> None:
        self.epoch, self.last = "", 0
        for line in lines(path):
            if line.get("taken"):
                self.epoch, self.last = line["epoch"], line["sequence"]
        self._log = Log(path)
        self._control_address = control
        self._context = zmq.Context()
        self._events = self._context.socket(zmq.SUB)
        self._events.setsockopt(zmq.RCVHWM, 0)
        self._events.setsockopt(zmq.RECONNECT_IVL, 10)
        self._events.setsockopt(zmq.RECONNECT_IVL_MAX, 50)
        for topic in _TOPICS:
            self._events.setsockopt(zmq.SUBSCRIBE, topic)
        self._events.connect(events)
        self._control: zmq.Socket[bytes] | None = None
        self._asked_s = 0.0
        self._wanted: tuple[str, int] = ("", 0)  # what the monitor is known to have
        self._reading, self._state = Reading(), "HELD"
        self._log.write("start", epoch=self.epoch, sequence=self.last)
        self._ask()

    def turn(self) -> None:
        """Hear what has come; ask for what is missing."""
        poller = zmq.Poller()
        poller.register(self._events, zmq.POLLIN)
        if self._control is not None:
            poller.register(self._control, zmq.POLLIN)
        ready = dict(poller.poll(_POLL_MS))
        if self._events in ready:
            topic, header = self._events.recv_multipart()[:2]
            self._live(topic.decode(), json.loads(header))
        if self._control in ready:
            self._answer(self._control.recv_multipart())
        now = now_s()
        is_asking = self._control is not None
        if now > self._asked_s + _PATIENCE_S if is_asking else self._is_behind():
            self._ask()
        self._read(now)

    def _live(self, topic: str, header: Line) -> None:
        is_missed = self._reading.misses(topic, header)
        self._reading.take(topic, header, now_s())
        if is_missed:
            self._log.write("missed", topic=topic, sequence=header["sequence"])
        said = {"topic": topic, "epoch": header["epoch"], "sequence": header["sequence"]}
        said["body"] = header["body"]
        if topic == "heartbeat":
            self._wanted = header["epoch"], header["body"]["last_alert"]
        elif topic == "alert":
            self._wanted = header["epoch"], header["sequence"]
            # the first of a new epoch may not be taken: the old one's end may be missing
            said["taken"] = self._is_next(header) and header["epoch"] == self.epoch
            self._note(said)
        self._log.write("live", **said)

    def _answer(self, parts: list[bytes]) -> None:
        if len(parts) > 1:
            header = json.loads(parts[1])
            said = {"topic": parts[0].decode(), "epoch": header["epoch"]}
            said |= {"sequence": header["sequence"], "body": header["body"]}
            said["taken"] = self._is_next(header)
            self._note(said)
            self._log.write("resumed", **said)
            self._asked_s = now_s()
            return
        self._log.write("answered", **json.loads(parts[0]))
        self._hang_up()

    def _is_next(self, header: Line) -> bool:
        if header["epoch"] == self.epoch:
            return header["sequence"] == self.last + 1
        return header["sequence"] == 1

    def _note(self, said: Line) -> None:
        if said["taken"]:
            self.epoch, self.last = said["epoch"], said["sequence"]

    def _is_behind(self) -> bool:
        epoch, sequence = self._wanted
        return sequence > (self.last if epoch == self.epoch else 0)

    def _ask(self) -> None:
        """Ask on a new line: the answer to an older question must not be mixed with this one's."""
        self._hang_up()
        self._control = self._context.socket(zmq.DEALER)
        self._control.connect(self._control_address)
        request = {"type": "resume", "epoch": self.epoch, "after": self.last}
        self._control.send(json.dumps(request).encode())
        self._asked_s = now_s()
        self._log.write("asked", epoch=self.epoch, after=self.last)

    def _hang_up(self) -> None:
        if self._control is not None:
            self._control.close(linger=0)
            self._control = None

    def _read(self, now: float) -> None:
        state = self._reading.state(now)
        if state != self._state:
            self._state = state
            self._log.write("reads", state=state)


def main(path: str, events: str, control: str) -> None:
    """Hear until somebody ends this process."""
    subscriber = Subscriber(Path(path), events, control)
    while True:
        subscriber.turn()


if __name__ == "__main__":
    main(*sys.argv[1:4])
