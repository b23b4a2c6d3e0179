"""The gateway process: clock, sockets, deadlines. It never computes and never waits for one client.

One loop on one thread. It holds the runs, their workers' lines, the publisher and the recorders,
and gives each of them the time.
"""

import gc
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

import zmq

from messages import Finding, MonitorError, SessionHeader
from messages.codec import Noun
from realtime.alerts import faults
from realtime.clients import Clients
from realtime.clock import Clock, utc_now
from realtime.desk import Desk
from realtime.inquiries import respond
from realtime.memory_watch import MemoryWatch
from realtime.outputs.publisher import Publisher
from realtime.reception import Reception
from realtime.refusals import Refusals
from realtime.roster import Roster
from realtime.run import Run, RunSink, refused_stop
from realtime.run_opening import RunFolders, choose_protocol, identity, refuse_early
from realtime.security.door import Door
from realtime.session import Session
from realtime.settings import Settings
from realtime.streams.recorder import Recorder
from realtime.survival.keeper import keeper_for
from realtime.survival.premises import JOURNAL, Premises
from realtime.tuning import tune_gateway, tuned_context
from realtime.worker_link import WorkerLostError
from realtime.worker_pool import WorkerPool

HEARTBEAT_NS = 100_000_000
_SWITCH_INTERVAL_S = 0.0005
_MAX_WORKERS_LOST = 3
_MAX_FAILURES = 1000


