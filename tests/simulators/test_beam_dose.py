"""Dose truth: closed forms for the still patient, and for the moving one where there is one."""

import numpy as np
import pytest

from simulators.beam import (
    Beam,
    Plan,
    Stretch,
    Structure,
    at_rest,
    delivery_of,
    figures,
    outside_percent,
    plan_of,
    received_gy,
    ungated,
)

TARGET = Structure(name="target", center_mm=(-60, 10, 20), semi_axes_mm=(11, 12, 13), angle_deg=20)
STILL = Structure(name="still", center_mm=(-60, 10, 20), semi_axes_mm=(8, 8, 8), share=(0, 0, 0))


def beam_of(**changed):
    settings = {"number": 1, "gantry_deg": 30.0, "mu": 20.0, "half_widths_mm": (17, 19)}
    return Beam(isocenter_mm=TARGET.center_mm, **(settings | changed))


def plan_with(*beams):
    return Plan(beams=beams, structures=(TARGET, STILL), prescription_gy=0.2)


def still(t_s):
    return np.zeros((len(t_s), 3))


def rising(t_s):
    """10 mm/s towards the feet."""
    return np.stack([np.zeros_like(t_s), np.zeros_like(t_s), -10 * t_s], axis=-1)


def test_the_beam_is_its_own_closed_form():
    beam = beam_of(gantry_deg=90.0)  # from the patient's left: it travels towards the right
    middle = np.array(beam.isocenter_mm, float)
    at_middle = float(beam.gy_per_mu_at(middle))
    assert at_middle == pytest.approx(beam.gy_per_mu, rel=2e-3)
    deeper = float(beam.gy_per_mu_at(np.add(middle, [-30, 0, 0])))
    assert deeper == pytest.approx(at_middle * np.exp(-30 * beam.attenuation_per_mm))
    edge = float(beam.gy_per_mu_at(np.add(middle, [0, 0, 19])))
    assert edge == pytest.approx(at_middle / 2, rel=2e-3)  # the field's edge is at half
    inner, outer = (beam.gy_per_mu_at(np.add(middle, [0, 0, 19 + d])) / at_middle for d in (-3, 3))
    assert (float(inner), float(outer)) == (
        pytest.approx(0.8, abs=3e-3),
        pytest.approx(0.2, abs=3e-3),
    )
    across = float(beam.gy_per_mu_at(np.add(middle, [0, 17, 0])))  # across the beam is along P
    assert across == pytest.approx(at_middle / 2, rel=2e-3)


def test_a_still_patient_gets_the_plan_to_the_last_digit():
    plan = plan_with(beam_of(), beam_of(number=2, gantry_deg=140.0, mu=35.0))
    done = ungated(plan, 1.0, still)
    for structure in plan.structures:
        points = structure.points_mm(1.7)
        assert np.allclose(received_gy(plan, structure, done), plan.planned_gy(points), rtol=1e-12)
    assert figures(plan.planned_gy(points), prescription_gy=0.2).v95_percent == 100.0


def test_a_constant_displacement_is_a_shift_of_the_plan():
    plan, shift = plan_with(beam_of()), np.array([1.0, -4.0, 9.0])
    done = ungated(plan, 0.0, lambda t_s: np.tile(shift, (len(t_s), 1)))
    expected = plan.planned_gy(TARGET.points_mm(1.7) + shift)
    assert np.allclose(received_gy(plan, TARGET, done), expected, rtol=1e-12)
    unmoved = plan.planned_gy(STILL.points_mm(1.7))
    assert np.allclose(received_gy(plan, STILL, done), unmoved, rtol=1e-12)


def test_uniform_motion_through_the_field_integrates_its_profile():
    """∫ of a logistic edge has a closed form: the difference of softplus at both ends."""
    beam = beam_of(half_widths_mm=(500.0, 19.0), attenuation_per_mm=0.0, mu=20.0)
    plan = plan_with(beam)
    done = ungated(plan, 0.0, rising)  # 2 s: 20 mm
    scale = beam.penumbra_20_80_mm / (2 * np.log(4))
    z_mm = TARGET.points_mm(1.7)[:, 2] - TARGET.center_mm[2]

    def lower_edge(z):  # ∫ expit((19 + z) / s) dz; the upper edge is far from where it goes
        return scale * np.logaddexp(0, (19 + z) / scale)

    low = z_mm < -5
    mean = (lower_edge(z_mm) - lower_edge(z_mm - 20)) / 20
    expected = beam.mu * beam.gy_per_mu * mean
    received = received_gy(plan, TARGET, done)
    assert np.abs(received - expected)[low].max() < 2e-4 * expected.max()
    assert expected[low].min() < 0.4 * expected.max()  # or nothing was tested


