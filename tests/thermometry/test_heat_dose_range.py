"""Doses that no number of float32 holds stay finite, however great their doubt."""

import numpy as np

from thermometry.heat.model_dose import ModelDose


def test_a_dose_without_bound_is_a_float32():
    dose = ModelDose(np.array([[0.0, 1.0, 1e29]]), np.full((1, 3), 1e6), np.zeros((1, 3)))
    high = dose.high_min().astype(np.float32)  # warnings are errors
    assert np.isfinite(high).all()
    assert high[0, 0] == 0
    assert (high >= dose.dose_min).all()
    assert (dose.low_min() <= dose.dose_min).all()
