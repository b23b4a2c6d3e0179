"""The life of an alert: its laws, and the stories that they come from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import Finding
from realtime.alerts.events import EVENTS
from realtime.alerts.life_cycle import AlertBook, acknowledge, resolve, step

STREAM = (0, 0, 0, 0)
WARN = Finding("temperature-max", "warn", "57.2 °C", "focus", 57.2, 57.0, "°C")
HOLD = Finding("temperature-max", "hold", "60.4 °C", "focus", 60.4, 60.0, "°C")
NOISE = Finding("noise", "hold", "too noisy", "focus", 2.5, 2.0, "°C")
URGENCY = {"low": 0, "medium": 1, "high": 2}


def play(*frames, book=None, stream=STREAM):
    """Return the book after these frames, and each frame's changes."""
    book, said = book or AlertBook(), []
    for frame_id, findings in enumerate(frames):
        book, changes = step(book, frame_id, findings, protocol_hash="abc", stream=stream)
        said.append([(change.state, change.priority) for change in changes])
    return book, said


def test_an_alert_is_raised_once_with_its_evidence():
    book, said = play((HOLD,), (HOLD,))
    assert said == [[("raised", "high")], []]
    (alert,) = book.living
    assert (alert.event, alert.region, alert.frame_id) == ("temperature-max.hold", "focus", 0)
    assert (alert.value, alert.limit, alert.unit) == (60.4, 60.0, "°C")
    assert (alert.protocol_hash, alert.alert_id, alert.latched) == ("abc", 0, True)


def test_what_is_not_latched_goes_after_two_good_frames():
    _, said = play((NOISE,), (), (NOISE,), (), (), ())
    assert said == [[("raised", "medium")], [], [], [], [("withdrawn", "medium")], []]


def test_what_is_latched_clears_but_stays_until_seen():
    book, said = play((HOLD,), (), (), ())
    assert said == [[("raised", "high")], [], [("cleared", "high")], []]
    assert "gone, not acknowledged" in book.holds()
    book, changes = acknowledge(book, 0, "ada")
    assert [change.state for change in changes] == ["acknowledged", "withdrawn"]
    assert changes[0].acknowledged_by == "ada"
    assert book.holds() is None
    assert book.living == ()


def test_what_is_acknowledged_holds_until_its_condition_is_gone():
    book, _ = play((HOLD,))
    book, changes = acknowledge(book, 0, "ada")
    assert [change.state for change in changes] == ["acknowledged"]
    assert "present, acknowledged" in book.holds()
    book, said = play((HOLD,), (), book=book)
    assert said == [[], []]
    assert book.holds() is not None
    book, said = play((), book=book)
    assert said == [[("withdrawn", "high")]]
    assert book.holds() is None


def test_what_comes_back_after_clearing_is_raised_again_under_its_id():
    book, said = play((HOLD,), (), (), (HOLD,))
    assert said[-1] == [("raised", "high")]
    assert [alert.alert_id for alert in book.living] == [0]


def test_what_comes_back_after_its_end_is_a_new_alert():
    book, _ = play((NOISE,), (), (), (NOISE,))
    assert [alert.alert_id for alert in book.living] == [1]


def test_getting_worse_raises_the_same_alert_with_more_priority_and_asks_again():
    book, _ = play((WARN,))
    book, _ = acknowledge(book, 0, "ada")
    book, said = play((WARN, HOLD), book=book)
    assert said == [[("raised", "high")]]
    (alert,) = book.living
    assert (alert.alert_id, alert.event) == (0, "temperature-max.hold")
    assert alert.acknowledged_by == ""
    assert book.holds() is not None


def test_getting_milder_changes_nothing_until_it_is_seen():
    book, said = play((HOLD,), (WARN,), (WARN,), (WARN,))
    assert said[1:] == [[], [], []]
    assert book.living[0].priority == "high"
    assert book.holds() is not None
    book, changes = acknowledge(book, 0, "ada")
    assert [(change.state, change.priority) for change in changes] == [
        ("acknowledged", "high"),
        ("acknowledged", "medium"),
    ]
    assert book.holds() is None
    assert book.living[0].acknowledged_by == "ada"
    assert play((), (), book=book)[1][-1] == [("withdrawn", "medium")]


@pytest.mark.parametrize(
    "blind",
    [
        Finding("late-frame", "hold", "late"),
        Finding("fault", "hold", "lost"),
        Finding("incomplete-frame", "hold", "lines missing"),
        Finding("non-finite-data", "hold", "NaN"),
        Finding("invalid-fraction", "hold", "90 %", "focus"),
    ],
    ids=lambda finding: finding.rule,
)
def test_a_frame_that_shows_nothing_clears_nothing(blind):
    book, _ = play((HOLD, NOISE), (blind,), (blind,), (blind,), (blind,))
    states = {alert.event: alert.state for alert in book.living}
    assert states["temperature-max.hold"] == "raised"
    assert states["noise.hold"] == "raised"


def test_another_regions_invalid_pixels_clear_as_usual():
    other = Finding("invalid-fraction", "hold", "90 %", "nerve")
    _, said = play((NOISE,), (other,), (other,))
    assert ("withdrawn", "medium") in said[-1]


