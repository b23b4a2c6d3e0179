"""Mutated sessions over TCP into a gateway and a worker that are processes of their own."""

import socket
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import zmq
from _monitor_process import MonitorProcess
from _mutated_session import BrokenLawError

from messages import Heartbeat, RunStop, Verdict
from messages.codec import Noun, decode
from realtime.streams.events import CloseReceived, Event, Text
from realtime.streams.mrd_decoder import Decoder
from simulators.mutations import mutant
from simulators.whole_sessions import whole_sessions

PATIENCE_S = 60.0
_BEATS_WITHIN_MS = 5000
PROTOCOL = Path(__file__).parent / "mutation.toml"


class Through:
    """A gateway that lives through all sessions, and a subscriber that counts its answers."""

    def __init__(self, monitor: MonitorProcess) -> None:
        self._ports = monitor.ports
        self._socket = zmq.Context.instance().socket(zmq.SUB)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.connect(f"tcp://127.0.0.1:{self._ports.events}")
        self._n_verdicts: Counter[tuple[str, int]] = Counter()
        self.outcomes: Counter[str] = Counter()

    def play(self, data: bytes) -> str:
        """Send a session and hang up; return the error that it was told, empty where none.

        Raises BrokenLawError where the gateway is deaf, or does not end with CLOSE.
        """
        reader, told = Decoder(reads_replies=True), list[Event]()
        with socket.create_connection(("127.0.0.1", self._ports.mrd), PATIENCE_S) as link:
            try:
                link.sendall(data)
                link.shutdown(socket.SHUT_WR)
            except TimeoutError as error:
                raise BrokenLawError("the gateway does not take the session") from error
            except OSError:
                pass  # it has hung up already; what it said can still be read
            try:
                while chunk := link.recv(1 << 16):
                    reader.feed(chunk)
                    told += reader.events()
            except ConnectionResetError:
                pass
            except TimeoutError as error:
                raise BrokenLawError("the gateway does not hang up") from error
        if data and not (told and isinstance(told[-1], CloseReceived)):
            raise BrokenLawError("CLOSE was not the last that the client got")
        errors = [one.text for one in told if isinstance(one, Text) and "ERROR" in one.text]
        if len(errors) > 1 or any("\n" in text or "Traceback" in text for text in errors):
            raise BrokenLawError(f"not one line: {errors}")
        return errors[0] if errors else ""

    def listen(self) -> None:
        """Take in what has been published; raise BrokenLawError for a frame answered not once."""
        while self._socket.poll(0):
            self._take()

    def listen_on(self, *, n_beats: int) -> None:
        """Take in what is published until the heart has beaten so often; raise as `listen`."""
        self.listen()
        while n_beats:
            if not self._socket.poll(_BEATS_WITHIN_MS):
                raise BrokenLawError("the gateway's heart does not beat")
            n_beats -= isinstance(self._take(), Heartbeat)

    def _take(self) -> Noun:
        noun = decode(self._socket.recv_multipart())[1]
        if isinstance(noun, Verdict):
            told = (noun.run_id, noun.frame_id)
            self._n_verdicts[told] += 1
            self.outcomes[noun.outcome] += 1
            if self._n_verdicts[told] > 1:
                raise BrokenLawError(f"frame {noun.frame_id} was answered twice")
        elif isinstance(noun, RunStop):
            n_told = sum(run == noun.run_id for run, _ in self._n_verdicts)
            if n_told < noun.n_frames:
                raise BrokenLawError(f"{n_told} answers to {noun.n_frames} frames")
        return noun

    def close(self) -> None:
        """Stop listening."""
        self._socket.close(linger=0)


def through_gateway(
    n_sessions: int, *, seed: int
) -> tuple[Counter[str], Counter[str], dict[int, str]]:
    """Play mutants, and a sound session after them.

    Return how many were refused and taken, how frames were answered, and the failures by seed;
    what the process wrote to stderr counts as the failure of the last.
    """
    sessions = [list(one) for one in whole_sessions(config="the monitor's own").values()]
    counts: Counter[str] = Counter()
    failures: dict[int, str] = {}
    with tempfile.TemporaryFile() as errors:
        with MonitorProcess(str(PROTOCOL), serves_many=True, stderr=errors) as monitor:
            through = Through(monitor)
            for number in range(n_sessions):
                harmed = mutant(sessions, np.random.default_rng([seed, number]))
                try:
                    counts["refused" if through.play(harmed.data) else "taken"] += 1
                    through.listen()
                except BrokenLawError as error:
                    failures[number] = f"{error} ({', '.join(harmed.harms)})"
            try:
                said = through.play(b"".join(sessions[0]))
                if said:
                    failures[n_sessions] = f"a sound session was refused afterwards: {said}"
                through.listen_on(n_beats=5)
            except BrokenLawError as error:
                failures[n_sessions] = str(error)
            through.close()
        errors.seek(0)
        written = errors.read().decode(errors="replace")
    if "Traceback" in written:
        failures[-1] = written[-2000:]
    return counts, through.outcomes, failures
