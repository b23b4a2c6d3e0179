"""What a browser is still to get: alerts each, pictures and beats only the newest."""

import json

import msgspec
import pytest

from realtime.outputs.page.bucket import Bucket
from realtime.outputs.page.course import MOST_ROWS, Course
from realtime.outputs.page.outbox import MOST_FRAMES, MOST_KEPT, Outbox
from realtime.outputs.page.picture import Picture
from realtime.outputs.page.wire import Seen


def beat(number, echo_ms):
    return f"beat {number} {echo_ms}"


def taken(outbox):
    got = []
    while (message := outbox.next(beat)) is not None:
        got.append(message)
    return got


def picture(number, stream=0):
    return Picture(number, ("run", stream, 0), lambda: b"%d" % number)


def test_of_many_pictures_the_newest_goes_once_the_last_was_seen():
    outbox = Outbox()
    outbox.offer(picture(1))
    assert taken(outbox) == [b"1"]
    for number in range(2, 20):
        outbox.offer(picture(number))
    assert taken(outbox) == []
    outbox.heard(Seen(1.0, picture=1))
    assert taken(outbox) == [b"19"]


def test_streams_take_turns_and_each_has_one_picture():
    outbox = Outbox()
    for number in range(6):
        outbox.offer(picture(number + 1, stream=number % 3))
    got = []
    while (message := outbox.next(beat)) is not None:
        got.append(message)
        outbox.heard(Seen(1.0, picture=int(message)))
    assert got == [b"4", b"5", b"6"]


def test_one_beat_is_under_way_and_bears_the_browsers_stamp():
    outbox = Outbox()
    outbox.call()
    assert taken(outbox) == ["beat 1 None"]
    outbox.call()
    assert taken(outbox) == []
    outbox.heard(Seen(12.5, beat=1))
    assert taken(outbox) == ["beat 2 12.5"]


def test_an_older_word_takes_nothing_back():
    outbox = Outbox()
    outbox.call()
    taken(outbox)
    outbox.heard(Seen(1.0, beat=1))
    outbox.heard(Seen(2.0))
    outbox.call()
    assert taken(outbox) == ["beat 2 2.0"]


def test_alerts_wait_for_nothing_and_keep_their_order():
    outbox = Outbox()
    outbox.call()
    taken(outbox)
    outbox.call()
    for number in range(5):
        outbox.keep(str(number))
    assert taken(outbox) == list("01234")


def test_a_backlog_is_bounded_and_told():
    outbox = Outbox()
    for number in range(MOST_KEPT):
        outbox.keep(str(number))
    assert not outbox.is_overrun
    outbox.keep("one more")
    assert outbox.is_overrun
    assert taken(outbox) == [str(number) for number in range(MOST_KEPT)]


def frame(number):
    return msgspec.Raw(b'{"frame_id":%d}' % number)


def told(messages):
    return [json.loads(one) for one in messages]


def test_every_frame_is_told_while_the_browser_keeps_up():
    outbox = Outbox()
    for number in range(3 * MOST_FRAMES):
        outbox.tell(frame(number))
        (one,) = told(taken(outbox))
        assert (one["type"], one["frame"]["frame_id"], one["n_skipped"]) == ("frame", number, 0)
        if number % MOST_FRAMES == MOST_FRAMES - 1:
            outbox.heard(Seen(1.0))


def test_a_silent_browser_is_told_few_frames_then_the_newest_and_how_many_it_missed():
    outbox = Outbox()
    for number in range(100):
        outbox.tell(frame(number))
        taken(outbox)
    outbox.heard(Seen(1.0))
    heard = told(taken(outbox))
    newest = range(100 - MOST_FRAMES, 100)
    assert [one["frame"]["frame_id"] for one in heard] == list(newest)
    assert [one["n_skipped"] for one in heard] == [100 - 2 * MOST_FRAMES, *[0] * (MOST_FRAMES - 1)]


def test_the_course_so_far_comes_in_parts_before_what_is_new():
    outbox, course = Outbox(), Course("run")
    for number in range(250):
        course.add(frame(number))
    outbox.keep("welcome")
    outbox.recall(course.run_id, course.rows)
    course.add(frame(250))
    outbox.tell(frame(250))
    welcome, *rest = taken(outbox)
    *parts, last = told(rest)
    assert welcome == "welcome"
    assert {one["type"] for one in parts} == {"history"}
    assert {one["run_id"] for one in parts} == {"run"}
    assert [row["frame_id"] for one in parts for row in one["rows"]] == list(range(250))
    assert max(len(one["rows"]) for one in parts) <= 100
    assert last["frame"]["frame_id"] == 250


def test_a_long_course_is_thinned_where_it_is_old_and_keeps_its_beginning():
    course = Course("run")
    for number in range(20_000):
        course.add(frame(number))
    kept = [json.loads(bytes(row))["frame_id"] for row in course.rows]
    assert len(kept) <= MOST_ROWS
    assert kept == sorted(set(kept))
    assert kept[0] == 0
    assert kept[-500:] == list(range(19_500, 20_000))
    assert json.loads(bytes(course.last))["frame_id"] == 19_999


def test_streams_are_bounded():
    outbox = Outbox()
    for number in range(10_000):
        outbox.offer(picture(number, stream=number))
    assert len(outbox._pictures) == 64
    assert 9999 in [one.number for one in outbox._pictures.values()]


@pytest.mark.parametrize(("after_s", "n_granted"), [(0.0, 0), (1.0, 5), (100.0, 20)])
def test_a_bucket_gives_its_burst_and_then_its_rate(after_s, n_granted):
    bucket = Bucket(20.0, 5.0)
    assert sum(bucket.take(1, 0) for _ in range(100)) == 20
    assert sum(bucket.take(1, round(after_s * 1e9)) for _ in range(100)) == n_granted


def test_of_several_streams_one_picture_is_under_way_at_a_time():
    outbox = Outbox()
    outbox.offer(picture(1, stream=0))
    for number in (2, 3):
        outbox.offer(picture(number, stream=number))
    outbox.offer(picture(4, stream=0))  # newer, and first in the queue
    assert taken(outbox) == [b"4"]
    outbox.heard(Seen(1.0, picture=4))
    assert taken(outbox) == [b"2"]
    outbox.heard(Seen(2.0, picture=2))
    assert taken(outbox) == [b"3"]


def test_a_beat_which_bears_the_newest_frame_overtakes_none():
    outbox = Outbox()
    for number in range(3):
        outbox.tell(frame(number))
    outbox.call()
    *frames, last = taken(outbox)
    assert [one["frame"]["frame_id"] for one in told(frames)] == [0, 1, 2]
    assert last == "beat 1 None"


def test_nothing_of_a_run_that_is_over_comes_after_it():
    outbox = Outbox()
    outbox.recall("run", [frame(1)])
    outbox.tell(frame(2))
    outbox.offer(picture(1))
    outbox.keep("an alert")
    outbox.forget()
    assert taken(outbox) == ["an alert"]
