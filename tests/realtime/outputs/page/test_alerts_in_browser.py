"""Alerts in a real browser: told, heard, acknowledged by hand and by key; and read by a reader."""

import pytest

from messages import Permit
from tests.realtime.outputs.page.chromium import LIVE, wait_frame
from tests.realtime.outputs.page.monitor import Monitor, alert, maps, page_for

pytestmark = pytest.mark.slow

COUNT_PULSES = """() => {
  window.pulses = 0;
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...when) {
    window.pulses++;
    return start.apply(this, when);
  };
}"""


@pytest.fixture
def named(live):
    live.fill("#who", "Ada")
    live.press("#who", "Enter")
    return live


@pytest.fixture
def raised(monitor, live):
    """Raises alerts whose numbers nobody has used before."""
    numbers = []

    def one(**fields):
        number = len(monitor._alerts)
        numbers.append(number)
        monitor.say(alert(number, **fields))
        live.wait_for_selector(f"#alerts li[data-alert='{number}']")
        return number

    yield one
    for number in numbers:
        monitor.say(alert(number, state="withdrawn"))
        live.wait_for_selector(f"#alerts li[data-alert='{number}']", state="detached")


def acknowledged(monitor, number):
    wanted = {"type": "acknowledge", "alert_id": number, "who": "Ada", "epoch": monitor.epoch}
    return monitor.asked[-1] == wanted


def test_the_permit_is_told_in_words_shape_and_colour(live, monitor):
    monitor.permit_state = "GRANTED"
    monitor.say(Permit("GRANTED", 60_000.0, "", 1))
    live.wait_for_selector("#permit.granted")
    assert live.inner_text("#permit-state") == "GRANTED"
    assert live.is_visible("#permit .disc")
    assert not live.is_visible("#permit .octagon")
    green = live.eval_on_selector("#permit", "(one) => getComputedStyle(one).backgroundColor")
    monitor.permit_state = "HELD"
    monitor.say(Permit("HELD", 0.0, "too hot", 2))
    live.wait_for_selector("#permit.held")
    assert live.inner_text("#permit-state") == "HELD"
    assert live.inner_text("#permit-reason") == "too hot"
    assert live.is_visible("#permit .octagon")
    red = live.eval_on_selector("#permit", "(one) => getComputedStyle(one).backgroundColor")
    assert red != green


def test_the_most_urgent_stands_first_and_its_words_are_words(live, raised):
    low, high = raised(priority="low"), raised(priority="high", text="<b>hot</b>")
    rows = live.query_selector_all("#alerts li")
    assert [row.get_attribute("data-alert") for row in rows] == [str(high), str(low)]
    assert [row.get_attribute("class") for row in rows] == ["high", "low"]
    assert "<b>hot</b>" in live.inner_text("#alerts li.high")


def test_one_is_acknowledged_by_its_button(named, monitor, raised):
    number = raised(priority="high")
    named.click(f"#alerts li[data-alert='{number}'] button")
    named.wait_for_selector(f"#answer:text-is('alert {number} acknowledged')")
    assert acknowledged(monitor, number)
    monitor.say(alert(number, acknowledged_by="Ada", priority="high"))
    named.wait_for_selector(f"li[data-alert='{number}']:has-text('acknowledged by Ada')")
    assert not named.is_visible(f"#alerts li[data-alert='{number}'] button")


def test_one_is_acknowledged_by_keys_alone(named, monitor, raised):
    raised(priority="low")
    number = raised(priority="medium")
    named.keyboard.press("ArrowDown")  # the most urgent
    named.keyboard.press("a")
    named.wait_for_selector(f"#answer:text-is('alert {number} acknowledged')")
    assert acknowledged(monitor, number)


def test_without_a_name_nothing_is_acknowledged(live, monitor, raised):
    number, n_asked = raised(priority="high"), len(monitor.asked)
    live.click(f"#alerts li[data-alert='{number}'] button")
    live.wait_for_selector("#answer:has-text('Say first who')")
    assert live.evaluate("document.activeElement.id") == "who"
    assert len(monitor.asked) == n_asked
    live.keyboard.type("Ada")
    live.keyboard.press("Enter")
    live.wait_for_selector(f"#answer:text-is('alert {number} acknowledged')")
    assert acknowledged(monitor, number)


