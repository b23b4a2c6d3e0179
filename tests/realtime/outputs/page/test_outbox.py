"""What a browser is still to get: alerts each, pictures and beats only the newest."""

import pytest

from realtime.outputs.page.bucket import Bucket
from realtime.outputs.page.outbox import MOST_KEPT, Outbox
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
    return Picture(number, ("run", stream, 0), b"%d" % number)


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
