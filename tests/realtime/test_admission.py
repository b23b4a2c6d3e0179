"""The dry run before a session: it runs all that frames will run, and says what that takes."""

import pytest

from messages import MonitorError, Pose
from realtime import pipeline
from realtime.admission import LEARN, LEAST_MEASURED, expected_late, refuse_too_slow, rehearse
from tests.methods import CASES, build
from tests.realtime.linac_pipeline import motion_protocol, one_beam, pipeline_of


class Ticking:
    """A clock that each look moves on."""

    def __init__(self, step_ms=1):
        self.step_ns, self.time_ns = int(step_ms * 1e6), 0

    def now_ns(self):
        self.time_ns += self.step_ns
        return self.time_ns


@pytest.fixture
def temperatures(monkeypatch):
    """The temperature maps that the dry run measures."""
    seen, measure = [], pipeline.measure

    def spied(slice_state, image):
        measured = measure(slice_state, image)
        seen.append(measured.temperature)
        return measured

    monkeypatch.setattr(pipeline, "measure", spied)
    return seen


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0] + "+model" * bool(case[1]))
def test_every_method_learns_and_measures_in_the_dry_run(temperatures, case):
    rehearse(build(*case), Pose(), clock=Ticking())
    kinds = [one.is_baseline for one in temperatures]
    n_baseline = sum(kinds)
    assert kinds == [True] * n_baseline + [False] * (len(kinds) - n_baseline)
    assert len(kinds) - n_baseline >= LEAST_MEASURED
    assert temperatures[-1].valid.any()  # what was rehearsed is the path of frames with a signal


def test_a_library_is_rehearsed_at_its_full_size_and_a_mean_is_not(temperatures):
    rehearse(build("hybrid", n_baseline=12), Pose(), clock=Ticking())
    assert sum(one.is_baseline for one in temperatures) == 12
    temperatures.clear()
    rehearse(build("single-baseline", n_baseline=1000), Pose(), clock=Ticking())
    assert sum(one.is_baseline for one in temperatures) == 3


def test_slow_frames_are_known_after_a_few(temperatures):
    took = rehearse(build("single-baseline"), Pose(), clock=Ticking(step_ms=300))
    assert took["total"] == pytest.approx(4 * 300)
    assert sum(not one.is_baseline for one in temperatures) == 2 + LEAST_MEASURED


def test_what_happens_once_is_beside_what_each_frame_takes():
    took = rehearse(build("hybrid"), Pose(), clock=Ticking())
    assert took["open"] == took[LEARN] == took["total"] == pytest.approx(4.0)


def test_a_frame_that_learns_for_longer_than_the_deadline_is_told_before_it_comes():
    took = {"absorb": 1.0, "reconstruct": 2.0, "measure": 9.0, "judge": 1.0, "total": 13.0}
    took |= {"open": 30.0, "learn": 140.0}
    refuse_too_slow(took, frame_deadline_ms=100.0)  # one late frame without heat is no reason
    text = expected_late(took, frame_deadline_ms=100.0)
    assert "the last frame of the baseline takes 140 ms" in text
    assert "first frame" not in text
    assert expected_late(took, frame_deadline_ms=150.0) == ""


def test_the_figures_of_a_refusal_are_those_of_a_frame():
    took = {"absorb": 1.0, "reconstruct": 2.0, "measure": 9.0, "judge": 1.0, "total": 13.0}
    with pytest.raises(MonitorError, match=r"takes 13.0 ms here \(absorb 1.0 ms, .*judge 1.0 ms\)"):
        refuse_too_slow(took | {"open": 3.0, "learn": 4.0}, frame_deadline_ms=10.0)


def test_a_target_is_followed_gated_and_given_dose_in_the_dry_run(monkeypatch):
    """Within the few frames that it has, however long patients are watched before."""
    seen, conclude = [], pipeline.conclude

    def spied(*arguments):
        concluded = conclude(*arguments)
        seen.append(concluded[1])
        return concluded

    monkeypatch.setattr(pipeline, "conclude", spied)
    patient = motion_protocol("mrlinac-liver")
    assert patient.motion.gate_center == "end-exhale"
    rehearse(pipeline_of(patient, dose_plan=one_beam()), Pose(), clock=Ticking(step_ms=0))
    measured = seen[-LEAST_MEASURED:]
    assert all(one.decision == "GRANTED" for one in measured)
    assert all(one.motion.probability is not None for one in measured)
    assert measured[0].delivered.mu < measured[-1].delivered.mu
    assert measured[-1].motion.effect_time_s > measured[-1].motion.time_s
