"""`python -m realtime.outputs.dicom EVENTS CONTROL KEYS EVERY PEER FOLDER`: started by `serve`.

KEYS is a folder of CURVE keys, EVERY the n of every n-th frame, PEER is AET@HOST:PORT; `-` stands
for none of them. It ends when its standard input does, with a second for what still waits.
"""

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from messages import MonitorError
from realtime.outputs.listener import Listener

if TYPE_CHECKING:
    from realtime.outputs.dicom.delivery import Delivery

_LOOK_MS = 1000
_LAST_WORDS_S = 1.0  # who started us waits half a second longer


def main(events: str, keys: str, every: int, peer: str, folder: str) -> int:
    """Deliver until standard input ends; return the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        line = Listener(events, topics=("run.", "map"), keys=None if keys == "-" else Path(keys))
        return _deliver(line, _deliveries(peer, folder), every)
    except (OSError, MonitorError) as error:
        _tell(str(error))
        return 1


def _deliveries(peer: str, folder: str) -> "list[Delivery]":
    # the libraries take seconds to import, and a run may begin meanwhile: the line is open before
    from realtime.outputs.dicom.address import parse_peer
    from realtime.outputs.dicom.delivery import Delivery
    from realtime.outputs.dicom.folder import write
    from realtime.outputs.dicom.peer import store

    found: list[Delivery] = []
    if peer != "-":
        to = parse_peer(peer)
        found.append(Delivery(peer, lambda _, objects: store(to, objects), _tell))
    if folder != "-":
        into = Path(folder)
        found.append(Delivery(folder, lambda run_id, objects: write(into / run_id, objects), _tell))
    return found


def _deliver(line: Listener, deliveries: "list[Delivery]", every: int) -> int:
    from realtime.outputs.dicom.live import Live

    live = Live(deliveries, every=every)
    while not line.is_over:
        line.wait(_LOOK_MS)
        for _, noun in line.heard():
            live.hear(noun)
        if not all(one.is_alive for one in deliveries):
            return 1  # what ended its thread stands on standard error
    live.end()
    patience_s = _LAST_WORDS_S / len(deliveries)
    for one in deliveries:
        n_lost = one.close(patience_s) + one.n_dropped
        if n_lost:
            _tell(
                f"{one.name}: {one.n_delivered} objects delivered, {n_lost} frames not; "
                "`mrmonitor dicom RUN` sends them from the run folder"
            )
    if live.n_strange:
        _tell(f"{live.n_strange} frames of runs whose start was not heard were not delivered")
    return 0


def _tell(text: str) -> None:
    print(f"dicom: {text}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    _, events_, _, keys_, every_, peer_, folder_ = sys.argv
    # a thread that a peer keeps is not waited for
    os._exit(main(events_, keys_, int(every_), peer_, folder_))
