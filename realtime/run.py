"""One client's run at the gateway: its conversation, session and worker, and where events go."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol as Role

from messages import Alert, Maps, MotionReading, Permit, RunStart, RunStop, Verdict, Waveform
from messages.codec import Noun
from realtime.alerts import faults
from realtime.clock import Clock
from realtime.permit_right import Holder
from realtime.protocol import Protocol
from realtime.reception import Reception
from realtime.session import Session
from realtime.streams.mrd_images import encode_maps
from realtime.worker_link import WorkerLink

_OF_A_RUN = (Permit, Verdict, Alert, Maps, Waveform)


class Publishes(Role):
    """Whoever sends events on, and has them written into their run's folder."""

    def publish(self, noun: Noun, *, now_ns: int, folder: Path | None = None) -> object:
        """Send an event. folder: None where it is not written."""
        ...


class RunSink:
    """Where a session's events go: to subscribers, into its folder, and images to its client.

    folder: None where nothing is to be written. has_begun: it was admitted.
    """

    def __init__(
        self,
        run_id: str,
        protocol: Protocol,
        reception: Reception,
        publisher: Publishes,
        clock: Clock,
    ) -> None:
        self.run_id = run_id
        self.folder: Path | None = None
        self.has_begun = False
        self._result_type = protocol.stream.result_type
        self._shown = -1  # the frame whose magnitude the client has
        self._verdict: Verdict | None = None  # the last one: maps follow the verdict of their frame
        self._reception: Reception | None = reception
        self._publisher = publisher
        self._clock = clock

    def publish(self, noun: Noun) -> None:
        """Send an event, and a frame's maps back to the client that sent the frame."""
        if isinstance(noun, _OF_A_RUN):
            noun = replace(noun, run_id=self.run_id)
        self.has_begun = self.has_begun or isinstance(noun, RunStart)
        self._publisher.publish(noun, now_ns=self._clock.now_ns(), folder=self.folder)
        if self._reception is None:
            return
        if isinstance(noun, Verdict):
            self._verdict = noun
        elif isinstance(noun, Maps):
            told = self._verdict
            motion = told.motion if told is not None and told.frame_id == noun.frame_id else None
            self._send(noun, self._reception, motion)
        elif isinstance(noun, Alert) and noun.state == "raised" and noun.event.endswith(".hold"):
            self._reception.say(f"WARNING  {noun.text}")

    def show(self, picture: Maps) -> None:
        """Send a frame's magnitude back to the client; the rest follows with the verdict."""
        if self._reception is not None:
            self._send(picture, self._reception, None)
            self._shown = picture.frame_id

    def _send(self, maps: Maps, reception: Reception, motion: MotionReading | None) -> None:
        is_shown = maps.frame_id == self._shown
        for image in encode_maps(
            maps, result_type=self._result_type, motion=motion, has_magnitude=not is_shown
        ):
            reception.peer.send(image, is_droppable=True)

    def let_go(self) -> None:
        """Forget the client: whoever keeps an ended run's alerts keeps none of its readouts."""
        self._reception = None


@dataclass(slots=True, eq=False)
class Run:
    """A session with what it needs of the world."""

    reception: Reception
    session: Session
    sink: RunSink
    worker: WorkerLink
    _told: set[str] = field(default_factory=set)

    @property
    def run_id(self) -> str:
        """What the run is called."""
        return self.sink.run_id

    def holder(self, now_ns: int) -> Holder:
        """Return the run as holder of the permit."""
        stall_ms = self.session.protocol.stream.stall_ms
        return Holder(self.run_id, self.reception.last_heard_ns(now_ns), stall_ms)

    def is_frozen(self, now_ns: int) -> bool:
        """Whether the client has been silent for so long that its place may go to another."""
        return now_ns >= self.holder(now_ns).lost_ns()

    def how_it_ended(self, now_ns: int) -> tuple[str, str] | None:
        """Return its status and why, None while it goes on."""
        return how_it_ended(self.reception, self.session, now_ns)

    def tell_unwritten(self, problem: str) -> None:
        """Tell people, once, what of this run is not written down; `problem` is everybody's."""
        if not problem and self.reception.recording_problem:
            problem = f"the recording is not whole: {self.reception.recording_problem}"
        if problem and problem not in self._told:
            self._told.add(problem)
            self.session.answers.notice(faults.not_durable(problem))


def how_it_ended(reception: Reception, session: Session, now_ns: int) -> tuple[str, str] | None:
    """Return a session's status and why it has ended, None while it goes on."""
    if reception.error is None:
        return ("completed", "the client closed the session") if session.state == "over" else None
    if _still_computes(session, now_ns):
        return None
    return "cut" if reception.is_cut else "failed", reception.error


def _still_computes(session: Session, now_ns: int) -> bool:
    """Whether a session whose stream broke off is busy with what had come.

    A treatment ends at once. One that waits for its worker answers every frame that it has: how
    much of a cut recording is computed must not depend on how fast this machine is.
    """
    is_computing = session.state in ("running", "recovering")
    if not (session.is_patient and is_computing):
        return False
    if not session.is_closing:
        session.end(now_ns=now_ns)
    return not (session.state == "over" or session.is_hung(now_ns))


def refused_stop(run_id: str, reason: str, *, ended_utc: str) -> RunStop:
    """Return the record of a client that was refused before it had a session."""
    return RunStop(run_id, "refused", reason, ended_utc, 0, 0, 0, 0, 0, 0)
