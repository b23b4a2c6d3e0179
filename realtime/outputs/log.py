"""`python -m realtime.outputs.log EVENTS CONTROL KEYS DESCRIPTOR REFUSED`: started by `serve`.

KEYS is a folder of CURVE keys, `-` for none; DESCRIPTOR what is written to, opened by who started
us; REFUSED a JSON list of what the machine did not permit. A disk that stands still stands still
here: the gateway drops what this process does not take, and the log says how much that was. When
standard input ends, the monitor's last words are written, and then this process ends.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import msgspec

from messages import MonitorError
from realtime.clock import MonotonicClock, utc_now
from realtime.outputs.hearing import Hearing
from realtime.outputs.log_lines import Line, Narrator, opening

_LOOK_MS = 100
_LAST_WORDS_MS = 400  # four heartbeats: then nobody publishes any more
_MOST_LAST_WORDS = 100
_NICENESS = 10
_TOPICS = ("permit", "verdict", "run.")

Write = Callable[[Iterable[Line]], None]


def follow(hearing: Hearing, write: Write) -> None:
    """Write what happens until standard input has ended and the monitor is silent."""
    clock, listener, narrator = MonotonicClock(), hearing.listener, Narrator(hearing.watched)
    n_left = _MOST_LAST_WORDS
    while not listener.is_over or n_left:
        listener.wait(_LAST_WORDS_MS if listener.is_over else _LOOK_MS)
        n_heard = 0
        for noun, now_ns in hearing.heard():
            n_heard += 1
            write(narrator.hear(noun))
            write(narrator.look(now_ns, n_missed=hearing.n_missed.total()))
        write(narrator.look(clock.now_ns(), n_missed=hearing.n_missed.total()))
        if listener.is_over:
            n_left = n_left - 1 if n_heard else 0


def main(events: str, control: str, keys: Path | None, descriptor: int, refused: str) -> int:
    """Write the log; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    try:
        hearing = Hearing(events, control, topics=_TOPICS, keys=keys, clock=MonotonicClock())
        with os.fdopen(descriptor, "wb", buffering=0) as file:

            def write(lines: Iterable[Line]) -> None:
                at = utc_now() - timedelta(microseconds=hearing.watched.late_ns / 1e3)
                for line in lines:
                    file.write(line.written(at))

            write(opening(msgspec.json.decode(refused, type=list[str])))
            follow(hearing, write)
            write([Line("info", "log-ends", "the monitor has ended")])
        hearing.close()
    except (OSError, MonitorError) as error:
        print(f"log: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    _, events_, control_, keys_, descriptor_, refused_ = sys.argv
    folder = None if keys_ == "-" else Path(keys_)
    sys.exit(main(events_, control_, folder, int(descriptor_), refused_))
