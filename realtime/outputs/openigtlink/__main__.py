"""`python -m realtime.outputs.openigtlink EVENTS CONTROL KEYS DESCRIPTOR`: started by `serve`.

KEYS is a folder of CURVE keys, `-` for none; DESCRIPTOR the listening socket, opened by who
started us. The process ends when its standard input does: whoever started it is gone.
"""

import os
import signal
import socket
import sys
from contextlib import closing
from pathlib import Path

from messages import MonitorError
from realtime.clock import MonotonicClock
from realtime.outputs.openigtlink.server import Server


def main(events: str, control: str, descriptor: int, keys: Path | None) -> int:
    """Serve; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        listening = socket.socket(fileno=descriptor)
        with closing(
            Server(listening, MonotonicClock(), events=events, control=control, keys=keys)
        ) as server:
            server.run()
    except (OSError, MonitorError) as error:
        told = str(error).splitlines()[0]
        print(f"OpenIGTLink: {told}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    _, events_, control_, keys_, descriptor_ = sys.argv
    # the thread of an answer that never came is not waited for
    os._exit(main(events_, control_, int(descriptor_), None if keys_ == "-" else Path(keys_)))
