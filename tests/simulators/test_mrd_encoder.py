import io
import struct
from dataclasses import replace

import ismrmrd
import numpy as np
import pytest
from ismrmrd.xsd import CreateFromDocument

from simulators import GradientEcho, TreatmentSimulator
from simulators.mrd import (
    ACQUISITION_HEAD,
    CLOSE,
    IMAGE,
    TEXT,
    Result,
    ResultReader,
    acquisition_samples,
    close_message,
    config_message,
    config_text_message,
    header_message,
)
from simulators.recording import patched, write_hdf5, write_stream
from simulators.static_frames import static_frame_bytes


@pytest.fixture(scope="module")
def played(small):
    treatment = replace(
        small,
        n_frames=1,
        n_noise_readouts=2,
        snr=40.0,
        sequence=GradientEcho(matrix=(32, 24)),
    )
    simulator = TreatmentSimulator(treatment)
    readouts = list(simulator.noise_readouts())
    readouts += [simulator.next_readout(sonicating=False) for _ in range(24)]
    return simulator, readouts


def test_acquisition_head_has_the_size_of_the_standard():
    assert ACQUISITION_HEAD.itemsize == 340


def test_acquisition_is_read_by_the_ismrmrd_package(played):
    _, readouts = played
    message = readouts[2 + 23].message
    assert struct.unpack_from("<H", message) == (1008,)
    found = ismrmrd.Acquisition.deserialize_from(io.BytesIO(message[2:]).read)
    assert found.idx.kspace_encode_step_1 == 23
    assert found.scan_counter == 26
    assert found.center_sample == 32
    assert found.data.shape == (4, 64)
    assert np.array_equal(found.data, acquisition_samples(message))
    for flag in (
        ismrmrd.ACQ_LAST_IN_SLICE,
        ismrmrd.ACQ_LAST_IN_REPETITION,
        ismrmrd.ACQ_LAST_IN_MEASUREMENT,
    ):
        assert found.is_flag_set(flag)
    assert not found.is_flag_set(ismrmrd.ACQ_FIRST_IN_SLICE)
    assert list(found.phase_dir) == [0, 1, 0]
    assert found.sample_time_us == 8.0


def test_noise_is_flagged(played):
    _, readouts = played
    found = ismrmrd.Acquisition.deserialize_from(io.BytesIO(readouts[0].message[2:]).read)
    assert found.is_flag_set(ismrmrd.ACQ_IS_NOISE_MEASUREMENT)


def test_header_is_read_by_the_ismrmrd_package(played):
    simulator, _ = played
    header = CreateFromDocument(simulator.header())
    encoding = header.encoding[0]
    assert encoding.encodedSpace.matrixSize.x == 64
    assert encoding.reconSpace.matrixSize.x == 32
    assert encoding.encodedSpace.fieldOfView_mm.x == 480
    assert encoding.encodingLimits.kspace_encoding_step_1.center == 12
    assert encoding.encodingLimits.kspace_encoding_step_1.maximum == 23
    assert header.sequenceParameters.TE == [13.0]
    assert header.experimentalConditions.H1resonanceFrequency_Hz == 123250000
    assert header.acquisitionSystemInformation.relativeReceiverNoiseBandwidth == 0.793
    assert header.subjectInformation is None


def test_recordings_are_read_by_the_ismrmrd_package(played, tmp_path):
    simulator, readouts = played
    messages = [readout.message for readout in readouts]
    write_hdf5(tmp_path / "scan.h5", simulator.header(), messages)
    with ismrmrd.File(tmp_path / "scan.h5", "r") as file:
        dataset = file["dataset"]
        assert dataset.header.encoding[0].reconSpace.matrixSize.y == 24
        found = dataset.acquisitions[:]
    assert len(found) == 26
    assert np.array_equal(found[5].data, acquisition_samples(messages[5]))
    assert found[5].acquisition_time_stamp == 19612583  # (49031.4 + 3 TR + TE) / 2.5 ms


