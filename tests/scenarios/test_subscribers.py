"""The control port: what a subscriber that comes back is told, and what it cannot break."""

import json

import pytest

from tests.harness import Running, Scan


def request(**body: object) -> bytes:
    return json.dumps(body).encode()


def answer(parts: list[list[bytes]]) -> dict:
    return json.loads(parts[-1][-1])


def make_alerts(gateway: Running, n: int) -> int:
    """Raise n alerts, one after the other; return the mark before them."""
    mark = gateway.mark()
    for _ in range(n):
        before = gateway.events.n_seen
        client = gateway.connect()
        client.send(b"\xff\xff")
        client.read_to_end()
        client.hang_up()
        gateway.events.wait(lambda t, one: t == "alert" and one.state == "raised", after=before)
    gateway.mark()
    gateway.mark()  # alerts wait for the disk, at most for one heartbeat
    return mark


def test_resume_gives_the_missed_alerts_in_order_and_then_the_answer(shared_gateway: Running):
    mark = make_alerts(shared_gateway, 5)
    events = [(e, n) for e, t, n in shared_gateway.events.events[mark:] if t == "alert"]
    assert [one.state for _, one in events if one.state == "raised"] == ["raised"] * 5
    sequences = [envelope.sequence for envelope, _ in events]
    assert sequences == list(range(sequences[0], sequences[0] + len(events)))
    missed = shared_gateway.ask(
        request(type="resume", epoch=events[0][0].epoch, after=sequences[1])
    )
    assert answer(missed) == {"status": "done", "text": f"{len(events) - 2} alerts"}
    headers = [json.loads(parts[1]) for parts in missed[:-1]]
    assert [parts[0] for parts in missed[:-1]] == [b"alert"] * (len(events) - 2)
    assert [header["sequence"] for header in headers] == sequences[2:]
    assert [header["body"]["alert_id"] for header in headers] == [
        alert.alert_id for _, alert in events[2:]
    ]


def test_the_heartbeat_tells_the_last_alert(shared_gateway: Running):
    make_alerts(shared_gateway, 1)
    last = max(e.sequence for e, t, _ in shared_gateway.events.events if t == "alert")
    beat = shared_gateway.events.topic("heartbeat", after=shared_gateway.mark())
    assert beat.last_alert == last


def test_an_unknown_epoch_gets_everything(shared_gateway: Running):
    make_alerts(shared_gateway, 1)
    missed = shared_gateway.ask(request(type="resume", epoch="another life", after=10**6))
    assert len(missed) > 1


def test_nothing_missed_is_nothing_sent(shared_gateway: Running):
    make_alerts(shared_gateway, 1)
    epoch, last = max(
        (e.epoch, e.sequence) for e, t, _ in shared_gateway.events.events if t == "alert"
    )
    assert shared_gateway.ask(request(type="resume", epoch=epoch, after=last)) == [
        [b'{"status":"done","text":"0 alerts"}']
    ]


@pytest.mark.parametrize("alert_id", [10**6, -1])
def test_an_unknown_alert_is_not_acknowledged(shared_gateway: Running, alert_id):
    said = answer(shared_gateway.ask(request(type="acknowledge", alert_id=alert_id, who="me")))
    assert said == {"status": "refused", "text": f"no open alert {alert_id}"}


def test_an_acknowledgement_that_waited_for_a_restart_meets_no_other_alert(
    shared_gateway: Running,
):
    mark = make_alerts(shared_gateway, 1)
    alert = next(one for one in shared_gateway.since(mark, "alert") if one.state == "raised")
    asked = {"type": "acknowledge", "alert_id": alert.alert_id, "who": "me"}
    said = answer(shared_gateway.ask(request(**asked, epoch="another life")))
    assert said["status"] == "refused"
    assert "another life" in said["text"]
    said = answer(shared_gateway.ask(request(**asked, epoch=shared_gateway.gateway.epoch)))
    assert said == {"status": "done", "text": ""}


def test_an_acknowledged_alert_is_told_to_everybody(shared_gateway: Running):
    mark = make_alerts(shared_gateway, 1)
    alert = shared_gateway.since(mark, "alert")[-1]
    mark = shared_gateway.mark()
    said = shared_gateway.ask(request(type="acknowledge", alert_id=alert.alert_id, who="me"))
    assert answer(said)["status"] == "done"
    seen = shared_gateway.events.wait(
        lambda t, n: t == "alert" and n.state == "acknowledged", after=mark
    )
    assert (seen.alert_id, seen.acknowledged_by) == (alert.alert_id, "me")


