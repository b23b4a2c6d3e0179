"""The trackers that stand for the truth in real cine, against motion that is known."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks._independent_trackers import TRACKERS, affine_points
from tests.motion.moving import disc, picture

CENTRE = tuple(np.argwhere(disc()).mean(axis=0))
STILL = np.zeros(2)


@pytest.fixture
def cine(monkeypatch):
    """The benchmark, whose siblings are imported by their bare names."""
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "benchmarks")
    return importlib.import_module("_motion_cine")


@pytest.mark.parametrize("name", TRACKERS)
def test_a_small_known_shift_is_found(name):
    found = TRACKERS[name](picture(), picture((2.3, -1.4)), CENTRE, 11.0, STILL, 15)
    # block matching and mutual information end in a parabola over whole pixels
    assert np.abs(found - (2.3, -1.4)).max() < 0.5


def test_affine_points_tell_the_centre_of_a_deformed_target():
    bent = picture((2.0, 1.0), ((1.08, 0.05), (0.0, 0.95)))
    found = affine_points(picture(), bent, CENTRE, 11.0, STILL, 15)
    assert np.abs(found - (2.0, 1.0)).max() < 0.1


def test_affine_points_that_disagree_have_no_vote():
    rng = np.random.default_rng(2)
    found = affine_points(picture(), rng.standard_normal((96, 100)), CENTRE, 11.0, STILL, 15)
    assert np.isnan(found).all()


def test_a_tracker_that_was_lost_starts_anew(cine):
    rng = np.random.default_rng(3)
    frames = np.array([picture(), rng.standard_normal((96, 100)), picture((1.0, 0.0))])
    shifts = cine._others(frames, CENTRE, 11.0, 15)
    assert shifts.shape == (len(TRACKERS), 3, 2)
    assert np.abs(np.nanmedian(shifts[:, 2], axis=0) - (1.0, 0.0)).max() < 0.2


def judged(cine, away_mm, doubted, *, n_agreed):
    """What is promised of one target at these distances from the consensus."""
    n = len(away_mm)
    one = cine.Followed(
        "hand", np.zeros((n, 2)), np.full(n, n_agreed),
        {"ncc-affine": np.column_stack([away_mm, np.zeros(n)])},
        {"ncc-affine": np.array(doubted)}, {"ncc-affine": np.arange(n) == 0},
    )  # fmt: skip
    return cine._targets([one])


def test_figures_worked_by_hand(cine):
    mean, lost, held = judged(cine, [9.0, 0.2, 0.4, 3.1], [False, False, False, True], n_agreed=4)
    # the first frame only teaches, the last is doubted
    assert mean.measured.startswith("0.30 mm")
    assert mean.is_met
    assert lost.measured.startswith("0 of 1 unreported in 3")
    assert lost.is_met
    assert held.measured == "0.0 % of 2"


def test_a_lost_track_that_nobody_doubts_fails(cine):
    _, lost, _ = judged(cine, [0.0, 0.2, np.nan, 3.1], [False] * 4, n_agreed=7)
    assert lost.measured.startswith("2 of 2 unreported")
    assert lost.is_met is False


def test_where_only_a_minority_agrees_nothing_is_measured(cine):
    with pytest.raises(cine.MeasurementError, match="no frame"):
        judged(cine, [0.0, 9.0, 0.2], [False] * 3, n_agreed=len(TRACKERS) // 2)