def test_the_tone_is_turned_on_heard_and_paused_and_what_is_worse_is_heard_again(live, raised):
    live.evaluate(COUNT_PULSES)
    audio = live.locator("#audio")
    assert audio.get_attribute("data-sound") == "blocked"
    raised(priority="medium")
    audio.click()
    live.wait_for_selector("#audio[data-sound='on'][data-priority='medium']")
    live.wait_for_selector("#audio:text-is('Pause audio')")
    while not live.evaluate("window.pulses"):
        live.wait_for_timeout(50)
    audio.click()
    live.wait_for_selector("#audio[data-sound='paused']:has-text('AUDIO PAUSED')")
    raised(priority="high")
    live.wait_for_selector("#audio[data-sound='on'][data-priority='high']")


def test_what_is_most_urgent_never_comes_up_out_of_sight(live, raised):
    for _ in range(20):
        raised(priority="low")
    live.eval_on_selector("#alerts", "(list) => { list.scrollTop = list.scrollHeight; }")
    live.locator("#alerts li").last.focus()
    number = raised(priority="high")
    row = live.locator(f"#alerts li[data-alert='{number}']")
    box, inside = live.locator("#alerts").bounding_box(), row.bounding_box()
    assert box["y"] <= inside["y"]
    assert inside["y"] + inside["height"] <= box["y"] + box["height"]


def test_sound_that_the_browser_holds_back_is_not_called_on(live, raised):
    live.evaluate("AudioContext.prototype.resume = async function () {}")
    live.evaluate(
        "Object.defineProperty(AudioContext.prototype, 'state', {get: () => 'suspended'})"
    )
    raised(priority="high")
    live.click("#audio")
    live.wait_for_timeout(300)
    assert live.get_attribute("#audio", "data-sound") == "blocked"
    live.click("#audio")  # tried again, and not paused
    assert live.inner_text("#audio") == "Turn sound on"


def test_an_alert_sounds_though_the_tab_s_timers_stand_still(tab, page, monitor):
    tab.add_init_script(f"({COUNT_PULSES})()")
    tab.clock.install()  # as a tab that nobody looks at: timers stop, messages come
    monitor.is_beating = True
    tab.goto(page.where)
    tab.clock.pause_at(tab.evaluate("Date.now()") + 5000)
    tab.wait_for_selector(LIVE)
    tab.click("#audio")
    tab.wait_for_selector("#audio[data-sound='on']")
    number = len(monitor._alerts)
    monitor.say(alert(number, priority="high"))
    tab.wait_for_selector(f"#alerts li[data-alert='{number}']")
    tab.wait_for_selector("#audio[data-priority='high']")
    while not tab.evaluate("window.pulses"):
        tab.wait_for_timeout(50)
    monitor.say(alert(number, state="withdrawn"))


def test_a_name_that_was_asked_for_in_one_life_acknowledges_nothing_in_the_next(tab):
    first = Monitor("first life")
    try:
        with page_for(first) as process:
            tab.goto(process.where)
            tab.wait_for_selector(LIVE)
            first.say(alert(0, text="of the first life"))
            tab.click("#alerts li:has-text('of the first life') button")
            tab.wait_for_selector("#answer:has-text('Say first who')")
            first.epoch, first._sequences, first._alerts = "second life", {}, []
            tab.wait_for_selector("#alerts li", state="detached")
            first.say(alert(0, text="of the second life"))
            tab.wait_for_selector("#alerts li:has-text('of the second life')")
            tab.keyboard.type("Ada")
            tab.keyboard.press("Enter")
            tab.wait_for_function("document.activeElement.id !== 'who'")
            first.say(alert(1, text="a marker"))
            tab.wait_for_selector("#alerts li:has-text('a marker')")
            assert [one for one in first.asked if one["type"] == "acknowledge"] == []
    finally:
        first.close()


def test_a_screen_reader_finds_permit_images_alerts_and_controls(live, monitor, raised):
    monitor.say(maps(71))
    wait_frame(live, 71)
    number = raised(priority="high", text="too hot")
    read = live.locator("body").aria_snapshot()
    for told in (
        'status "Permission to treat"',
        'img "image of frame 71"',
        'region "Images"',
        'region "Alerts"',
        'list "Open alerts, the most urgent first"',
        'button "Acknowledge"',
        'textbox "seen by"',
        'region "Latency of the last frames"',
        "not a safety interlock",
        "high priority: too hot",
    ):
        assert told in read, f"{told!r} is not in\n{read}"
    row = live.locator(f"#alerts li[data-alert='{number}']")
    assert row.get_attribute("tabindex") == "0"
