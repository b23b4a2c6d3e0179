"""TrackRAD's figures against cases worked by hand."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks._trackrad_metrics import (
    centre_distance,
    d98,
    dice,
    edge,
    field_of,
    hausdorff95,
    relative_d98,
    scores,
    surface_distance,
)


def square(first_row, first_column, side=4, shape=(20, 20)):
    mask = np.zeros(shape, bool)
    mask[first_row : first_row + side, first_column : first_column + side] = True
    return mask


def test_dice_of_squares_that_share_half():
    assert dice(square(5, 5), square(5, 7)) == pytest.approx(2 * 8 / (16 + 16))


def test_edge_of_a_square_is_its_rim():
    assert edge(square(5, 5)).sum() == 16 - 4


def test_edge_at_the_border_of_the_picture_counts():
    assert edge(square(0, 0))[0, :4].all()


def test_hausdorff_of_a_square_shifted_by_two_columns():
    # rim 12 px each. Distances of the shifted rim to the first: columns +1, +2 beyond it, rows 5
    # and 8 at columns 9, 10: 1, 2; column 10 at rows 6, 7: 2; column 7 at rows 6, 7: 1; else 0.
    first, second = square(5, 5), square(5, 7)
    distances = [0, 0, 1, 2, 0, 0, 1, 2, 1, 1, 2, 2]
    assert hausdorff95(second, first) == pytest.approx(np.quantile(distances, 0.95))
    assert surface_distance(second, first) == pytest.approx(np.mean(distances))


def test_surface_distance_looks_in_one_direction_only():
    small, large = square(8, 8, side=1), square(5, 5, side=7)
    # from the one pixel to the rim: 3; from the rim to the pixel: more
    assert surface_distance(small, large) == pytest.approx(3.0)
    assert surface_distance(large, small) > 3.0


def test_centres_are_apart_by_the_shift():
    assert centre_distance(square(5, 5), square(8, 9)) == pytest.approx(5.0)


def test_nothing_found_costs_the_whole_picture():
    nothing = np.zeros((20, 30), bool)
    truth = square(5, 5, shape=(20, 30))
    assert dice(nothing, truth) == 0.0
    for figure in (hausdorff95, surface_distance, centre_distance):
        assert figure(nothing, truth) == 30.0


def test_the_first_frame_and_empty_truth_do_not_count():
    good, bad, nothing = square(5, 5), square(5, 9), np.zeros((20, 20), bool)
    got = scores([bad, good, bad], [good, good, nothing])
    assert got.dsc == 1.0
    assert got.cd_mm == 0.0


def test_d98_of_a_ramp():
    dose = np.linspace(0.0, 1.0, 1001)[None]
    # 98 % of the values reach 2 % of the greatest
    assert d98(dose, np.ones_like(dose, bool)) == pytest.approx(0.02, abs=0.0011)


def disc(radius=15.0, shape=(100, 100)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - 50) ** 2 + (x - 50) ** 2 <= radius**2


@pytest.mark.parametrize(("offset", "known"), [(1, 0.938), (2, 0.829), (3, 0.711), (4, 0.585)])
def test_smooth_relative_d98_of_a_constant_error_as_published(offset, known):
    # measured with the organisers' own code: reference section 1
    truth, predicted = disc(), ndimage.shift(disc().astype(float), (offset, 0), order=0) > 0.5
    got = relative_d98([(predicted, truth)] * 2, field_of(truth))
    assert got == pytest.approx(known, abs=0.02)


@pytest.mark.parametrize(
    ("offset", "least", "most"), [(0, 1.0, 1.0), (1, 0.99, 1.01), (4, 0.0, 0.1)]
)
def test_binary_relative_d98_is_a_cliff(offset, least, most):
    truth, predicted = disc(), ndimage.shift(disc().astype(float), (offset, 0), order=0) > 0.5
    got = relative_d98([(predicted, truth)] * 2, field_of(truth) >= 0.5)
    assert least <= got <= most
