"""The lag of a sinusoid against cases worked by hand."""

import numpy as np
import pytest

from benchmarks._phase_lag import fit_sine

TIMES_S = np.arange(60) * 0.125


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("lag_s", [-0.02, 0.0, 0.04])
def test_a_sinusoid_that_comes_later_has_that_lag_in_either_direction(sign, lag_s):
    values = sign * 8 * np.sin(2 * np.pi * (TIMES_S - lag_s) / 4) + 3
    fit = fit_sine(TIMES_S, values, period_s=4.0)
    assert fit.lag_s == pytest.approx(lag_s, abs=1e-9)
    assert fit.amplitude == pytest.approx(8)
    assert fit.residual == pytest.approx(0, abs=1e-9)


def test_what_no_sinusoid_explains_is_residual():
    # every second value one up, the others one down: no sinusoid of 4 s, root mean square 1
    values = np.where(np.arange(60) % 2, 1.0, -1.0)
    fit = fit_sine(TIMES_S, values, period_s=4.0)
    assert fit.residual == pytest.approx(1, abs=0.01)
    assert fit.amplitude < 0.1


def test_three_values_are_no_sinusoid():
    with pytest.raises(ValueError, match="3 values"):
        fit_sine(TIMES_S[:3], TIMES_S[:3], period_s=4.0)
