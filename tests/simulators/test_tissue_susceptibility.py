import numpy as np
import pytest

from simulators.tissue import Cylinder, FieldDrift, MagnetField, Sphere


def at(body, x, y, *, drive=0.0, axis="y"):
    return float(body.relative(np.array(x), np.array(y), drive=drive, b0_axis=axis))


def test_sphere_is_a_dipole():
    ball = Sphere(chi_ppm=3.0, center_mm=(1.0, 2.0, 0.0), radius_mm=10.0)
    assert at(ball, 1.0, 22.0) == pytest.approx(2e-6 / 8)  # on the axis: 2χ/3 (a/r)³
    assert at(ball, 21.0, 2.0) == pytest.approx(-1e-6 / 8)  # beside it: -χ/3 (a/r)³
    magic = 20 / np.sqrt(3)
    assert at(ball, 1 + magic * np.sqrt(2), 2 + magic) == pytest.approx(0.0, abs=1e-12)
    assert at(ball, 3.0, 2.0) == 0.0
    assert at(ball, 21.0, 2.0, axis="z") == pytest.approx(-1e-6 / 8)
    assert at(ball, 21.0, 2.0, axis="x") == pytest.approx(2e-6 / 8)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_fields_outside_are_harmonic(axis):
    def sphere(x, y, z):
        ball = Sphere(chi_ppm=1.0, center_mm=(0.0, 0.0, z), radius_mm=10.0)
        return at(ball, x, y, axis=axis)

    def cylinder(x, y, _z):
        return at(Cylinder(chi_ppm=1.0, center_mm=(0, 0), radius_mm=9.0), x, y, axis=axis)

    step = 0.05
    for field in (sphere, cylinder):
        sides = [
            sum(field(*(np.eye(3)[k] * sign * step + (11.0, 14.0, 3.0))) for sign in (-1, 1))
            for k in range(3)
        ]
        middle = field(11.0, 14.0, 3.0)
        curved = max(abs(side - 2 * middle) for side in sides)
        assert abs(sum(sides) - 6 * middle) < 1e-3 * curved + 1e-16


def test_cylinder_across_the_slice():
    tube = Cylinder(chi_ppm=4.0, center_mm=(0.0, 0.0), radius_mm=5.0)
    assert at(tube, 0.0, 10.0) == pytest.approx(2e-6 / 4)  # χ/2 (a/ρ)² along B0
    assert at(tube, 10.0, 0.0) == pytest.approx(-2e-6 / 4)
    assert at(tube, 10.0, 0.0, axis="z") == 0.0


def test_bodies_go_and_swell_with_the_drive():
    ball = Sphere(chi_ppm=3.0, center_mm=(0, 0, 0), radius_mm=10, follows_mm=(2.0, 6.0), swells=0.1)
    moved = Sphere(chi_ppm=3.0, center_mm=(1.0, 3.0, 0), radius_mm=10.5)
    assert at(ball, 20.0, 30.0, drive=0.5) == pytest.approx(at(moved, 20.0, 30.0))


def test_drift_of_order_two_grows_or_saturates():
    pattern = MagnetField(order0_hz=1.0, order1_hz=(2.0, 3.0), order2_hz=(4.0, 5.0, 6.0))
    assert pattern.hz(np.array(100.0), np.array(200.0)) == pytest.approx(1 + 2 + 6 + 4 + 10 + 24)
    assert FieldDrift(pattern=pattern, after_s=2400).share(600) == pytest.approx(0.25)
    late = FieldDrift(pattern=pattern, saturates_s=300)
    assert late.share(1.0) == pytest.approx(1 / 300, rel=2e-3)
    assert late.share(3000) == pytest.approx(1, abs=1e-4)
