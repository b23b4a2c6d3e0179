"""Arrhenius damage: a law, times that are known, and what noise does to it."""

from dataclasses import replace

import numpy as np
import pytest

from tests.thermometry.phantoms import make_map
from thermometry.dose.arrhenius import (
    MODELS,
    accumulate_arrhenius,
    damage_per_s,
    interrupt_arrhenius,
    start_arrhenius,
)

SHAPE = (1, 1, 2)


def integrate(temperatures_c, times_s, *, model, shape=SHAPE, std_c=0.0):
    state, omega = start_arrhenius(shape, MODELS[model]), None
    for temperature_c, time_s in zip(temperatures_c, times_s, strict=True):
        map_ = make_map(np.broadcast_to(temperature_c, shape), time_s, std_c=std_c)
        state, omega = accumulate_arrhenius(state, map_)
    return state, omega


@pytest.mark.parametrize(
    ("model", "seconds"), [("skin-henriques", 1040), ("coagulation", 24), ("liver-jacques", 61)]
)
def test_time_to_omega_1_at_50_degrees(model, seconds):
    # the reference's table: the models disagree by a factor of forty
    times_s = np.linspace(0, seconds, 9)
    _, omega = integrate([50.0] * 9, times_s, model=model)
    assert omega == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(
    ("model", "r"), [("skin-henriques", 0.471), ("coagulation", 0.545), ("liver-jacques", 0.734)]
)
def test_the_rate_of_a_degree_at_43(model, r):
    at = np.array([43.0, 44.0], np.float32)
    cooler, hotter = damage_per_s(at, np.zeros(2, np.float32), model=MODELS[model])
    assert cooler / hotter == pytest.approx(r, abs=0.005)


def test_damage_adds_over_any_split_and_never_falls():
    temperatures_c, times_s = np.linspace(40, 60, 11), np.arange(11.0)
    _, whole = integrate(temperatures_c, times_s, model="coagulation")
    _, first = integrate(temperatures_c[:6], times_s[:6], model="coagulation")
    _, second = integrate(temperatures_c[5:], times_s[5:], model="coagulation")
    assert first + second == pytest.approx(whole, rel=1e-5)
    assert np.all(whole >= first)


@pytest.mark.parametrize("model", MODELS)
def test_noise_leaves_no_bias(model):
    rng = np.random.default_rng(7)
    shape = (1, 100, 200)
    noisy = 52.0 + rng.normal(0, 0.8, (2, *shape))
    _, omega = integrate(noisy, [0.0, 1.0], model=model, shape=shape, std_c=0.8)
    _, exact = integrate([52.0] * 2, [0.0, 1.0], model=model)
    assert omega.mean(dtype=float) / exact.flat[0] == pytest.approx(1.0, abs=0.02)


def test_an_uncertain_alpha_is_no_noise_and_takes_no_damage_away():
    full = np.full(SHAPE, 1.25, np.float32)
    uncertain = [
        replace(make_map(np.full(SHAPE, 57.0), t, std_c=1.25), scale_std_c=full) for t in (0, 1)
    ]
    state = start_arrhenius(SHAPE, MODELS["skin-henriques"])
    for map_ in uncertain:
        state, omega = accumulate_arrhenius(state, map_)
    _, exact = integrate([57.0] * 2, [0.0, 1.0], model="skin-henriques")
    assert omega == pytest.approx(exact, rel=1e-4)


def test_nan_is_bridged_and_a_restart_is_not():
    state, omega = integrate([50.0, np.nan, 50.0], [0.0, 1.0, 2.0], model="coagulation")
    assert omega == pytest.approx(2 / 24, rel=0.1)
    hot = make_map(np.full(SHAPE, 50.0), 60.0)
    _, later = accumulate_arrhenius(interrupt_arrhenius(state), hot)
    assert np.array_equal(later, omega)
