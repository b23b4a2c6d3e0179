"""Dose-volume figures: ten voxels by hand, and sorting as the oracle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motion.dose.dvh import Histogram
from tests.motion.dose.plans import structure


def figures(dose, volume, prescription_gy=None):
    one = structure(np.zeros((len(dose), 3)), volume_mm3=volume)
    return Histogram([one], prescription_gy=prescription_gy).figures(np.array(dose, float))[0]


def test_ten_voxels_by_hand():
    """1 to 10 Gy, 10 mm³ each, shuffled: 50 % of the volume has 6 Gy or more."""
    told = figures([3, 10, 1, 7, 5, 9, 2, 8, 6, 4], [10.0] * 10, prescription_gy=8.0)
    assert (told.d98_gy, told.d95_gy, told.d50_gy, told.d2_gy) == (1.0, 1.0, 6.0, 10.0)
    assert told.mean_gy == pytest.approx(5.5)
    assert told.d003cc_gy == 8.0, "the three hottest voxels are 30 mm³"
    assert told.v95_percent == pytest.approx(30.0), "8, 9 and 10 Gy reach 7.6"
    assert told.v100_percent == pytest.approx(30.0)


def test_a_voxel_counts_with_the_volume_that_lies_inside():
    """10 Gy in 1 mm³, 5 Gy in 29 mm³, 1 Gy in 70 mm³."""
    told = figures([5, 10, 1], [29.0, 1.0, 70.0])
    assert (told.d2_gy, told.d003cc_gy, told.d50_gy) == (5.0, 5.0, 1.0)
    assert told.mean_gy == pytest.approx(2.25)
    assert told.v95_percent is None


def test_a_structure_smaller_than_30_mm3_has_its_least_dose_as_d003cc():
    assert figures([4, 2, 3], [5.0, 5.0, 5.0]).d003cc_gy == 2.0


def test_v_counts_dose_that_is_just_reached():
    assert figures([2.0, 2.0, 1.0, 1.0], [1.0] * 4, prescription_gy=2.0).v100_percent == 50.0


def by_sorting(dose, volume, wanted):
    order = np.argsort(dose)[::-1]
    reached = np.cumsum(volume[order])
    return dose[order][min(np.searchsorted(reached, wanted * (1 - 1e-9)), len(dose) - 1)]


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 400),
    kind=st.sampled_from(["smooth", "ties", "alike", "one hot", "far apart"]),
)
def test_the_figures_are_those_of_sorted_voxels(seed, n, kind):
    rng = np.random.default_rng(seed)
    dose = {
        "smooth": rng.random(n) * 60,
        "ties": rng.integers(0, 4, n).astype(float),
        "alike": np.full(n, 3.0),
        "one hot": np.where(np.arange(n) == 0, 1e6, rng.random(n) * 1e-9),
        "far apart": 10.0 ** rng.uniform(-300, 3, n),
    }[kind]
    volume = rng.choice([0.5, 1.0, 15.625], n)
    told = figures(dose, volume)
    total = volume.sum()
    for name, wanted in (("d98_gy", 0.98), ("d95_gy", 0.95), ("d50_gy", 0.5), ("d2_gy", 0.02)):
        assert getattr(told, name) == by_sorting(dose, volume, wanted * total), name
    assert told.d003cc_gy == by_sorting(dose, volume, 30.0)


def test_structures_stand_one_after_another():
    parts = [structure(np.zeros((n, 3)), name=str(n)) for n in (2, 3)]
    told = Histogram(parts, prescription_gy=None).figures(np.array([1.0, 1.0, 7.0, 8.0, 9.0]))
    assert [(one.name, one.mean_gy) for one in told] == [("2", 1.0), ("3", 8.0)]
