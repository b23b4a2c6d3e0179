"""What a browser hears of a run: its plan, what came before, every frame, what is prepared."""

import pytest

from messages import (
    DeliveredDose,
    FrameKey,
    LimitPlan,
    MotionReading,
    RegionPlan,
    RunStart,
    RunStop,
    StructureDose,
    Verdict,
)
from tests.realtime.outputs.page.monitor import Browser, Monitor, farewell, page_for

RUN = "run-1"
START = RunStart(
    RUN, "lung", "0123", "mrlinac", "", "tcp:", "2026-11-22T01:00:00+00:00", "", {},
    (1, 8, 8), (1.0, 1.0, 1.0), 125.0, 1000.0, {},
    regions=(RegionPlan("GTV", "target"),),
    limits=(
        LimitPlan("gate", "GTV", "displacement_mm", None, 3.0, "mm"),
        LimitPlan("gate", "GTV", "outside_percent", None, 5.0, "%"),
    ),
    frame_interval_s=0.125,
)  # fmt: skip
PLAN = {
    "run_id": RUN, "protocol_name": "lung", "therapy": "mrlinac",
    "started_utc": "2026-11-22T01:00:00+00:00", "regions": [{"name": "GTV", "role": "target"}],
    "gate_margin_mm": 3.0, "max_outside_percent": 5.0, "frame_deadline_ms": 125.0,
    "lease_ms": 1000.0, "frame_interval_s": 0.125,
}  # fmt: skip
GTV = StructureDose("GTV", "target", 0.7, 0.8, 0.9, 1.0, 0.9, 1.0)


def verdict(frame_id, **changed):
    motion = MotionReading(
        0.1 * frame_id, (1.0, -2.0), None, 0.97, 0.9, None, None, predicted_mm=(1.5, -2.0),
        is_gate_open=True, is_beam_on=True, gate_center_mm=(0.5, 0.0),
    )  # fmt: skip
    told = {
        "time_s": 0.1 * frame_id,
        "age_ms": 9.5,
        "stage_ms": {"hand_over": 0.3, "measure": 4.0},
        "permit": "GRANTED",
        "run_id": RUN,
        "motion": motion,
        "delivered": DeliveredDose(83.0, 150.0, (GTV,), (GTV,)),
    }
    return Verdict(frame_id, FrameKey(frame_id), "COMPUTED", "GRANTED", **(told | changed))


@pytest.fixture(scope="module")
def told():
    """A browser that was there from the start, and one that came after three frames."""
    monitor = Monitor()
    with page_for(monitor) as page:
        first = Browser(page.where)
        first.wait_live()
        monitor.preparing = "admission: a dry run"
        prepared = first.wait("beat", preparing="admission: a dry run")
        monitor.preparing, monitor.run_id = "", RUN
        first.wait("beat", run_id=RUN)
        monitor.say(START)
        monitor.say(verdict(0, baseline_frames=1, baseline_wanted=4))
        trained = first.wait("beat", preparing="training: 1 of 4 frames")
        for frame_id in (1, 2):
            monitor.say(verdict(frame_id, baseline_frames=4, baseline_wanted=4))
        while first.wait("frame")["frame"]["frame_id"] < 2:
            pass
        late = Browser(page.where)
        late.wait("history")
        last = late.wait("beat", preparing="")
        late.say({"type": "seek", "frame": 0})
        yield monitor, first, late, prepared, trained, last
        first.close()
        late.close()
    monitor.close()


def test_a_plan_is_told_when_its_run_begins_and_to_who_comes_later(told):
    _, first, late, *_ = told
    assert first.heard[0]["plan"] is None
    (plan,) = (one["plan"] for one in first.heard if one["type"] == "plan")
    assert {name: plan[name] for name in PLAN} == PLAN
    assert plan["limits"][1]["quantity"] == "outside_percent"
    assert late.heard[0]["type"] == "welcome"
    assert (late.heard[0]["plan"], late.heard[0]["recorded"]) == (plan, None)


def test_every_frame_is_told_with_motion_dose_and_stages(told):
    _, first, *_ = told
    frames = [one for one in first.heard if one["type"] == "frame"]
    assert [one["frame"]["frame_id"] for one in frames] == [0, 1, 2]
    assert {one["n_skipped"] for one in frames} == {0}
    last = frames[-1]["frame"]
    assert (last["time_s"], last["permit"], last["age_ms"]) == (0.2, "GRANTED", 9.5)
    assert last["stage_ms"] == {"hand_over": 0.3, "measure": 4.0}
    assert last["motion"]["predicted_mm"] == [1.5, -2.0]
    assert last["motion"]["gate_center_mm"] == [0.5, 0.0]
    assert last["delivered"]["so_far"][0]["d98_gy"] == 0.7


def test_who_comes_later_hears_what_came_before(told):
    _, first, late, *_, last = told
    (history,) = (one for one in late.heard if one["type"] == "history")
    assert history["run_id"] == RUN
    frames = [one["frame"] for one in first.heard if one["type"] == "frame"]
    assert history["rows"] == frames
    assert last["frame"] == frames[-1]


def test_admission_and_training_are_told_with_how_far_they_are(told):
    *_, prepared, trained, last = told
    assert (prepared["preparing_fraction"], prepared["frame"]) == (None, None)
    assert trained["preparing_fraction"] == 0.25
    assert (last["preparing"], last["preparing_fraction"]) == ("", None)


def test_a_live_run_cannot_be_sought_in(told):
    assert farewell(told[2].line) == (1007, "this run is live: there is nothing to seek")


def test_the_next_run_begins_with_an_empty_course(told):
    monitor, first, *_ = told
    monitor.say(RunStop(RUN, "completed", "", "", 3, 0, 0, 0, 0, 0))
    monitor.run_id = "run-2"
    first.wait("beat", run_id="run-2")
    monitor.say(RunStart("run-2", *(getattr(START, name) for name in START.__slots__[1:])))
    assert first.wait("plan")["plan"]["run_id"] == "run-2"
    assert first.wait("beat")["frame"] is None
