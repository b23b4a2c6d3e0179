"""Each browser has the newest of all that it can take; one that does not read harms nobody."""

import contextlib
import itertools
import json
import socket
import threading

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from tests.realtime.outputs.page.monitor import (
    PATIENCE_S,
    Browser,
    alert,
    farewell,
    maps,
    n_page_faults,
    open_socket,
    resident_mib,
)

ACKNOWLEDGE = '{"type":"acknowledge","request":1,"epoch":"one","alert_id":0,"who":"storm"}'

_numbers = itertools.count(1000)


def marked(monitor, browser, number):
    """Wait until the page has heard all that was said before: an alert goes ahead of all else."""
    monitor.say(alert(number))
    _reach(browser, number)


class Frozen:
    """Takes the handshake and never reads again."""

    def __init__(self, page, *, receive_bytes=4096):
        host, port = page.where.removeprefix("http://").rstrip("/").split(":")
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        line.settimeout(PATIENCE_S)
        line.connect((host, int(port)))
        self.line = line
        line.sendall(
            f"GET /socket HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert b" 101 " in line.recv(200).splitlines()[0]
        self.say({"type": "hello"})

    def say(self, word):
        text = json.dumps(word).encode()
        self.line.sendall(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)

    def claim(self):
        """Say that all has been seen."""
        most = (1 << 53) - 1
        self.say({"type": "seen", "stamp_ms": 1, "beat": most, "picture": most})


def test_a_browser_that_falls_behind_gets_the_newest_next(monitor, browsers):
    browser = browsers()
    browser.wait_live()
    browser.is_attentive = False
    monitor.say(maps(0))
    browser.wait("picture", frame_id=0)
    for frame_id in range(1, 30):
        monitor.say(maps(frame_id))
    marked(monitor, browser, next(_numbers))
    browser.is_attentive = True
    browser.see()
    assert browser.wait("picture")["frame_id"] == 29
    assert [one["frame_id"] for one in browser.heard if one["type"] == "picture"] == [0, 29]


def test_frozen_browsers_cost_little_and_another_has_every_frame(monitor, page, browsers):
    browser = browsers()
    browser.wait_live()
    mute, liar = Frozen(page), Frozen(page)
    monitor.say(maps(0, n_pixels=256))
    browser.wait("picture", frame_id=0)
    before_mib = resident_mib(page.pid)
    for frame_id in range(1, 60):
        liar.claim()
        monitor.say(maps(frame_id, n_pixels=256))
        assert browser.wait("picture")["frame_id"] == frame_id
    # 60 frames of 262 kB wait nowhere: one for each of two, and what the kernel holds
    assert resident_mib(page.pid) - before_mib < 8
    mute.line.close()
    liar.line.close()


def test_each_frame_reuses_the_memory_of_the_last(monitor, page, browsers):
    browser = browsers()
    browser.wait_live()
    n_frames, faults = 40, []
    for frame_id in range(500, 500 + n_frames):
        monitor.say(maps(frame_id, n_pixels=256))
        browser.wait("picture", frame_id=frame_id)
        faults.append(n_page_faults(page.pid))
    # mapped anew each time, a frame's arrays and its message are 500 pages
    assert (faults[-1] - faults[n_frames // 2]) / (n_frames // 2) < 50


def test_a_storm_of_acknowledgements_is_cut_off_and_nobody_waits(monitor, page, browsers):
    browser = browsers()
    browser.wait_live()
    n_asked = len(monitor.asked)
    with open_socket(page.where) as line:
        line.send('{"type":"hello"}')

        def blow():
            try:
                for _ in range(100_000):
                    line.send(ACKNOWLEDGE)
            except ConnectionClosed:
                return

        storm = threading.Thread(target=blow)
        storm.start()
        for frame_id in range(100, 120):
            monitor.say(maps(frame_id))
            browser.wait("picture", frame_id=frame_id)
        storm.join(PATIENCE_S)
        assert not storm.is_alive()
        # who is still sending when the line is cut hears a reset, not the reason
        assert farewell(line)[0] in (CloseCode.POLICY_VIOLATION, CloseCode.ABNORMAL_CLOSURE)
    assert len(monitor.asked) - n_asked <= 20
    assert browser.wait_live()["n_refused"] > 0


def test_who_says_too_much_and_then_listens_hears_why(monitor, page):
    with open_socket(page.where) as line:
        line.send('{"type":"hello"}')
        with contextlib.suppress(ConnectionClosed):
            for _ in range(300):
                line.send(ACKNOWLEDGE)
        code, reason = farewell(line)
    assert code == CloseCode.POLICY_VIOLATION
    assert "a second" in reason


def test_alerts_that_nobody_heard_are_fetched_and_reach_every_browser(monitor, browsers):
    browser = browsers()
    browser.wait_live()
    numbers = [next(_numbers) for _ in range(5)]
    for number in numbers:
        monitor.say(alert(number), is_lost=True)
    assert [browser.wait("alert")["alert"]["alert_id"] for _ in numbers] == numbers


def test_a_browser_that_comes_back_gets_what_it_missed(monitor, browsers):
    browser = browsers()
    browser.wait_live()
    marked(monitor, browser, next(_numbers))
    last = browser.heard[-1]["sequence"]
    browser.close()
    numbers = [next(_numbers) for _ in range(4)]
    for number in numbers:
        monitor.say(alert(number))
    monitor.say(alert(numbers[0], "withdrawn"))
    witness = browsers()
    witness.wait("alert", sequence=last + 5) if not _knows(witness, last + 5) else None
    back = browsers(epoch=monitor.epoch, after=last).wait("welcome")
    assert [one["alert"]["alert_id"] for one in back["missed"]] == [*numbers, numbers[0]]
    assert back["is_whole"]
    still_open = [one["alert_id"] for one in back["open"]]
    assert numbers[0] not in still_open
    assert set(numbers[1:]) <= set(still_open)


def _reach(browser, number):
    while browser.wait("alert")["alert"]["alert_id"] != number:
        pass


def _knows(browser, sequence):
    return browser.wait("welcome")["last_alert"] >= sequence


def test_of_another_epoch_is_told_that_changes_are_missing(browsers):
    assert browsers(epoch="another", after=7).wait("welcome")["is_whole"] is False


def test_a_backlog_of_alerts_ends_the_conversation_and_loses_none(monitor, page, browsers):
    witness = browsers()
    witness.wait_live()
    marked(monitor, witness, next(_numbers))
    last = witness.heard[-1]["sequence"]
    frozen = Frozen(page)
    frozen.claim()
    numbers = [next(_numbers) for _ in range(900)]
    for number in numbers:
        monitor.say(alert(number, text="x" * 8000))
        if number % 50 == 0:
            _reach(witness, number)
    _reach(witness, numbers[-1])
    frozen.line.settimeout(PATIENCE_S)
    with contextlib.suppress(ConnectionResetError):  # the backlog was let go
        while frozen.line.recv(1 << 20):
            pass
    frozen.line.close()
    back = Browser(page.where, epoch=monitor.epoch, after=last)
    missed = back.wait("welcome")["missed"]
    assert [one["alert"]["alert_id"] for one in missed] == numbers
    back.close()


@pytest.mark.slow
def test_who_speaks_and_takes_nothing_is_sent_away(monitor, page, browsers):
    browser = browsers()
    browser.wait_live()
    liar, n_beats = Frozen(page), 0
    with contextlib.suppress(ConnectionError):
        while n_beats < 10 * PATIENCE_S:
            n_beats += 1
            liar.claim()
            monitor.say(alert(next(_numbers), text="x" * 60_000))
            browser.wait("beat")  # ten a second
    assert 40 < n_beats < 120
    liar.line.close()
