"""Temperature from T1: known answers, true standard deviations, and what it refuses."""

import pickle

import numpy as np
import pytest

from tests.thermometry.phantoms import BODY_C, anatomy, fold, hot_spot, make_image, make_plan
from thermometry.echoes.t1 import T1Thermometry, despot1

SHAPE = (1, 32, 32)
COILS = anatomy(SHAPE, n_coils=4)
FLIPS_DEG, TR_S = (4.0, 22.0), 0.015
FAT_T1_S, PERCENT_PER_C = 0.35, 1.5


def steady_state(t1_s, flip_deg):
    """Ernst and Anderson 1966, doi:10.1063/1.1718938."""
    flip, left = np.radians(flip_deg), np.exp(-TR_S / t1_s)
    return np.sin(flip) * (1 - left) / (1 - np.cos(flip) * left)


def plan_of(**changes):
    told = {
        "flip_angles_deg": FLIPS_DEG,
        "repetition_time_s": TR_S,
        "t1_change_percent_per_c": PERCENT_PER_C,
        "max_std_c": 10.0,
    }
    return make_plan(SHAPE, **{**told, **changes})


def flips_image(rise_c=0.0, *, noise_std=0.0, rng=None, b1=1.0, flips_deg=FLIPS_DEG, **changes):
    """noise_std: of each coil, relative to the brighter flip angle's signal."""
    t1_s = FAT_T1_S * (1 + PERCENT_PER_C / 100 * np.asarray(rise_c))
    brightest = max(steady_state(FAT_T1_S, one) for one in flips_deg)
    images = []
    for flip_deg in flips_deg:
        coils = COILS * steady_state(t1_s, b1 * flip_deg) / brightest
        if noise_std:
            noise = rng.standard_normal((2, *coils.shape)) * noise_std / np.sqrt(2)
            coils = coils + noise[0] + 1j * noise[1]
        # any phase: field and proton frequency mean nothing here
        phase = 0.0 if rng is None else rng.uniform(-3, 3)
        images.append(make_image(coils * np.exp(1j * phase), noise_std=noise_std or None))
    return make_image(COILS, echoes=tuple(images), **changes)


@pytest.mark.parametrize("flips_deg", [(4.0, 22.0), (22.0, 4.0), (3.0, 8.0, 20.0, 35.0)])
@pytest.mark.parametrize("t1_s", [0.15, 0.35, 1.5])
def test_t1_of_a_noiseless_steady_state_is_exact(flips_deg, t1_s):
    signal = 7.0 * np.array([[steady_state(t1_s, one)] for one in flips_deg])
    found, _ = despot1(
        signal, np.ones_like(signal), flips_rad=np.radians(flips_deg), repetition_time_s=TR_S
    )
    assert found == pytest.approx(t1_s, rel=1e-9)


@pytest.mark.parametrize("flips_deg", [(4.0, 22.0), (3.0, 8.0, 20.0, 35.0)])
def test_the_variance_of_t1_is_that_of_repeated_noise(flips_deg):
    rng = np.random.default_rng(1)
    signal = np.array([[steady_state(FAT_T1_S, one)] for one in flips_deg])
    std = signal.max() / 100
    noisy = signal + std * rng.standard_normal((len(flips_deg), 20_000))
    found, variance = despot1(
        noisy,
        np.full(noisy.shape, std**2),
        flips_rad=np.radians(flips_deg),
        repetition_time_s=TR_S,
    )
    assert np.std(found) == pytest.approx(np.sqrt(np.mean(variance)), rel=0.05)
    assert np.mean(found) == pytest.approx(FAT_T1_S, rel=0.01)


@pytest.mark.parametrize("b1", [0.8, 1.0, 1.2])
def test_reads_a_hot_spot_in_fat_whatever_the_b1(b1):
    """A flip angle off by 20 % moves T1 by 40 %, and the temperature by less than 3 % of it."""
    spot = hot_spot(SHAPE, 30.0)
    _, maps = fold(T1Thermometry(plan_of()), [flips_image(b1=b1), flips_image(spot, b1=b1)])
    assert maps[-1].valid.all()
    error = maps[-1].temperature_c - BODY_C - spot
    assert np.abs(error).max() < (1e-3 if b1 == 1.0 else 0.03 * 30)


