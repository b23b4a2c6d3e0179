import re
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import EncodingLimit, HeaderError
from realtime.streams.mrd_header import MAX_XML_BYTES, parse_header, require_thermometry

GAMMA_BAR_MHZ_PER_T = 42.577478518  # CODATA 2018


def without(xml: bytes, tag: str) -> bytes:
    return re.sub(rf"<{tag}>.*?</{tag}>".encode(), b"", xml, flags=re.DOTALL)


def test_a_header_gives_its_figures_in_si_units(header_xml: bytes) -> None:
    header = parse_header(header_xml)
    (encoding,) = header.encodings
    assert encoding.encoded_matrix == (64, 32, 1)
    assert encoding.recon_matrix == (32, 32, 1)
    assert encoding.encoded_fov_mm == (400.0, 200.0, 4.0)
    assert encoding.recon_fov_mm == (200.0, 200.0, 4.0)
    assert encoding.trajectory == "cartesian"
    assert encoding.kspace_encoding_step_1 == EncodingLimit(0, 31, 16)
    assert encoding.kspace_encoding_step_2 is None
    assert (encoding.n_slices, encoding.n_contrasts) == (3, 1)
    assert encoding.acceleration == (1, 1)
    assert header.echo_times_s == (0.003, 0.0075)
    assert header.repetition_time_s == 0.01
    assert header.h1_frequency_hz == 123263034
    assert header.field_strength_t == 2.89362
    assert header.receiver_channels == 8
    assert header.relative_receiver_noise_bandwidth == 0.793
    assert header.system_vendor == "SIEMENS"


def test_flip_angles_stand_in_the_order_of_the_contrasts(header_xml: bytes) -> None:
    assert parse_header(without(header_xml, "flipAngle_deg")).flip_angles_deg == ()
    two = b"<flipAngle_deg>4</flipAngle_deg><flipAngle_deg>22.5</flipAngle_deg>"
    xml = without(header_xml, "flipAngle_deg").replace(
        b"</sequenceParameters>", two + b"</sequenceParameters>"
    )
    assert parse_header(xml).flip_angles_deg == (4.0, 22.5)


def test_the_xml_is_kept_byte_for_byte_but_for_its_nul(header_xml: bytes) -> None:
    assert parse_header(header_xml + b"\0").xml == header_xml


def test_a_size_may_be_written_with_a_point_when_it_is_whole(header_xml: bytes) -> None:
    xml = header_xml.replace(b"<x>64</x>", b"<x> 64.0 </x>")
    assert parse_header(xml).encodings[0].encoded_matrix[0] == 64


def test_a_frequency_of_0_is_an_unknown_frequency(header_xml: bytes) -> None:
    header = parse_header(header_xml.replace(b"123263034", b"0"))
    assert header.h1_frequency_hz is None


@pytest.mark.parametrize(
    ("found", "put", "field"),
    [
        ("<x>64</x>", "", "encoding[0].encodedSpace.matrixSize.x"),
        ("<x>64</x>", "<x>0</x>", "encoding[0].encodedSpace.matrixSize.x"),
        ("<x>64</x>", "<x>-64</x>", "encoding[0].encodedSpace.matrixSize.x"),
        ("<x>64</x>", "<x>64.5</x>", "encoding[0].encodedSpace.matrixSize.x"),
        ("<x>64</x>", "<x>65536</x>", "encoding[0].encodedSpace.matrixSize.x"),
        ("<x>64</x>", "<x>many</x>", "encoding[0].encodedSpace.matrixSize.x"),
        ("<x>64</x>", "<x>nan</x>", "encoding[0].encodedSpace.matrixSize.x"),
        ("<x>64</x><y>32</y>", "<x>65535</x><y>65535</y>", "encoding[0].encodedSpace.matrixSize"),
        ("<x>400</x>", "<x>NaN</x>", "encoding[0].encodedSpace.fieldOfView_mm.x"),
        ("<x>400</x>", "<x>inf</x>", "encoding[0].encodedSpace.fieldOfView_mm.x"),
        ("<x>400</x>", "<x>-1</x>", "encoding[0].encodedSpace.fieldOfView_mm.x"),
        ("<x>400</x>", "<x>1e30</x>", "encoding[0].encodedSpace.fieldOfView_mm.x"),
        ("<x>400</x>", "", "encoding[0].encodedSpace.fieldOfView_mm.x"),
        ("<x>200</x>", "<x>0</x>", "encoding[0].reconSpace.fieldOfView_mm.x"),
        ("<maximum>31</maximum>", "", "encodingLimits.kspace_encoding_step_1.maximum"),
        ("<minimum>0</minimum>", "<minimum>40</minimum>", "encodingLimits.kspace_encoding_step_1"),
        ("<TE>3</TE>", "<TE>three</TE>", "sequenceParameters.TE"),
        ("<TR>10</TR>", "<TR>nan</TR>", "sequenceParameters.TR"),
        ("123263034", "-1", "experimentalConditions.H1resonanceFrequency_Hz"),
        ("<receiverChannels>8", "<receiverChannels>x", "receiverChannels"),
    ],
)
def test_a_field_that_cannot_be_is_named(
    header_xml: bytes, found: str, put: str, field: str
) -> None:
    assert found.encode() in header_xml
    with pytest.raises(HeaderError) as caught:
        parse_header(header_xml.replace(found.encode(), put.encode(), 1))
    assert caught.value.field.endswith(field)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        (b"", "not XML"),
        (b"hello", "not XML"),
        (b"\xff\xfe<\x00", "not UTF-8 at byte 0"),
        (b"<config/>", "root is <config>"),
        (b"<ismrmrdHeader/>", "encoding: missing"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><ismrmrdHeader>&a;</ismrmrdHeader>', "DOCTYPE"),
        (
            b"<ismrmrdHeader " + b" ".join(b'a%d="1"' % n for n in range(30_000)) + b"/>",
            "attributes",
        ),
        (b"<ismrmrdHeader>" + b"<a/>" * 400_000 + b"</ismrmrdHeader>", "elements"),
        (b" " * (MAX_XML_BYTES + 1), "at most 16777216"),
    ],
)
def test_what_is_no_header_is_refused(xml: bytes, text: str) -> None:
    with pytest.raises(HeaderError, match=re.escape(text)):
        parse_header(xml)


