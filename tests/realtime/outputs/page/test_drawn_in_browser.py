"""What the page draws in a real browser, read off its pixels: heat, what is not known, outlines."""

from dataclasses import replace

import numpy as np
import pytest

from messages import LimitPlan, RegionPlan, RunStart
from tests.realtime.outputs.page.chromium import (
    is_coloured,
    is_hot,
    middle,
    middle_of_box,
    pixel,
    pixels,
    wait_frame,
)
from tests.realtime.outputs.page.monitor import maps

pytestmark = pytest.mark.slow

N = 32
CYAN = (0, 255, 255)
LINES = "#tiles figure canvas.lines"
START = RunStart(
    "run", "drawn", "", "mrgfus", "", "test", "2026-01-01T00:00:00Z", "", {}, (1, N, N),
    (200.0, 200.0, 5.0), 100.0, 4500.0, {},
    regions=(RegionPlan("focus", "target"),),
    limits=(LimitPlan("temperature-max", "focus", "temperature_c", 58.0, 60.0, "°C"),),
)  # fmt: skip


@pytest.fixture
def run(live, monitor):
    """A run of its own, so that no picture of another test is on the page."""
    monitor.run_id = f"run {np.random.default_rng().integers(1 << 30)}"

    def say(one):
        monitor.say(replace(one, run_id=monitor.run_id))
        wait_frame(live, one.frame_id)
        return live

    monitor.say(replace(START, run_id=monitor.run_id))
    live.wait_for_selector(f"#run:has-text('{monitor.run_id} drawn')")  # it has the permit
    return say


def spot(y, x, radius):
    rows, columns = np.mgrid[:N, :N]
    return (np.hypot(rows - y, columns - x) < radius)[None]


def test_what_is_hot_is_coloured_where_it_is_and_what_is_not_known_is_hatched(run):
    one = maps(7)
    one.temperature_c[0, :16] = 60.0  # the upper half is hot
    one.valid[0, :, 16:] = False  # and the right half not known
    live = run(one)
    red, green, blue = pixel(live, 0.1, 0.1)
    assert red > green > blue
    red, green, blue = pixel(live, 0.1, 0.9)
    assert red == green == blue > 240  # cool: the magnitude alone
    right = {pixel(live, 0.5 + n / 64, 0.1) for n in range(1, 16)}
    assert (60, 75, 110) in right  # the hatch
    assert all(red <= 128 for red, _, _ in right)  # and no colour of heat
    assert live.errors == []


def test_a_focus_is_drawn_at_its_place_in_the_patients_proportions(run):
    one = replace(maps(8), fov_mm=(300.0, 150.0, 5.0))
    one.temperature_c[spot(9, 22, 3)] = 55.0
    live = run(one)
    shown = pixels(live)
    assert shown.shape[1] / shown.shape[0] == pytest.approx(2.0, rel=0.02)
    y, x = middle(is_hot(shown))
    assert abs(y * N - 9.5) < 0.5
    assert abs(x * N - 22.5) < 0.5
    share = is_hot(shown).mean() * N * N
    assert share == pytest.approx(spot(9, 22, 3).sum(), rel=0.05)


def test_the_hotter_it_is_the_brighter_and_below_40_there_is_no_colour(run):
    one = maps(9)
    for n, temperature_c in enumerate((39.0, 45.0, 55.0, 69.0)):
        one.temperature_c[0, :, 8 * n : 8 * n + 8] = temperature_c
    live = run(one)
    shown = [pixel(live, (n + 0.5) / 4, 0.5) for n in range(4)]
    assert len({*shown[0]}) == 1
    assert [sum(one) for one in shown[1:]] == sorted(sum(one) for one in shown[1:])
    live.uncheck("#layer-temperature")
    assert not is_hot(pixels(live)).any()
    live.check("#layer-temperature")


def test_the_targets_outline_moves_with_the_target(run):
    places = []
    for frame_id, y in ((11, 10.0), (12, 18.0)):
        one = replace(maps(frame_id), temperature_c=None, valid=None, target_mask=spot(y, 14.0, 5))
        live = run(one)
        places.append(middle_of_box(is_coloured(pixels(live, LINES), CYAN)))
    (y1, x1), (y2, x2) = places
    assert (y2 - y1) * N == pytest.approx(8.0, abs=0.3)
    assert abs(x2 - x1) * N < 0.3
    assert live.is_hidden("#regions")  # no temperature is measured here


def test_dose_contours_and_regions_are_lines_that_can_be_taken_away(run):
    one = maps(13)
    rows, columns = np.mgrid[:N, :N]
    dose = 400.0 * np.exp(-((rows - 16.0) ** 2 + (columns - 16.0) ** 2) / 40.0)
    bits = spot(8, 8, 3).astype(np.uint16)
    live = run(replace(one, dose_cem43_min=dose[None].astype(np.float32), region_bits=bits))

    def drawn():
        return int((pixels(live, LINES)[..., 3] > 200).sum())

    both = drawn()
    live.uncheck("#layer-dose")
    regions = drawn()
    live.uncheck("#layer-regions")
    assert drawn() == 0
    assert both > regions > 0
    live.check("#layer-dose")
    live.check("#layer-regions")


def test_the_cursor_reads_temperature_and_its_deviation(run):
    one = maps(14)
    one.temperature_c[spot(20, 20, 3)] = 51.25
    std = np.full_like(one.temperature_c, 0.35)
    live = run(replace(one, temperature_std_c=std))
    box = live.locator("#picture").bounding_box()
    x, y = box["x"] + box["width"] * 20.5 / N, box["y"] + box["height"] * 20.5 / N
    live.mouse.move(x, y)
    live.wait_for_selector("#cursor:text-matches('51[.][23]')")
    assert "0.35" in live.inner_text("#cursor")


def test_window_and_level_change_what_is_grey_and_0_brings_it_back(run):
    live = run(maps(15))
    before = pixel(live, 0.5, 0.5)
    box = live.locator("#picture").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    live.mouse.move(x, y)
    live.mouse.down()
    live.mouse.move(x + 60, y + 90, steps=4)
    live.mouse.up()
    dragged = pixel(live, 0.5, 0.5)
    assert dragged != before
    live.keyboard.press("0")
    assert pixel(live, 0.5, 0.5) == before
    live.mouse.wheel(0, -300)
    assert live.errors == []


def test_each_slice_has_its_picture_and_one_can_be_made_large(run, monitor):
    live = run(maps(16))
    monitor.say(replace(maps(17, slice_=1), run_id=monitor.run_id))
    for slice_ in (0, 1):
        live.wait_for_selector(f"figure[data-stream='{slice_} 0 0'] canvas.image")
    other = live.locator("figure[data-stream='1 0 0'] canvas.image")
    small = other.bounding_box()["width"]
    other.click()
    wait_frame(live, 17)  # the one picture that stands for all is now this slice's
    assert other.bounding_box()["width"] > small
    live.keyboard.press("Escape")
    wait_frame(live, 16)
