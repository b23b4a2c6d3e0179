"""Heat and its ghosts: what folds onto the heat's place is never taken for it and believed."""

import numpy as np
import pytest

from tests.thermometry.phantoms import heated, hot_spot
from tests.thermometry.test_kspace_hybrid import (
    SHAPE,
    body,
    errors,
    lattice,
    trained,
    undersampled,
)

BEYOND_CHANCE = 5.5  # standard deviations; noise of these tests reaches it once in 500 runs


def worst(maps, rises):
    """The largest error over its standard deviation of any pixel that is called valid."""
    scores = [np.abs(errors(m, r) / m.temperature_std_c) for m, r in zip(maps, rises, strict=True)]
    return np.nanmax(scores)


@pytest.mark.parametrize(("acceleration", "least_valid"), [(2, 0.95), (4, 0.9), (6, 0.4)])
def test_heat_never_trades_places_with_its_ghost(acceleration, least_valid):
    """Six times folded, copies of this heat lie 1.8 of its widths apart: much is not valid."""
    rng = np.random.default_rng(40)
    coils, _ = body()
    thermometer, state = trained(rng, coils, drift_order=0)
    maps, rises = [], []
    for frame, y in enumerate(np.linspace(-0.7, 0.7, 12)):
        rises.append(hot_spot(SHAPE, 20, centre=(y, 0.1), width=0.08))
        image = undersampled(rng, heated(coils, rises[-1]), lattice(acceleration), frame)
        maps.append(thermometer.step(state, image)[1])
    assert worst(maps, rises) < BEYOND_CHANCE
    assert np.mean([m.valid[r > 2].mean() for m, r in zip(maps, rises, strict=True)]) > least_valid


def test_two_heats_that_fold_onto_each_other_are_told_apart_or_not_believed():
    rng = np.random.default_rng(41)
    for n_coils in (8, 4):
        coils, _ = body(n_coils)
        thermometer, state = trained(rng, coils, drift_order=0)
        maps, rises = [], []
        for frame in range(8):
            first = hot_spot(SHAPE, 22, centre=(-0.3, 0.0), width=0.07)
            rises.append(first + hot_spot(SHAPE, 14, centre=(0.2, 0.0), width=0.06))
            image = undersampled(rng, heated(coils, rises[-1]), lattice(4), frame)
            maps.append(thermometer.step(state, image)[1])
        assert worst(maps, rises) < BEYOND_CHANCE


def test_heat_that_darkens_leaves_no_ghost():
    """T1 and T2* change with temperature, by about 1 % a degree."""
    rng = np.random.default_rng(42)
    coils, inside = body()
    thermometer, state = trained(rng, coils, drift_order=0)
    rise = hot_spot(SHAPE, 20)
    dark = heated(coils, rise) * (1 - 0.01 * rise)
    maps = [
        thermometer.step(state, undersampled(rng, dark, lattice(4), frame))[1] for frame in range(6)
    ]
    assert worst(maps, [rise] * 6) < BEYOND_CHANCE
    mean_error = np.mean([np.nan_to_num(errors(one, rise)) for one in maps], axis=0)
    assert np.sqrt(np.mean(mean_error[inside & (rise < 0.1)] ** 2)) < 0.2
    assert maps[0].valid[inside].mean() > 0.9
