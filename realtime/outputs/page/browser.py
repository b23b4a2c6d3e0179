"""One browser's conversation: what is still to be sent, what it says, and when it must go."""

import asyncio
from contextlib import suppress
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from realtime.clock import Clock
from realtime.outputs.page.bucket import Bucket
from realtime.outputs.page.door import NotTaken
from realtime.outputs.page.outbox import Outbox
from realtime.outputs.page.wire import (
    Acknowledge,
    Acknowledged,
    Hello,
    Seek,
    Seen,
    Word,
    read_word,
    write,
)

SILENCE_S = 5.0
_MOST_REASON_BYTES = 123  # RFC 6455, 5.5
_ACKNOWLEDGEMENTS = (20.0, 5.0)  # at once, and a second
NOT_TEXT, NOT_OURS, TOO_MUCH, TOO_LONG = 1003, 1007, 1008, 1009  # RFC 6455, 7.4.1
SILENT, OVERRUN = 4408, 4409


class Source(Protocol):
    """What a browser is told of: a monitor, or a run that was recorded.

    n_refused: browsers that were refused or cut off.
    """

    n_refused: int

    def join(self, hello: Hello, *, now_ns: int) -> Outbox:
        """Return the outbox of a browser that has come, with what it needs to know in it."""
        ...

    def leave(self, outbox: Outbox) -> None:
        """Forget a browser."""
        ...

    def make_beat(self, number: int, echo_ms: float | None, *, now_ns: int) -> str:
        """Return a beat of now."""
        ...

    def seek(self, outbox: Outbox, frame: int) -> bool:
        """Have a recorded frame sent; False where nothing is recorded."""
        ...


class Line(Protocol):
    """Where acknowledgements go."""

    async def acknowledge(self, alert_id: int, who: str, *, epoch: str) -> tuple[str, str]:
        """Return `done` or `refused`, and why."""
        ...


class _Farewell(Exception):  # noqa: N818 - the end of a conversation, not always an error
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Browser:
    """Serves one accepted WebSocket until it closes, breaks a rule or falls silent."""

    def __init__(self, websocket: WebSocket, news: Source, line: Line, clock: Clock) -> None:
        self._websocket, self._news, self._line, self._clock = websocket, news, line, clock
        self._bucket = Bucket(*_ACKNOWLEDGEMENTS)

    async def serve(self) -> None:
        """Converse; the close code says why it ended."""
        try:
            hello = await self._word()
            if not isinstance(hello, Hello):
                raise _Farewell(NOT_OURS, "expected hello as the first word")
            outbox = self._news.join(hello, now_ns=self._clock.now_ns())
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._send_all(outbox))
                    group.create_task(self._hear_all(outbox, group))
            finally:
                self._news.leave(outbox)
        except* _Farewell as farewells:
            self._news.n_refused += 1
            await self._close(farewells)
        except* WebSocketDisconnect as gone:
            self._news.n_refused += any(_was_cut_off(one) for one in gone.exceptions)

    async def _close(self, farewells: BaseExceptionGroup[_Farewell]) -> None:
        farewell = farewells.exceptions[0]
        if isinstance(farewell, _Farewell):
            reason = str(farewell).encode()[:_MOST_REASON_BYTES].decode(errors="ignore")
            with suppress(WebSocketDisconnect, NotTaken):
                await self._websocket.close(farewell.code, reason)

    async def _send_all(self, outbox: Outbox) -> None:
        while True:
            await outbox.wake.wait()
            outbox.wake.clear()
            while (message := outbox.next(self._make_beat)) is not None:
                try:
                    await self._send(message)
                except WebSocketDisconnect:
                    return  # who hears will hear why
            if outbox.is_overrun:
                raise _Farewell(OVERRUN, "too many alerts wait; come back and have them replayed")

    def _make_beat(self, number: int, echo_ms: float | None) -> str:
        return self._news.make_beat(number, echo_ms, now_ns=self._clock.now_ns())

    async def _send(self, message: str | bytes) -> None:
        try:
            if isinstance(message, bytes):
                await self._websocket.send_bytes(message)
            else:
                await self._websocket.send_text(message)
        except NotTaken as error:
            raise _Farewell(SILENT, str(error)) from error

    async def _hear_all(self, outbox: Outbox, group: asyncio.TaskGroup) -> None:
        while True:
            word = await self._word()
            if isinstance(word, Seen):
                outbox.heard(word)
            elif isinstance(word, Acknowledge):
                if not self._bucket.take(1, self._clock.now_ns()):
                    raise _Farewell(TOO_MUCH, "more than 5 acknowledgements a second")
                group.create_task(self._acknowledge(word, outbox))
            elif isinstance(word, Seek):
                if not self._news.seek(outbox, word.frame):
                    raise _Farewell(NOT_OURS, "this run is live: there is nothing to seek")
            else:
                raise _Farewell(NOT_OURS, "hello is said once")

    async def _acknowledge(self, word: Acknowledge, outbox: Outbox) -> None:
        status, text = await self._line.acknowledge(word.alert_id, word.who, epoch=word.epoch)
        outbox.keep(write(Acknowledged(word.request, word.alert_id, status, text)))

    async def _word(self) -> Word:
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await self._websocket.receive()
        except TimeoutError as error:
            raise _Farewell(SILENT, f"nothing was said for {SILENCE_S:g} s") from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"], message.get("reason"))
        text = message.get("text")
        if text is None:
            raise _Farewell(NOT_TEXT, "expected JSON as text, got binary")
        try:
            return read_word(text)
        except (ValueError, RecursionError) as error:
            raise _Farewell(NOT_OURS, f"not a word of this page: {error}") from error


def _was_cut_off(gone: BaseException) -> bool:
    """Return whether we ended it; a page that was closed is no news."""
    return isinstance(gone, WebSocketDisconnect) and gone.code in (NOT_OURS, TOO_MUCH, TOO_LONG)
