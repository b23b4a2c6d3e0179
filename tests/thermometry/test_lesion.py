"""The lesion's size against spheres and holes whose volume is known."""

import math

import numpy as np
import pytest

from messages import ThermalDose
from thermometry.dose.lesion import lesion_contours, measure_lesion


def radial_dose(radius_mm, *, pixel_mm=1.0, n=41, center=(0.3, -0.2), threshold=240.0):
    """Dose that falls by a factor of four a millimetre and passes the threshold at a radius."""
    y, x = (np.indices((n, n)) - n // 2) * pixel_mm
    r = np.hypot(y - center[0], x - center[1])
    return (threshold * 4.0 ** (radius_mm - r)).astype(np.float32)[None]


def dose_of(middle, *, spread=1.0):
    return ThermalDose(0, 0.0, middle, middle / spread, middle * spread)


@pytest.mark.parametrize("radius_mm", [1.5, 3.0, 6.2])
@pytest.mark.parametrize("pixel_mm", [0.7, 1.0])
def test_a_disc_has_its_area_though_pixels_are_coarse(radius_mm, pixel_mm):
    dose = dose_of(radial_dose(radius_mm, pixel_mm=pixel_mm))
    found = measure_lesion(dose, cem43_min=240.0, voxel_mm=(5.0, pixel_mm, pixel_mm))
    assert found.volume_mm3 == pytest.approx(5 * math.pi * radius_mm**2, rel=0.1)


def test_a_larger_dose_never_makes_a_smaller_lesion():
    rng = np.random.default_rng(5)
    noisy = radial_dose(4.0) * np.exp(rng.normal(0, 0.5, (1, 41, 41))).astype(np.float32)
    volumes = [
        measure_lesion(dose_of(noisy * f), cem43_min=240.0, voxel_mm=(1, 1, 1)).volume_mm3
        for f in (0.5, 1.0, 2.0)
    ]
    assert volumes == sorted(volumes)


def test_the_interval_of_the_dose_is_an_interval_of_the_volume():
    found = measure_lesion(
        dose_of(radial_dose(4.0), spread=4.0), cem43_min=240.0, voxel_mm=(1, 1, 1)
    )
    assert found.low_mm3 == pytest.approx(math.pi * 3**2, rel=0.06)
    assert found.high_mm3 == pytest.approx(math.pi * 5**2, rel=0.06)


def test_a_hole_is_taken_out():
    ring = np.maximum(radial_dose(8.0), 0.0)
    y, x = np.indices((41, 41)) - 20
    ring = np.where(np.hypot(y, x) < 4.0, np.float32(0), np.minimum(ring, 1e4)).astype(np.float32)
    found = measure_lesion(dose_of(ring), cem43_min=240.0, voxel_mm=(1, 1, 1))
    assert found.volume_mm3 == pytest.approx(math.pi * (8**2 - 3.8**2), rel=0.1)


def test_a_lesion_at_the_edge_is_closed_and_nan_is_no_dose():
    dose = np.full((2, 6, 6), np.nan, np.float32)
    dose[0, 0:2, 0:3] = 1e6
    found = measure_lesion(dose_of(dose), cem43_min=240.0, voxel_mm=(1, 1, 1))
    assert 2.0 < found.volume_mm3 < 13.0
    upper, lower = lesion_contours(dose, cem43_min=240.0)
    assert len(upper) == 1
    assert np.array_equal(upper[0][0], upper[0][-1])
    assert lower == []


def test_no_dose_is_no_lesion():
    nothing = np.zeros((1, 8, 8), np.float32)
    assert measure_lesion(dose_of(nothing), cem43_min=17.0, voxel_mm=(1, 1, 1)).volume_mm3 == 0.0