def test_figures_of_a_ramp():
    ramp = figures(np.linspace(0, 1, 10_001), prescription_gy=0.5)
    assert ramp.d98_gy == pytest.approx(0.02)
    assert ramp.d95_gy == pytest.approx(0.05)
    assert ramp.d50_gy == pytest.approx(0.5)
    assert ramp.d2_gy == pytest.approx(0.98)
    assert ramp.mean_gy == pytest.approx(0.5)
    assert ramp.v95_percent == pytest.approx(52.5, abs=0.01)


def test_a_delivery_keeps_the_units_and_the_time_of_its_stretches():
    stretches = [Stretch(1, 1.0, 1.777, 0.0, 7.77), Stretch(2, 3.0, 3.0049, 0.0, 0.049)]
    done = delivery_of(stretches, rising)
    assert done.mu.sum() == pytest.approx(7.819)
    assert done.on_s == pytest.approx(0.7819)
    assert done.duration_s.max() <= 0.01 + 1e-12
    assert done.mu[done.number == 2].sum() == pytest.approx(0.049)
    assert np.allclose(done.displacement_mm[:, 2], -10 * done.time_s)
    assert not at_rest(done).displacement_mm.any()
    assert delivery_of([], rising).on_s == 0


def test_a_sphere_half_out_of_its_boundary_is_half_outside():
    sphere = Structure(name="target", center_mm=(0, 0, 0), semi_axes_mm=(15, 15, 15))
    plan = Plan(beams=(beam_of(),), structures=(sphere,), prescription_gy=1.0)
    moved = np.array([[0.0, 0, 0], [0, 0, 2.9], [0, 0, 30.0], [0, 0, 60.0]])
    found = outside_percent(plan, moved, margin_mm=3.0, center_mm=(0, 0, 0))
    assert found[0] == found[1] == 0
    assert found[3] == 100
    # cap of each sphere up to the plane where they meet: 30² + 15² - 18² over 2·30 from the middle
    plane = (30**2 + 15**2 - 18**2) / 60
    lens = np.pi * (15 - plane) ** 2 * (30 + plane) / 3
    rest = 30 - plane
    lens += np.pi * (18 - rest) ** 2 * (36 + rest) / 3
    assert found[2] == pytest.approx(100 * (1 - lens / (4 / 3 * np.pi * 15**3)), abs=1.0)
    shifted = outside_percent(plan, np.add(moved, [0, 0, 5]), margin_mm=3.0, center_mm=(0, 0, 5))
    assert np.array_equal(shifted, found)


def test_contours_lie_on_the_ellipsoid_and_fill_it():
    contours = TARGET.contours_mm(2.5)
    places = np.concatenate(contours)
    assert np.abs(TARGET.reach(places - TARGET.center_mm) - 1).max() < 1e-9
    assert np.ptp(places[:, 2]) > 2 * TARGET.half_width_mm(np.array([0.0, 0, 1])) - 5

    def area(one):
        x, y = one[:, 0], one[:, 1]
        return abs(np.sum(x * np.roll(y, 1) - y * np.roll(x, 1))) / 2

    volume = 2.5 * sum(map(area, contours))
    assert volume == pytest.approx(4 / 3 * np.pi * 11 * 12 * 13, rel=0.02)


class Body:
    center_mm, semi_axes_mm, angle_deg = (0.0, 22.0, -18.0), (11.0, 12.0, 13.0), 20.0


@pytest.mark.parametrize("site", ["lung", "liver", "prostate"])
def test_a_plan_covers_its_target_and_spares_the_organs(site):
    plan = plan_of(Body(), (-62.0, -11.0, 43.0), site=site)
    planned = plan.planned_gy(plan.target.points_mm(1.7))
    target = figures(planned, prescription_gy=plan.prescription_gy)
    assert target.d98_gy > plan.prescription_gy
    assert target.d2_gy < 1.1 * plan.prescription_gy
    for organ in plan.structures[1:]:
        dose = plan.planned_gy(organ.points_mm(1.7))
        assert dose.mean() < plan.prescription_gy / 2
