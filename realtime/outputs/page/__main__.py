"""`python -m realtime.outputs.page EVENTS CONTROL KEYS DESCRIPTOR`: started by `serve`.

KEYS is a folder of CURVE keys, `-` for none; DESCRIPTOR the listening socket, opened by who
started us. The process ends when its standard input does: whoever started it is gone, however that
happened.
"""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

from messages import MonitorError
from realtime.clock import MonotonicClock
from realtime.outputs.page.browser import Browser
from realtime.outputs.page.news import News
from realtime.outputs.page.server import server_for
from realtime.outputs.page.subscription import Subscription


async def serve(events: str, control: str, listening: socket.socket, keys: Path | None) -> None:
    """Serve browsers until standard input ends."""
    clock, news = MonotonicClock(), News()
    line = Subscription(news, clock, events=events, control=control, keys=keys)
    server = server_for(listening, lambda socket: Browser(socket, news, line, clock))
    loop = asyncio.get_running_loop()

    def stop(_: object = None) -> None:
        loop.remove_reader(sys.stdin)
        server.should_exit = True

    loop.add_reader(sys.stdin, stop)
    hearing = asyncio.create_task(line.run())
    hearing.add_done_callback(stop)
    await server.serve(sockets=[listening])
    line.close()
    if hearing.done():
        hearing.result()
    hearing.cancel()


def main(events: str, control: str, descriptor: int, keys: Path | None) -> int:
    """Serve; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(serve(events, control, socket.socket(fileno=descriptor), keys))
    except (OSError, MonitorError) as error:
        print(f"page: {str(error).splitlines()[0]}", file=sys.stderr, flush=True)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    _, events_, control_, keys_, descriptor_ = sys.argv
    # the thread of an answer that never came is not waited for
    os._exit(main(events_, control_, int(descriptor_), None if keys_ == "-" else Path(keys_)))
