"""The page in a real browser: live, within half a second not live, and back by itself."""

import contextlib
import os
import re
import signal

import pytest

from messages import Permit, RunStart
from tests.realtime.outputs.page.chromium import LIVE, open_tab, wait_frame
from tests.realtime.outputs.page.monitor import Monitor, maps, page_for

pytestmark = pytest.mark.slow

TWO_SLICES = RunStart(
    "run", "brain", "", "mrgfus", "", "", "", "", {}, (1, 32, 32), (1.0, 1.0, 1.0), 100.0, 500.0, {}
)


@pytest.fixture
def paused():
    """Stops a process (SIGSTOP) for the length of a `with`."""

    @contextlib.contextmanager
    def one(pid):
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    return one


def is_held_and_says_so(tab):
    tab.wait_for_selector("body.stale")
    assert tab.is_visible("#permit.held")
    assert tab.inner_text("#permit-state") == "HELD"
    assert tab.inner_text("#permit-reason") == "this page is not live"
    assert re.search(r"NOT LIVE.*Treat as HELD", tab.inner_text("#stale"))
    return True


def granted(tab, monitor):
    monitor.permit_state = "GRANTED"
    monitor.say(Permit("GRANTED", 60_000.0, "", 1))
    tab.wait_for_selector("#permit.granted")


def test_it_says_that_it_is_not_live_within_500_ms_of_the_last_beat(tab, page, monitor):
    # the browser's clock stands still and goes on by hand, so that no load on this machine counts
    monitor.is_beating = True
    tab.clock.install()
    tab.goto(page.where)
    tab.clock.pause_at(tab.evaluate("Date.now()") + 5000)
    tab.wait_for_selector(LIVE)
    monitor.is_beating = False
    for n in range(4):  # behind them comes no beat any more
        monitor.say(Permit("HELD", 0.0, f"marker {n}", n))
        tab.wait_for_selector(f"#permit-reason:text-is('marker {n}')")
    monitor.say(Permit("GRANTED", 60_000.0, "", 3))
    tab.wait_for_selector("#permit.granted")
    tab.clock.run_for(300)
    assert tab.is_visible("#permit.granted")
    assert not tab.is_visible("#stale")
    tab.clock.run_for(200)
    assert is_held_and_says_so(tab)
    monitor.is_beating = True
    tab.wait_for_selector(LIVE)


def test_a_frozen_server_is_not_live_and_its_last_image_does_not_look_so(
    live, page, monitor, paused
):
    granted(live, monitor)
    monitor.say(maps(3))
    wait_frame(live, 3)
    before = live.locator("#tiles").screenshot()
    with paused(page.pid):
        assert is_held_and_says_so(live)
        assert live.locator("#tiles").screenshot() != before
    live.wait_for_selector(LIVE)


def test_a_killed_server_is_not_live_and_the_page_comes_back_by_itself(tab, monitor):
    with page_for(monitor) as first:
        tab.goto(first.where)
        tab.wait_for_selector(LIVE)
        granted(tab, monitor)
        port = first.where.rstrip("/").rsplit(":", 1)[1]
        os.kill(first.pid, signal.SIGKILL)
        assert is_held_and_says_so(tab)
    with page_for(monitor, port=int(port)):
        tab.wait_for_selector(LIVE)
        # beats that say GRANTED are no permit: only the next one is
        assert tab.is_visible("#permit.held")
        granted(tab, monitor)


def test_another_life_of_the_monitor_is_shown_as_its_own(tab):
    first = Monitor("first life")
    try:
        with page_for(first) as process:
            tab.goto(process.where)
            tab.wait_for_selector(LIVE)
            first.say(maps(5))
            wait_frame(tab, 5)
            first.epoch, first._sequences, first._alerts = "second life", {}, []
            tab.wait_for_selector("#picture[aria-label='image of frame 5']", state="detached")
    finally:
        first.close()


def test_a_slice_that_comes_no_more_does_not_look_current_beside_one_that_does(tab):
    monitor = Monitor("of two slices")
    monitor.run_id = "run"
    old = ".tile.old[data-stream^='0 '][data-stamp*='NOT CURRENT']"
    with page_for(monitor) as process:
        tab.goto(process.where)
        tab.wait_for_selector(LIVE)
        monitor.say(TWO_SLICES)
        monitor.say(maps(0, slice_=0))
        frame = 0
        while not (tab.query_selector(old) and tab.query_selector(".tile:not(.old)")):
            frame += 1
            monitor.say(maps(frame, slice_=1))
            tab.wait_for_selector(f"[data-stream^='1 '] [data-frame-id='{frame}']")
        assert tab.get_attribute("[data-stream^='1 ']", "data-stamp") == ""
    monitor.close()


def test_a_page_of_another_origin_gets_no_socket(tab, page):
    tab.route(
        "http://evil.example/",
        lambda route: route.fulfill(body="<title>evil</title>", content_type="text/html"),
    )
    tab.goto("http://evil.example/")
    address = page.where.replace("http:", "ws:") + "socket"
    opened = tab.evaluate(
        """(address) => new Promise((answer) => { const s = new WebSocket(address);
        s.onopen = () => answer(true); s.onerror = () => answer(false); })""",
        address,
    )
    assert opened is False
    read = tab.evaluate("(u) => fetch(u).then(() => true, () => false)", page.where)
    assert read is False


def test_it_asks_nobody_else_for_anything(chromium, page, monitor):
    with open_tab(chromium, offline=False) as tab:
        tab.goto(page.where)
        tab.wait_for_selector(LIVE)
        monitor.say(maps(9))
        wait_frame(tab, 9)
        host = page.where.removeprefix("http://").rstrip("/")
        assert {re.split(r"/+", url)[1] for url in tab.asked} == {host}
        assert any(url.startswith("ws://") for url in tab.asked)
        assert tab.errors == []


def test_a_browser_that_froze_harms_no_other(chromium, live, monitor):
    with open_tab(chromium) as frozen:
        frozen.goto(live.url)
        frozen.wait_for_selector(LIVE)
        debugger = frozen.context.new_cdp_session(frozen)
        debugger.send("Debugger.enable")
        debugger.send("Debugger.pause")  # at its next statement, and it reads nothing any more
        for n in range(20, 60):
            monitor.say(maps(n, n_pixels=64))
            wait_frame(live, n)
        live.wait_for_selector("#live:text-is('LIVE')")
        debugger.send("Debugger.resume")
