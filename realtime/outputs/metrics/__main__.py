"""`python -m realtime.outputs.metrics EVENTS CONTROL KEYS DESCRIPTOR`: started by `serve`.

KEYS is a folder of CURVE keys, `-` for none; DESCRIPTOR the listening socket, opened by who
started us. The process ends when its standard input does. It counts from its own start.
"""

import os
import signal
import socket
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from messages import MonitorError
from realtime.clock import MonotonicClock
from realtime.outputs.hearing import Hearing
from realtime.outputs.metrics.counts import Counts
from realtime.outputs.metrics.door import Door
from realtime.outputs.metrics.processes import Processes
from realtime.outputs.metrics.state import State
from realtime.outputs.own_names import hosts_of

_LOOK_MS = 100  # a lease that lapses is noticed so soon
_NICENESS = 10
_TOPICS = ("permit", "verdict", "run.")


def serve(events: str, control: str, listening: socket.socket, keys: Path | None) -> None:
    """Hear the monitor and answer who asks, until standard input ends."""
    clock, registry = MonotonicClock(), CollectorRegistry()
    hearing = Hearing(events, control, topics=_TOPICS, keys=keys, clock=clock)
    state, counts = State(hearing.watched, clock), Counts(registry, hearing.watched)
    registry.register(state)
    registry.register(Processes(os.getppid()))
    listener = hearing.listener
    door = Door(listening, listener.poller, lambda: generate_latest(registry), hosts_of(listening))
    while not listener.is_over:
        listener.wait(_LOOK_MS)
        for noun, now_ns in hearing.heard():
            state.hear(noun, now_ns)
            counts.hear(noun)
            counts.look(now_ns, missed=hearing.n_missed)
        counts.look(clock.now_ns(), missed=hearing.n_missed)
        door.turn(listener.ready, clock.now_ns())
    door.close()
    hearing.close()


def main(events: str, control: str, descriptor: int, keys: Path | None) -> int:
    """Serve; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    disable_created_metrics()  # type: ignore[no-untyped-call]
    try:
        serve(events, control, socket.socket(fileno=descriptor), keys)
    except (OSError, MonitorError) as error:
        print(f"metrics: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    _, events_, control_, keys_, descriptor_ = sys.argv
    sys.exit(main(events_, control_, int(descriptor_), None if keys_ == "-" else Path(keys_)))
