"""What is not valid stays so on its way to the screen."""

from dataclasses import replace

import numpy as np

from realtime.outputs.page.picture import Picture, draw
from tests.realtime.outputs.page.monitor import maps, read_picture


def planes(drawn):
    header = read_picture(draw(drawn, number=1, now_ms=0.0))
    return {plane["name"]: plane for plane in header["planes"]}


def values(plane):
    codes = plane["codes"].astype(np.float64)
    return np.where(codes == 0, np.nan, plane["offset"] + plane["step"] * (codes - 1))


def test_a_value_survives_to_the_step():
    rng = np.random.default_rng(0)
    shape = (2, 5, 7)
    one = replace(
        maps(3),
        magnitude=rng.random(shape, np.float32) * 300,
        temperature_c=(rng.random(shape, np.float32) * 60 + 20).astype(np.float32),
        valid=np.ones(shape, np.bool_),
    )
    got = planes(one)
    assert np.abs(values(got["magnitude"]) - one.magnitude).max() <= 300 / 65534
    assert np.abs(values(got["temperature_c"]) - one.temperature_c).max() <= 0.0025


def test_whatever_is_not_valid_has_the_code_that_is_no_value():
    one = maps(1)
    temperature, magnitude = one.temperature_c.copy(), one.magnitude.copy()
    valid = one.valid.copy()
    temperature[0, 0, :3] = np.nan, np.inf, -np.inf
    valid[0, 1, 1] = False
    magnitude[0, 2, :3] = np.nan, np.inf, -np.inf
    got = planes(replace(one, temperature_c=temperature, magnitude=magnitude, valid=valid))
    wrong = np.zeros(one.valid.shape, bool)
    wrong[0, 0, :3] = wrong[0, 1, 1] = True
    assert np.array_equal(got["temperature_c"]["codes"] == 0, wrong)
    wrong = np.zeros(one.valid.shape, bool)
    wrong[0, 2, :3] = True
    assert np.array_equal(got["magnitude"]["codes"] == 0, wrong)
    assert np.nanmax(values(got["magnitude"])) == 2.0


def test_beyond_the_range_is_its_end_and_not_another_value():
    one = maps(1)
    temperature = one.temperature_c.copy()
    temperature[0, 0, :2] = 3e38, -3e38
    got = values(planes(replace(one, temperature_c=temperature))["temperature_c"])
    assert got[0, 0, 0] > 143
    assert got[0, 0, 1] == -20


def test_an_image_without_any_signal_can_be_drawn():
    one = maps(1)
    for level in (0.0, np.nan, 1e-40, 1e-45):
        dark = np.full_like(one.magnitude, level)
        codes = planes(replace(one, magnitude=dark))["magnitude"]["codes"]
        assert np.all(codes == 0) if np.isnan(level) else np.all(codes > 0)


def test_a_map_that_the_therapy_has_not_is_not_there():
    one = replace(maps(1), temperature_c=None, valid=None, target_mask=maps(1).valid)
    got = planes(one)
    assert set(got) == {"magnitude", "target"}
    assert np.all(got["target"]["codes"] == 2)


def test_every_plane_that_there_is_comes_with_what_its_codes_mean():
    rng = np.random.default_rng(1)
    shape = (1, 6, 4)
    std_c, cem43_min, gy = (rng.random(shape, np.float32) * most for most in (9.0, 500.0, 40.0))
    std_c[0, 0, 0], cem43_min[0, 0, :2], gy[0, 0, 0] = np.inf, (np.nan, np.inf), np.nan
    bits = np.arange(24, dtype=np.uint16).reshape(shape) * 1365
    one = replace(
        maps(1, n_pixels=1),
        magnitude=np.ones(shape, np.float32),
        temperature_c=np.full(shape, 40.0, np.float32),
        valid=np.ones(shape, np.bool_),
        temperature_std_c=std_c,
        dose_cem43_min=cem43_min,
        dose_gy=gy,
        region_bits=bits,
    )
    got = planes(one)
    assert list(got) == [
        "magnitude", "temperature_c", "temperature_std_c", "dose_cem43_min", "dose_gy", "regions"
    ]  # fmt: skip
    assert [one["unit"] for one in got.values()] == ["", "°C", "°C", "CEM43 min", "Gy", ""]
    assert np.isnan(values(got["temperature_std_c"])[0, 0, 0])
    assert np.nanmax(np.abs(values(got["temperature_std_c"]) - std_c)[0, 1:]) <= 0.001
    dose = values(got["dose_cem43_min"])
    assert np.isnan(dose[0, 0, 0])
    assert dose[0, 0, 1] > 655  # without end, and so the last value that there is
    assert np.abs(dose - cem43_min)[0, 1:].max() <= 0.01
    assert np.abs(values(got["dose_gy"]) - gy)[0, 1:].max() <= 0.001
    assert np.isnan(values(got["dose_gy"])[0, 0, 0])
    assert np.array_equal(values(got["regions"]), bits)


def test_marks_take_a_byte_each_where_that_suffices():
    for most, n_bits in ((0, 8), (254, 8), (255, 16), (65_534, 16)):
        bits = np.full((1, 32, 32), most, np.uint16)
        got = planes(replace(maps(1), region_bits=bits))["regions"]
        assert got["bits"] == n_bits
        assert np.array_equal(values(got), bits)


def test_nothing_is_drawn_before_somebody_looks_and_then_once():
    drawn = []

    def draw_it():
        drawn.append(1)
        return b"picture"

    picture = Picture(1, ("run", 0, 0), draw_it)
    assert not drawn
    assert (picture.content, picture.content) == (b"picture", b"picture")
    assert len(drawn) == 1
