"""What of a protocol is a line in a chart, and of which figure."""

import pytest

from messages import DeliveredDose, LimitPlan, MotionReading, RegionReading, StructureDose, Verdict
from realtime.alerts.limit_lines import limit_lines
from realtime.protocol import load_protocol, parse_protocol, shipped_protocols


def test_the_demo_s_limits_are_told_with_both_ends():
    lines = limit_lines(load_protocol("mrgfus-demo"))
    assert lines[:4] == (
        LimitPlan("temperature-max", "focus", "temperature_c", 57.0, 60.0, "°C"),
        LimitPlan("temperature-max", "nerve", "temperature_c", 43.0, 45.0, "°C"),
        LimitPlan("dose-limit", "nerve", "dose_cem43_min", 2.0, 17.0, "CEM43 min"),
        LimitPlan("dose-reached", "core", "dose_cem43_min", 240.0, None, "CEM43 min"),
    )
    assert {one.rule for one in lines[4:]} == {"noise", "invalid-fraction"}


def test_the_gate_is_a_line_of_displacement_and_of_area():
    lines = limit_lines(load_protocol("mrlinac-demo"))
    assert lines == (
        LimitPlan("gate", "GTV", "displacement_mm", None, 3.0, "mm"),
        LimitPlan("gate", "GTV", "outside_percent", None, 5.0, "%"),
    )


def test_a_rise_counts_from_the_body_and_a_goal_that_ends_heating_stops():
    text = load_protocol("mrgfus-demo").text.replace(
        "percent_of_region = 100.0 ", 'then = "hold"\npercent_of_region = 100.0 '
    )
    text += '\n[[limit]]\nrule = "near-field"\nregion = "nerve"\n'
    lines = {one.rule: one for one in limit_lines(parse_protocol(text))}
    assert (lines["dose-reached"].warn, lines["dose-reached"].stop) == (None, 240.0)
    near = lines["near-field"]
    assert (near.quantity, near.warn, near.stop) == ("temperature_mean_c", 40.0, 43.0)


@pytest.mark.parametrize("name", shipped_protocols())
def test_every_line_is_of_a_figure_that_verdicts_have(name):
    figures = {
        *RegionReading.__slots__,
        *MotionReading.__slots__,
        *StructureDose.__slots__,
        *DeliveredDose.__slots__,
        *Verdict.__slots__,
        "temperature_c",  # the hottest pixel
        "dose_cem43_min",  # the most of any pixel
        "invalid_percent",  # of n_pixels and n_valid
    }
    for line in limit_lines(load_protocol(name)):
        assert line.quantity in figures
        assert line.unit
        assert (line.warn, line.stop) != (None, None)
