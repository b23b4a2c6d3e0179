"""A process that computes one job after another: `python -m realtime.batch.lane FD`.

It lives until that socket closes; its interpreter, its imports and compiled kernels are paid once.
"""

import contextlib
import signal
import socket
import sys

from realtime.batch.job import Progress, pack, unpack_job
from realtime.batch.task import run_job
from realtime.tuning import die_with_parent

MOST_BYTES = 1 << 16


def serve(line: socket.socket) -> None:
    """Compute what comes until nobody is there."""

    def tell(progress: Progress) -> None:
        # who does not listen just now misses nothing that matters
        with contextlib.suppress(BlockingIOError):
            line.send(pack(progress), socket.MSG_DONTWAIT)

    while packet := line.recv(MOST_BYTES):
        line.send(pack(run_job(unpack_job(packet), tell)))


if __name__ == "__main__":
    # Ctrl-C reaches the whole group; the batch says when we are done
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with_parent()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(socket.socket(fileno=int(sys.argv[1])))
