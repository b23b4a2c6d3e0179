"""Headers as different consoles write them."""

import struct
import tracemalloc
from pathlib import Path

import pytest

from messages import EpiTiming, HeaderError, StreamError
from realtime.streams import mrd_layout as layout
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_header import parse_header
from realtime.streams.recordings import open_recording

EPI = """<trajectoryDescription><identifier>ConventionalEPI</identifier>
<userParameterLong><name>etl</name><value>128</value></userParameterLong>
<userParameterLong><name>rampUpTime</name><value>160</value></userParameterLong>
<userParameterLong><name>rampDownTime</name><value>150</value></userParameterLong>
<userParameterLong><name>flatTopTime</name><value>240</value></userParameterLong>
<userParameterLong><name>acqDelayTime</name><value>32</value></userParameterLong>
<userParameterLong><name>numSamples</name><value>160</value></userParameterLong>
<userParameterDouble><name>dwellTime</name><value>3.1</value></userParameterDouble>
</trajectoryDescription>"""
TIMING = EpiTiming(160.0, 240.0, 150.0, 32.0, 160, 3.1)


def with_description(xml: bytes, description: str) -> bytes:
    epi = "<trajectory>epi</trajectory>" + description
    return xml.replace(b"<trajectory>cartesian</trajectory>", epi.encode())


def timing(xml: bytes, description: str) -> EpiTiming | None:
    return parse_header(with_description(xml, description)).encodings[0].epi


def test_an_epi_readout_is_described(header_xml: bytes) -> None:
    assert timing(header_xml, EPI) == TIMING
    assert timing(header_xml, "") is None


def test_numbers_may_stand_among_longs_or_doubles(header_xml: bytes) -> None:
    assert timing(header_xml, EPI.replace("Long>", "Double>")) == TIMING
    assert timing(header_xml, EPI.replace("Double>", "Long>")) == TIMING
    assert timing(header_xml, EPI.replace(">160<", "> 160.0 <")) == TIMING


@pytest.mark.parametrize(
    ("found", "put"),
    [
        ("rampUpTime", "rampupwards"),
        ("dwellTime", "dwell"),
        (">240<", ">long<"),
        (">240<", ">nan<"),
        (">240<", ">-240<"),
        (">240<", "><"),
        (">3.1<", ">0<"),
        ("numSamples</name><value>160", "numSamples</name><value>160.5"),
        ("numSamples</name><value>160", "numSamples</name><value>0"),
        ("ConventionalEPI", "FlybackEPI"),
    ],
)
def test_a_description_that_is_incomplete_is_none(header_xml: bytes, found: str, put: str) -> None:
    assert found in EPI
    assert timing(header_xml, EPI.replace(found, put)) is None


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("goldenangle", "goldenangle"),
        ("Radial", "radial"),
        ("other", "other"),
        ("rosette", "other"),
    ],
)
def test_trajectories_are_named(header_xml: bytes, given: str, name: str) -> None:
    xml = header_xml.replace(b">cartesian<", f"> {given}\n<".encode())
    assert parse_header(xml).encodings[0].trajectory == name


@pytest.mark.parametrize(
    ("given", "mode"),
    [("embedded", "embedded"), ("Separate", "separate"), ("noacceleration", "other"), (None, "")],
)
def test_the_calibration_mode(header_xml: bytes, given: str | None, mode: str) -> None:
    calibration = "" if given is None else f"<calibrationMode>{given}</calibrationMode>"
    parallel = (
        "</encodingLimits><parallelImaging><accelerationFactor><kspace_encoding_step_1>2"
        "</kspace_encoding_step_1><kspace_encoding_step_2>1</kspace_encoding_step_2>"
        f"</accelerationFactor>{calibration}</parallelImaging>"
    )
    xml = header_xml.replace(b"</encodingLimits>", parallel.encode())
    (encoding,) = parse_header(xml).encodings
    assert encoding.acceleration == (2, 1)
    assert encoding.calibration_mode == mode
    assert parse_header(header_xml).encodings[0].calibration_mode == ""


def test_several_encodings_each_have_their_own(header_xml: bytes) -> None:
    start, end = header_xml.index(b"<encoding>"), header_xml.index(b"</encoding>") + 11
    second = header_xml[start:end].replace(b">cartesian<", b">epi<").replace(b">64<", b">80.0<")
    found = parse_header(header_xml[:end] + second + header_xml[end:]).encodings
    assert [one.encoded_matrix[0] for one in found] == [64, 80]
    assert [one.trajectory for one in found] == ["cartesian", "epi"]
    with pytest.raises(HeaderError, match=r"encoding\[1\]\.encodedSpace\.matrixSize\.x"):
        parse_header(header_xml[:end] + second.replace(b">80.0<", b">0<") + header_xml[end:])


