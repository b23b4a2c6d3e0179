"""One client's conversation: its bytes become a session, its mistakes become one line of text."""

from collections.abc import Callable, Iterator

from messages import Acquisition, MonitorError, SessionHeader, StreamError, Waveform
from realtime.peers import Peer, ZmqPeer
from realtime.session import Session
from realtime.streams.events import (
    CloseReceived,
    ConfigFile,
    ConfigText,
    Event,
    HeaderReceived,
    Query,
    Text,
)
from realtime.streams.fire_config import config_of
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import encode_close, encode_response, encode_text
from realtime.streams.recorder import Recorder

Begin = Callable[["Reception", SessionHeader], Session]

# A client that connects and says nothing holds no treatment, but it holds a socket; nor does one
# that sends a header and nothing to go with it.
HANDSHAKE_NS = 30_000_000_000
# FIRE and OpenRecon name the configuration in a text after the header: so long it is waited for.
CONFIG_TEXT_NS = 1_000_000_000
# TCP tells us that a client has gone; ZeroMQ does not, and its session would block all others.
ZMQ_SILENCE_NS = 300_000_000_000
_MAX_PRELUDE_BYTES = 1 << 25
# A stranger's messages may be tiny and many; what one turn takes of them must not delay a verdict.
STRANGER_BYTES = 1 << 14
_MAX_QUERIES = 100  # answers that nobody takes would fill the memory


