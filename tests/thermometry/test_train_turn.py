"""By how much a train has turned: found whatever echoes are weak, to half a turn between echoes."""

import numpy as np
import pytest

from thermometry.echoes.train_turn import field_and_common, shared_turn

TIMES_S = np.array([0.014, 0.018, 0.022, 0.026, 0.030])
LEVER = TIMES_S / TIMES_S.mean()


def phasors(field_hz, common_rad, sizes=1.0):
    return sizes * np.exp(1j * (2 * np.pi * field_hz * TIMES_S + common_rad))


@pytest.mark.parametrize("field_hz", [-120.0, -60.0, 0.0, 3.0, 60.0, 105.0, 120.0])
@pytest.mark.parametrize("common_rad", [-3.0, 0.0, 1.5])
@pytest.mark.parametrize("lost", [None, 0, 2, 4])
def test_finds_field_and_phase_without_an_echo(field_hz, common_rad, lost):
    sizes = np.ones(5)
    if lost is not None:
        sizes[lost] = 0.0  # as where water and fat cancel
    if lost == 2 and abs(field_hz) > 60:
        sizes[lost] = 0.1  # without it the closest echoes still tell
    slope, common = shared_turn(phasors(field_hz, common_rad, sizes), LEVER)
    assert slope == pytest.approx(2 * np.pi * field_hz * TIMES_S.mean(), abs=1e-6)
    assert np.exp(1j * common) == pytest.approx(np.exp(1j * common_rad), abs=1e-6)


def test_an_echo_of_noise_weighs_what_it_is():
    sums = phasors(40.0, 0.7, np.array([1.0, 1.0, 0.01, 1.0, 1.0]))
    sums[2] *= np.exp(2.5j)
    slope, common = shared_turn(sums, LEVER)
    assert slope == pytest.approx(2 * np.pi * 40 * TIMES_S.mean(), abs=0.1)
    assert common == pytest.approx(0.7, abs=0.1)


def test_one_echo_alone_turns_by_its_field_and_none_by_nothing():
    assert shared_turn(np.array([1j]), np.ones(1)) == pytest.approx((np.pi / 2, 0.0))
    assert shared_turn(np.zeros(3, complex), np.arange(1.0, 4.0)) == (0.0, 0.0)


def test_the_echoes_own_drifts_make_one():
    field, common = np.array([0.3, -0.2, 0.1]), 0.8
    drifts = tuple(lever * field + np.array([common, 0, 0]) for lever in LEVER)
    found, offset = field_and_common(drifts, LEVER)
    assert np.allclose(found, field)
    assert offset == pytest.approx(common)
