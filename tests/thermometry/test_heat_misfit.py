"""Heat that the model does not foresee: it says so, and is not confidently wrong."""

import numpy as np
import pytest

from messages import FrameKey, PowerLog, TemperatureMap
from simulators.tissue.heat import Heat, Medium, on_off
from simulators.tissue.heated_box import HeatedBox
from simulators.tissue.sources import Gaussian
from thermometry.heat.forecast import Forecaster
from thermometry.heat.tissue import tissue

N, PX_MM, FRAME_S, BODY_C, ON_S, STD_C = 26, 1.3, 3.4, 37.0, 16.0, 0.5
STEP_S = 0.25
TIMES_S = np.arange(0, 76, STEP_S)


def spot(x_mm=0.3, y_mm=-0.2):
    return Gaussian(center_mm=(x_mm, y_mm), fwhm_mm=(3.6, 4.4, 8.0))


class Moving:
    """A focus that jumps aside in mid-heating, as when a patient moves."""

    def __call__(self, x_mm, y_mm, z_mm, *, t_s):
        return spot(0.3 if t_s < ON_S / 2 else 4.3)(x_mm, y_mm, z_mm, t_s=t_s)


class Second:
    """A second source that no log tells of, for a while before the first one ends."""

    def __call__(self, x_mm, y_mm, z_mm, *, t_s):
        first = spot()(x_mm, y_mm, z_mm, t_s=t_s)
        return first + (0.8 * spot(6.0, 4.0)(x_mm, y_mm, z_mm, t_s=t_s) if t_s > 8 else 0.0)


def vessel(t_s, rise_c):
    """Perfusion of the box's one half, behind the focus, ten times that of the other."""
    across = np.arange(rise_c.shape[1]) > rise_c.shape[1] // 2
    return np.where(across[None, :, None], 12.0, 1.0) * np.ones_like(rise_c)


def rises(source, factor=None):
    medium = Medium(diffusivity_mm2_per_s=0.14, perfusion_per_s=0.01, perfusion_factor=factor)
    box = HeatedBox(
        Heat(
            source=source,
            plan=on_off(0.0, ON_S),
            medium=medium,
            extent_mm=(40.0, 40.0),
            half_depth_mm=13.0,
            grid_mm=1.0,
        )
    )
    axis = (np.arange(N) - N // 2) * PX_MM
    nodes = np.array([-1, 0, 1]) * PX_MM / np.sqrt(6)  # the box average to the third order
    rows = np.mean([box.rows(axis + n) for n in nodes], axis=0)
    columns = np.mean([box.columns(axis + n) for n in nodes], axis=0)
    planes = [box.plane(float(t)) for t in TIMES_S]
    found = np.array([np.zeros((N, N)) if p is None else rows @ p @ columns for p in planes])
    return found * (18 / found.max())


def play(truth, *, log_late_s=0.0, seed=3):
    """Forecasts of the frames, their misfits, and the truth's final dose."""
    target = np.zeros((1, N, N), np.bool_)
    target[0, 10:17, 10:17] = True
    model = Forecaster.around(
        {"focus": target},
        voxel_mm=(3.0, PX_MM, PX_MM),
        tissue=tissue("brain"),
        body_c=BODY_C,
    )
    rng = np.random.default_rng(seed)
    power = PowerLog(np.array([-9.0, log_late_s, ON_S + log_late_s]), np.array([0.0, 30.0, 0.0]))
    state, forecasts, misfits = model.start(), [], []
    for n, time_s in enumerate(np.arange(-7.0, ON_S + 3 * FRAME_S, FRAME_S)):
        rise_c = truth[round(time_s / STEP_S)] if time_s > 0 else np.zeros((N, N))
        map_ = TemperatureMap(
            n,
            FrameKey(repetition=n),
            float(time_s),
            (BODY_C + rise_c + rng.normal(0, STD_C, (N, N)))[None].astype(np.float32),
            np.full((1, N, N), STD_C, np.float32),
            np.zeros((1, N, N), np.float32),
            np.ones((1, N, N), np.bool_),
            is_baseline=False,
            baseline_frames=10,
        )
        now_s = time_s + FRAME_S / 2
        known = power.time_s <= now_s
        state, forecast = model.step(
            state,
            map_,
            PowerLog(power.time_s[known], power.watts[known]),
            exposure_s=0.0,
            now_s=now_s,
        )
        if time_s > ON_S:  # what no frame has shown yet, nobody could know
            forecasts.append(forecast)
        misfits.append(state[0].misfit)
    return forecasts, misfits


def final_dose(truth):
    temperature = BODY_C + truth
    rate = np.exp2(np.where(temperature >= 43, 1, 2) * (temperature - 43))
    return rate.sum(0) * STEP_S / 60


def covered(forecast, truth):
    """Share of voxels of 5 CEM43 or more whose interval holds the final dose."""
    dose = final_dose(truth)
    low, high = forecast.final_low_cem43_min[0], forecast.final_high_cem43_min[0]
    return float(((low <= dose) & (dose <= high))[dose >= 5].mean())


@pytest.fixture(scope="module")
def honest():
    return rises(spot())


@pytest.mark.slow
def test_where_the_model_holds_it_is_trusted(honest):
    runs = [play(honest, seed=seed) for seed in range(4)]
    assert all(one.is_trusted for forecasts, _ in runs for one in forecasts)
    assert max(max(misfits) for _, misfits in runs) < 3
    assert np.mean([covered(one, honest) for forecasts, _ in runs for one in forecasts]) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "factor", "log_late_s"),
    [
        (Moving(), None, 0.0),
        (Second(), None, 0.0),
        (spot(), vessel, 0.0),
        (spot(), None, 2.0),
        (spot(), None, -2.0),
    ],
    ids=["moving", "second source", "half perfused", "log late", "log early"],
)
def test_what_it_cannot_foresee_it_does_not_claim_to(source, factor, log_late_s):
    truth = rises(source, factor)
    for seed in range(3):
        forecasts, misfits = play(truth, log_late_s=log_late_s, seed=seed)
        for one in forecasts:
            assert not one.is_trusted or covered(one, truth) > 0.8
        # it has noticed, or what it says holds all the same
        widest = min(covered(one, truth) for one in forecasts)
        assert max(misfits) > 2 or widest > 0.95
