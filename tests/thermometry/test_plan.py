import math

import pytest

from tests.thermometry.phantoms import make_plan
from thermometry import phase_to_temperature_rad_per_c


def test_conversion_matches_the_published_wrap_limits():
    # ±π is 30 °C at 3 T with TE 13 ms and 19.6 °C with 20 ms (α = -0.01 ppm/°C, γ̄ 42.577 MHz/T)
    for echo_time_s, wrap_c in ((0.013, 30.1), (0.020, 19.6)):
        rad_per_c = phase_to_temperature_rad_per_c(
            echo_time_s, 42.577e6 * 3, alpha_ppm_per_c=-0.01, phase_sign=1
        )
        assert math.pi / abs(rad_per_c) == pytest.approx(wrap_c, abs=0.05)


def test_phase_sign_flips_the_conversion():
    assert make_plan(phase_sign=-1).rad_per_c == -make_plan(phase_sign=1).rad_per_c
    assert make_plan(phase_sign=1).rad_per_c < 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("echo_time_s", 0.0),
        ("echo_time_s", math.nan),
        ("h1_frequency_hz", -1.0),
        ("alpha_ppm_per_c", 0.0),
        ("body_temperature_c", math.inf),
        ("phase_sign", 0),
        ("baseline_frames", 0),
        ("drift_order", 3),
        ("min_snr", 0.0),
        ("max_std_c", math.nan),
        ("shape", (1, 2, 3)),
    ],
)
def test_a_plan_that_cannot_be_is_refused_by_name(name, value):
    expected = "reference_mask" if name == "shape" else name
    changes = {name: value}
    if name == "shape":
        changes = {"shape": value, "reference_mask": make_plan().reference_mask}
    with pytest.raises(ValueError, match=expected):
        make_plan(**changes)
