"""The heat model against an oracle of other sources, other tissue, on a grid of its own."""

import math

import numpy as np
import pytest

from messages import FrameKey, PowerLog, TemperatureMap, ThermalDose
from simulators.bioheat import BioheatField, GaussianSource
from simulators.bioheat import Tissue as OracleTissue
from thermometry.heat.blur import hidden_c
from thermometry.heat.forecast import Forecaster
from thermometry.heat.tissue import tissue

N, PX_MM, FRAME_S, BODY_C, ON_S = 26, 1.3, 4.0, 37.0, 12.0
STD_C = 0.3


def two_lobes(times_s, *, box_mm=PX_MM, rate=2.4, on_s=ON_S):
    """Rises (time, y, x): two unlike lobes in tissue that the forecaster's table does not have."""
    axis = (np.arange(N) - N // 2) * PX_MM
    rises = np.zeros((len(times_s), N, N))
    for at_x, fwhm, part in ((-1.3, (3.0, 3.6, 7.0), 1.0), (2.0, (2.8, 2.8, 6.0), 0.7)):
        field = BioheatField(GaussianSource(fwhm), OracleTissue(0.125, 0.014), period_mm=48.0)
        sampler = field.sampler(axis - at_x - 0.3, axis + 0.4, box_mm=(box_mm, box_mm))
        then_s = 0.0
        for n, time_s in enumerate(times_s):
            for step_s, power in (
                (min(time_s, on_s) - min(then_s, on_s), rate * part),
                (max(time_s, on_s) - max(then_s, on_s), 0.0),
            ):
                field.advance(step_s, rate_c_per_s=power)
            then_s = max(time_s, 0.0)
            rises[n] += sampler(field.in_plane())
    return rises


def as_map(rise_c, time_s, *, frame_id=0, std_c=STD_C, valid=True):
    shape = (1, N, N)
    return TemperatureMap(
        frame_id,
        FrameKey(repetition=frame_id),
        time_s,
        (BODY_C + rise_c[None]).astype(np.float32),
        np.full(shape, std_c, np.float32),
        np.zeros(shape, np.float32),
        np.full(shape, valid, np.bool_),
        is_baseline=False,
        baseline_frames=5,
    )


def forecaster():
    target = np.zeros((1, N, N), np.bool_)
    target[0, 10:17, 10:17] = True
    return Forecaster.around(
        {"focus": target},
        voxel_mm=(3.0, PX_MM, PX_MM),
        tissue=tissue("brain"),
        body_c=BODY_C,
    )


POWER = PowerLog(np.array([-6.0, 0.0, ON_S]), np.array([0.0, 40.0, 0.0]))
TIMES_S = np.arange(-6.0, 31.0, FRAME_S) + 0.7


def play(times_s=TIMES_S, *, power=POWER, seed=1, lost=(), on_s=ON_S):
    """Forecast of each frame, and the forecaster's last state."""
    rng = np.random.default_rng(seed)
    model, forecasts = forecaster(), []
    state = model.start()
    heated = times_s[times_s > 0]
    rises = np.concatenate([np.zeros((np.sum(times_s <= 0), N, N)), two_lobes(heated, on_s=on_s)])
    for n, (time_s, rise_c) in enumerate(zip(times_s, rises, strict=True)):
        now_s = time_s + FRAME_S / 2
        known = power.time_s <= now_s
        state, forecast = model.step(
            state,
            as_map(rise_c + rng.normal(0, STD_C, (N, N)), time_s, frame_id=n, valid=n not in lost),
            PowerLog(power.time_s[known], power.watts[known]),
            exposure_s=0.0,
            now_s=now_s,
        )
        forecasts.append(forecast)
    return forecasts, rises, model, state


def final_dose():
    temperature = BODY_C + two_lobes(np.arange(0.05, 100.0, 0.1))
    rate = np.exp2(np.where(temperature >= 43, 1, 2) * (temperature - 43))
    return rate.sum(0) * 0.1 / 60


def test_the_filtered_temperature_is_better_than_the_frame_and_its_deviation_true():
    forecasts, rises, _, _ = play()
    hot = rises.max(axis=0) > 4
    errors = np.array([f.temperature_c[0][hot] for f in forecasts[3:]])
    now_s = TIMES_S[3:] + FRAME_S / 2
    truth = BODY_C + two_lobes(now_s)[:, hot]
    deviation = np.array([f.temperature_std_c[0][hot] for f in forecasts[3:]])
    # two seconds after the frame's middle, and better than that frame's own noise
    assert np.sqrt(np.mean((errors - truth) ** 2)) < 0.9 * STD_C
    assert 0.4 < np.sqrt(np.mean(((errors - truth) / deviation) ** 2)) < 1.4


def test_the_final_dose_is_foreseen_when_the_power_ends():
    forecasts, _, _, _ = play()
    truth = final_dose()
    hot = np.unravel_index(truth.argmax(), truth.shape)
    ended = int(np.flatnonzero(TIMES_S + FRAME_S / 2 > ON_S)[0])
    for forecast in forecasts[ended:]:
        assert (
            forecast.final_low_cem43_min[0][hot]
            < truth[hot]
            < forecast.final_high_cem43_min[0][hot]
        )
        # 0.3 °C of noise: 10 % of dose is 0.14 °C of temperature
        assert abs(forecast.final_cem43_min[0][hot] / truth[hot] - 1) < 0.3


def test_the_peak_between_frames_is_found():
    forecasts, _, _, _ = play()
    fine = two_lobes(np.arange(0.25, 30.0, 0.25))
    hot = np.unravel_index(fine.max(axis=0).argmax(), (N, N))
    peak = forecasts[-1].peak_c[0][hot]
    assert abs(peak - BODY_C - fine[:, *hot].max()) < 3 * forecasts[-1].peak_std_c[0][hot]
    assert forecasts[-1].peak_std_c[0][hot] < 0.5


def test_a_lost_frame_is_bridged_with_growing_doubt():
    whole, rises, _, _ = play()
    broken, _, _, _ = play(lost=(5, 6, 7))
    hot = np.unravel_index(rises.max(axis=0).argmax(), (N, N))
    assert broken[4].bridged_s == 0.0
    assert abs(broken[6].bridged_s - 2 * FRAME_S) < 1e-9
    assert broken[6].temperature_std_c[0][hot] > whole[6].temperature_std_c[0][hot]
    off_c = broken[6].temperature_c[0][hot] - whole[6].temperature_c[0][hot]
    assert abs(off_c) < 3 * broken[6].temperature_std_c[0][hot]
    assert broken[6].is_trusted
    assert not broken[7].is_trusted  # 12 s
    assert "no frame was measured for 12.0 s" in broken[7].reason


def test_without_a_power_log_nothing_is_trusted_but_heat_still_spreads():
    forecasts, rises, _, _ = play(power=PowerLog())
    hot = np.unravel_index(rises.max(axis=0).argmax(), (N, N))
    assert all(not f.is_trusted for f in forecasts)
    assert "has not said its power" in forecasts[-1].reason
    assert np.isfinite(forecasts[-1].final_cem43_min[0][hot])


def test_power_that_heats_elsewhere_shows_in_the_innovation():
    # the log says that power flows on, the tissue cools: expected and seen part
    silent = PowerLog(np.array([-6.0, 0.0]), np.array([0.0, 40.0]))
    forecasts, _, _, _ = play(power=silent)
    honest, _, _, _ = play()
    ended = int(np.flatnonzero(TIMES_S > ON_S)[0])
    assert min(f.rise_z for f in forecasts[ended : ended + 2]) < -4  # the rule's limit
    assert max(abs(f.rise_z) for f in honest[ended : ended + 2]) < 4


def test_unheated_tissue_has_no_dose_to_come():
    model = forecaster()
    state = model.start()
    rng = np.random.default_rng(0)
    for n in range(6):
        state, forecast = model.step(
            state,
            as_map(rng.normal(0, 0.5, (N, N)), 4.0 * n, frame_id=n, std_c=0.5),
            PowerLog(np.zeros(1), np.zeros(1)),
            exposure_s=0.0,
            now_s=4.0 * n + 2,
        )
    inside = np.isfinite(forecast.peak_c)
    assert forecast.peak_c[inside].max() < BODY_C + 1.5
    assert forecast.final_high_cem43_min[inside].max() < 0.1


def test_the_models_dose_stands_in_the_region_and_anothers_elsewhere():
    _, _, model, state = play()
    elsewhere = np.full((1, N, N), 7.0, np.float32)
    base = ThermalDose(0, 0.0, elsewhere, elsewhere, elsewhere)
    dose = model.dose(state, base)
    region = model.regions[0]
    outside = np.ones((1, N, N), np.bool_)
    outside[region.z, region.y, region.x] = False
    assert (dose.cem43_min[outside] == 7.0).all()
    assert (dose.cem43_min[~outside] != 7.0).all()
    assert (elsewhere == 7.0).all()


def test_a_map_without_a_clock_or_baseline_foresees_nothing():
    model = forecaster()
    state, forecast = model.step(
        model.start(), as_map(np.zeros((N, N)), math.nan), POWER, exposure_s=0.0, now_s=math.nan
    )
    assert forecast is None
    assert state[0].n_frames == 0


def test_an_image_without_a_target_has_no_forecaster():
    nowhere = Forecaster.around({}, voxel_mm=(3.0, 1.0, 1.0), tissue=tissue("brain"), body_c=BODY_C)
    assert nowhere is None


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.45, -0.3)])
@pytest.mark.parametrize("fwhm", [3.0, 5.0])
def test_what_voxels_hide_of_a_gaussian_peak(shift, fwhm):
    sigma, size = fwhm / 2.3548, 1.5
    edges = (np.arange(17) - 8.5) * size
    rise = [
        np.diff([math.erf((edge - at * size) / (math.sqrt(2) * sigma)) for edge in edges])
        * math.sqrt(math.pi / 2)
        * sigma
        / size
        for at in shift
    ]
    through = math.sqrt(math.pi / 2) * sigma / 3.0 * 2 * math.erf(1.5 / (math.sqrt(2) * sigma))
    seen = 20 * np.outer(*rise) * through
    truth = 20 - seen.max()
    found = hidden_c(seen, (size, size), thickness_mm=3.0, across_mm=sigma)
    assert abs(found - truth) < 0.15 * truth + 0.2


def test_blur_of_a_cold_or_border_spot_is_not_known():
    assert math.isnan(hidden_c(np.zeros((9, 9)), (1.0, 1.0), thickness_mm=3, across_mm=2))
    edge = np.zeros((9, 9))
    edge[0, 4] = 10
    assert math.isnan(hidden_c(edge, (1.0, 1.0), thickness_mm=3, across_mm=2))
