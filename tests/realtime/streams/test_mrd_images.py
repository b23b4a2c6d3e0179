import io
from dataclasses import replace

import ismrmrd
import numpy as np
import pytest
from ismrmrd.serialization import ProtocolDeserializer

from messages import FrameKey, Maps, MotionReading, Pose
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import encode_close
from realtime.streams.mrd_images import encode_maps

SHAPE = (2, 3, 5)  # (z, y, x): all different, so that no transposition goes unseen


@pytest.fixture
def maps() -> Maps:
    ramp = np.arange(30, dtype=np.float32).reshape(SHAPE)
    temperature_c = ramp + 37
    temperature_c[0, 1, 2] = np.nan
    return Maps(
        frame_id=65540,
        key=FrameKey(repetition=9, slice=3, contrast=1, phase=2, set=4),
        time_s=1.5,
        fov_mm=(50.0, 30.0, 8.0),
        pose=Pose((1, 2, 3), (0, 1, 0), (1, 0, 0), (0, 0, -1), (4, 5, 6)),
        magnitude=ramp,
        temperature_c=temperature_c,
        temperature_std_c=ramp,
        valid=np.isfinite(temperature_c),
        dose_cem43_min=ramp * 2,
        dose_low_cem43_min=ramp,
        dose_high_cem43_min=ramp,
        arrhenius_omega=ramp,
    )


def read_by_the_ismrmrd_package(messages: tuple[bytes, ...]) -> list[ismrmrd.Image]:
    stream = io.BytesIO(b"".join(messages) + encode_close())
    return list(ProtocolDeserializer(stream).deserialize())


def test_pixels_survive_in_their_order_and_nan_stays_nan(maps: Maps) -> None:
    magnitude, temperature, dose = read_by_the_ismrmrd_package(encode_maps(maps))
    assert np.array_equal(magnitude.data[0], maps.magnitude)
    assert np.array_equal(temperature.data[0], maps.temperature_c, equal_nan=True)
    assert np.array_equal(dose.data[0], maps.dose_cem43_min)
    assert temperature.data[0, 1, 2, 4] == 37 + 29  # z, y, x: the last pixel of the last slice
    assert tuple(magnitude.getHead().matrix_size) == (5, 3, 2)  # x, y, z
    assert magnitude.data.dtype == np.float32


def test_the_header_says_where_and_which(maps: Maps) -> None:
    for series, image in enumerate(
        read_by_the_ismrmrd_package(
            encode_maps(replace(maps, acquisition_time_stamp=777, physiology_time_stamp=(7, 8, 9)))
        )
    ):
        head = image.getHead()
        assert head.image_series_index == series
        assert head.image_index == 4  # 65540 modulo 65536
        assert head.image_type == ismrmrd.IMTYPE_MAGNITUDE
        assert (head.slice, head.contrast, head.phase, head.repetition, head.set) == (3, 1, 2, 9, 4)
        assert tuple(head.field_of_view) == (50.0, 30.0, 8.0)
        assert tuple(head.position) == (1, 2, 3)
        assert tuple(head.read_dir) == (0, 1, 0)
        assert tuple(head.phase_dir) == (1, 0, 0)
        assert tuple(head.slice_dir) == (0, 0, -1)
        assert tuple(head.patient_table_position) == (4, 5, 6)
        assert head.acquisition_time_stamp == 777
        assert tuple(head.physiology_time_stamp) == (7, 8, 9)


def test_the_attributes_say_what_the_numbers_are(maps: Maps) -> None:
    magnitude, temperature, dose = read_by_the_ismrmrd_package(encode_maps(maps))
    assert temperature.meta["DataRole"] == "Quantitative"
    assert temperature.meta["SeriesDescriptionAdditional"] == "temperature"
    assert temperature.meta["Unit"] == "degree Celsius"
    assert (temperature.meta["WindowCenter"], temperature.meta["WindowWidth"]) == ("50", "40")
    assert temperature.meta["Keep_image_geometry"] == "1"
    assert dose.meta["Unit"] == "CEM43 min"
    assert magnitude.meta["WindowWidth"] == "29"


def test_the_attribute_length_counts_the_bytes_sent(maps: Maps) -> None:
    decoder = Decoder(reads_replies=True)
    decoder.feed(b"".join(encode_maps(maps)))
    for image in decoder.events():
        length = int.from_bytes(image.header[194:198], "little")
        assert length == len(image.attributes.encode()) > 0