class Gateway:
    """Serves several sessions at once, of which one may treat; nobody makes another wait."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self._clock = clock
        self.epoch = f"{utc_now():%Y%m%dT%H%M%S}-{os.getpid()}"
        self._premises = Premises(settings, epoch=self.epoch)
        self._context = tuned_context(settings.tuning)
        self.door = Door(self._context, settings.keys, settings.scanners)
        self._journal = self._premises.journal
        self._poller = zmq.Poller()
        try:
            self.publisher = Publisher(
                self._context,
                settings.addresses,
                self._journal,
                self.door,
                journal_path=settings.out / JOURNAL,
                epoch=self.epoch,
                spool_folder=self._premises.spool_folder,
                is_patient=settings.is_lossless,
            )
            self._clients = Clients(
                settings.tcp, settings.zmq, self._context, self._poller, self._begin, self.door
            )
        except MonitorError:
            self._journal.close()
            self._premises.close()
            self.door.close()
            self._context.destroy(linger=0)
            raise
        keeps_spare = settings.keeps_spare and not settings.is_single_run
        self._workers = WorkerPool(self._poller, settings.tuning, keeps_spare=keeps_spare)
        self._scribe = self._start_scribe()
        self._folders = RunFolders(
            settings.out,
            self.epoch,
            is_single_run=settings.is_single_run,
            keeps_identity=settings.keeps_identity,
        )
        self._desk = Desk(self, first_alert=self._premises.first_alert)
        self._roster = Roster(1 if settings.is_single_run else settings.max_sessions)
        self._refusals = Refusals()
        self._memory = MemoryWatch(settings.most_mib)
        self._recorders: deque[Recorder] = deque(maxlen=2 * settings.max_sessions)
        self._beat_ns = 0
        self._told: set[str] = set()
        self.is_stopping = False
        self.failures: list[str] = []
        self._poller.register(self.publisher.control, zmq.POLLIN)
        self._poller.register(self._journal.fileno(), zmq.POLLIN)
        # what lives until the end need not be looked at by each garbage collection
        gc.collect()
        gc.freeze()
        # a thread that writes journal or recording gives the interpreter back sooner
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self.refused_tuning = tune_gateway(settings.tuning)
        made = self._premises.tell_killed(self.publisher, self._desk)
        self._folders.made += made

    @property
    def tcp_port(self) -> int:
        """The port that MRD clients connect to."""
        return self._clients.tcp_port

    @property
    def zmq_endpoint(self) -> str:
        """The address that MRD clients over ZeroMQ connect to."""
        return self._clients.zmq_endpoint

    @property
    def _runs(self) -> list[Run]:
        return self._roster.runs

    @property
    def is_idle(self) -> bool:
        """Whether no client is connected and no session runs."""
        return not self._runs and self._clients.is_empty

    @property
    def worker_pid(self) -> int:
        """The process id of the first run's worker, or of the one that the next run gets."""
        return self._runs[0].worker.pid if self._runs else self._workers.pids[0]

    @property
    def sessions(self) -> list[Session]:
        """The sessions that run, in the order in which they began."""
        return [run.session for run in self._runs]

    @property
    def folders(self) -> list[Path]:
        """The folders of the runs so far."""
        return self._folders.made

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
        for run in list(self._runs):
            self._hear_worker(run, now_ns)
        self._clients.read(ready, now_ns=now_ns)
        if self.publisher.control in ready:
            self._read_requests()
        self._tick(self._clock.now_ns())

    def publish(self, noun: Noun) -> None:
        """Send an event that belongs to no run."""
        self.publisher.publish(noun, now_ns=self._clock.now_ns())

    def notice(self, finding: Finding) -> None:
        """Raise the alert for something that happened beside all runs."""
        self._desk.notice(finding)

    def close(self) -> None:
        """Withdraw the permit, end the sessions and every process of ours."""
        now_ns = self._clock.now_ns()
        self._premises.stop()
        for run in list(self._runs):
            self._finish(run, "cut", "the monitor was stopped", now_ns)
        self._clients.close()
        self.publisher.close()
        for recorder in self._recorders:
            recorder.close(timeout_s=60.0 if self.settings.is_lossless else 1.0)
        self._workers.close(grace_s=0.5)
        # a replay waits for its run folder; a live monitor that is told to stop, stops
        _reap(self._scribe, grace_s=60.0 if self.settings.is_lossless else 1.5)
        self.door.close()
        self._context.destroy(linger=0)
        self._premises.close()

    def _begin(self, reception: Reception, header: SessionHeader) -> Session:
        """Open the session of a client that has sent its header."""
        run_id = self._folders.next_run_id()
        try:
            return self._open(reception, header, run_id)
        except MonitorError as error:
            folder = self._folders.keep_refused(reception, run_id)
            if folder is not None:
                stop = refused_stop(run_id, str(error), ended_utc=utc_now().isoformat())
                self.publisher.note_stop(stop, folder)
            raise

    def _open(self, reception: Reception, header: SessionHeader, run_id: str) -> Session:
        settings, now_ns = self.settings, self._clock.now_ns()
        protocol = choose_protocol(
            settings.protocol, reception.config_name, is_chosen=settings.is_single_run
        )
        refuse_early(protocol, header)
        therapy = protocol.protocol.therapy
        self._cut_frozen(self._roster.in_the_way(therapy, now_ns), run_id, now_ns)
        sink = RunSink(run_id, protocol, reception, self.publisher, self._clock)
        worker = self._workers.take(now_ns=now_ns)
        try:
            session = Session(
                protocol,
                header,
                identity(run_id, reception.peer.name),
                sink,
                worker,
                is_lossless=settings.is_lossless,
                alert_ids=self._desk.alert_ids,
                keeper=keeper_for(self._premises.survival, run_id, protocol),
            )
            session.answers.held_elsewhere = self._desk.holds
            sink.folder = self._folders.make(run_id, protocol)
            if settings.is_recording:
                self._record(reception, sink.folder)
            session.device.open(sink.folder, recording=settings.replayed)
        except MonitorError:
            self._workers.put(worker, is_busy=False, now_ns=now_ns)
            raise
        run = Run(reception, session, sink, worker)
        self._cut_frozen(self._roster.frozen_holder(therapy, now_ns), run_id, now_ns)
        self._roster.add(run, now_ns)
        self._desk.begin(session.answers)
        return session

    def _cut_frozen(self, run: Run | None, newcomer: str, now_ns: int) -> None:
        if run is None:
            return
        silent_s = (now_ns - run.reception.last_heard_ns(now_ns)) / 1e9
        text = f"silent for {silent_s:.0f} s, and another session, {newcomer}, has begun"
        run.reception.fail(text)
        self._finish(run, "cut", text, now_ns)

    def _record(self, reception: Reception, folder: Path) -> None:
        self._recorders.append(self._folders.recorder(folder))
        reception.record(self._recorders[-1])

    def _tick(self, now_ns: int) -> None:
        over = self._clients.tick(now_ns)
        for run in list(self._runs):
            self._tick_run(run, now_ns)
        # of one that has a run still computing what had come, the run's end tells
        with_run = {id(run.reception) for run in self._runs}
        for reception in over:
            if id(reception) not in with_run:
                self._note_failure(reception, now_ns)
        told = [self._refusals.note(text, now_ns=now_ns) for text in self.door.refused()]
        for text in (*told, self._refusals.summary(now_ns)):
            if text is not None:
                self._desk.remark(faults.client_refused(text))
        self._premises.tick(self._desk)
        self._workers.tick(now_ns)
        self.publisher.tick(now_ns)
        if now_ns >= self._beat_ns:
            self._beat_ns = now_ns + HEARTBEAT_NS
            self._watch_outputs()
            self._watch_memory(now_ns)
            holder = self._roster.holder
            state = "HELD" if holder is None else holder.session.answers.permit_state
            run_id, preparing = "" if holder is None else holder.run_id, self._roster.preparing
            self.publisher.beat(state, run_id, preparing, now_ns=now_ns)

    def _tick_run(self, run: Run, now_ns: int) -> None:
        run.session.tick(now_ns)
        ended = run.how_it_ended(now_ns)
        if ended is not None:
            self._finish(run, *ended, now_ns)
        elif run.reception.error is None and run.session.is_hung(now_ns):
            self._replace_worker(run, "worker process does not answer", now_ns)

    def _finish(self, run: Run, status: str, reason: str, now_ns: int) -> None:
        """End a run: the permit first, then the run, then the client."""
        session, reception, sink = run.session, run.reception, run.sink
        if reception.error is not None:
            self._note_text(reason)
            # one that was never admitted is a stranger, who may come again and again
            if sink.has_begun or self._refusals.note(reason, now_ns=now_ns) is not None:
                session.answers.stream_fault(reason)
        if status == "failed" and not sink.has_begun:
            # never admitted: it is kept as long as there is room for such
            status = "refused"
            sink.folder = sink.folder if self._folders.keeps_refused(sink.folder) else None
        session.stop(status, reason, ended_utc=utc_now().isoformat(), now_ns=now_ns)
        self._roster.remove(run)
        self._desk.keep(session.answers)
        self._workers.put(run.worker, is_busy=session.is_worker_busy(), now_ns=now_ns)
        sink.let_go()
        if not reception.is_over:
            reception.farewell()
        reception.error = None

    def _note_failure(self, reception: Reception, now_ns: int) -> None:
        """Tell the subscribers of a client that never came to a session."""
        if reception.error is None:
            return
        text, reception.error = reception.error, None
        self._note_text(text)
        told = self._refusals.note(text, now_ns=now_ns)
        if told is None:
            return
        if self._runs:
            self._desk.remark(faults.client_refused(told))  # that touches nobody's permit
        else:
            self._desk.stream_fault(told)

    def _note_text(self, text: str) -> None:
        if len(self.failures) < _MAX_FAILURES:
            self.failures.append(text)

    def _hear_worker(self, run: Run, now_ns: int) -> None:
        try:
            while (message := run.worker.receive()) is not None:
                run.session.worker_said(message, now_ns=now_ns)
        except WorkerLostError as error:
            self._replace_worker(run, str(error), now_ns)
        except MonitorError as error:
            run.reception.fail(str(error))

    def _replace_worker(self, run: Run, text: str, now_ns: int) -> None:
        session = run.session
        self._workers.discard(run.worker)
        session.worker_lost(text, now_ns=now_ns)
        run.worker = self._workers.take(now_ns=now_ns)
        if session.n_workers_lost > _MAX_WORKERS_LOST:
            lost = f"{session.n_workers_lost} workers were lost in one session: {text}"
            run.reception.fail(lost)
            return
        session.worker_back(run.worker, now_ns=now_ns)

    def _read_requests(self) -> None:
        asked = self.publisher.request()
        if asked is None:
            return
        identity_, request = asked
        sessions = [run.session for run in self._runs]
        holder = self._roster.holder
        treated = sessions if holder is None else [holder.session]
        now_ns = self._clock.now_ns()
        self.publisher.answer(
            identity_, *respond(request, sessions, treated, self._desk, now_ns=now_ns)
        )

    def _timeout_ms(self, at_most_ms: int) -> int:
        if self._clients.is_pressed:
            return 0
        sessions = (run.session.next_ns() for run in self._runs)
        dues = (self._beat_ns, self.publisher.next_ns(), *sessions)
        soonest_ns = min(due for due in dues if due is not None)
        remaining_ms = -(-(soonest_ns - self._clock.now_ns()) // 1_000_000)
        return int(min(max(remaining_ms, 0), at_most_ms))

    def _watch_outputs(self) -> None:
        """Tell people, once for each run, when what they see is no longer written down."""
        text = self.publisher.problem
        if self._scribe.poll() is not None:
            text = text or "the run folder's process has died; maps and verdicts are not written"
        for run in self._runs:
            run.tell_unwritten(text)
        if not self._runs and text and text not in self._told:
            self._told.add(text)
            self._desk.notice(faults.not_durable(text))

    def _watch_memory(self, now_ns: int) -> None:
        """Tell of each process of ours that grows too large; replace a worker beyond its cap."""
        runs = {run.worker.pid: run for run in self._runs}
        for found in self._memory.look((os.getpid(), self._scribe.pid, *runs), now_ns=now_ns):
            self._desk.remark(faults.memory(found.text))
            if found.is_beyond and found.pid in runs:
                self._replace_worker(runs[found.pid], found.text, now_ns)

    def _start_scribe(self) -> "subprocess.Popen[bytes]":
        address = self.publisher.open_scribe()
        command = [sys.executable, "-m", "realtime.outputs.run_folder", address, str(os.getpid())]
        return subprocess.Popen(command, process_group=0)  # Ctrl-C is for the gateway alone


def _reap(process: "subprocess.Popen[bytes]", *, grace_s: float) -> None:
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
