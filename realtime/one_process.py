"""A recording through a session and its worker in this very process, as fast as it computes.

For who has many recordings and no deadline: conversation, session, worker, the packets between them
and the run folder are those of `mrmonitor replay --speed max`, and so is every bit of the result.
Nobody listens, nobody is sent anything, and nothing may be treated by it.
"""

import gc
import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from messages import MonitorError, RunStart, RunStop, SessionHeader
from messages.codec import TOPICS, Noun, decode, encode
from realtime import control
from realtime.clock import Clock, MonotonicClock, utc_now
from realtime.outputs.run_folder import RunFolder
from realtime.peers import TcpPeer
from realtime.protocol import Protocol
from realtime.reception import Reception
from realtime.run import RunSink, how_it_ended
from realtime.run_opening import RunFolders, identity, refuse_early
from realtime.session import Session
from realtime.streams.recordings import open_recording
from realtime.worker import Worker
from realtime.worker_link import WorkerLine

Heed = Callable[[Noun], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: the status of its RunStop, and why."""

    status: str
    reason: str


def replay_here(file: Path, protocol: Protocol, folder: Path, *, run_id: str, heed: Heed) -> Ended:
    """Play a recording through the monitor into a run folder.

    heed: what to do with each event. Raises MonitorError where no frame was admitted: then there is
    no run.
    """
    recording = open_recording(file)
    with closing(_Hall(file, protocol, folder, run_id, heed)) as hall:
        try:
            for message in recording.messages():
                if hall.is_over:
                    break
                hall.receive(message.data)
        except MonitorError as error:
            hall.damage = str(error)
        return hall.end()


class _Hall:
    """One conversation with its session and its worker, and nobody else."""

    def __init__(
        self, file: Path, protocol: Protocol, folder: Path, run_id: str, heed: Heed
    ) -> None:
        self.damage = ""
        self._file, self._protocol, self._run_id, self._heed = file, protocol, run_id, heed
        self._folders = RunFolders(folder, run_id, is_single_run=True)
        self._clock = MonotonicClock()
        # what would be said to a scanner goes nowhere
        ours, self._nobody = socket.socketpair()
        self._reception = Reception(
            TcpPeer(ours, name=f"batch:{run_id}"), self._begin, opened_ns=self._clock.now_ns()
        )
        self._scribe = _Scribe(run_id, heed)
        self._worker = _WorkerHere(self._clock)
        self._sink: RunSink | None = None

    @property
    def is_over(self) -> bool:
        """Whether no more is taken."""
        return self._reception.is_over

    def receive(self, data: bytes) -> None:
        """Take bytes; empty means that there are no more."""
        if not self._reception.is_over:
            self._reception.receive(data, now_ns=self._clock.now_ns())
        while self._reception.is_waiting and not self._reception.is_over:
            self._turn()

    def end(self) -> Ended:
        """Answer what is open, end the run and say how. Raises MonitorError: there was none."""
        if not self._reception.is_ended:
            self.receive(b"")
        session = self._reception.session
        if session is None or self._sink is None:
            why = self.damage or self._reception.error or "no frame came"
            raise MonitorError(why)
        while (ended := how_it_ended(self._reception, session, self._clock.now_ns())) is None:
            self._turn()
        status, reason = ended[0], self.damage or ended[1]
        if self._reception.error is not None and self._sink.has_begun:
            session.answers.stream_fault(self._reception.error)
        if not self._sink.has_begun:
            self._sink.folder = None
        session.stop(status, ended[1], ended_utc=utc_now().isoformat(), now_ns=self._clock.now_ns())
        if not self._sink.has_begun:
            raise MonitorError(reason if self._reception.error else "no frame came")
        return Ended(status, reason)

    def close(self) -> None:
        """Give memory, files and sockets back."""
        self._scribe.close()
        self._worker.close()
        self._reception.peer.close()
        self._nobody.close()
        gc.unfreeze()  # the worker froze what lives as long as its session, which is over

    def _begin(self, reception: Reception, header: SessionHeader) -> Session:
        refuse_early(self._protocol, header)
        self._sink = sink = RunSink(
            self._run_id, self._protocol, reception, self._scribe, self._clock
        )
        sink.let_go()  # nobody waits for images
        session = Session(
            self._protocol,
            header,
            identity(self._run_id, reception.peer.name),
            sink,
            self._worker,
            is_lossless=True,
        )
        sink.folder = self._folders.make(self._run_id, self._protocol)
        session.device.open(sink.folder, recording=self._file)
        return session

    def _turn(self) -> None:
        """Let the worker do what it was ordered, hear it, and go on."""
        session, now_ns = self._reception.session, self._clock.now_ns
        if session is None:
            return
        try:
            while (said := self._worker.receive()) is not None:
                session.worker_said(said, now_ns=now_ns())
        except MonitorError as error:
            self._reception.fail(str(error))
        self._reception.pump(now_ns=now_ns())
        session.tick(now_ns())


class _WorkerHere(WorkerLine):
    """A worker in this process: it works while it is asked what it has to say."""

    def __init__(self, clock: Clock) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(ours)
        self._worker = Worker(theirs, clock)
        self._is_rung = False

    def ring(self) -> None:
        """Note that more has landed; once is enough until it works again."""
        if not self._is_rung:
            super().ring()
        self._is_rung = True

    def receive(self) -> control.ToGateway | None:
        """Return the next answer, None where there is nothing to do."""
        said = super().receive()
        while said is None and self._worker.has_order:
            self._is_rung = False
            self._worker.take()
            said = super().receive()
        return said

    def close(self) -> None:
        """End the worker."""
        self._worker.close()
        self._line.close()


class _Scribe:
    """Writes events into the run folder at once, as they would have travelled."""

    def __init__(self, epoch: str, heed: Heed) -> None:
        self._epoch, self._heed = epoch, heed
        self._sequences = dict.fromkeys(TOPICS.values(), 0)
        self._folder: RunFolder | None = None

    def publish(self, noun: Noun, *, now_ns: int, folder: Path | None = None) -> None:
        """Take an event."""
        topic = TOPICS[type(noun)]
        self._sequences[topic] += 1
        self._heed(noun)
        if folder is None:
            return
        parts = encode(
            noun, epoch=self._epoch, sequence=self._sequences[topic], at_ms=now_ns // 1000 / 1000
        )
        envelope, told = decode(parts)
        if isinstance(told, RunStart):
            self._folder = RunFolder(folder, told)
        elif self._folder is not None:
            self._folder.take(envelope, told)
        if isinstance(told, RunStop):
            self.close()

    def close(self) -> None:
        """Close the files."""
        if self._folder is not None:
            self._folder.close()
        self._folder = None
