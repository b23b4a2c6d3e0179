import numpy as np
import pytest

from realtime.outputs.openigtlink import encoder
from realtime.outputs.openigtlink.encoder import Code
from tests.realtime.outputs.openigtlink.peer import only, slow_crc

UTC_S = 1_764_000_000.25


def test_the_header_names_time_length_and_check_sum():
    found = only(encoder.message("STRING", "mrm permit", b"body", utc_s=UTC_S))
    assert found.key == ("STRING", "mrm permit")
    assert found.utc_s == UTC_S
    assert found.crc == slow_crc(b"body")


@pytest.mark.parametrize(("kind", "device"), [("TOO_LONG_KIND", "d"), ("IMAGE", "d" * 21)])
def test_a_name_that_does_not_fit_is_refused_not_cut(kind, device):
    with pytest.raises(ValueError, match="expected at most"):
        encoder.message(kind, device, utc_s=0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.uint16, ">f4", ">u2"])
def test_voxels_are_bit_identical_nan_included(dtype):
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 65536, (2, 3, 5)).astype(dtype)
    if voxels.dtype.kind == "f":
        voxels[0, 1, 2] = np.nan
    content = encoder.image("mrm magnitude", voxels, np.eye(4), utc_s=UTC_S)
    found = only(content)
    assert found.crc == slow_crc(found.body)
    assert np.array_equal(found.voxels, voxels, equal_nan=voxels.dtype.kind == "f")


def test_the_position_of_an_image_is_its_middle():
    matrix = np.eye(4)
    matrix[:3, 3] = 10.0, 20.0, 30.0
    found = only(encoder.image("d", np.zeros((1, 4, 7), np.float32), matrix, utc_s=0.0))
    assert np.frombuffer(found.body[48:60], ">f4").tolist() == [13.0, 21.5, 30.0]
    assert np.array_equal(found.ijk_to_ras, matrix)


def test_a_transform_is_its_columns():
    matrix = np.arange(16.0).reshape(4, 4)
    matrix[3] = 0, 0, 0, 1
    found = only(encoder.transform("mrm displacement", matrix, utc_s=0.0))
    assert np.array_equal(found.matrix, matrix)


def test_a_status_tells_code_name_and_text():
    found = only(
        encoder.status("mrm permit", Code.DISABLED, "HELD", "61 °C", sub_code=-3, utc_s=0.0)
    )
    assert found.status == (15, -3, "HELD", "61 °C")


@pytest.mark.parametrize("text", ["", "plain", "σ of 0.3 °C"])
def test_a_string_names_its_encoding(text):
    assert only(encoder.string("mrm alerts", text, utc_s=0.0)).text == text


def test_a_text_beyond_its_length_is_cut_between_letters():
    assert only(encoder.string("d", "°" * 1500, utc_s=0.0)).text == "°" * 1000