def test_standard_deviations_are_true():
    rng = np.random.default_rng(2)
    chosen = {"noise_std": np.sqrt(2) / 100, "rng": rng}
    spot = hot_spot(SHAPE, 20.0)
    images = [flips_image(**chosen) for _ in range(12)]
    images += [flips_image(spot, **chosen) for _ in range(8)]
    _, maps = fold(T1Thermometry(plan_of(baseline_frames=12)), images)
    errors = np.stack(
        [(one.temperature_c - BODY_C - spot) / one.temperature_std_c for one in maps[12:]]
    )
    assert np.std(errors) == pytest.approx(1, abs=0.05)
    assert abs(np.mean(errors)) < 0.1
    # what frames share does not average out: the mean over frames keeps the baseline's part
    mean = np.mean([one.temperature_c for one in maps[12:]], axis=0) - BODY_C - spot
    shared = np.sqrt(np.mean(maps[-1].common_std_c ** 2))
    own = np.mean(maps[-1].temperature_std_c ** 2) - shared**2
    assert np.std(mean) == pytest.approx(np.sqrt(shared**2 + own / 8), rel=0.1)


def test_an_uncertain_change_of_t1_widens_the_deviation_with_the_rise():
    spot = hot_spot(SHAPE, 30.0)
    images = [flips_image(), flips_image(spot)]
    plain = fold(T1Thermometry(plan_of()), images)[1][-1]
    plan = plan_of(t1_change_std_percent_per_c=0.15)
    map_ = fold(T1Thermometry(plan), images)[1][-1]
    added = np.sqrt(map_.temperature_std_c**2 - plain.temperature_std_c**2)
    assert added.max() == pytest.approx(0.1 * spot.max(), rel=0.01)
    assert np.array_equal(map_.valid, plain.valid)


def test_is_blind_to_phase_and_scale():
    rng = np.random.default_rng(3)
    spot = hot_spot(SHAPE, 20.0)
    still, moved = (flips_image(spot, rng=one) for one in (None, rng))
    _, plain = fold(T1Thermometry(plan_of()), [flips_image(), still])
    _, maps = fold(T1Thermometry(plan_of()), [flips_image(), moved])
    assert np.abs(maps[-1].temperature_c - plain[-1].temperature_c).max() < 0.01


def test_where_the_signals_are_no_steady_state_nothing_is_shown():
    dark = flips_image()
    pixels = dark.echoes[1].coil_pixels.copy()
    pixels[:, 0, 3, 3] = np.nan
    pixels[:, 0, 4, 4] = 0
    pixels[:, 0, 5, 5] *= 50  # E1 below 0
    object.__setattr__(dark.echoes[1], "coil_pixels", pixels)
    _, maps = fold(T1Thermometry(plan_of()), [flips_image(), dark])
    for y, x in ((3, 3), (4, 4), (5, 5)):
        assert not maps[-1].valid[0, y, x]
        assert np.isnan(maps[-1].temperature_c[0, y, x])
    assert maps[-1].valid.sum() == 32 * 32 - 3


def test_state_survives_a_checkpoint_and_incomplete_frames_leave_no_trace():
    spot = hot_spot(SHAPE, 20.0)
    thermometer = T1Thermometry(plan_of(baseline_frames=2))
    state = thermometer.start()
    images = [flips_image(), flips_image(is_complete=False), flips_image(), flips_image(spot)]
    maps = []
    for image in images:
        state, map_ = thermometer.step(pickle.loads(pickle.dumps(state)), image)
        maps.append(map_)
    assert [one.is_baseline for one in maps] == [True, False, True, False]
    assert [one.baseline_frames for one in maps] == [1, 1, 2, 2]
    assert np.abs(maps[-1].temperature_c - BODY_C - spot).max() < 0.01
    for name in ("temperature_c", "temperature_std_c", "valid"):
        assert not getattr(maps[-1], name).flags.writeable


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"flip_angles_deg": ()}, "flipAngle_deg gives none"),
        ({"flip_angles_deg": (15.0,)}, "flipAngle_deg gives 15.0"),
        ({"flip_angles_deg": (15.0, 15.0)}, "none twice"),
        ({"flip_angles_deg": (0.0, 15.0)}, "above 0 and below 180"),
        ({"repetition_time_s": float("nan")}, "TR"),
        ({"t1_change_percent_per_c": 0.0}, "t1_change_percent_per_c"),
    ],
)
def test_says_what_it_lacks(changed, told):
    with pytest.raises(ValueError, match=told):
        T1Thermometry(plan_of(**changed))


def test_an_image_of_other_contrasts_is_refused():
    thermometer = T1Thermometry(plan_of())
    with pytest.raises(ValueError, match="image has 3 contrasts, plan has 2 flip angles"):
        thermometer.step(thermometer.start(), flips_image(flips_deg=(4.0, 10.0, 22.0)))
