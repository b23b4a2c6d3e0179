"""A treatment that did not end in order: what the next start holds for, and whose dose it takes."""

import os
import signal
from datetime import timedelta

import pytest

from realtime.mailbox import Layout
from realtime.survival import survival as survival_module
from realtime.survival.keeper import TreatmentKeeper
from realtime.survival.survival import Survival
from tests.realtime.test_survival import (
    dose_min,
    heat,
    monitors,  # noqa: F401 - a fixture
    restart_alert,
    rules,
)
from tests.realtime.test_survival_parts import asked

LAYOUT = Layout(2, 4, 1, 8, 16)


@pytest.mark.slow
def test_a_treatment_that_the_monitor_s_stop_cut_is_held_and_goes_on(monitors):  # noqa: F811
    first = monitors()
    dose = heat(first)
    first.finish()
    second = monitors()
    alert = restart_alert(second)
    assert "was cut off by the monitor's stop" in alert.text
    client = second.connect()
    verdicts = second.play(client, range(4))
    assert all(one.permit == "HELD" for one in verdicts)
    assert all("dose-interrupted" in rules(one) for one in verdicts)
    assert dose_min(verdicts[-1]) == pytest.approx(dose, rel=0.05)
    second.acknowledge(alert.alert_id)
    (last,) = second.play(client, [4])
    assert last.permit == "GRANTED"


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True])
def test_a_lost_stream_holds_over_a_restart_until_somebody_has_seen_it(monitors, is_killed):  # noqa: F811
    first = monitors()
    client = first.connect()
    (*_, last) = first.play(client, range(4))
    assert last.permit == "GRANTED"
    client.hang_up()
    first.alert("stream-lost.hold")
    first.events.topic("run.stop")
    if is_killed:
        first.kill()
    else:
        first.finish()
    second = monitors()
    alert = restart_alert(second)
    assert "lost its stream" in alert.text
    (*_, last) = second.play(second.connect(), range(4))
    assert last.permit == "HELD"
    second.acknowledge(alert.alert_id)
    second.clients[-1].hang_up()  # never granted: it leaves nothing
    second.events.topic("run.stop")
    second.finish()
    assert restart_alert(monitors()) is None


@pytest.mark.slow
def test_a_lost_stream_that_was_acknowledged_holds_no_more(monitors):  # noqa: F811
    first = monitors()
    client = first.connect()
    first.play(client, range(4))
    client.hang_up()
    alert = first.alert("stream-lost.hold")
    first.acknowledge(alert.alert_id)
    first.events.topic("heartbeat", after=first.events.n_seen)  # a turn of its loop later
    first.finish()
    assert restart_alert(monitors()) is None


@pytest.mark.slow
def test_a_worker_that_is_stuck_ends_with_its_monitor_and_keeps_no_dose_from_the_next(monitors):  # noqa: F811
    first = monitors()
    dose = heat(first)
    os.kill(first.worker_pid, signal.SIGSTOP)
    first.kill()
    second = monitors()
    (*_, last) = second.play(second.connect(), range(4))
    assert dose_min(last) == pytest.approx(dose, rel=0.05)


@pytest.mark.slow
def test_no_alert_has_the_number_of_one_of_an_earlier_life(monitors):  # noqa: F811
    """Whoever acknowledges what stood before a restart must not acknowledge the restart unseen."""
    first = monitors()
    heat(first)
    first.kill()
    second = monitors()
    new = restart_alert(second)
    rows = second.alerts_since(first.epoch, 0)
    old = {noun.alert_id for envelope, noun in rows if envelope.epoch == first.epoch}
    assert new.alert_id > max(old)
    request = f'{{"type": "acknowledge", "alert_id": {min(old)}, "who": "test"}}'
    assert b"refused" in second.ask(request)[-1][0]


@pytest.fixture
def left(tmp_path):
    """Two runs of one treatment, side by side, whose monitor was killed; then the next one."""
    (tmp_path / "memory").mkdir()

    def start():
        return Survival(tmp_path, is_recording=True, root=tmp_path / "memory")

    first = start()
    for run_id in ("e-001", "e-002"):
        one = keeper(first, run_id)
        os.close(one.checkpoint(*asked(), LAYOUT))
        one.begin(took_over=False)
    first.close()
    second = start()
    second.newly_killed()
    yield second
    second.close()


def keeper(survival, run_id):
    return TreatmentKeeper(survival, run_id, therapy="mrgfus", protocol_hash="p")


def test_of_two_runs_side_by_side_the_older_s_dose_is_taken_and_the_other_is_told(left):
    one = keeper(left, "f-001")
    os.close(one.checkpoint(*asked(), LAYOUT))
    assert one.goes_on
    told = [finding.text for finding in one.begin(took_over=True)]
    assert "e-001" in told[0]
    assert "taken over and marked interrupted" in told[0]
    assert "e-002" in told[1]
    assert "beside" in told[1]
    assert left.offered() == []


def test_an_acknowledgement_while_the_next_session_is_admitted_leaves_nothing_to_take_twice(left):
    one = keeper(left, "f-001")
    os.close(one.checkpoint(*asked(), LAYOUT))
    left.acknowledged()
    one.begin(took_over=True)
    assert left.killed == []
    assert [run.run_id for run in left.markers.read()[0]] == ["f-001"]


def test_a_dose_is_not_offered_for_as_long_as_the_next_monitor_lives(left, monkeypatch):
    assert len(left.offered()) == 2
    monkeypatch.setattr(survival_module, "KEPT_FOR", timedelta(seconds=-1))
    assert left.offered() == []
    assert not [name for name in left.memory.names() if name.endswith(".state")]
    assert left.is_waiting  # it is told all the same
