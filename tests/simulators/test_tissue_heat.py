"""Pennes' equation in a box against the exact solution, and laws that any source obeys."""

import math
from dataclasses import replace

import numpy as np
import pytest

from simulators.bioheat import GaussianSource, exact_rise_c
from simulators.bioheat import Tissue as Properties
from simulators.tissue import (
    Breathing,
    Cone,
    Disc,
    Gaussian,
    Heat,
    Lobes,
    Medium,
    PowerPlan,
    Skewed,
    SubFoci,
)
from simulators.tissue.heat import on_off, opens_with_heat, shuts_down
from simulators.tissue.heated_box import HeatedBox

FOCUS = Gaussian(center_mm=(3.0, -2.0), fwhm_mm=(3.0, 6.5, 3.0))
DEAD = Medium(perfusion_per_s=0.0)


def box(source=FOCUS, plan=None, **how):
    plan = plan or on_off(1.0, 13.0, watts=20.0)
    return HeatedBox(
        Heat(source=source, plan=plan, center_mm=(3.0, -2.0), rate_c_per_s_w=0.1, **how)
    )


def rise(heated, x, y, t_s):
    return float(heated.rise_c(np.array(x), np.array(y), t_s=t_s))


@pytest.mark.parametrize("perfusion_per_s", [0.0, 0.0093, 0.05])
@pytest.mark.parametrize("offset_mm", [(0.0, 0.0), (2.1, 0.0), (1.3, -4.7)])
def test_gaussian_is_the_exact_solution_heating_and_cooling(perfusion_per_s, offset_mm):
    heated = box(medium=Medium(perfusion_per_s=perfusion_per_s))
    properties = Properties(perfusion_per_s=perfusion_per_s)
    source = GaussianSource(FOCUS.fwhm_mm)

    def exact(time_s):
        return exact_rise_c(
            source, properties, position_mm=(*offset_mm, 0.0), time_s=time_s, rate_c_per_s=2.0
        )

    at = 3.0 + offset_mm[0], -2.0 + offset_mm[1]
    for t_s in (1.5, 4.0, 13.0, 14.25, 30.0, 75.0):
        expected = exact(t_s - 1.0) - exact(t_s - 13.0)
        assert rise(heated, *at, t_s) == pytest.approx(expected, abs=0.01)
    assert rise(heated, *at, 0.7) == 0.0


def test_uniform_heat_fills_the_box_as_closed_form_says():
    everywhere = Gaussian(center_mm=(0.0, 0.0), fwhm_mm=(1e9, 1e9, 1e9))
    heated = box(everywhere, medium=Medium(perfusion_per_s=0.02))
    for t_s in (3.0, 13.0):
        expected = 2.0 * (1 - math.exp(-0.02 * (t_s - 1))) / 0.02
        assert rise(heated, 5.0, 5.0, t_s) == pytest.approx(expected, rel=1e-5)
    assert rise(heated, 90.0, 0.0, 13.0) == 0.0  # outside of the box


SOURCES = (
    Disc(center_mm=(3.0, -2.0), radius_mm=6.0, half_depth_mm=5.0),
    Cone(center_mm=(3.0, -2.0), waist_fwhm_mm=4.0, depth_mm=14.0, half_angle_deg=15.0),
    Skewed(center_mm=(3.0, -2.0), fwhm_mm=(4.0, 5.0, 11.0, 4.0)),
    Lobes(parts=((1.0, FOCUS), (0.3, replace(FOCUS, center_mm=(3.0, 8.0))))),
    SubFoci(centers_mm=((0.0, -2.0), (6.0, -2.0)), fwhm_mm=(3.0, 6.0, 3.0)),
)


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: type(one).__name__)
def test_no_source_is_a_gaussian_that_warms_alike(source):
    heated = box(source, medium=DEAD)
    x = np.linspace(-21, 27, 193)[None, :]
    y = np.linspace(-26, 22, 193)[:, None]
    now = heated.rise_c(*np.broadcast_arrays(x, y), t_s=12.0)
    assert now.max() > 2
    weight = now / now.sum()
    middle_x, middle_y = float((weight * x).sum()), float((weight * y).sum())
    spread = [float((weight * (one - m) ** 2).sum()) for one, m in ((x, middle_x), (y, middle_y))]
    fitted = np.exp(
        -((x - middle_x) ** 2) / (2 * spread[0]) - (y - middle_y) ** 2 / (2 * spread[1])
    )
    fitted *= (fitted * now).sum() / (fitted**2).sum()
    assert np.abs(now - fitted).max() > 0.07 * now.max()


