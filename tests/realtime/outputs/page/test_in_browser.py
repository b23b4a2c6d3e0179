"""The page in a real browser: drawn, live, and within half a second not live."""

import re
from pathlib import Path

import pytest

from messages import Permit
from tests.realtime.outputs.page.monitor import alert, maps

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs a browser at {CHROMIUM}"),
]


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium):
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    one = context.new_page()
    one.errors = []
    one.on("pageerror", lambda error: one.errors.append(str(error)))
    one.asked = []
    one.on("request", lambda request: one.asked.append(request.url))
    yield one
    context.close()


@pytest.fixture
def live(tab, page, monitor):
    """The page, open and live."""
    monitor.is_beating = True
    tab.goto(page.where)
    tab.wait_for_selector("body:not(.stale)")
    return tab


def pixel(tab, x, y):
    """Colour of the picture at a part of its width and height."""
    return tab.evaluate(
        """([x, y]) => { const c = document.getElementById("picture");
        return [...c.getContext("2d").getImageData(c.width * x, c.height * y, 1, 1).data]; }""",
        [x, y],
    )


def test_it_draws_what_is_known_and_nothing_else(live, monitor):
    one = maps(7)
    one.temperature_c[0, :16] = 60.0  # the upper half is hot
    one.valid[0, :, 16:] = False  # and the right half not known
    monitor.say(one)
    live.wait_for_selector("#picture[aria-label='image of frame 7']")
    red, green, blue, _ = pixel(live, 0.1, 0.1)
    assert red > green > blue
    red, green, blue, _ = pixel(live, 0.1, 0.9)
    assert red == green == blue == 255  # cool: the magnitude alone
    right = {tuple(pixel(live, 0.5 + n / 64, 0.1)[:3]) for n in range(1, 16)}
    assert (60, 75, 110) in right  # the hatch
    assert all(red <= 128 for red, _, _ in right)  # and no colour of heat
    assert live.errors == []
    assert all(url.startswith(live.url) for url in live.asked if url.startswith("http"))


def test_permit_and_alerts_are_told_and_acknowledged_by_a_key(live, monitor):
    monitor.permit_state = "GRANTED"
    monitor.say(Permit("GRANTED", 60_000.0, "", 1))
    live.wait_for_selector("#permit.granted")
    assert live.inner_text("#permit-state") == "GRANTED"
    assert live.is_visible("#permit .disc")
    assert not live.is_visible("#permit .octagon")
    monitor.permit_state = "HELD"
    monitor.say(Permit("HELD", 0.0, "too hot", 2))
    live.wait_for_selector("#permit.held")
    assert live.inner_text("#permit-state") == "HELD"
    assert live.inner_text("#permit-reason") == "too hot"
    assert live.is_visible("#permit .octagon")

    monitor.say(alert(0, priority="low"))
    monitor.say(alert(1, priority="high", text="<b>hot</b>"))
    live.wait_for_selector("#alerts li.high")
    assert [row.get_attribute("class") for row in live.query_selector_all("#alerts li")] == [
        "high", "low",
    ]  # fmt: skip
    assert "<b>hot</b>" in live.inner_text("#alerts li.high")
    live.fill("#who", "Ada")
    live.press("#alerts li.high", "a")
    live.wait_for_selector("#answer:text-is('alert 1 acknowledged')")
    asked = {"type": "acknowledge", "alert_id": 1, "who": "Ada", "epoch": monitor.epoch}
    assert monitor.asked[-1] == asked


def test_it_says_that_it_is_not_live_within_500_ms_of_the_last_beat(tab, page, monitor):
    # the browser's clock stands still and goes on by hand, so that no load on this machine counts
    monitor.is_beating = True
    tab.clock.install()
    tab.goto(page.where)
    tab.clock.pause_at(tab.evaluate("Date.now()") + 5000)
    tab.wait_for_selector("body:not(.stale)")
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
    assert tab.is_visible("#permit.held")
    assert tab.inner_text("#permit-reason") == "this page is not live"
    assert re.search(r"NOT LIVE.*Treat as HELD", tab.inner_text("body > .banner:visible"))
    monitor.is_beating = True
    tab.wait_for_selector("body:not(.stale)")


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
