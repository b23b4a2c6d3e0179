"""The report's dose-volume histograms, on plans whose dose can be written down."""

import numpy as np
import pytest

from motion.dose import DoseCloud, DosePlan
from realtime.outputs.delivered_dose import Delivery
from realtime.outputs.report_beams import beam_spans_s
from realtime.outputs.report_dvh import curves_of
from tests.motion.dose.plans import along, box, log, ramp, structure

TIMES = np.arange(0.0, 10.0, 0.125)
POINTS = [(0.0, 0.0, float(z)) for z in range(-4, 5)]
VOLUME_MM3 = [1.0] * 8 + [2.0]
WHEN = ("delivered", "planned so far", "forecast of the end")


def delivery(*, mu, shift_mm):
    """A dose of 20 Gy, rising by 0.1 Gy/mm superiorly, delivered to tissue that lies still."""
    grid = box()
    plan = DosePlan(
        (DoseCloud(1, 100.0, ramp(grid, (0.0, 0.0, 0.1)), grid),),
        (structure(POINTS, volume_mm3=VOLUME_MM3),),
        "target",
    )
    return Delivery(plan, tuple(along(TIMES, lambda _: shift_mm)), log((1, 1, 0.0), (9, 1, mu)))


def test_a_curve_tells_the_volume_that_has_a_dose_or_more():
    (one, _) = curves_of(delivery(mu=100.0, shift_mm=(0.0, 0.0, 2.0)))
    assert one.percent[0] == 100.0
    assert one.gy[1:] == pytest.approx([20.0 + 0.1 * (z + 2.0) for _, _, z in POINTS], abs=1e-3)
    assert one.percent[-1] == pytest.approx(20.0)  # the last voxel has 2 of 10 mm³
    assert (np.diff(one.percent) <= 0).all()


def test_planned_is_the_same_units_to_tissue_that_had_not_moved():
    found = {one.when: one for one in curves_of(delivery(mu=50.0, shift_mm=(0.0, 0.0, 2.0)))}
    assert tuple(found) == WHEN
    so_far, planned, forecast = (found[when].gy[-1] for when in WHEN)
    assert so_far == pytest.approx(0.5 * 20.6, abs=1e-3)
    assert planned == pytest.approx(0.5 * 20.4, abs=1e-3)
    assert forecast == pytest.approx(20.6, abs=1e-3)  # the other half to the same place


def test_a_fraction_that_is_over_has_no_forecast_and_one_that_never_began_no_dose():
    whole = curves_of(delivery(mu=100.0, shift_mm=(0.0, 0.0, 0.0)))
    assert [one.when for one in whole] == list(WHEN[:2])
    nothing = curves_of(delivery(mu=0.0, shift_mm=(0.0, 0.0, 0.0)))
    assert all(one.gy[-1] == 0.0 for one in nothing)
    assert beam_spans_s(delivery(mu=0.0, shift_mm=(0.0, 0.0, 0.0)).beams)
