import numpy as np
import pytest

from simulators.bioheat import BioheatField, GaussianSource, Tissue, exact_rise_c

SOURCE = GaussianSource((3.0, 6.5, 3.0))
ROUND = GaussianSource((3.5, 3.5, 3.5))
BRAIN = Tissue()


@pytest.mark.parametrize("perfusion_per_s", [0.0, 0.0015, 0.01])
@pytest.mark.parametrize("radius_mm", [0.0, 2.0, 4.0, 8.0])
def test_field_agrees_with_the_exact_solution(radius_mm, perfusion_per_s):
    tissue = Tissue(0.134, perfusion_per_s)
    field = BioheatField(SOURCE, tissue)
    for _ in range(100):
        field.advance(0.1, rate_c_per_s=4.0)
    for _ in range(50):
        field.advance(0.2, rate_c_per_s=0.0)
    at = np.array([radius_mm])
    for position, sampler in (
        ((radius_mm, 0.0, 0.0), field.sampler(at, np.zeros(1))),
        ((0.0, radius_mm, 0.0), field.sampler(np.zeros(1), at)),
    ):
        rises = [
            exact_rise_c(SOURCE, tissue, position_mm=position, time_s=t, rate_c_per_s=4.0)
            for t in (20.0, 10.0)
        ]
        assert abs(sampler(field.in_plane())[0, 0] - (rises[0] - rises[1])) < 0.001


def test_exact_solution_has_the_known_value_at_the_centre():
    tissue, t_s, rate = Tissue(0.14, 0.0), 12.0, 3.0
    sigma = ROUND.sigma_mm[0]
    known = rate * sigma**2 / 0.14 * (1 - 1 / np.sqrt(1 + 2 * 0.14 * t_s / sigma**2))
    rise = exact_rise_c(ROUND, tissue, position_mm=(0, 0, 0), time_s=t_s, rate_c_per_s=rate)
    assert abs(rise - known) < 1e-6


def test_wide_source_follows_the_uniform_solution():
    wide = GaussianSource((4000.0, 4000.0, 4000.0))
    rise = exact_rise_c(wide, BRAIN, position_mm=(0, 0, 0), time_s=60.0, rate_c_per_s=0.2)
    known = 0.2 * (1 - np.exp(-BRAIN.perfusion_per_s * 60)) / BRAIN.perfusion_per_s
    assert abs(rise - known) < 0.001


def test_step_length_does_not_matter():
    coarse, fine = BioheatField(SOURCE, BRAIN), BioheatField(SOURCE, BRAIN)
    coarse.advance(3.0, rate_c_per_s=2.0)
    for _ in range(300):
        fine.advance(0.01, rate_c_per_s=2.0)
    assert abs(coarse.peak_c() - fine.peak_c()) < 1e-6
    assert coarse.peak_c() > 4


def test_box_average_is_the_mean_of_points():
    field = BioheatField(SOURCE, BRAIN)
    field.advance(8.0, rate_c_per_s=3.0)
    inner = (np.arange(60) + 0.5) / 60 - 0.5
    points = field.sampler(0.7 + 2 * inner, -1.1 + 3 * inner)(field.in_plane())
    box = field.sampler(np.array([0.7]), np.array([-1.1]), box_mm=(2.0, 3.0))(field.in_plane())
    assert abs(points.mean() - box[0, 0]) < 0.005


def test_unheated_tissue_stays_cold():
    field = BioheatField(SOURCE, BRAIN)
    field.advance(5.0, rate_c_per_s=0.0)
    assert field.peak_c() == 0


def test_brain_constants_are_those_of_the_tissue_table():
    assert abs(BRAIN.diffusivity_mm2_per_s - 0.134) < 0.001
    assert abs(BRAIN.perfusion_per_s - 0.0097) < 0.0002