GARBAGE = [
    b"",
    b"\xff\xfe\x00",
    b"not json",
    b"[]",
    b"null",
    b"{}",
    b'{"type": "open-sesame"}',
    b'{"type": "acknowledge"}',
    b'{"type": "acknowledge", "alert_id": "one", "who": "me"}',
    b'{"type": "acknowledge", "alert_id": 0, "who": "me", "extra": 1}',
    b'{"type": "acknowledge", "alert_id": 0, "who": ""}',
    b'{"type": "acknowledge", "alert_id": 0, "who": "\\u001b[2J"}',
    b'{"type": "acknowledge", "alert_id": 0, "who": "' + b"x" * 65 + b'"}',
    b'{"type": "resume", "epoch": "\xff", "after": 0}',
    b'{"type": "resume", "epoch": "\\ud800", "after": 0}',
    b'{"type": "resume", "epoch": "e", "after": 1e400}',
    b'{"type": "resume", "epoch": "e", "after": 99999999999999999999999}',
    b'{"type": "resume", "epoch": "e", "after": -9223372036854775809}',
    b'{"type": "power", "watts": NaN}',
    b'{"type": "power"}',
    b'{"type": "power", "watts": -5.0}',
    b'{"type": "power", "watts": 1e9}',
    b'{"type": "power", "watts": "30"}',
    b'{"type": "power", "watts": 30, "time_s": -1.0}',
    b'{"type": "power", "watts": 30, "time_s": NaN}',
    b'{"type": "power", "watts": 30.0}',  # no treatment runs
    b'{"type": "beam", "number": 1, "is_on": true}',
    b'{"type": "beam", "number": -1, "is_on": true, "mu": 1.0}',
    b'{"type": "beam", "number": 1, "is_on": 1, "mu": 1.0}',
    b'{"type": "beam", "number": 1, "is_on": true, "mu": NaN}',
    b'{"type": "beam", "number": 1, "is_on": true, "mu": 1e9}',
    b'{"type": "beam", "number": 1, "is_on": true, "mu": 1.0}',  # no treatment runs
    b"[" * 60_000,
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=[repr(one[:40]) for one in GARBAGE])
def test_garbage_is_answered_and_the_gateway_lives(shared_gateway: Running, garbage):
    said = answer(shared_gateway.ask(garbage))
    assert said["status"] == "refused"
    assert said["text"]
    assert "\n" not in said["text"]
    assert shared_gateway.is_alive


@pytest.mark.parametrize(
    "strange",
    [
        request(type="acknowledge", alert_id=10**30, who="me"),
        request(type="acknowledge", alert_id=0, who="\ud800"),
        request(type="acknowledge", alert_id=0, who="x" * 60_000),
        request(type="resume", epoch="\0", after=0),
    ],
    ids=["huge id", "a lone surrogate", "a long name", "NUL"],
)
def test_strange_requests_do_not_stop_the_gateway(shared_gateway: Running, strange):
    assert answer(shared_gateway.ask(strange))["status"] in ("done", "refused")
    shared_gateway.mark()
    assert shared_gateway.is_alive


def test_a_message_of_several_parts_is_answered_too(shared_gateway: Running):
    import zmq

    dealer = zmq.Context.instance().socket(zmq.DEALER)
    dealer.connect(shared_gateway.gateway.publisher.endpoints.control)
    dealer.send_multipart([b"", b"a", request(type="acknowledge", alert_id=-5, who="me")])
    assert dealer.poll(20_000)
    assert b"refused" in dealer.recv_multipart()[-1]
    dealer.close(linger=0)


def test_sequences_of_each_topic_have_no_gap(shared_gateway: Running):
    make_alerts(shared_gateway, 2)
    by_topic: dict[str, list[int]] = {}
    for envelope, topic, _ in shared_gateway.events.events:
        by_topic.setdefault(topic, []).append(envelope.sequence)
    for topic, found in by_topic.items():
        assert found == list(range(found[0], found[0] + len(found))), topic


def acknowledged(gateway: Running, alert_id: int) -> tuple[str, list]:
    mark = gateway.mark()
    said = answer(gateway.ask(request(type="acknowledge", alert_id=alert_id, who="me")))
    gateway.mark()
    gateway.mark()
    return said["status"], [one.state for one in gateway.since(mark, "alert")]


def test_an_alert_can_be_acknowledged_after_its_session(shared_gateway: Running, scan: Scan):
    mark = shared_gateway.mark()
    client = shared_gateway.connect()
    client.send(scan.opening(), *scan.frame(0)[:3], b"\xff\xff")
    client.read_to_end()
    client.hang_up()
    alert = shared_gateway.events.topic("alert", after=mark)
    assert acknowledged(shared_gateway, alert.alert_id) == ("done", ["acknowledged", "withdrawn"])


def test_a_second_broken_stream_raises_the_open_alert_again_in_its_own_words(
    shared_gateway: Running,
):
    make_alerts(shared_gateway, 1)
    mark = shared_gateway.mark()
    client = shared_gateway.connect()
    client.send(b"GET / HTTP/1.1")
    client.read_to_end()
    client.hang_up()
    alert = shared_gateway.events.wait(
        lambda t, one: t == "alert" and one.state == "raised", after=mark
    )
    assert "17735" in alert.text  # "GE" as a message id
    assert acknowledged(shared_gateway, alert.alert_id) == ("done", ["acknowledged", "withdrawn"])
