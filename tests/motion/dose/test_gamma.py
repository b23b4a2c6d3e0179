"""The gamma index: known answers, and pymedphys as referee."""

import warnings

import numpy as np
import pytest

from motion.dose import gamma, passing_percent

SPACING_MM = (2.0, 2.5, 2.5)


def blob(shift_mm=(0.0, 0.0, 0.0), scale=1.0, n=(14, 16, 18), spacing_mm=SPACING_MM):
    axes = [step * (np.arange(m) - m // 2) for m, step in zip(n, spacing_mm, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    far = (z - shift_mm[0]) ** 2 + (y - shift_mm[1]) ** 2 + (x - shift_mm[2]) ** 2
    return (scale * 50.0 * np.exp(-far / 2 / 9.0**2)).astype(np.float32)


def index(reference, evaluated, spacing_mm=SPACING_MM, percent=3.0, mm=3.0, cutoff=10.0):
    return gamma(
        reference,
        evaluated,
        spacing_mm=spacing_mm,
        dose_percent=percent,
        distance_mm=mm,
        cutoff_percent=cutoff,
    )


def test_equal_doses_agree_and_little_dose_is_not_judged():
    told = index(blob(), blob())
    judged = blob() >= 5.0
    assert np.array_equal(np.isfinite(told), judged)
    assert np.nanmax(told) == 0.0
    assert passing_percent(told) == 100.0


def test_a_uniform_dose_off_by_one_percent_has_a_third():
    flat = np.full((5, 6, 7), 40.0, np.float32)
    told = index(flat, flat * np.float32(1.01))
    assert np.allclose(told, 1 / 3, atol=1e-4)


def test_a_steep_edge_moved_by_two_millimetres_has_two_thirds():
    """A ramp of 20 Gy/mm: to go 2 mm back costs 2/3, to stay costs far more."""
    x = np.arange(40) * 1.0
    edge = np.broadcast_to(np.clip(20.0 * (x - 15.0), 0, 200), (10, 40)).astype(np.float32)
    moved = np.broadcast_to(np.clip(20.0 * (x - 17.0), 0, 200), (10, 40)).astype(np.float32)
    told = index(edge, moved, spacing_mm=(1.0, 1.0))
    assert told[5, 20] == pytest.approx(2 / 3, abs=0.05)  # found in steps of 0.1


def test_what_is_far_off_is_told_as_two():
    assert np.nanmax(index(blob(), blob(scale=0.5))) == 2.0


def test_no_dose_judges_nothing():
    told = index(np.zeros((3, 4, 5), np.float32), np.ones((3, 4, 5), np.float32))
    assert np.isnan(told).all()
    assert np.isnan(passing_percent(told))


@pytest.mark.parametrize(("percent", "mm", "cutoff"), [(3.0, 3.0, 10.0), (2.0, 2.0, 20.0)])
def test_pymedphys_agrees(percent, mm, cutoff):
    pymedphys = pytest.importorskip("pymedphys")
    reference, evaluated = blob(), blob((1.5, -1.0, 2.0), scale=1.015)
    axes = tuple(step * np.arange(m) for m, step in zip(reference.shape, SPACING_MM, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, of numpy to come
        theirs = pymedphys.gamma(
            axes,
            reference.astype(np.float64),
            axes,
            evaluated.astype(np.float64),
            percent,
            mm,
            lower_percent_dose_cutoff=cutoff,
            max_gamma=2.0,
        )
    ours = index(reference, evaluated, percent=percent, mm=mm, cutoff=cutoff)
    assert np.array_equal(np.isfinite(ours), np.isfinite(theirs))
    # both search in steps of 0.1, in other directions
    assert np.nanmax(np.abs(ours - theirs)) < 0.1
    assert np.nanmedian(np.abs(ours - theirs)) < 0.02
    assert passing_percent(ours) == pytest.approx(passing_percent(theirs), abs=1.0)
    assert 50.0 < passing_percent(ours) < 100.0, "a case on which they could disagree"
