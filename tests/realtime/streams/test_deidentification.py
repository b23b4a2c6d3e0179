"""What may be shared of a recording, and what may not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ismrmrd
import numpy as np
import pytest

from messages import Acquisition, MonitorError, Waveform
from messages.acquisition import NOISE_MEASUREMENT
from realtime.streams import mrd_layout as layout
from realtime.streams.deidentification import FIRST_TICKS, deidentified
from realtime.streams.header_allow_list import deidentified_xml
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import (
    encode_acquisition,
    encode_close,
    encode_config_file,
    encode_config_text,
    encode_header,
    encode_query,
    encode_text,
    encode_waveform,
)
from realtime.streams.mrd_header import parse_header
from realtime.streams.recording_files import write_hdf5, write_stream
from realtime.streams.recordings import open_recording
from tests.realtime.streams import test_header_kinds as kinds
from tests.realtime.streams.nhlbi import compressed
from tests.realtime.streams.test_recordings import write_hdf5 as write_foreign_hdf5

Make = Callable[..., Acquisition]
SECRET = b"Secret"
PERSONAL = b"""
 <version>15</version>
 <subjectInformation><patientName>Secret</patientName><patientWeight_kg>71</patientWeight_kg>
  <patientID>Secret</patientID><patientBirthdate>1971-01-01</patientBirthdate></subjectInformation>
 <studyInformation><studyDate>2021-06-22</studyDate><studyTime>15:30:02</studyTime>
  <referringPhysicianName>Secret</referringPhysicianName></studyInformation>
 <measurementInformation><measurementID>Secret_1</measurementID>
  <patientPosition>HFS</patientPosition><protocolName>Secret</protocolName>
  <frameOfReferenceUID>1.3.12.2.Secret</frameOfReferenceUID></measurementInformation>
 <acquisitionSystemInformation>
  <institutionName>Secret</institutionName><stationName>Secret</stationName>
  <deviceID>Secret</deviceID><deviceSerialNumber>Secret</deviceSerialNumber>
  <coilLabel><coilNumber>1</coilNumber><coilName>Secret</coilName></coilLabel>
