"""A finished run on the page: the same words as of a live one, and a time line to seek in.

Nothing of it is ever live: the permit is HELD, and what the run itself said stands in its frames.
"""

import asyncio
import signal
import socket
from collections.abc import Callable
from dataclasses import replace

import msgspec

from messages import MonitorError, RegionPlan, RunStart
from realtime.alerts.limit_lines import limit_lines
from realtime.clock import Clock
from realtime.outputs.page.browser import Browser
from realtime.outputs.page.news import MOST_LOGGED, STALE_MS
from realtime.outputs.page.outbox import Outbox
from realtime.outputs.page.picture import Picture, draw
from realtime.outputs.page.recorded_pictures import RecordedPictures
from realtime.outputs.page.recorded_words import recorded_verdicts
from realtime.outputs.page.server import server_for
from realtime.outputs.page.wire import (
    MOST_EPOCH,
    Beat,
    Hello,
    PermitWord,
    Plan,
    Recorded,
    Told,
    Welcome,
    plan_of,
    write,
    write_frame,
)
from realtime.outputs.report_record import RunRecord

MOST_HISTORY = 4000  # frames that the page draws curves of
_BEAT_S = 0.1
_HELD = "this is a recorded run: nothing is treated, and nothing is permitted"


class Playback:
    """What a browser is told of a recorded run; each seeks for itself."""

    def __init__(self, run: RunRecord, clock: Clock) -> None:
        """Read a run. Raises MonitorError where it has no frame."""
        self.n_refused = 0
        self._clock = clock
        verdicts = recorded_verdicts(run)
        if not verdicts:
            raise MonitorError(f"{run.folder}: the run has no frame, there is nothing to show")
        self.plan = _plan_of(run)
        self._run_id = run.folder.resolve().name if self.plan is None else self.plan.run_id
        self._epoch = f"recorded {self._run_id}"[:MOST_EPOCH]
        self._pictures = RecordedPictures(run, run_id=self._run_id)
        self._frame_ids = [one.frame_id for one in verdicts]
        self._words = [write_frame(one, heard_ms=0.0) for one in verdicts]
        self._recorded = Recorded(
            len(verdicts), [one.time_s for one in verdicts], run.folder.resolve().name
        )
        alerts = list(run.alerts)[-MOST_LOGGED:]
        self._told = [Told(n, one) for n, one in enumerate(alerts, 1)]
        self._outboxes: set[Outbox] = set()
        self._n_pictures = 0

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            for outbox in self._outboxes:
                outbox.call()
            await asyncio.sleep(_BEAT_S)

    def join(self, hello: Hello, *, now_ns: int) -> Outbox:
        """Return the outbox of a browser that has come, with the whole course in it."""
        del now_ns
        after = hello.after if hello.epoch == self._epoch else 0
        outbox = Outbox()
        outbox.keep(
            write(
                Welcome(
                    self._epoch,
                    len(self._told),
                    [],
                    self._told[after:],
                    True,
                    STALE_MS,
                    self.plan,
                    self._recorded,
                )
            )
        )
        outbox.keep(write(PermitWord("HELD", _HELD, 0.0)))
        outbox.recall(self._run_id, _thinned(self._words))
        outbox.call()
        self._outboxes.add(outbox)
        return outbox

    def leave(self, outbox: Outbox) -> None:
        """Forget a browser."""
        self._outboxes.discard(outbox)

    def make_beat(self, number: int, echo_ms: float | None, *, now_ns: int) -> str:
        """Return a beat: this server lives, and the run is over."""
        plan = self.plan
        return write(
            Beat(
                number=number,
                echo_ms=echo_ms,
                now_ms=now_ns / 1e6,
                silent_ms=0.0,
                permit=PermitWord("HELD", _HELD, 0.0),
                run_id=self._run_id,
                protocol_name="" if plan is None else plan.protocol_name,
                lease_ms=0.0,
                frame=None,
                misses_alerts=False,
                n_refused=self.n_refused,
                preparing="",
                preparing_fraction=None,
            )
        )

    def seek(self, outbox: Outbox, frame: int) -> bool:
        """Have the n-th frame sent, and of each slice the newest picture up to it."""
        at = min(frame, len(self._words) - 1)
        outbox.tell(self._words[at])
        for stream, row in self._pictures.newest_by(self._frame_ids[at]):
            self._n_pictures += 1
            outbox.offer(self._picture(stream, row, self._n_pictures))
        return True

    async def acknowledge(self, alert_id: int, who: str, *, epoch: str) -> tuple[str, str]:
        """Refuse: what is over needs nobody."""
        del alert_id, who, epoch
        return "refused", "this is a recorded run: its alerts are over"

    def _picture(self, stream: tuple[str, int, int], row: int, number: int) -> Picture:
        def drawn() -> bytes:
            now_ms = self._clock.now_ns() / 1e6
            return draw(self._pictures.read(row), number=number, now_ms=now_ms)

        return Picture(number, stream, drawn)


async def serve_recording(
    run: RunRecord, listening: socket.socket, clock: Clock, announce: Callable[[], None]
) -> None:
    """Show a run to browsers until SIGINT or SIGTERM. Raises MonitorError: it has no frame.

    announce: called once browsers may come.
    """
    playback = Playback(run, clock)
    server = server_for(listening, lambda socket: Browser(socket, playback, playback, clock))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # the server takes them while it runs, and then raises them once more
        loop.add_signal_handler(number, lambda: None)
    beating = asyncio.create_task(playback.run())
    announce()
    try:
        await server.serve(sockets=[listening])
    finally:
        beating.cancel()


def _plan_of(run: RunRecord) -> Plan | None:
    """Return the plan as the run told it; what an older run did not tell, its protocol does."""
    start, protocol = run.start, run.protocol
    if start is None and protocol is None:
        return None
    start = start or RunStart(
        run.folder.resolve().name, "", "", run.therapy, "", "", "", "", {}, (0, 0, 0),
        (0.0, 0.0, 0.0), 0.0, 0.0, {},
    )  # fmt: skip
    if protocol is not None and not start.regions:
        start = replace(
            start,
            protocol_name=protocol.protocol.name,
            regions=tuple(RegionPlan(one.name, one.role) for one in protocol.region),
            limits=limit_lines(protocol),
            frame_deadline_ms=protocol.protocol.frame_deadline_ms,
            lease_ms=protocol.protocol.lease_ms,
        )
    return plan_of(start)


def _thinned(words: list[msgspec.Raw]) -> list[msgspec.Raw]:
    return words[:: -(-len(words) // MOST_HISTORY)]
