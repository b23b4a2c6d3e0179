"""The dry run before a session: it runs all that frames will run, and says what that takes."""

import pytest

from messages import Pose
from realtime import pipeline
from realtime.dry_run import LEARN, LEAST_MEASURED, MOST_MEASURED, rehearse
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


def test_the_tail_of_a_dry_run_is_that_of_the_frames_it_measured(monkeypatch):
    """A hundred frames where they are quick: nine in ten of 4 ms, every tenth of 40 more."""
    clock, conclude, n_seen = Ticking(), pipeline.conclude, [0]
    built = build("single-baseline")

    def sometimes_slow(*arguments):
        n_seen[0] += 1
        clock.time_ns += 40_000_000 * (n_seen[0] % 10 == 0)
        return conclude(*arguments)

    monkeypatch.setattr(pipeline, "conclude", sometimes_slow)
    took = rehearse(built, Pose(), clock=clock, enough_ms=10_000.0)
    assert n_seen[0] == 4 + 2 + MOST_MEASURED - (4 - 3)  # a mean is taken of three
    assert (took["total"], took["mostly"], took["worst"]) == pytest.approx((4.0, 4.0, 44.0))


def test_what_is_not_to_be_measured_is_run_all_the_same(temperatures):
    rehearse(build("single-baseline"), Pose(), clock=Ticking(), enough_ms=0.0)
    assert sum(not one.is_baseline for one in temperatures) == 2 + LEAST_MEASURED


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
