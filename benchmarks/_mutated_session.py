"""One stream of bytes through reception, decoder, session and mailbox, as the gateway does it.

Only the worker is a stand-in, which answers in-process: mostly with a verdict, now and then with
a failure, too late, never, or with its own death. The clock is the test's.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from messages import Finding, FrameKey, MonitorError, Permit, RunStart, SessionHeader, Verdict
from messages.codec import Noun, encode, to_json
from realtime import control
from realtime.mailbox import Mailbox
from realtime.protocol import Protocol, load_protocol, shipped_protocols
from realtime.reception import Reception
from realtime.run_opening import refuse_early
from realtime.session import Session
from realtime.session_setup import RunIdentity
from realtime.streams.mrd_encoder import encode_close
from realtime.streams.mrd_header import parse_header

MS = 1_000_000
PLACES = re.compile(
    r"\bbyte \d+|\breadout \d+|\bwaveform \d+|\bheader [a-zA-Z]|\bconfig '|\bprotocol [a-z]"
    r"|ended without CLOSE|MiB came before|more than \d+ queries|within \d+ s|workers were lost"
)
"""What tells a person where to look in a refusal."""
_CUTS = (0, 1, 3, 10, 30, 100)  # in how many places the stream is cut
_MOST_ROUNDS, _SOON = 400, 100
_MOST_WORKERS_LOST = 3
_RUN = RunIdentity("run", "mutant", "2026", "machine", {})
_PROTOCOLS: dict[str, Protocol] = {}


class BrokenLawError(Exception):
    """The session ended in a way that must not be; the text says which law it broke."""


@dataclass
class Wire:
    """The client's side: what it was sent."""

    name: str = "mutant"
    sent: list[bytes] = field(default_factory=list)
    is_finished: bool = False

    def send(self, message: bytes, *, is_droppable: bool = False) -> None:
        del is_droppable
        if self.is_finished:
            raise BrokenLawError("something was sent after the farewell")
        self.sent.append(message)

    def finish(self) -> None:
        self.is_finished = True


class Sink:
    """Subscribers: each event is encoded, as the publisher would."""

    def __init__(self) -> None:
        self.n_verdicts: Counter[int] = Counter()
        self.permit = "HELD"
        self.has_begun = False

    def publish(self, noun: Noun) -> None:
        encode(noun)
        if isinstance(noun, Verdict):
            self.n_verdicts[noun.frame_id] += 1
        elif isinstance(noun, RunStart):
            self.has_begun = True
        elif isinstance(noun, Permit):
            self.permit = noun.state