def test_a_tr_that_cannot_be_is_no_tr(header_xml: bytes) -> None:
    for value in (b"0", b"-3"):
        xml = header_xml.replace(b"<TR>10</TR>", b"<TR>" + value + b"</TR>")
        assert parse_header(xml).repetition_time_s is None


def named(encoding: str, *, declared: str | None) -> bytes:
    xml = (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><subjectInformation><patientName>'
        "Müller</patientName></subjectInformation>"
    )
    declaration = "" if declared is None else f'<?xml version="1.0" encoding="{declared}"?>'
    return (declaration + xml).encode(encoding)


@pytest.mark.parametrize("declared", ["ISO-8859-1", "windows-1252", "latin1"])
def test_a_header_in_latin_1_that_says_so_is_read(header_xml: bytes, declared: str) -> None:
    body = header_xml[header_xml.index(b"<acquisitionSystem") :]
    xml = named("latin-1", declared=declared) + body
    header = parse_header(xml)
    assert header.encodings[0].encoded_matrix == (64, 32, 1)
    assert header.xml == xml


def test_bytes_that_are_not_utf_8_are_refused_where_nothing_says_what_they_are(
    header_xml: bytes,
) -> None:
    body = header_xml[header_xml.index(b"<acquisitionSystem") :]
    with pytest.raises(HeaderError, match="and declares no other"):
        parse_header(named("latin-1", declared=None) + body)
    with pytest.raises(HeaderError, match="declared as shift_jis, which is not read"):
        parse_header(named("latin-1", declared="Shift_JIS") + body)
    with pytest.raises(HeaderError, match="not UTF-8 at byte 0"):
        parse_header(header_xml.decode().encode("utf-16"))


def test_a_byte_order_mark_is_passed_over(header_xml: bytes) -> None:
    xml = b"\xef\xbb\xbf" + header_xml
    assert parse_header(xml).xml == xml


@pytest.mark.parametrize(
    "start",
    [
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><ismrmrdHeader>',
        b'<?xml version="1.0" encoding="latin-1"?><!DOCTYPE x>\xe9<ismrmrdHeader>',
        b'<!ENTITY a "b"><ismrmrdHeader>',
    ],
)
def test_a_doctype_is_refused_in_every_encoding(start: bytes) -> None:
    with pytest.raises(HeaderError, match="DOCTYPE"):
        parse_header(start + b"</ismrmrdHeader>")


@pytest.mark.parametrize("piece", [b"\n", b"\r", b"&#65;", b"&lt;"])
def test_lines_and_entities_without_end_are_refused_before_the_parser(
    header_xml: bytes, piece: bytes
) -> None:
    """Each of them costs the gateway's loop a call and memory; 16 MiB of them took a second."""
    few, many = header_xml.replace(b"<TR>", piece * 50_000 + b"<TR>"), piece * 100_001
    assert parse_header(few).encodings[0].encoded_matrix == (64, 32, 1)
    with pytest.raises(HeaderError, match="more than 100000 lines and entities"):
        parse_header(header_xml.replace(b"<TR>", many + b"<TR>"))


def test_100_mb_of_xml_are_refused_by_their_announced_length() -> None:
    tracemalloc.start()
    decoder = Decoder()
    decoder.feed(struct.pack("<HI", layout.HEADER, 100_000_000) + b"<")
    with pytest.raises(StreamError, match="HEADER announces 100000000 bytes, expected at most"):
        list(decoder.events())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@pytest.mark.realdata
def test_the_skyra_s_epi_is_described(real_scans: Path) -> None:
    (encoding,) = parse_header(open_recording(real_scans / "skyra_epi_2ch.h5").header_xml).encodings
    assert encoding.epi == EpiTiming(160.0, 240.0, 160.0, 32.0, 160, 3.1)
    assert (encoding.trajectory, encoding.calibration_mode) == ("epi", "other")
    # sampling ends before the gradient does
    timing = encoding.epi
    end_us = timing.ramp_up_us + timing.flat_top_us + timing.ramp_down_us
    assert timing.delay_us + timing.n_samples * timing.dwell_us < end_us
