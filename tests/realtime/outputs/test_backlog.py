from realtime.outputs import backlog
from realtime.outputs.backlog import Backlog


def test_what_waits_is_given_in_the_order_in_which_it_came():
    waiting = Backlog()
    for number in range(4):
        waiting.add([b"%d" % number], is_picture=number % 2 == 0)
    taken = []
    while waiting:
        taken.append(waiting.first())
        waiting.pop()
    assert taken == [[b"0"], [b"1"], [b"2"], [b"3"]]
    assert waiting.n_lost == waiting.n_pictures == 0


def test_pictures_give_way_before_any_row_does(monkeypatch):
    monkeypatch.setattr(backlog, "MOST_PICTURES", 2)
    waiting = Backlog()
    waiting.add([b"start"], is_picture=False)
    for number in range(5):
        waiting.add([b"row %d" % number], is_picture=False)
        waiting.add([b"map %d" % number], is_picture=True)
    waiting.add([b"stop"], is_picture=False)
    taken = []
    while waiting:
        taken.append(waiting.first()[0].decode())
        waiting.pop()
    assert [one for one in taken if "map" in one] == ["map 3", "map 4"]
    assert [one for one in taken if "map" not in one] == [
        "start", "row 0", "row 1", "row 2", "row 3", "row 4", "stop",
    ]  # fmt: skip
    assert waiting.n_lost == 3


def test_rows_are_bounded_too(monkeypatch):
    monkeypatch.setattr(backlog, "MOST_ROWS", 2)
    waiting = Backlog()
    for number in range(3):
        waiting.add([b"row %d" % number], is_picture=False)
    assert waiting.first() == [b"row 1"]
    assert waiting.n_lost == 1


def test_what_lies_in_shared_memory_is_copied():
    shared = bytearray(b"first")
    waiting = Backlog()
    waiting.add([memoryview(shared)], is_picture=True)
    shared[:] = b"later"
    assert waiting.first() == [b"first"]
