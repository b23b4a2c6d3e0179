"""A phase that moves by more than π between two frames reads as its complement, for good."""

import numpy as np

from messages import FrameKey, Image, Pose
from thermometry import METHODS, ThermometryPlan, phase_to_temperature_rad_per_c

SHAPE = (1, 48, 48)
Y, X = np.mgrid[:48, :48]
BUMP = np.exp(-((Y - 24.0) ** 2 + (X - 24.0) ** 2) / (2 * 5.0**2))[None]
RAD_PER_C = phase_to_temperature_rad_per_c(0.02, 123.25e6, alpha_ppm_per_c=-0.0094, phase_sign=1)


def image(frame_id: int, rise_c: np.ndarray) -> Image:
    pixels = (100.0 * np.exp(1j * RAD_PER_C * rise_c)).astype(np.complex64)
    return Image(
        frame_id, FrameKey(), 2.0 * frame_id, pixels, (100.0, 100.0, 5.0), Pose(), pixels[None], 1.0
    )


def maps_of(peaks_c: list[float]) -> list:
    plan = ThermometryPlan(
        echo_time_s=0.02,
        h1_frequency_hz=123.25e6,
        alpha_ppm_per_c=-0.0094,
        phase_sign=1,
        body_temperature_c=37.0,
        baseline_frames=1,
        drift_order=-1,
        shape=SHAPE,
        reference_mask=np.ones(SHAPE, bool),
        heated_mask=np.zeros(SHAPE, bool),
    )
    thermometer = METHODS["single-baseline"](plan)
    state, maps = thermometer.start(), []
    for frame_id, peak_c in enumerate([0.0, *peaks_c]):
        state, temperature = thermometer.step(state, image(frame_id, peak_c * BUMP))
        maps.append(temperature)
    return maps[1:]


def test_a_step_within_reach_is_not_called_ambiguous():
    """Half a turn is 21.4 °C here; steps of 15 °C are safe and read right."""
    for peak_c, temperature in zip([15.0, 30.0, 45.0], maps_of([15.0, 30.0, 45.0]), strict=True):
        assert not temperature.ambiguous.any()
        assert abs(temperature.temperature_c[0, 24, 24] - 37.0 - peak_c) < 0.01


def test_a_core_that_wraps_is_betrayed_by_its_flank():
    """30 °C at once: the core reads cold, and pixels around it stand close to half a turn."""
    (temperature,) = maps_of([30.0])
    assert temperature.temperature_c[0, 24, 24] < 37.0
    flagged = temperature.ambiguous[0]
    assert flagged.sum() > 10
    assert np.hypot(*(np.argwhere(flagged) - 24).T).max() < 8.0


def test_what_has_wrapped_is_called_ambiguous_for_as_long_as_it_is_wrong():
    # 30 °C at once: the core reads 43 °C too cold, now and in all frames that follow
    for temperature in maps_of([30.0, 30.0, 31.0, 32.0])[1:]:
        assert temperature.temperature_c[0, 24, 24] < 37.0
        assert temperature.ambiguous[0, 20:29, 20:29].any()


def test_a_steep_spot_is_not_torn():
    # 60 °C over five pixels' deviation: at most 7 °C, a sixth of a turn, from pixel to pixel
    for temperature in maps_of([15.0, 30.0, 45.0, 60.0]):
        assert not temperature.ambiguous.any()
