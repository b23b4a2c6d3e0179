"""The accelerator: units are conserved, latencies exact, and without a permit there is no beam."""

import math
from itertools import pairwise

import numpy as np
import pytest

from simulators.beam.accelerator import Accelerator
from simulators.beam.plan import Beam, Plan
from simulators.beam.structures import Structure
from simulators.lease import Lease, PermitChange

ON_S, OFF_S, BETWEEN_S = 0.31, 0.17, 1.3
STEP_S = 0.0037


class Line:
    """Keeps what is reported."""

    def __init__(self):
        self.said = []

    def report(self, kind, t_s, **said):
        self.said.append({"kind": kind, "t_s": t_s, **said})
        return True


@pytest.fixture
def plan():
    """Two beams of 20 and 30 units at 10 units a second."""
    target = Structure(name="target", center_mm=(0, 0, 0), semi_axes_mm=(10, 10, 10))
    beams = tuple(
        Beam(
            number=number,
            gantry_deg=0.0,
            isocenter_mm=(0, 0, 0),
            half_widths_mm=(15, 15),
            mu=mu,
            rate_mu_per_min=600,
        )
        for number, mu in ((1, 20.0), (2, 30.0))
    )
    return Plan(beams=beams, structures=(target,), prescription_gy=0.4)


def deliver(plan, changes=(), *, silent_s=None, until_s=12.0):
    """Play an accelerator in the steps of a scanner; changes: (time, granted, lease)."""
    lease, line = Lease(), Line()
    for t_s, is_granted, lease_s in changes:
        lease.change(PermitChange(t_s, is_granted, lease_s, "", 3, 0.0))
    if silent_s is not None:
        lease.fall_silent(silent_s)
    accelerator = Accelerator(
        plan, line, on_latency_s=ON_S, off_latency_s=OFF_S, between_s=BETWEEN_S
    )
    for index in range(1, round(until_s / STEP_S) + 1):
        accelerator.advance(index * STEP_S, lease)
    accelerator.stop()
    return accelerator, line.said


def units(accelerator):
    return sum(one.end_mu - one.start_mu for one in accelerator.stretches)


def test_a_fraction_without_a_hold_gives_every_unit_of_every_beam(plan):
    accelerator, _ = deliver(plan, [(1.0, True, 100.0)])
    one, two = accelerator.stretches
    assert (one.number, one.start_mu, one.end_mu) == (1, 0.0, 20.0)
    assert (two.number, two.start_mu, two.end_mu) == (2, 0.0, 30.0)
    assert one.start_s == pytest.approx(1.0 + ON_S, abs=STEP_S)  # a grant counts from the next step
    assert one.end_s - one.start_s == pytest.approx(2.0, abs=1e-9)
    assert two.start_s - one.end_s == pytest.approx(BETWEEN_S, abs=1e-9)
    assert accelerator.is_finished
    assert accelerator.holds == []


@pytest.mark.parametrize("seed", range(4))
def test_units_are_conserved_however_often_it_is_held(plan, seed):
    rng = np.random.default_rng(seed)
    times_s = np.sort(rng.uniform(0.0, 25.0, 30))
    changes = [(float(t), index % 2 == 0, 2.0) for index, t in enumerate(times_s)]
    accelerator, said = deliver(plan, [*changes, (26.0, True, 100.0)], until_s=40.0)
    assert accelerator.is_finished
    assert units(accelerator) == pytest.approx(plan.mu, abs=1e-9)
    for number, mu in ((1, 20.0), (2, 30.0)):
        stretches = [one for one in accelerator.stretches if one.number == number]
        assert stretches[0].start_mu == 0.0
        assert stretches[-1].end_mu == mu
        assert all(a.end_mu == b.start_mu and a.end_s < b.start_s for a, b in pairwise(stretches))
        reported = [one["mu"] for one in said if one["number"] == number]
        assert reported == sorted(reported)
        assert reported[-1] == mu