def test_a_good_frame_of_another_slice_clears_nothing():
    book, _ = play((NOISE,))
    book, said = play((), (), (), book=book, stream=(1, 0, 0, 0))
    assert said == [[], [], []]
    assert len(book.living) == 1


def test_what_no_frame_showed_is_cleared_by_resolve_alone():
    lost = Finding("fault", "hold", "the worker was lost")
    other = Finding("journal", "warn", "disk full")
    book, _ = play((lost,), stream=())
    book, _ = acknowledge(book, 0, "ada")
    book, _ = play((other,), (other,), (other,), book=book, stream=())
    book, _ = play((), (), (), book=book)
    assert "the worker was lost" in book.holds()
    book, changes = resolve(book, "fault")
    assert [change.state for change in changes] == ["withdrawn"]
    assert book.holds() is None


def test_resolve_does_not_replace_the_acknowledgement():
    book, _ = play((Finding("fault", "hold", "lost"),), stream=())
    book, changes = resolve(book, "fault")
    assert [change.state for change in changes] == ["cleared"]
    assert book.holds() is not None
    assert resolve(book, "fault")[1] == ()


def test_an_unknown_id_changes_nothing_and_can_be_told():
    book, _ = play((HOLD,))
    assert acknowledge(book, 7, "ada") == (book, ())
    assert acknowledge(book, -1, "ada") == (book, ())
    assert [book.knows(alert_id) for alert_id in (-1, 0, 1)] == [False, True, False]


def test_an_old_id_is_known_and_changes_nothing():
    book, _ = play((NOISE,), (), ())
    assert book.knows(0)
    assert acknowledge(book, 0, "ada") == (book, ())


def test_ids_go_on_where_an_earlier_book_stopped():
    book, _ = play((NOISE,), book=AlertBook(n_raised=5))
    assert book.living[0].alert_id == 5


FINDINGS = [
    WARN,
    HOLD,
    NOISE,
    Finding("dose-limit", "warn", "dose near", "nerve"),
    Finding("dose-limit", "hold", "dose over", "nerve"),
    Finding("dose-reached", "inform", "goal", "focus"),
    Finding("drift", "warn", "drifts"),
    Finding("drift", "hold", "left"),
    Finding("late-frame", "hold", "late"),
    Finding("invalid-fraction", "hold", "90 %", "focus"),
    Finding("dose-interrupted", "warn", "lower bound"),
]
# Numbers acknowledge, lists of findings are frames, texts resolve.
STORY = st.lists(
    st.one_of(
        st.lists(st.sampled_from(FINDINGS), max_size=4).map(tuple),
        st.just(()),
        st.integers(0, 6),
        st.sampled_from(["fault", "noise", "dose-limit"]),
    ),
    max_size=40,
)


def told(story):
    """Yield after each act: the act, the book before and after, and what was said."""
    book = AlertBook()
    for frame_id, act in enumerate(story):
        if isinstance(act, int):
            after, changes = acknowledge(book, act, "ada")
        elif isinstance(act, str):
            after, changes = resolve(book, act)
        else:
            after, changes = step(book, frame_id, act, protocol_hash="abc", stream=STREAM)
        yield act, book, after, changes
        book = after


@given(STORY)
def test_priority_never_falls_without_an_acknowledgement(story):
    last = {}
    for _, _, _, changes in told(story):
        for change in changes:
            before = last.get(change.alert_id)
            if before is not None and URGENCY[change.priority] < URGENCY[before.priority]:
                assert before.state == "acknowledged"
                assert change.acknowledged_by == "ada"
            last[change.alert_id] = change


@given(STORY)
def test_a_latched_alert_never_goes_away_by_itself(story):
    seen = set()
    for _, _, _, changes in told(story):
        for change in changes:
            if change.state == "acknowledged":
                seen.add(change.alert_id)
            elif change.state == "raised":
                seen.discard(change.alert_id)
            if change.state == "withdrawn" and change.latched:
                assert change.alert_id in seen


@given(STORY)
def test_the_same_story_gives_the_same_alerts(story):
    assert list(told(story)) == list(told(story))


@given(STORY)
def test_acknowledging_twice_is_acknowledging_once(story):
    for act, _, after, _ in told(story):
        if isinstance(act, int):
            assert acknowledge(after, act, "bob") == (after, ())


@given(STORY)
def test_the_changes_alone_tell_what_lives(story):
    """A subscriber that only hears the changes knows the book: what is new, and what is over."""
    known = {}
    for act, before, after, changes in told(story):
        for change in changes:
            if change.alert_id >= before.n_raised:
                assert change.state == "raised"
                assert change.alert_id not in known
            else:
                assert change.alert_id in known
            known[change.alert_id] = change
            if change.state == "withdrawn":
                del known[change.alert_id]
        assert tuple(known[alert_id] for alert_id in sorted(known)) == after.living, act


@given(STORY)
def test_a_present_hazard_always_holds(story):
    for act, _, after, _ in told(story):
        if isinstance(act, tuple):
            hazards = [f for f in act if EVENTS[f"{f.rule}.{f.severity}"].holds]
            assert not hazards or after.holds() is not None


@given(STORY)
def test_no_more_than_one_alert_lives_for_a_rule_and_region(story):
    for _, _, after, _ in told(story):
        keys = [entry.key for entry in after.entries]
        assert len(keys) == len(set(keys))