def test_an_oversized_header_is_refused_before_it_is_copied() -> None:
    xml = b" " * (MAX_XML_BYTES + 1)
    tracemalloc.start()
    with pytest.raises(HeaderError):
        parse_header(xml)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


@given(st.binary(max_size=200))
def test_garbage_is_a_header_error(xml: bytes) -> None:
    with pytest.raises(HeaderError):
        parse_header(xml)


def require(
    xml: bytes, echo_time_s: float | None = None, field_strength_t: float | None = None
) -> tuple[float, float]:
    return require_thermometry(
        parse_header(xml),
        echo_time_s_override=echo_time_s,
        field_strength_t_override=field_strength_t,
    )


def test_the_measured_frequency_goes_before_the_nominal_field(header_xml: bytes) -> None:
    assert require(header_xml) == (0.003, 123263034)
    nominal = without(header_xml, "H1resonanceFrequency_Hz")
    assert require(nominal)[1] == pytest.approx(2.89362 * GAMMA_BAR_MHZ_PER_T * 1e6)


def test_the_protocol_overrides_both(header_xml: bytes) -> None:
    echo_time_s, frequency_hz = require(header_xml, echo_time_s=0.012, field_strength_t=1.5)
    assert echo_time_s == 0.012
    assert frequency_hz == pytest.approx(1.5 * GAMMA_BAR_MHZ_PER_T * 1e6)


@pytest.mark.parametrize("put", [b"", b"<TE>0</TE>"])
def test_thermometry_without_an_echo_time_says_what_to_set(header_xml: bytes, put: bytes) -> None:
    xml = header_xml.replace(b"<TE>3</TE><TE>7.5</TE>", put)
    with pytest.raises(HeaderError, match=r"thermometry\.echo_time_ms") as caught:
        require(xml)
    assert caught.value.field == "sequenceParameters.TE"
    assert require(xml, echo_time_s=0.01)[0] == 0.01


def test_thermometry_without_a_field_says_what_to_set(header_xml: bytes) -> None:
    xml = without(header_xml, "H1resonanceFrequency_Hz")
    xml = without(xml, "systemFieldStrength_T")
    with pytest.raises(HeaderError, match=r"thermometry\.field_strength_t") as caught:
        require(xml)
    assert caught.value.field == "experimentalConditions.H1resonanceFrequency_Hz"
    assert require(xml, field_strength_t=3.0)[1] == pytest.approx(127.7e6, rel=1e-3)


def test_a_frequency_that_contradicts_the_field_is_refused(header_xml: bytes) -> None:
    xml = header_xml.replace(b"123263034", b"63870000")
    with pytest.raises(HeaderError, match=r"1\.50 T, but systemFieldStrength_T is 2\.89362 T"):
        require(xml)
    assert require(xml, field_strength_t=3.0)


def test_a_flip_angle_that_is_no_number_refuses_nobody(header_xml: bytes) -> None:
    xml = without(header_xml, "flipAngle_deg").replace(
        b"</sequenceParameters>",
        b"<flipAngle_deg>4</flipAngle_deg><flipAngle_deg>n/a</flipAngle_deg></sequenceParameters>",
    )
    assert parse_header(xml).flip_angles_deg == ()