class Reception:
    """What one client has said, and how far it was understood."""

    def __init__(self, peer: Peer, begin: Begin, *, opened_ns: int) -> None:
        self.peer = peer
        self.config_name = ""
        self.session: Session | None = None
        self.is_over = False
        self.is_cut = False
        self.error: str | None = None
        self._begin = begin
        self._header: SessionHeader | None = None
        self._header_ns = 0
        # how much of this client's bytes one turn of the loop takes
        self.turn_bytes = STRANGER_BYTES
        self._decoder = Decoder()
        self._held: Acquisition | None = None
        self._events: Iterator[Event] = iter(())
        self._opened_ns = opened_ns
        self._heard_ns = opened_ns
        self._prelude: list[bytes] = []
        self._prelude_bytes = 0
        self._n_queries = 0
        self._recorder: Recorder | None = None
        self.is_ended = False
        self._end_error: StreamError | None = None

    @property
    def wants_input(self) -> bool:
        """Whether more bytes can be taken; if not, the client feels the back-pressure."""
        return self._held is None and not self.is_ended and not self.is_over

    @property
    def is_waiting(self) -> bool:
        """Whether a readout waits until the session takes it."""
        return self._held is not None

    @property
    def has_header(self) -> bool:
        """Whether the client has sent its header: before that it may be anybody."""
        return self.session is not None or self._header is not None

    @property
    def recording_problem(self) -> str:
        """Why the recording is not whole, empty where it is or where there is none."""
        return "" if self._recorder is None else self._recorder.report.problem

    def record(self, recorder: Recorder) -> None:
        """Record from here on, beginning with what has already come."""
        self._recorder = recorder
        for chunk in self._prelude:
            recorder.record(chunk)
        self._prelude.clear()

    def last_heard_ns(self, now_ns: int) -> int:
        """Return when the client last sent something measured; now, where it is made to wait.

        Words, and bytes that make no whole message, do not keep the place of one who treats.
        """
        return self._heard_ns if self.wants_input else now_ns

    def receive(self, data: bytes, *, now_ns: int) -> None:
        """Take bytes; empty means that the client has ended its side."""
        if not data:
            self.is_ended = True
            try:
                self._decoder.end()
            except StreamError as error:
                self._end_error = error
        else:
            self._keep(data)
            self._decoder.feed(data)
            self._events = self._decoder.events()
        self.pump(now_ns=now_ns)

    def pump(self, *, now_ns: int) -> None:
        """Hand over, in order, what the session takes now."""
        try:
            while not self.is_over:
                event = self._held or next(self._events, None)
                self._held = None
                if event is None:
                    break
                if isinstance(event, Acquisition) and not self._accepts():
                    self._held = event
                    return
                self._handle(event, now_ns)
            if self.is_ended and not self.is_over:
                self._handle_end()
            self._refuse_long_prelude()
        except MonitorError as error:
            self.fail(str(error))

    def tick(self, now_ns: int) -> None:
        """Begin what waited for a text; end a client that never began, and one that has gone."""
        if self.is_over:
            return
        try:
            if self._header is not None and now_ns - self._header_ns >= CONFIG_TEXT_NS:
                self._begin_session()
            self._refuse_idle(now_ns)
        except MonitorError as error:
            self.fail(str(error))

    def _refuse_idle(self, now_ns: int) -> None:
        session, limit_s = self.session, HANDSHAKE_NS // 1_000_000_000
        if session is None and now_ns - self._opened_ns > HANDSHAKE_NS:
            raise MonitorError(f"no header within {limit_s} s of connecting")
        is_idle = session is not None and session.n_readouts == 0 and not session.is_closing
        if is_idle and now_ns - self._heard_ns > HANDSHAKE_NS:
            raise MonitorError(f"nothing came within {limit_s} s of the header")
        is_mute = isinstance(self.peer, ZmqPeer) and now_ns - self._heard_ns > ZMQ_SILENCE_NS
        if is_mute and self.session is not None and not self.session.is_closing:
            raise MonitorError(f"nothing came for {ZMQ_SILENCE_NS // 1_000_000_000} s over ZeroMQ")

    def fail(self, text: str) -> None:
        """Say what was wrong, then close. The gateway ends the session."""
        if self.is_over:
            return
        self.error = text
        self.say(f"ERROR   {text}")
        self.farewell()

    def say(self, text: str) -> None:
        """Send a line of text to the client."""
        self.peer.send(encode_text(text))

    def farewell(self) -> None:
        """Send CLOSE, the last that this client gets."""
        self.is_over = True
        self.peer.send(encode_close())
        self.peer.finish()
        if self._recorder is not None:
            # the permit is not yet held where the stream broke: it must not wait for the disk
            self._recorder.finish()

    def _accepts(self) -> bool:
        return self.session is None or self.session.accepts()

    def _keep(self, data: bytes) -> None:
        if self._recorder is not None:
            self._recorder.record(data)
        elif self.session is None:
            self._prelude.append(data)
            self._prelude_bytes += len(data)

    def _refuse_long_prelude(self) -> None:
        # what is not kept would be a hole in the recording that nobody is told of
        if self.session is None and self._prelude_bytes > _MAX_PRELUDE_BYTES:
            raise MonitorError(
                f"more than {_MAX_PRELUDE_BYTES >> 20} MiB came before a session could begin"
            )

    def _begin_session(self) -> None:
        header, self._header = self._header, None
        if header is not None:
            self.session = self._begin(self, header)
            self._prelude.clear()

    def _handle(self, event: Event, now_ns: int) -> None:
        if self._header is not None and not isinstance(event, Text | Query):
            self._begin_session()
        if not isinstance(event, Text | Query):
            self._heard_ns = now_ns
        if isinstance(event, Acquisition):
            if self.session is not None:
                self.session.readout(event, received_ns=now_ns)
        elif isinstance(event, Waveform):
            if self.session is not None:
                self.session.waveform(event)
        elif isinstance(event, Text):
            self._take_text(event.text)
        elif isinstance(event, ConfigFile):
            self.config_name = event.name
        elif isinstance(event, ConfigText):
            self.config_name = ""
        elif isinstance(event, HeaderReceived):
            self._header, self._header_ns = event.header, now_ns
        elif isinstance(event, Query):
            self._n_queries += 1
            if self._n_queries > _MAX_QUERIES:
                raise MonitorError(f"more than {_MAX_QUERIES} queries")
            self.peer.send(encode_response(event.correlation_id, _answer(event.text)))
        elif isinstance(event, CloseReceived):
            self._handle_close(now_ns)

    def _take_text(self, text: str) -> None:
        """Look for a configuration where one may still be named: after the header, before data."""
        name = None if self._header is None else config_of(text)
        self.config_name = name or self.config_name

    def _handle_close(self, now_ns: int) -> None:
        self.is_ended = True
        if self.session is None:
            # a liveness probe or dependency query: the C++ client aborts on anything but CLOSE
            self.farewell()
        else:
            self.session.end(now_ns=now_ns)

    def _handle_end(self) -> None:
        self._begin_session()
        if self._end_error is not None:
            self.is_cut = True
            raise self._end_error
        if self.session is None:
            self.is_over = True
        elif not self.session.is_closing:
            self.is_cut = True
            raise MonitorError("the stream ended without CLOSE: it stopped, it did not end")


def _answer(query: str) -> str:
    return "mrmonitor" if query.endswith("::version") else "Unknown query"