def test_int16_is_what_the_rescale_slope_says(maps: Maps) -> None:
    images = read_by_the_ismrmrd_package(encode_maps(maps, result_type="int16"))
    for image, true in zip(images[1:], (maps.temperature_c, maps.dose_cem43_min), strict=True):
        assert image.data.dtype == np.int16
        step = float(image.meta["RescaleSlope"])
        assert float(image.meta["RescaleIntercept"]) == 0
        is_known = np.isfinite(true)
        assert np.abs(image.data[0] * step - true)[is_known].max() <= 0.5001 * step
        assert (image.data[0][~is_known] == int(image.meta["PixelPaddingValue"])).all()
    magnitude = images[0]
    scale = float(magnitude.meta["ImageScaleFactor"])
    assert np.abs(magnitude.data[0] * scale - maps.magnitude).max() <= 0.5001 * scale
    assert float(magnitude.meta["WindowWidth"]) == magnitude.data.max()  # counts: nothing rescales
    assert "RescaleSlope" not in magnitude.meta


def test_a_session_without_temperature_sends_none(maps: Maps) -> None:
    plain = Maps(maps.frame_id, maps.key, maps.time_s, maps.fov_mm, maps.pose, maps.magnitude)
    (magnitude,) = read_by_the_ismrmrd_package(encode_maps(plain))
    assert magnitude.getHead().image_series_index == 0
    assert np.array_equal(magnitude.data[0], maps.magnitude)


def test_int16_saturates_and_never_wraps(maps: Maps) -> None:
    cooked = replace(maps, dose_cem43_min=np.full(SHAPE, 1e6, np.float32))
    dose = read_by_the_ismrmrd_package(encode_maps(cooked, result_type="int16"))[2]
    assert (dose.data == 32767).all()


def test_each_series_says_how_it_lies(maps: Maps) -> None:
    for image in read_by_the_ismrmrd_package(encode_maps(maps)):
        assert [float(one) for one in image.meta["ImageRowDir"]] == [0, 1, 0]
        assert [float(one) for one in image.meta["ImageColumnDir"]] == [1, 0, 0]


def test_an_empty_magnitude_still_has_a_window(maps: Maps) -> None:
    dark = replace(maps, magnitude=np.full(SHAPE, np.nan, np.float32))
    magnitude, *_ = read_by_the_ismrmrd_package(encode_maps(dark))
    assert magnitude.meta["WindowWidth"] == "1"
    assert np.isnan(magnitude.data).all()


@pytest.fixture
def cine(maps: Maps) -> Maps:
    target = np.zeros(SHAPE, np.bool_)
    target[1, 2, 3:] = True
    plain = Maps(maps.frame_id, maps.key, maps.time_s, maps.fov_mm, maps.pose, maps.magnitude)
    return replace(plain, target_mask=target, dose_gy=maps.magnitude)


@pytest.mark.parametrize("result_type", ["float32", "int16"])
def test_the_target_goes_back_as_zeros_and_ones_with_its_own_series(cine, result_type):
    magnitude, target = read_by_the_ismrmrd_package(encode_maps(cine, result_type=result_type))
    assert [one.getHead().image_series_index for one in (magnitude, target)] == [0, 3]
    assert target.data.dtype == result_type
    assert np.array_equal(target.data[0], cine.target_mask)
    assert target.meta["SeriesDescriptionAdditional"] == "target"


def test_each_image_of_a_followed_target_tells_where_it_is(cine):
    motion = MotionReading(
        1.5, (3.25, -1.5), None, 0.97, 0.9, 900.0, 6300.0, doubts=("jump", "low-contrast"),
        effect_time_s=1.75, predicted_mm=(4.0, -2.0),
    )  # fmt: skip
    for image in read_by_the_ismrmrd_package(encode_maps(cine, motion=motion)):
        assert [float(one) for one in image.meta["DisplacementMm"]] == [3.25, -1.5]
        assert [float(one) for one in image.meta["PredictedDisplacementMm"]] == [4.0, -2.0]
        assert float(image.meta["EffectTimeS"]) == 1.75
        assert image.meta["Doubts"] == ["jump", "low-contrast"]
        assert image.meta["GateOpen"] == "0"
        assert "DisplacementLpsMm" not in image.meta  # it is not known, which is not zero