"""


def personal(xml: bytes) -> bytes:
    xml = xml.replace(b" <acquisitionSystemInformation>\n", PERSONAL, 1)
    return xml.replace(
        b"</ismrmrdHeader>",
        b"<!-- Secret --><?Secret Secret?><userParameters><userParameterString><name>Secret</name>"
        b"<value>Secret</value></userParameterString><userParameterLong><name>Secret</name>"
        b"<value>7</value></userParameterLong><userParameterLong><name>EmbeddedRefLinesE1</name>"
        b"<value>24</value></userParameterLong></userParameters><Secret>1</Secret></ismrmrdHeader>",
    )


def test_a_header_keeps_what_is_reconstructed_and_nothing_else(header_xml: bytes) -> None:
    xml = personal(header_xml).replace(b"<encoding>", b'<encoding Secret="Secret">')
    xml = xml.replace(b"SIEMENS", b"Siemens Healthineers, Secret")
    end = "</trajectoryDescription>"
    xml = kinds.with_description(xml, kinds.EPI.replace(end, f"<comment>Secret</comment>{end}"))
    kept = deidentified_xml(xml)
    assert SECRET not in kept
    for told in (b"1971", b"15:30", b"2021", b"71</"):
        assert told not in kept
    before, after = parse_header(xml), parse_header(kept)
    assert after.system_vendor == "SIEMENS"
    assert replace(after, xml=b"", system_vendor="") == replace(before, xml=b"", system_vendor="")
    assert after.encodings[0].epi is not None
    assert b"<name>EmbeddedRefLinesE1</name><value>24</value>" in kept
    assert b"<patientPosition>HFS</patientPosition>" in kept


def test_a_number_that_is_a_name_is_dropped(header_xml: bytes) -> None:
    xml = header_xml.replace(b"<TR>10</TR>", b"<TR>10</TR><flipAngle_deg>Secret</flipAngle_deg>")
    assert SECRET not in deidentified_xml(xml)


def test_the_ismrmrd_package_reads_what_is_left(header_xml: bytes) -> None:
    header = ismrmrd.xsd.CreateFromDocument(deidentified_xml(personal(header_xml)))
    assert header.encoding[0].encodedSpace.matrixSize.x == 64
    assert header.subjectInformation is None


def test_what_is_needed_and_not_allowed_is_an_error(header_xml: bytes) -> None:
    xml = header_xml.replace(b"<TE>3</TE>", b"<TE>3_0</TE>")  # a number to Python alone
    assert parse_header(xml).echo_times_s[0] == 0.03
    with pytest.raises(MonitorError, match="not on the allow-list"):
        deidentified_xml(xml)


def personal_readout(acquisition: Acquisition) -> bytes:
    raw = bytearray(encode_acquisition(acquisition))
    head = np.frombuffer(raw, layout.ACQUISITION_HEADER, 1, offset=2)
    head["user_int"] = 0x53534E  # a number that a site put there
    head["user_float"] = 42.0
    head["idx"]["user"][0, 5] = 17  # Siemens: the true centre line
    return bytes(raw)


@pytest.fixture
def session(header_xml: bytes, make_acquisition: Make) -> list[bytes]:
    noise = make_acquisition(0, ticks=0, flags=NOISE_MEASUREMENT)
    day = 86400 * 400
    readouts = [make_acquisition(n, ticks=(day - 8 + 4 * n) % day) for n in range(5)]
    image = ismrmrd.Image.from_array(np.zeros((1, 2, 2), np.float32), transpose=False)
    return [
        encode_query(1, "Secret"),
        encode_config_file("mrgfus-demo"),
        encode_text("Secret"),
        encode_header(personal(header_xml) + b"\0"),
        encode_text('{"parameters": {"config": "Secret"}}'),
        encode_acquisition(noise),
        *map(personal_readout, readouts),
        encode_waveform(Waveform(1, 0x53, 3, 2, 5.0, 6, np.ones((2, 3), np.uint32))),
        layout.MESSAGE_ID.pack(layout.IMAGE) + image.to_bytes(),
        compressed(make_acquisition(5, ticks=12, n_dimensions=2))[0],
        encode_close(),
    ]


def shared(path: Path) -> list[bytes]:
    recording = open_recording(path)
    return [m.data for m in deidentified(recording, config_names=["mrgfus-demo"])]


def events_of(messages: list[bytes]) -> list[object]:
    decoder = Decoder()
    decoder.feed(b"".join(messages))
    decoder.end()
    return list(decoder.events())


def test_a_stream_loses_all_but_the_measurement(tmp_path: Path, session: list[bytes]) -> None:
    path = tmp_path / "raw.mrd"
    path.write_bytes(b"".join(session))
    messages = shared(path)
    assert SECRET not in b"".join(messages)
    before = [e for e in events_of(session) if isinstance(e, Acquisition | Waveform)]
    config, _, *after, _close = events_of(messages)
    assert config.name == "mrgfus-demo"
    assert messages[0] == session[1]
    assert messages[-1] == encode_close()
    assert len(after) == len(before) == 8
    for ours, theirs in zip(after, before, strict=True):
        assert np.array_equal(ours.samples, theirs.samples)
        assert ours.flags == theirs.flags
        assert ours.measurement_uid == 0
        if isinstance(ours, Acquisition):
            assert np.array_equal(ours.trajectory, theirs.trajectory)
            assert (ours.idx, ours.pose) == (theirs.idx, theirs.pose)
            assert ours.physiology_time_stamp == (0, 0, 0)
    head = np.frombuffer(messages[3], layout.ACQUISITION_HEADER, 1, offset=2)[0]
    assert not head["user_int"].any()
    assert not head["user_float"].any()
    assert head["idx"]["user"][5] == 17


def test_times_count_from_a_fixed_stamp_and_know_no_midnight(
    tmp_path: Path, session: list[bytes]
) -> None:
    path = tmp_path / "raw.mrd"
    path.write_bytes(b"".join(session))
    _, _, noise, *readouts, wave, last, _ = events_of(shared(path))
    stamps = [one.acquisition_time_stamp - FIRST_TICKS for one in readouts]
    assert stamps == [0, 4, 8, 12, 16]
    assert last.acquisition_time_stamp - FIRST_TICKS == 20
    assert noise.acquisition_time_stamp - FIRST_TICKS == 8  # midnight: 8 ticks after the first
    assert wave.time_stamp - FIRST_TICKS == 10


def test_two_scans_at_different_times_become_alike(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    found = []
    for start in (1000, 30_000_000):
        path = tmp_path / f"{start}.mrd"
        readouts = [make_acquisition(n, ticks=start + 4 * n) for n in range(4)]
        raw = [encode_header(header_xml), *map(encode_acquisition, readouts), encode_close()]
        path.write_bytes(b"".join(raw))
        found.append(shared(path))
    assert found[0] == found[1]


def test_stamps_that_stand_still_stay_no_clock(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    path = tmp_path / "raw.mrd"
    readouts = [make_acquisition(n, ticks=77) for n in range(3)]
    raw = [encode_header(header_xml), *map(encode_acquisition, readouts), encode_close()]
    path.write_bytes(b"".join(raw))
    assert [e.acquisition_time_stamp for e in events_of(shared(path))[1:-1]] == [0, 0, 0]


@pytest.mark.parametrize("config", [encode_config_file("Secret"), encode_config_text("<Secret/>")])
def test_a_configuration_of_another_name_is_dropped(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make, config: bytes
) -> None:
    path = tmp_path / "raw.mrd"
    raw = [config, encode_header(header_xml), encode_acquisition(make_acquisition())]
    path.write_bytes(b"".join([*raw, encode_close()]))
    messages = shared(path)
    assert len(messages) == 3
    assert SECRET not in b"".join(messages)


def test_what_stands_behind_a_name_s_nul_is_dropped(tmp_path: Path, session: list[bytes]) -> None:
    path = tmp_path / "raw.mrd"
    config = bytearray(session[1])
    config[500:506] = SECRET
    path.write_bytes(b"".join([bytes(config), *session[3:]]))
    assert SECRET not in b"".join(shared(path))


def test_hdf5_becomes_hdf5_that_everybody_reads(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    acquisitions = [make_acquisition(n, ticks=9 + 4 * n, n_coils=1 + n % 2) for n in range(300)]
    acquisitions[5] = make_acquisition(5, ticks=29, n_dimensions=2)
    source = write_foreign_hdf5(tmp_path / "Secret.h5", personal(header_xml), acquisitions)
    recording = open_recording(source)
    target = tmp_path / "out.h5"
    written = write_hdf5(target, deidentified(recording, config_names=[]))
    assert (written.n_readouts, written.n_waveforms) == (300, 0)
    assert SECRET not in target.read_bytes()
    assert [m.data for m in open_recording(target).messages()] == shared(source)
    with ismrmrd.Dataset(str(target), mode="r") as dataset:
        assert dataset.number_of_acquisitions() == 300
        theirs = dataset.read_acquisition(5)
        assert np.array_equal(theirs.data, acquisitions[5].samples)
        assert np.array_equal(theirs.traj, acquisitions[5].trajectory)
        assert theirs.acquisition_time_stamp == FIRST_TICKS + 20


def test_waveforms_come_through_hdf5(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make
) -> None:
    wave = encode_waveform(Waveform(1, 0, 3, 12, 5.0, 6, np.arange(6, dtype="<u4").reshape(2, 3)))
    raw = [
        encode_header(header_xml),
        encode_acquisition(make_acquisition(0, ticks=10)),
        wave,
        encode_acquisition(make_acquisition(1, ticks=14)),
        encode_close(),
    ]
    path = tmp_path / "raw.mrd"
    path.write_bytes(b"".join(raw))
    target = tmp_path / "f.h5"
    assert write_hdf5(target, open_recording(path).messages()).n_waveforms == 1
    assert [m.data for m in open_recording(target).messages()] == raw


@pytest.mark.parametrize("write", [write_hdf5, write_stream])
def test_nothing_is_overwritten_and_nothing_broken_is_left(
    tmp_path: Path, header_xml: bytes, make_acquisition: Make, write: Callable[..., object]
) -> None:
    path = tmp_path / "raw.mrd"
    path.write_bytes(encode_header(header_xml) + encode_acquisition(make_acquisition())[:-1])
    target = tmp_path / "out"
    with pytest.raises(MonitorError, match="message cut"):
        write(target, open_recording(path).messages())
    assert not target.exists()
    target.write_text("mine")
    with pytest.raises(MonitorError, match="exists already"):
        write(target, iter(()))
    assert target.read_text() == "mine"
    with pytest.raises(MonitorError, match="No such file"):
        write(tmp_path / "nosuch" / "out", iter(()))