def test_stream_recording_is_read_by_the_ismrmrd_package(played, tmp_path):
    simulator, readouts = played
    write_stream(tmp_path / "scan.mrd", simulator.header(), [r.message for r in readouts])
    with (tmp_path / "scan.mrd").open("rb") as stream:
        items = list(ismrmrd.ProtocolDeserializer(stream).deserialize())
    acquisitions = [item for item in items if isinstance(item, ismrmrd.Acquisition)]
    assert len(acquisitions) == 26
    assert acquisitions[7].idx.kspace_encode_step_1 == 5


def test_session_messages_have_the_bytes_of_the_protocol():
    config = config_message("mrgfus")
    assert len(config) == 1026
    assert config[:9] == b"\x01\x00mrgfus\x00"
    assert config_text_message("ab") == b"\x02\x00\x03\x00\x00\x00ab\x00"
    assert header_message(b"<x/>") == b"\x03\x00\x04\x00\x00\x00<x/>"
    assert close_message() == b"\x04\x00"
    with pytest.raises(ValueError, match="1024 bytes"):
        config_message("x" * 1024)


def test_time_stamps_wrap_at_midnight():
    sequence = GradientEcho(start_of_day_s=86399.0)
    assert sequence.ticks(0.5) == 86399.5 * 400
    assert sequence.ticks(1.0) == 0
    with pytest.raises(ValueError, match="time_stamp_unit"):
        GradientEcho(time_stamp_unit="fortnight")


def test_patched_message_differs_in_its_field_only(played):
    _, readouts = played
    message = readouts[5].message
    changed = patched(message, repetition=7, scan_counter=99)
    found = ismrmrd.Acquisition.deserialize_from(io.BytesIO(changed[2:]).read)
    assert (found.idx.repetition, found.scan_counter) == (7, 99)
    assert patched(changed, repetition=0, scan_counter=6) == message


def test_static_frames_move_counters_and_nothing_else(played):
    simulator, readouts = played
    stream = list(static_frame_bytes(simulator.treatment, n_frames=3))
    assert len(stream) == 2 + 3 * 24
    times = [t_s for t_s, _ in stream]
    assert times == sorted(times)
    assert stream[2 + 5][1] == readouts[2 + 5].message
    found = [
        ismrmrd.Acquisition.deserialize_from(io.BytesIO(message[2:]).read)
        for _, message in stream[2:]
    ]
    assert [f.scan_counter for f in found] == list(range(3, 75))
    assert [f.idx.repetition for f in found] == [i // 24 for i in range(72)]
    ends = [f.is_flag_set(ismrmrd.ACQ_LAST_IN_MEASUREMENT) for f in found]
    assert ends == [False] * 71 + [True]
    assert np.array_equal(found[0].data, found[24].data)
    assert found[24].acquisition_time_stamp - found[0].acquisition_time_stamp == 149  # 0.3744 s


def image_message():
    image = ismrmrd.Image.from_array(np.ones((6, 4), np.float32), transpose=False)
    image.image_series_index, image.image_index = 3, 5
    image.attribute_string = "<ismrmrdMeta/>"
    stream = io.BytesIO()
    image.serialize_into(stream.write)
    return struct.pack("<H", IMAGE) + stream.getvalue(), tuple(image.getHead().matrix_size)


@pytest.mark.parametrize("chunk", [1, 7, 10_000])
def test_results_are_read_whatever_the_chunks(chunk):
    image, matrix = image_message()
    text = struct.pack("<HI", TEXT, 6) + b"hello\0"
    stream = image + text + image + close_message()
    reader, results = ResultReader(), []
    for start in range(0, len(stream), chunk):
        results += reader.feed(stream[start : start + chunk])
    picture = Result(IMAGE, series=3, index=5, matrix=matrix)
    assert results == [picture, Result(TEXT, "hello"), picture, Result(CLOSE)]


def test_unknown_result_is_an_error():
    with pytest.raises(ValueError, match="message 77"):
        ResultReader().feed(struct.pack("<H", 77))
