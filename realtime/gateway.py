"""The gateway process: clock, sockets, deadlines. It never computes and never waits for one client.

One loop on one thread. It holds the session, the worker's line, the publisher and the recorder, and
gives each of them the time.
"""

import gc
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import zmq

from messages import Alert, Maps, MonitorError, SessionHeader
from messages.codec import Noun
from realtime.alerts import faults
from realtime.alerts.journal import JournalWriter
from realtime.answers import Answers
from realtime.clients import Clients
from realtime.clock import Clock, utc_now
from realtime.echo import echo_time_and_frequency
from realtime.outputs.publisher import (
    Acknowledge,
    Addresses,
    PowerReport,
    Publisher,
)
from realtime.protocol import Protocol, load_protocol, shipped_protocols
from realtime.reception import Reception
from realtime.session import Session
from realtime.session_setup import RunIdentity
from realtime.streams.mrd_images import encode_maps
from realtime.streams.recorder import Recorder
from realtime.worker_link import WorkerLink, WorkerLostError

HEARTBEAT_NS = 100_000_000
_SWITCH_INTERVAL_S = 0.0005
_MAX_WORKERS_LOST = 3
_PACKAGES = ("mr-therapy-monitor", "numpy", "scipy", "sigpy", "ismrmrd", "pyzmq", "numba")


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a gateway listens and what it does with a session.

    protocol: for clients that name none of the installed ones; None makes the name compulsory.
    out: parent of the run folders, or the one run folder itself with is_single_run.
    is_lossless: the source waits for the worker (replay at full speed), no deadline is enforced.
    """

    out: Path
    protocol: Protocol | None = None
    tcp: tuple[str, int] | None = ("127.0.0.1", 9002)
    zmq: str | None = "tcp://127.0.0.1:9003"
    addresses: Addresses = field(default_factory=Addresses)
    is_single_run: bool = False
    is_lossless: bool = False
    is_recording: bool = True


class Gateway:
    """Serves one treatment at a time; everybody else is answered at once and politely."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.epoch = f"{utc_now():%Y%m%dT%H%M%S}-{os.getpid()}"
        settings.out.mkdir(parents=True, exist_ok=True)
        journal_path = settings.out / "journal.sqlite"
        self._journal = JournalWriter(journal_path, epoch=self.epoch)
        self._poller = zmq.Poller()
        try:
            self.publisher = Publisher(
                self._context,
                settings.addresses,
                self._journal,
                journal_path=journal_path,
                epoch=self.epoch,
            )
            self._clients = Clients(
                settings.tcp, settings.zmq, self._context, self._poller, self._begin
            )
        except MonitorError:
            self._journal.close()
            self._context.destroy(linger=0)
            raise
        self._active: Reception | None = None
        self._worker = WorkerLink()
        self._scribe = self._start_scribe()
        # what goes wrong outside a session is told here; after a run these are that run's answers
        self._desk = Answers(None, self)
        self._n_runs = 0
        self._beat_ns = 0
        self._told = ""
        self._recorder: Recorder | None = None
        self.is_stopping = False
        self.folders: list[Path] = []
        self.failures: list[str] = []
        for source in (self.publisher.control, self._journal.fileno(), self._worker.fileno()):
            self._poller.register(source, zmq.POLLIN)
        # what lives until the end need not be looked at by each garbage collection
        gc.collect()
        gc.freeze()
        # a thread that writes journal or recording gives the interpreter back sooner
        sys.setswitchinterval(_SWITCH_INTERVAL_S)

    @property
    def tcp_port(self) -> int:
        """The port that MRD clients connect to."""
        return self._clients.tcp_port

    @property
    def zmq_endpoint(self) -> str:
        """The address that MRD clients over ZeroMQ connect to."""
        return self._clients.zmq_endpoint

    @property
    def is_idle(self) -> bool:
        """Whether no client is connected and no session runs."""
        return self._active is None and self._clients.is_empty

    @property
    def worker_pid(self) -> int:
        """The worker's process id, for those who want to see it killed."""
        return self._worker.pid

    def adopt(self, connection: socket.socket, *, name: str) -> None:
        """Serve a stream socket that is already connected."""
        self._clients.adopt(connection, name=name, now_ns=self._clock.now_ns())

    def run(self, is_done: Callable[[], bool]) -> None:
        """Serve until `is_done` says so or `is_stopping` is set."""
        while not (self.is_stopping or is_done()):
            self.turn()

    def turn(self, *, at_most_ms: int = 100) -> None:
        """Wait for the next thing to happen, and see to it."""
        self._clients.watch()
        ready = dict(self._poller.poll(self._timeout_ms(at_most_ms)))
        now_ns = self._clock.now_ns()
        self._hear_worker(now_ns)
        self._clients.read(ready, now_ns=now_ns)
        if self.publisher.control in ready:
            self._read_requests()
        self._tick(self._clock.now_ns())

    def publish(self, noun: Noun) -> None:
        """Send an event, and a frame's maps back to the client that sent the frame."""
        self.publisher.publish(noun, now_ns=self._clock.now_ns())
        if self._active is None:
            return
        if isinstance(noun, Maps):
            for image in encode_maps(noun):
                self._active.peer.send(image, is_droppable=True)
        elif isinstance(noun, Alert) and noun.state == "raised" and noun.event.endswith(".hold"):
            self._active.say(f"WARNING  {noun.text}")

    def close(self) -> None:
        """Withdraw the permit, end the session and every process of ours."""
        now_ns = self._clock.now_ns()
        if self._active is not None:
            self._finish(self._active, "cut", "the monitor was stopped", now_ns)
        self._clients.close()
        self.publisher.close()
        if self._recorder is not None:
            self._recorder.close(timeout_s=60.0 if self.settings.is_lossless else 1.0)
        self._worker.stop(grace_s=1.0)
        # a replay waits for its run folder; a live monitor that is told to stop, stops
        _reap(self._scribe, grace_s=60.0 if self.settings.is_lossless else 1.5)
        self._context.destroy(linger=0)

    def _begin(self, reception: Reception, header: SessionHeader) -> Session:
        """Open the session of a client that has sent its header."""
        if self._active is not None:
            raise MonitorError("another treatment is running, one at a time; connect again later")
        protocol = self._choose(reception.config_name)
        if protocol.thermometry is not None:
            # a header without echo time or field is refused at once, not at its first readout
            echo_time_and_frequency(protocol.thermometry, header)
        self._n_runs += 1
        run_id = f"{self.epoch}-{self._n_runs:03d}"
        folder = self.settings.out if self.settings.is_single_run else self.settings.out / run_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "protocol.toml").write_text(protocol.text, encoding="utf-8")
        except OSError as error:
            raise MonitorError(f"run folder {folder}: {error.strerror}") from error
        self.folders.append(folder)
        if self.settings.is_recording:
            self._recorder = Recorder(folder / "raw.mrd")
            reception.record(self._recorder)
        self._told = ""  # of another run; what still ails is told to this one too
        self.publisher.enter(folder, is_patient=self.settings.is_lossless)
        session = Session(
            protocol,
            header,
            _identity(run_id, reception.peer.name),
            self,
            self._worker,
            is_lossless=self.settings.is_lossless,
            n_alerts=self._desk.n_alerts,
        )
        self._active = reception
        return session

    def _choose(self, name: str) -> Protocol:
        """Return the protocol that a client's config name selects among the installed ones.

        Where the gateway was started for one run, the operator has chosen: a recording brings the
        name that it was made with, and that must not win over `replay --protocol`.
        """
        if self.settings.is_single_run and self.settings.protocol is not None:
            return self.settings.protocol
        bare = Path(name).stem if name.endswith((".toml", ".xml")) else name
        if bare in shipped_protocols():
            return load_protocol(bare)
        if self.settings.protocol is not None:
            return self.settings.protocol
        raise MonitorError(
            f"config {name!r} is none of the installed protocols "
            f"({', '.join(shipped_protocols())}); name one of them, "
            "or start the monitor with --protocol"
        )

    def _tick(self, now_ns: int) -> None:
        for reception in self._clients.tick(now_ns):
            if reception is not self._active:
                self._note_failure(reception)
        if self._active is not None:
            self._tick_session(self._active, now_ns)
        self.publisher.tick(now_ns)
        self._watch_outputs()
        if now_ns >= self._beat_ns:
            self._beat_ns = now_ns + HEARTBEAT_NS
            session = None if self._active is None else self._active.session
            state = "HELD" if session is None else session.answers.permit_state
            self.publisher.beat(state, "" if session is None else session.run.run_id, now_ns=now_ns)

    def _tick_session(self, active: Reception, now_ns: int) -> None:
        session = active.session
        if session is None:
            return
        session.tick(now_ns)
        if active.error is not None:
            self._finish(active, "cut" if active.is_cut else "failed", active.error, now_ns)
        elif session.state == "over":
            self._finish(active, "completed", "the client closed the session", now_ns)
        elif session.is_hung(now_ns):
            self._replace_worker("worker process does not answer", now_ns)

    def _finish(self, active: Reception, status: str, reason: str, now_ns: int) -> None:
        """End the active session: the permit first, then the run, then the client."""
        session, self._active = active.session, None
        if session is not None:
            if active.error is not None:
                session.answers.stream_fault(reason)
                self.failures.append(reason)
            session.stop(status, reason, ended_utc=utc_now().isoformat(), now_ns=now_ns)
            # what is still open can be acknowledged after the run, too
            self._desk = session.answers
        if not active.is_over:
            active.farewell()
        active.error = None

    def _note_failure(self, reception: Reception) -> None:
        """Tell the subscribers of a client that never came to a session."""
        if reception.error is None:
            return
        text, reception.error = reception.error, None
        self.failures.append(text)
        session = None if self._active is None else self._active.session
        if session is not None:
            # somebody else's mistake does not touch the treatment's permit
            session.answers.remark(faults.client_refused(text))
            return
        self._desk.stream_fault(text)

    def _hear_worker(self, now_ns: int) -> None:
        session = None if self._active is None else self._active.session
        try:
            while (message := self._worker.receive()) is not None:
                if session is not None:
                    session.worker_said(message, now_ns=now_ns)
        except WorkerLostError as error:
            self._replace_worker(str(error), now_ns)
        except MonitorError as error:
            if self._active is not None:
                self._active.fail(str(error))

    def _replace_worker(self, text: str, now_ns: int) -> None:
        session = None if self._active is None else self._active.session
        self._poller.unregister(self._worker.fileno())
        self._worker.kill()
        if session is not None:
            session.worker_lost(text, now_ns=now_ns)
        self._worker = WorkerLink()
        self._poller.register(self._worker.fileno(), zmq.POLLIN)
        if session is None or self._active is None:
            return
        if session.n_workers_lost > _MAX_WORKERS_LOST:
            self._active.fail(f"{session.n_workers_lost} workers were lost in one session: {text}")
            return
        session.worker_back(self._worker, now_ns=now_ns)

    def _read_requests(self) -> None:
        asked = self.publisher.request()
        if asked is None:
            return
        identity, request = asked
        session = None if self._active is None else self._active.session
        if isinstance(request, PowerReport):
            if session is not None:
                session.power(request.watts)
            self.publisher.answer(identity, "done", "")
        elif isinstance(request, Acknowledge):
            answers = self._desk if session is None else session.answers
            is_known = answers.acknowledge(request.alert_id, request.who)
            text = "" if is_known else f"no open alert {request.alert_id}"
            self.publisher.answer(identity, "done" if is_known else "refused", text)

    def _timeout_ms(self, at_most_ms: int) -> int:
        session = None if self._active is None else self._active.session
        dues = [self._beat_ns, self.publisher.next_ns()]
        if session is not None:
            dues.append(session.next_ns())
        soonest_ns = min(due for due in dues if due is not None)
        remaining_ms = -(-(soonest_ns - self._clock.now_ns()) // 1_000_000)
        return int(min(max(remaining_ms, 0), at_most_ms))

    def _watch_outputs(self) -> None:
        """Tell people, once, when what they see is no longer written down."""
        text = self.publisher.problem
        if self._scribe.poll() is not None:
            text = text or "the run folder's process has died; maps and verdicts are not written"
        if self._active is not None and self._active.recording_problem:
            text = text or f"the recording is not whole: {self._active.recording_problem}"
        if text and text != self._told:
            self._told = text
            session = None if self._active is None else self._active.session
            answers = self._desk if session is None else session.answers
            answers.notice(faults.not_durable(text))

    def _start_scribe(self) -> "subprocess.Popen[bytes]":
        address = self.publisher.open_scribe()
        command = [sys.executable, "-m", "realtime.outputs.run_folder", address]
        return subprocess.Popen(command, process_group=0)  # Ctrl-C is for the gateway alone


def _reap(process: "subprocess.Popen[bytes]", *, grace_s: float) -> None:
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _identity(run_id: str, source: str) -> RunIdentity:
    versions = {name: metadata.version(name) for name in _PACKAGES}
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    return RunIdentity(
        run_id, source, utc_now().isoformat(timespec="milliseconds"), machine,
        {"python": platform.python_version(), **versions},
    )  # fmt: skip
