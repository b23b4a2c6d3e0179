"""The page's line to the monitor: its events, the alerts that were missed, acknowledgements."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import zmq

from messages import Alert, Maps, MonitorError
from messages.codec import Part, decode
from realtime.clock import Clock
from realtime.control_line import ask, connect
from realtime.outputs.page.news import News
from realtime.outputs.page.picture import Stream, stream_of

_LOOK_S = 0.1
_AGAIN_S = 1.0
_MOST_A_TURN = 200
_MOST_ASKED = 8
_HIGH_WATER = 1000
_TOPICS = ("permit", "verdict", "alert", "heartbeat", "run.", "map")


class Subscription:
    """Hears a monitor and asks it; hearing never waits for an answer."""

    def __init__(
        self, news: News, clock: Clock, *, events: str, control: str, keys: Path | None
    ) -> None:
        self._news, self._clock = news, clock
        self._ask_monitor = partial(ask, control, keys=keys)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.RCVHWM, _HIGH_WATER)
        for topic in _TOPICS:
            self._socket.subscribe(topic)
        connect(self._socket, events, keys=keys)
        # the control line blocks; an answer that does not come costs three seconds of one thread
        self._askers = ThreadPoolExecutor(1, "ask")
        self._n_asked = 0
        self._catching_up: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Hear until cancelled."""
        ready, loop = asyncio.Event(), asyncio.get_running_loop()
        loop.add_reader(self._socket.fileno(), ready.set)
        while True:
            if self._hear():
                await asyncio.sleep(0)
                continue
            if self._news.watched.misses_alerts and self._is_idle():
                self._catching_up = asyncio.create_task(self._catch_up())
            ready.clear()
            look = loop.call_later(_LOOK_S, ready.set)
            await ready.wait()
            look.cancel()

    async def acknowledge(self, alert_id: int, who: str, *, epoch: str) -> tuple[str, str]:
        """Pass an acknowledgement on; return `done` or `refused`, and why.

        epoch: of the alert that was shown. A monitor that began anew meanwhile refuses it.
        """
        if self._n_asked >= _MOST_ASKED:
            return "refused", "too many acknowledgements wait for the monitor; try again"
        request = {"type": "acknowledge", "alert_id": alert_id, "who": who, "epoch": epoch}
        try:
            await self._ask(request)
        except MonitorError as error:
            return "refused", str(error)
        return "done", ""

    def close(self) -> None:
        """Close the socket; what was asked is no longer waited for."""
        self._askers.shutdown(wait=False, cancel_futures=True)
        self._context.destroy(linger=0)

    def _hear(self) -> bool:
        """Take what has come, of maps only the newest of each stream; return if there is more."""
        maps: dict[Stream, tuple[Maps, int]] = {}
        is_more = True
        for _ in range(_MOST_A_TURN):
            try:
                parts: list[Part] = [bytes(self._socket.recv(zmq.NOBLOCK))]
            except zmq.Again:
                is_more = False
                break
            while self._socket.get(zmq.RCVMORE):
                parts.append(self._socket.recv(zmq.NOBLOCK, copy=False).buffer)
            envelope, noun = decode(parts)
            now_ns = self._clock.now_ns()
            self._news.hear(envelope, noun, now_ns=now_ns)
            watched = self._news.watched
            if isinstance(noun, Maps) and watched.is_current(envelope, noun.run_id):
                heard_ns = now_ns - watched.late_ns
                maps[stream_of(noun)] = noun, heard_ns
        for noun, heard_ns in maps.values():
            self._news.hear_maps(noun, heard_ns=heard_ns)
        return is_more

    def _is_idle(self) -> bool:
        return self._catching_up is None or self._catching_up.done()

    async def _catch_up(self) -> None:
        epoch, after = self._news.watched.epoch, self._news.watched.last_alert
        try:
            alerts = await self._ask({"type": "resume", "epoch": epoch, "after": after})
        except MonitorError:
            await asyncio.sleep(_AGAIN_S)  # every beat says that alerts are missing
            return
        self._news.caught_up(epoch, after, alerts)

    async def _ask(self, request: dict[str, object]) -> list[Alert]:
        self._n_asked += 1
        try:
            loop = asyncio.get_running_loop()
            return (await loop.run_in_executor(self._askers, self._ask_monitor, request))[1]
        finally:
            self._n_asked -= 1
