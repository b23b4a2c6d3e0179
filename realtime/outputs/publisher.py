"""Events out, requests in: PUB for everybody, ROUTER for those who ask, PUSH for the run folder.

The permit goes out first and waits for nothing. An alert goes to the journal and is published once
it is on disk, or after PATIENCE_NS where the disk takes longer.
"""

import contextlib
import os
import secrets
from collections import deque
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Literal

import msgspec
import zmq

from messages import Alert, Heartbeat, Maps, MonitorError, RunStop
from messages.codec import TOPICS, Noun, Part, encode
from realtime.alerts.journal import JournalWriter, Row, read_since
from realtime.alerts.spool import AlertSpool
from realtime.clock import utc_now
from realtime.outputs.backlog import Backlog
from realtime.outputs.run_folder import END
from realtime.requests import Acknowledge, DeviceReport, Resume, read_request
from realtime.security.door import Door

PATIENCE_NS = 100_000_000
_HIGH_WATER = 1000
_PING_MS = 1000  # ZeroMQ's own; a subscriber comes back by itself and asks for missed alerts
_SCRIBE_HIGH_WATER = 200  # maps of half a megabyte each
_MAX_REQUEST_BYTES = 1 << 16
_MAX_REPLAYED = 500  # above its high water ZeroMQ drops in silence: whoever has more asks again


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where events go out and requests come in; port 0 takes a free one."""

    events: str = "tcp://127.0.0.1:9004"
    control: str = "tcp://127.0.0.1:9005"


@dataclass(frozen=True, slots=True)
class _Waiting:
    sequence: int
    parts: list[Part]
    since_ns: int


class Publisher:
    """The gateway's mouth and ear towards subscribers; it blocks only where a replay may wait."""

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        addresses: Addresses,
        journal: JournalWriter,
        door: Door,
        *,
        journal_path: Path,
        epoch: str,
        spool_folder: Path | None = None,
        is_patient: bool = False,
    ) -> None:
        """`is_patient`: wait for the writer of run folders, as a replay at full speed may.

        spool_folder: in memory, for alerts that are on their way to the disk.
        """
        self._context = context
        self._journal = journal
        self._journal_path = journal_path
        self.epoch = epoch
        self._sequences = dict.fromkeys(TOPICS.values(), 0)
        self._waiting: deque[_Waiting] = deque()
        self._n_durable = 0
        self._events = self._bound(zmq.PUB, addresses.events, door=door)
        self.control = self._bound(zmq.ROUTER, addresses.control, door=door)
        self._spool = AlertSpool(spool_folder, epoch=epoch)
        self._scribe: zmq.Socket[bytes] | None = None
        self._is_patient = is_patient
        # the run folder's process takes a second to start, and then may fall behind for a moment
        self._unwritten = Backlog()
        self._is_journal_sound = True

    @property
    def endpoints(self) -> Addresses:
        """The addresses in use, port 0 resolved."""
        return Addresses(endpoint_of(self._events), endpoint_of(self.control))

    @property
    def problem(self) -> str:
        """What of the record is not being kept, empty where all is."""
        if not self._is_journal_sound:
            return "the journal cannot be written; alerts may not outlive a crash"
        if self._unwritten.n_lost:
            return "the run folder's process is too slow; pictures or rows are missing there"
        return self._journal.warning or ""

    def open_scribe(self) -> str:
        """Return the address that the run folder's process pulls from.

        What one puller takes no other gets, so nobody else may come: the kernel tells whose the
        process is.
        """
        address = f"ipc://@mrmonitor-{secrets.token_hex(8)}"
        self._scribe = self._bound(zmq.PUSH, address, high_water=_SCRIBE_HIGH_WATER)
        return endpoint_of(self._scribe)

    def publish(self, noun: Noun, *, now_ns: int, folder: Path | None = None) -> list[Part]:
        """Send an event, and have it written into its run's folder; return its parts."""
        if isinstance(noun, RunStop):
            # a run's alerts go out before its end, on disk or not
            self._release(len(self._waiting))
        topic = TOPICS[type(noun)]
        self._sequences[topic] += 1
        sequence = self._sequences[topic]
        parts = encode(noun, epoch=self.epoch, sequence=sequence, at_ms=now_ns // 1000 / 1000)
        if isinstance(noun, Alert):
            header = bytes(parts[1])
            utc = utc_now().isoformat(timespec="milliseconds")
            row = Row(self.epoch, sequence, topic, header, utc)
            self._spool.add(row)
            self._journal.submit(row)
            self._waiting.append(_Waiting(sequence, parts, now_ns))
        else:
            self._send(parts)
        self._write(parts, folder, is_picture=isinstance(noun, Maps))
        return parts

    def note_stop(self, stop: RunStop, folder: Path) -> None:
        """Have an end written that no subscriber is told of but by an alert: none knew the run."""
        self._write(encode(stop, epoch=self.epoch), folder, is_picture=False)

    def beat(self, permit_state: str, run_id: str, preparing: str, *, now_ns: int) -> None:
        """Say that the gateway is alive."""
        last = self._sequences["alert"] - len(self._waiting)
        self.publish(Heartbeat(last, permit_state, run_id, preparing), now_ns=now_ns)

    def tick(self, now_ns: int) -> None:
        """Publish the alerts that are on disk, and those that have waited long enough for it."""
        self._hand_over(zmq.NOBLOCK)
        durable = 0
        for row in self._journal.drain():
            self._is_journal_sound = self._is_journal_sound and row.is_durable
            durable = max(durable, row.sequence)
            self._n_durable = max(self._n_durable, row.sequence if row.is_durable else 0)
        if self._n_durable == self._sequences["alert"]:
            self._spool.clear()
        is_due = (
            one.sequence <= durable or now_ns - one.since_ns >= PATIENCE_NS for one in self._waiting
        )
        self._release(sum(1 for _ in takewhile(bool, is_due)))

    def next_ns(self) -> int | None:
        """Return when `tick` must be called at the latest."""
        return self._waiting[0].since_ns + PATIENCE_NS if self._waiting else None

    def request(self) -> tuple[bytes, Acknowledge | DeviceReport] | None:
        """Return the next request and who asks, None where there is none.

        A resume is answered here, and so is what cannot be read or is meant for another epoch.
        """
        try:
            identity, *parts = self.control.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return None
        try:
            request = read_request(parts[-1] if parts else b"")
        except ValueError as error:
            self.answer(identity, "refused", f"not a request: {error}")
            return None
        if isinstance(request, Resume):
            self._replay(identity, request)
            return None
        if isinstance(request, Acknowledge) and request.epoch not in ("", self.epoch):
            # it waited on its way while the monitor was started again; the alert is another now
            text = f"alert {request.alert_id} is of epoch {request.epoch}, now it is {self.epoch}"
            self.answer(identity, "refused", text)
            return None
        return identity, request

    def answer(self, identity: bytes, status: Literal["done", "refused"], text: str) -> None:
        """Answer a request; one who has gone gets nothing."""
        try:
            reply = msgspec.json.encode({"status": status, "text": text})
            self.control.send_multipart([identity, reply], zmq.NOBLOCK)
        except zmq.ZMQError:
            return

    def close(self) -> None:
        """Publish what waits, tell the run folder's process, and let go of journal and sockets."""
        rows = self._journal.close()
        if (
            max([self._n_durable, *(row.sequence for row in rows if row.is_durable)])
            == (self._sequences["alert"])
        ):
            self._spool.clear()
        self._spool.close()
        self._release(len(self._waiting))
        self._hand_over(0 if self._is_patient else zmq.NOBLOCK)
        if self._scribe is not None:
            # a writer that died takes no more; the gateway's stop must not depend on it
            with contextlib.suppress(zmq.Again):
                self._scribe.send_multipart([END], 0 if self._is_patient else zmq.NOBLOCK)
            self._scribe.close(linger=5000)
        self._events.close(linger=200)
        self.control.close(linger=200)

    def _replay(self, identity: bytes, request: Resume) -> None:
        try:
            rows = read_since(self._journal_path, request.epoch, request.after, limit=_MAX_REPLAYED)
        except (MonitorError, ValueError) as error:
            self.answer(identity, "refused", str(error))
            return
        for row in rows:
            self.control.send_multipart([identity, row.topic.encode(), row.header])
        self.answer(identity, "done", f"{len(rows)} alerts")

    def _release(self, n_alerts: int) -> None:
        for _ in range(n_alerts):
            self._send(self._waiting.popleft().parts)

    def _send(self, parts: list[Part]) -> None:
        try:
            self._events.send_multipart(parts, zmq.NOBLOCK)
        except zmq.Again:
            return

    def _write(self, parts: list[Part], folder: Path | None, *, is_picture: bool) -> None:
        if self._scribe is None or folder is None:
            return
        whole, flags = [str(folder).encode(), *parts], 0 if self._is_patient else zmq.NOBLOCK
        self._hand_over(flags)
        if not self._unwritten:
            with contextlib.suppress(zmq.Again):
                self._scribe.send_multipart(whole, flags)
                return
        self._unwritten.add(whole, is_picture=is_picture)

    def _hand_over(self, flags: int) -> None:
        """Send the run folder's process what it takes now."""
        with contextlib.suppress(zmq.Again):
            while self._scribe is not None and self._unwritten:
                self._scribe.send_multipart(self._unwritten.first(), flags)
                self._unwritten.pop()

    def _bound(
        self, kind: int, address: str, *, high_water: int = _HIGH_WATER, door: Door | None = None
    ) -> "zmq.Socket[bytes]":
        bound = self._context.socket(kind)
        bound.setsockopt(zmq.SNDHWM, high_water)
        bound.setsockopt(zmq.SNDTIMEO, 10_000)
        if kind == zmq.PUB:
            # a subscriber that froze is let go, and with it what waits for it: maps are large
            bound.setsockopt(zmq.HEARTBEAT_IVL, _PING_MS)
            bound.setsockopt(zmq.HEARTBEAT_TIMEOUT, 2 * _PING_MS)
        # what is set after bind() counts for nobody who connects
        bound.setsockopt(zmq.MAXMSGSIZE, _MAX_REQUEST_BYTES)
        bound.setsockopt(zmq.IPC_FILTER_UID, os.getuid())
        if door is not None:
            door.guard(bound)
        try:
            bound.bind(address)
        except zmq.ZMQError as error:
            bound.close(linger=0)
            raise refused_address(address, error) from error
        return bound


def refused_address(address: str, error: OSError | zmq.ZMQError) -> MonitorError:
    """Return the error of an address that cannot be listened on, which it names once."""
    why = str(error) if error.errno is None else zmq.strerror(error.errno)
    return MonitorError(f"{address}: {why}; choose another port")


def endpoint_of(bound: "zmq.Socket[bytes]") -> str:
    """Return the address that a socket is bound to, port 0 resolved."""
    return bound.get_string(zmq.LAST_ENDPOINT).rstrip("\0")