class StandIn:
    """A worker that computes nothing but reads all that it would."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._orders: list[control.Assign] = []
        self._mailbox: Mailbox | None = None
        self._ready: control.Ready | None = None
        self._is_mute = rng.random() < 0.02

    def configure(
        self,
        configuration: control.Configuration,
        *,
        mailbox_fd: int,
        checkpoint_fd: int,
        left_fd: int | None = None,
    ) -> None:
        del checkpoint_fd, left_fd
        asked = control.unpack_configuration(control.pack_configuration(configuration))
        control.noise_of(asked)
        encoding = parse_header(asked.header_xml).encodings[0]
        x, y, z = encoding.recon_matrix
        self._mailbox = Mailbox(asked.layout, mailbox_fd)
        self._ready = control.Ready({"total": 1.0}, (z, y, x), encoding.recon_fov_mm[::-1])

    def send(self, order: control.ToWorker) -> None:
        if isinstance(order, control.Assign):
            self._orders.append(order)

    def ring(self) -> None:
        """Do nothing: it looks by itself."""

    def answer(self) -> control.ToGateway | None:
        """Return what it says now, if anything."""
        draw = self._rng.random()
        if self._is_mute or draw < 0.2 or self._mailbox is None:
            return None
        if self._ready is not None:
            ready, self._ready = self._ready, None
            return (
                ready
                if draw < 0.98
                else control.Refused("header encoding[0]: the stand-in refuses it")
            )
        return self._conclude(self._mailbox, draw)

    def _conclude(self, mailbox: Mailbox, draw: float) -> control.ToGateway | None:
        if not self._orders:
            return None
        order = self._orders[-1]
        row = mailbox.slots[order.slot]
        n_landed = int(row["n_landed"])
        if not 0 <= n_landed <= mailbox.layout.n_readouts:
            raise BrokenLawError(f"{n_landed} readouts in {mailbox.layout.n_readouts} rows")
        float(np.abs(mailbox.samples[order.slot, :n_landed]).max(initial=0.0))
        frame_id = int(row["frame_id"])
        if draw < 0.24:
            self._orders.clear()
            return control.Failed(order.slot, frame_id, "cannot be computed")
        if not row["is_closed"]:
            return None
        self._orders.clear()
        names = ("repetition", "slice", "contrast", "phase", "set")
        key = FrameKey(*(int(row[name]) for name in names))
        findings = (Finding("drift", "hold", "drifts"),) if draw < 0.4 else ()
        decision = "HELD" if findings else "GRANTED"
        time_s = float(row["time_s"])
        verdict = Verdict(
            frame_id, key, "COMPUTED", decision, time_s if np.isfinite(time_s) else None, findings
        )
        mailbox.write_verdict(order.result, to_json(verdict))
        return control.Done(order.slot, order.result, frame_id)


@dataclass(frozen=True, slots=True)
class Played:
    """How a session ended. error: why it was refused or cut, empty where it was not."""

    error: str
    has_begun: bool
    n_frames: int
    n_answers: int


class Conversation:
    """A client of which everything is known beforehand, served to its end."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._now_ns = 1
        self._wire, self._sink = Wire(), Sink()
        self._worker = StandIn(rng)
        self._reception = Reception(self._wire, self._begin, opened_ns=0)  # type: ignore[arg-type]

    def play(self, data: bytes) -> Played:
        """Send the bytes in chunks and hang up; return how it ended."""
        reception, rng = self._reception, self._rng
        cuts = rng.integers(len(data) + 1, size=_CUTS[rng.integers(len(_CUTS))])
        places = [0, *sorted(int(one) for one in cuts), len(data)]
        for start, end in pairwise(places):
            if start < end and self._waits_until_wanted():
                reception.receive(data[start:end], now_ns=self._now_ns)
            self._pass(rng.random() * 20)
        if self._waits_until_wanted():
            reception.receive(b"", now_ns=self._now_ns)
        return self._finish()

    def _begin(self, reception: Reception, header: SessionHeader) -> Session:
        name = reception.config_name
        protocol = _protocol(name if name in shipped_protocols() else "mrgfus-demo")
        refuse_early(protocol, header)
        is_lossless = self._rng.random() < 0.1
        return Session(protocol, header, _RUN, self._sink, self._worker, is_lossless=is_lossless)

    def _waits_until_wanted(self) -> bool:
        reception = self._reception
        for n in range(_MOST_ROUNDS):
            if reception.is_over or reception.is_ended:
                return False
            if reception.wants_input:
                return True
            self._pass(20.0 if n < _SOON else 1000.0)
        raise BrokenLawError("the client waits for ever")

    def _pass(self, ms: float) -> None:
        """Let time pass, and everybody do what is due."""
        self._now_ns += 1 + round(ms * MS)
        session, reception = self._reception.session, self._reception
        if session is not None and session.state != "over":
            self._hear_worker(session)
            session.tick(self._now_ns)
            due = session.next_ns()
            if due is not None and due <= self._now_ns and session.state != "over":
                raise BrokenLawError("the loop is woken for what it has done")
        reception.tick(self._now_ns)
        if reception.is_waiting:
            reception.pump(now_ns=self._now_ns)

    def _hear_worker(self, session: Session) -> None:
        if self._rng.random() < 0.002 or session.is_hung(self._now_ns):
            self._lose_worker(session)
        said = self._worker.answer()
        if said is None:
            return
        try:
            heard = control.unpack_for_gateway(control.pack(said))
            session.worker_said(heard, now_ns=self._now_ns)
        except MonitorError as error:
            self._reception.fail(str(error))

    def _lose_worker(self, session: Session) -> None:
        self._worker = StandIn(self._rng)
        session.worker_lost("worker process has died", now_ns=self._now_ns)
        if session.n_workers_lost > _MOST_WORKERS_LOST:
            self._reception.fail(f"{session.n_workers_lost} workers were lost in one session")
            return
        session.worker_back(self._worker, now_ns=self._now_ns)

    def _finish(self) -> Played:
        reception = self._reception
        session = reception.session
        for n in range(_MOST_ROUNDS):
            if reception.error is not None or session is None or session.state == "over":
                break
            self._pass(50.0 if n < _SOON else 1000.0)
        else:
            raise BrokenLawError("the session does not end")
        error = reception.error or ""
        if session is not None:
            n_frames = session.assembler.n_frames
            is_whole = not error and session.state == "over"
            if error:
                session.answers.stream_fault(error)
            session.stop(
                "failed" if error else "completed", error, ended_utc="", now_ns=self._now_ns
            )
            if not reception.is_over:
                reception.farewell()
            self._judge_answers(session, range(n_frames) if is_whole else None)
        self._judge_words(error)
        n_frames = 0 if session is None else session.assembler.n_frames
        return Played(error, self._sink.has_begun, n_frames, sum(self._sink.n_verdicts.values()))

    def _judge_answers(self, session: Session, expected: range | None) -> None:
        told = self._sink.n_verdicts
        twice = [frame for frame, n in told.items() if n > 1]
        if twice:
            raise BrokenLawError(f"frames {twice[:5]} were answered twice")
        if not session.answers.is_idle:
            raise BrokenLawError("opened frames were not answered")
        if expected is not None and set(told) != set(expected):
            raise BrokenLawError(f"{len(told)} answers to {len(expected)} frames")
        if self._sink.permit != "HELD":
            raise BrokenLawError("the permit stands after the end")

    def _judge_words(self, error: str) -> None:
        close = encode_close()
        is_closed = self._wire.sent[-1:] == [close] and self._wire.sent.count(close) == 1
        if self._wire.is_finished and not is_closed:
            raise BrokenLawError("CLOSE was not the last that the client got")
        if not error:
            return
        if "\n" in error or "Traceback" in error or len(error) > 1000:
            raise BrokenLawError(f"not one line: {error[:200]!r}")
        if not PLACES.search(error):
            raise BrokenLawError(f"names no place: {error!r}")


def load_protocols() -> None:
    """Read every installed protocol now rather than in a session."""
    for name in shipped_protocols():
        _protocol(name)


def _protocol(name: str) -> Protocol:
    if name not in _PROTOCOLS:
        _PROTOCOLS[name] = load_protocol(name)
    return _PROTOCOLS[name]
