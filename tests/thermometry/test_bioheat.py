"""Exact solutions of Pennes' equation (shared reference, section 5), and an independent oracle."""

import math

import numpy as np
import pytest

from simulators import bioheat as oracle
from thermometry.heat.bioheat import CosineSolver, gaussian_rise_c
from thermometry.heat.tissue import TISSUES, Tissue, tissue

D = 0.134
PERFUSIONS = pytest.mark.parametrize("perfusion", [0.0, 0.0015, 0.01])


def gaussian(shape, spacing, sigma):
    """A Gaussian in the middle of a grid, and the index of its centre."""
    axes = [(np.arange(n) - n // 2) * spacing for n in shape]
    squares = sum(
        (axis.reshape([-1 if i == j else 1 for j in range(len(shape))]) / s) ** 2
        for i, (axis, s) in enumerate(zip(axes, sigma, strict=True))
    )
    return np.exp(-squares / 2), tuple(n // 2 for n in shape)


@PERFUSIONS
def test_three_dimensional_gaussian_source_agrees_with_closed_form_and_oracle(perfusion):
    sigma, time_s = (3.0, 1.5, 1.5), 12.0
    ours = Tissue(D, perfusion)
    solver = CosineSolver.over((56, 40, 40), (0.6,) * 3, ours)
    source, centre = gaussian((56, 40, 40), 0.6, sigma)
    risen = solver.advance(np.zeros_like(source), time_s, source_c_per_s=2.0 * source)
    # by the oracle's axes (x, y, z)
    spot = oracle.GaussianSource(tuple(2 * math.sqrt(2 * math.log(2)) * s for s in sigma))
    for steps in [(0, 0, 0), (5, 0, 0), (0, 3, 2), (6, 4, 0)]:
        at = tuple(c + n for c, n in zip(centre, steps, strict=True))
        offset = tuple(0.6 * n for n in steps)
        exact = oracle.exact_rise_c(
            spot,
            oracle.Tissue(D, perfusion),
            position_mm=offset,
            time_s=time_s,
            rate_c_per_s=2.0,
        )
        closed = gaussian_rise_c(offset, sigma, ours, time_s=time_s, rate_c_per_s=2.0)
        assert abs(closed - exact) < 1e-6
        assert abs(risen[at] - exact) < 1e-4  # the grid's border, 17 mm away


def test_centre_of_a_round_source_without_perfusion():
    s, t, q = 1.5, 20.0, 3.0
    exact = q * s**2 / D * (1 - 1 / math.sqrt(1 + 2 * D * t / s**2))
    found = gaussian_rise_c((0, 0, 0), (s, s, s), Tissue(D, 0), time_s=t, rate_c_per_s=q)
    assert abs(found - exact) < 1e-6


def test_cylinder():
    s, t, q = 1.5, 20.0, 3.0
    exact = q * s**2 / (2 * D) * math.log(1 + 2 * D * t / s**2)
    found = gaussian_rise_c((0, 0), (s, s), Tissue(D, 0), time_s=t, rate_c_per_s=q)
    assert abs(found - exact) < 1e-6
    source, centre = gaussian((64, 64), 0.6, (s, s))
    solver = CosineSolver.over((64, 64), (0.6, 0.6), Tissue(D, 0))
    assert abs(solver.advance(0 * source, t, source_c_per_s=q * source)[centre] - exact) < 1e-4


def test_cooling_is_a_superposition():
    sigma, ours = (1.5, 1.5), Tissue(D, 0.01)
    source, centre = gaussian((64, 64), 0.6, sigma)
    solver = CosineSolver.over((64, 64), (0.6, 0.6), ours)
    hot = solver.advance(0 * source, 10.0, source_c_per_s=2.0 * source)
    cooled = solver.advance(hot, 15.0, source_c_per_s=0 * source)[centre]
    on = gaussian_rise_c((0, 0), sigma, ours, time_s=25.0, rate_c_per_s=2.0)
    off = gaussian_rise_c((0, 0), sigma, ours, time_s=15.0, rate_c_per_s=2.0)
    assert abs(cooled - (on - off)) < 1e-4


@PERFUSIONS
def test_uniform_heating(perfusion):
    solver = CosineSolver.over((8, 8), (1.0, 1.0), Tissue(D, perfusion))
    risen = solver.advance(np.zeros((8, 8)), 30.0, source_c_per_s=np.full((8, 8), 0.5))
    exact = 15.0 if perfusion == 0 else 0.5 * (1 - math.exp(-30 * perfusion)) / perfusion
    assert np.abs(risen - exact).max() < 1e-9


@PERFUSIONS
def test_an_initial_gaussian_spreads_and_fades(perfusion):
    s, t = 2.0, 25.0
    start, centre = gaussian((80, 80), 0.6, (s, s))
    solver = CosineSolver.over((80, 80), (0.6, 0.6), Tissue(D, perfusion))
    risen = solver.advance(10 * start, t, source_c_per_s=0 * start)
    variance = s**2 + 2 * D * t
    for n in (0, 5):
        shape = math.exp(-((0.6 * n) ** 2) / (2 * variance) - perfusion * t)
        exact = 10 * s**2 / variance * shape
        assert abs(risen[centre[0] + n, centre[1]] - exact) < 1e-5


def test_a_step_of_any_length_has_no_time_error():
    source, _ = gaussian((32, 32), 1.0, (2.0, 2.0))
    solver = CosineSolver.over((32, 32), (1.0, 1.0), Tissue(D, 0.01))
    once = solver.advance(0 * source, 9.0, source_c_per_s=source)
    stepped = 0 * source
    for step_s in (0.1, 3.4, 5.5):
        stepped = solver.advance(stepped, step_s, source_c_per_s=source)
    assert np.abs(once - stepped).max() < 1e-12


def test_brain_is_that_of_the_table():
    brain = tissue("brain")
    assert abs(brain.diffusivity_mm2_per_s - 0.1343) < 1e-4
    assert abs(brain.perfusion_per_s - 0.00975) < 1e-5


def test_every_tissue_is_plausible():
    for name, one in TISSUES.items():
        # soft tissue 0.09 to 0.15 mm²/s, bone to 0.13; kidney is the best perfused
        assert 0.09 < one.diffusivity_mm2_per_s < 0.16, name
        assert 0 <= one.perfusion_per_s < 0.1, name


def test_an_unknown_tissue_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="unknown tissue 'steel', expected one of water, brain"):
        tissue("steel")