def test_a_hold_ends_the_beam_exactly_its_latency_later(plan):
    accelerator, _ = deliver(plan, [(1.0, True, 100.0), (2.2345, False, 0.0)])
    (one,) = accelerator.stretches
    assert one.end_s == pytest.approx(2.2345 + OFF_S, abs=1e-9)
    (hold,) = accelerator.holds
    assert (hold.asked.cause, hold.asked.t_s, hold.asked.frame_id) == ("held", 2.2345, 3)
    assert accelerator.delivered_mu == pytest.approx((one.end_s - one.start_s) * 10)


def test_a_lease_that_lapses_ends_the_beam(plan):
    accelerator, _ = deliver(plan, [(1.0, True, 0.9)])
    (hold,) = accelerator.holds
    assert hold.asked.cause == "lapse"
    assert hold.off_s == pytest.approx(1.9 + OFF_S, abs=1e-9)
    assert not accelerator.is_finished


def test_silence_ends_the_beam(plan):
    accelerator, _ = deliver(plan, [(1.0, True, 100.0)], silent_s=2.5)
    (hold,) = accelerator.holds
    assert hold.asked.cause == "silence"
    assert hold.off_s == pytest.approx(2.5 + OFF_S, abs=1e-9)


def test_without_a_word_there_is_no_beam(plan):
    accelerator, said = deliver(plan)
    assert accelerator.stretches == []
    assert accelerator.delivered_mu == 0
    assert math.isnan(accelerator.first_permitted_s)
    assert not any(one["is_on"] for one in said)


def test_a_start_that_is_withdrawn_in_time_never_comes(plan):
    accelerator, _ = deliver(plan, [(1.0, True, 100.0), (1.0 + ON_S - 0.02, False, 0.0)])
    assert accelerator.stretches == []


def test_a_stop_under_way_is_not_called_back(plan):
    granted = [(1.0, True, 100.0), (2.0, False, 0.0), (2.05, True, 100.0)]
    accelerator, _ = deliver(plan, granted)
    first, second = accelerator.stretches[:2]
    assert first.end_s == pytest.approx(2.0 + OFF_S, abs=1e-9)
    assert second.start_s == pytest.approx(2.05 + ON_S, abs=STEP_S)


def test_every_change_is_reported_at_its_time_and_a_beam_that_is_on_four_times_a_second(plan):
    accelerator, said = deliver(plan, [(1.0, True, 100.0), (2.0, False, 0.0), (4.0, True, 100.0)])
    assert said[0] == {"kind": "beam", "t_s": 0.0, "number": 1, "is_on": False, "mu": 0.0}
    for stretch in accelerator.stretches:
        start = {"kind": "beam", "t_s": stretch.start_s, "number": stretch.number, "is_on": True}
        end = {"kind": "beam", "t_s": stretch.end_s, "number": stretch.number, "is_on": False}
        assert {**start, "mu": stretch.start_mu} in said
        assert {**end, "mu": stretch.end_mu} in said
    for one, other in pairwise(said):
        gap_s = other["t_s"] - one["t_s"]
        assert 0 <= gap_s <= (0.25 if one["is_on"] else 1.0) + 1e-9


def test_what_is_reported_gives_the_units_at_any_time(plan):
    accelerator, said = deliver(plan, [(1.0, True, 100.0), (2.0, False, 0.0), (4.0, True, 100.0)])
    at_s = np.linspace(0, 12, 500)
    for number in (1, 2):
        of_beam = [one for one in said if one["number"] == number]
        told = np.interp(at_s, [one["t_s"] for one in of_beam], [one["mu"] for one in of_beam])
        true = sum(
            np.interp(at_s, [one.start_s, one.end_s], [0, one.end_mu - one.start_mu])
            for one in accelerator.stretches
            if one.number == number
        )
        assert np.abs(told - true).max() < 1e-6


def test_a_stop_ends_the_beam_at_once(plan):
    accelerator, said = deliver(plan, [(1.0, True, 100.0)], until_s=2.0)
    (hold,) = accelerator.holds
    assert hold.asked.cause == "end"
    assert not said[-1]["is_on"]
    assert said[-1]["mu"] == pytest.approx(accelerator.stretches[0].end_mu)