@pytest.mark.parametrize("source", SOURCES, ids=lambda one: type(one).__name__)
def test_energy_is_kept_without_perfusion(source):
    heated = box(source, medium=DEAD)
    heat = heated.heat
    nodes = np.arange(0, 49) * 0.5
    x, y = nodes[None, :, None] * 2 - 21, nodes[:, None, None] * 2 - 26
    z = np.arange(0, 40.1, 0.5) / 2
    mean = np.mean([source(x, y, z, t_s=t_s).mean() for t_s in (1.25, 1.75)])
    heated.plane(13.0)
    stored = heated._modes[0, 0, 0]  # the mean over the box
    edges = 0.93 if isinstance(source, Cone) else 0.97  # the sum counts the walls' nodes whole
    assert stored == pytest.approx(2.0 * 12 * mean, rel=1 - edges)
    cold = stored
    heated.plane(60.0)
    assert heated._modes[0, 0, 0] == pytest.approx(cold)
    assert heat.plan.watts(60.0) == 0


def test_perfusion_that_doubles_is_perfusion_twice_as_large():
    twice = box(medium=Medium(perfusion_per_s=0.03))
    factor = Medium(perfusion_per_s=0.015, perfusion_factor=lambda _t, rise_c: 2 + 0 * rise_c)
    doubled = box(medium=factor)
    for t_s in (6.0, 13.0, 40.0):
        expected = rise(twice, 3.0, -2.0, t_s)
        assert rise(doubled, 3.0, -2.0, t_s) == pytest.approx(expected, rel=0.01)


def test_perfusion_changes_with_heat_and_with_time():
    plain, opens, shuts = (
        box(medium=Medium(perfusion_per_s=0.02, perfusion_factor=factor))
        for factor in (None, opens_with_heat(per_c=0.2, up_to=5.0), shuts_down(at_s=13.0, to=0.0))
    )
    at = 3.0, -2.0
    assert rise(opens, *at, 2.0) == pytest.approx(rise(plain, *at, 2.0), rel=0.02)  # still cool
    assert rise(opens, *at, 13.0) < 0.97 * rise(plain, *at, 13.0)
    assert rise(shuts, *at, 13.0) == pytest.approx(rise(plain, *at, 13.0), rel=1e-5)
    lost = math.exp(-0.02 * 20)
    assert rise(plain, *at, 33.0) / rise(shuts, *at, 33.0) == pytest.approx(lost, rel=0.02)


def test_power_steps_superpose():
    steps = PowerPlan(((2.0, 20.0), (5.0, 5.0), (9.0, 0.0)))
    both, strong, weak = (
        box(plan=plan)
        for plan in (steps, on_off(2.0, 5.0, watts=20.0), on_off(5.0, 9.0, watts=5.0))
    )
    for t_s in (4.0, 8.1, 15.0):
        parts = rise(strong, 3.0, -2.0, t_s) + rise(weak, 3.0, -2.0, t_s)
        assert rise(both, 3.0, -2.0, t_s) == pytest.approx(parts, abs=0.002)
    assert steps.power_log == ((2.0, 20.0), (5.0, 5.0), (9.0, 0.0))
    assert [steps.watts(t) for t in (1.0, 2.0, 8.9, 9.0)] == [0.0, 20.0, 5.0, 0.0]
    with pytest.raises(ValueError, match="order of time"):
        PowerPlan(((3.0, 1.0), (2.0, 0.0)))


def test_steered_foci_warm_both_places_alike():
    steered = box(SubFoci(centers_mm=((-2.0, -2.0), (8.0, -2.0)), fwhm_mm=(3.0, 3.0, 3.0)))
    left, right = rise(steered, -2.0, -2.0, 13.0), rise(steered, 8.0, -2.0, 13.0)
    assert left == pytest.approx(right, rel=0.15)  # the last one is warmer
    still = box(Gaussian(center_mm=(-2.0, -2.0), fwhm_mm=(3.0, 3.0, 3.0)))
    assert left < 0.75 * rise(still, -2.0, -2.0, 13.0)


def test_a_source_that_does_not_follow_smears_over_what_breathes_past():
    breathing = Breathing(reach_mm=12.0, full_mm=-100, end_mm=-90, end_share=1.0)

    def moved(x, y, t_s):
        return x, y + breathing.along_mm(y, t_s)

    tracked = box()
    fixed = HeatedBox(replace(tracked.heat, follows=False), moved=moved)
    y = np.linspace(-22, 18, 81)
    followed = tracked.rise_c(np.array(3.0), y, t_s=13.0)
    smeared = fixed.rise_c(np.array(3.0), y, t_s=13.0)
    assert smeared.max() < 0.75 * followed.max()
    assert y[smeared > smeared.max() / 4].min() < y[followed > followed.max() / 4].min() - 3
    assert smeared.sum() == pytest.approx(followed.sum(), rel=0.03)
