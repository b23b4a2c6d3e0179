"""One client's conversation: when a session begins, and when patience ends."""

import json
import struct

import pytest

from messages import MonitorError
from realtime.reception import CONFIG_TEXT_NS, HANDSHAKE_NS, Reception
from simulators.mrd import TEXT, ResultReader, close_message, config_message
from tests.harness import Scan

SCAN = Scan(n_pixels=8, lines=tuple(range(8)))
OPENING, READOUTS = SCAN.opening(), SCAN.frame(0)


class Peer:
    """Keeps what it was sent."""

    name = "test"

    def __init__(self):
        self.reader, self.results = ResultReader(), []

    def send(self, message, *, is_droppable=False):
        if message[:2] != b"\x07\0":  # the answer to a query
            self.results += self.reader.feed(bytes(message))

    def finish(self):
        pass


class Session:
    """Takes everything."""

    def __init__(self, config):
        self.config, self.n_readouts, self.is_closing = config, 0, False

    def accepts(self):
        return True

    def readout(self, acquisition, *, received_ns):
        self.n_readouts += 1

    def end(self, *, now_ns):
        self.is_closing = True


class Talk:
    """A reception with its peer and whatever sessions it began."""

    def __init__(self, *, refusal=""):
        self.begun, self.refusal, self.peer = [], refusal, Peer()
        self.it = Reception(self.peer, self._begin, opened_ns=0)

    def _begin(self, reception, header):
        if self.refusal:
            raise MonitorError(self.refusal)
        self.begun.append(Session(reception.config_name))
        return self.begun[-1]

    def hears(self, *messages, at_ns=0):
        self.it.receive(b"".join(messages), now_ns=at_ns)

    @property
    def errors(self):
        return [one.text for one in self.peer.results if one.identifier == TEXT]


def text(content) -> bytes:
    body = json.dumps(content).encode() if not isinstance(content, bytes) else content
    return struct.pack("<HI", 5, len(body)) + body


def query(content=b"ismrmrd::version") -> bytes:
    return struct.pack("<HQQQ", 6, 0, 1, len(content)) + content


FIRE = text({"version": "1.0", "parameters": {"config": "brain"}})


def test_a_session_begins_with_the_first_message_that_is_no_text_and_no_query():
    talk = Talk()
    talk.hears(config_message("given"), OPENING, text(b"hello"), query(), FIRE)
    assert not talk.begun
    talk.hears(READOUTS[0])
    assert [one.config for one in talk.begun] == ["brain"]
    talk.hears(text({"parameters": {"config": "too late"}}), READOUTS[1])
    assert [one.n_readouts for one in talk.begun] == [2]
    assert talk.it.config_name == "brain"


def test_a_session_begins_by_itself_where_nothing_comes():
    talk = Talk()
    talk.hears(OPENING, at_ns=5)
    talk.it.tick(5 + CONFIG_TEXT_NS - 1)
    assert not talk.begun
    talk.it.tick(5 + CONFIG_TEXT_NS)
    talk.it.tick(6 + CONFIG_TEXT_NS)
    assert len(talk.begun) == 1


@pytest.mark.parametrize("after", [(close_message(),), ()])
def test_a_header_alone_is_a_session_too(after):
    talk = Talk()
    talk.hears(OPENING, *after)
    talk.it.receive(b"", now_ns=1)
    assert len(talk.begun) == 1
    assert bool(talk.errors) == (not after)  # without CLOSE it stopped, it did not end


def test_a_refusal_is_told_whenever_the_session_would_have_begun():
    talk = Talk(refusal="no such protocol")
    talk.hears(OPENING)
    talk.it.tick(CONFIG_TEXT_NS)
    assert talk.errors == ["ERROR   no such protocol"]
    assert talk.it.is_over


def test_a_header_that_nothing_can_heal_is_answered_at_once():
    talk = Talk()
    talk.hears(SCAN.opening(y="many"))
    assert talk.it.is_over
    assert "matrixSize.y" in talk.errors[0]


def test_an_idle_client_is_let_go_before_and_after_its_header():
    talk = Talk()
    talk.it.tick(HANDSHAKE_NS)
    assert not talk.it.is_over
    talk.it.tick(HANDSHAKE_NS + 1)
    assert "no header within 30 s" in talk.errors[0]
    talk = Talk()
    talk.hears(OPENING, at_ns=7)
    talk.it.tick(7 + HANDSHAKE_NS)
    assert not talk.it.is_over
    talk.it.tick(8 + HANDSHAKE_NS)
    assert "nothing came within 30 s of the header" in talk.errors[0]


def test_a_client_that_has_sent_readouts_may_pause():
    talk = Talk()
    talk.hears(OPENING, READOUTS[0])
    talk.it.tick(10 * HANDSHAKE_NS)
    assert not talk.it.is_over


def test_a_client_that_is_made_to_wait_is_not_silent():
    talk = Talk()
    talk.hears(OPENING, READOUTS[0], at_ns=3)
    assert talk.it.last_heard_ns(100) == 3
    talk.begun[0].accepts = lambda: False
    talk.hears(READOUTS[1], at_ns=4)
    assert talk.it.is_waiting
    assert talk.it.last_heard_ns(100) == 100


@pytest.mark.parametrize("noise", [text(b"still here"), query(), READOUTS[1][:99]])
def test_words_and_half_messages_do_not_keep_a_place(noise):
    """A client that only chattered, or dripped bytes, kept the permit's place from a treatment."""
    talk = Talk()
    talk.hears(OPENING, READOUTS[0], at_ns=3)
    talk.hears(noise, at_ns=9)
    assert talk.it.last_heard_ns(100) == 3
    talk = Talk()
    talk.hears(OPENING, at_ns=3)
    talk.hears(noise, at_ns=HANDSHAKE_NS)
    talk.it.tick(4 + HANDSHAKE_NS)
    assert "nothing came within 30 s of the header" in talk.errors[0]


def test_a_recording_is_never_begun_with_a_hole():
    """What comes before the session is kept for it; more than can be kept is refused in words."""
    talk, words = Talk(), text(bytes(1 << 24))
    talk.hears(config_message("given"), words, words)
    assert "more than 32 MiB came before" in talk.errors[0]
    assert talk.it.is_over


def test_config_then_close_gets_close_alone():
    talk = Talk()
    talk.hears(config_message("default"), close_message())
    assert not talk.begun
    assert [one.identifier for one in talk.peer.results] == [4]
