"""An echo time or field strength in the protocol goes before the header's, but not in silence."""

from dataclasses import replace

import pytest

from messages import Encoding, SessionHeader
from realtime.cli.protocol_check import check_header
from realtime.echo import doubtful_overrides
from realtime.protocol import parse_protocol
from tests.realtime.test_multi_slice import PROTOCOL, frame, pipeline

EXTENT_MM = (64.0, 64.0, 5.0)
HEADER = SessionHeader(
    b"",
    (Encoding((32, 32, 1), (32, 32, 1), EXTENT_MM, EXTENT_MM, "cartesian"),),
    echo_times_s=(0.013,),
    h1_frequency_hz=123.2e6,
)


def protocol_of(*lines):
    text = PROTOCOL.format(focus="center_px = [16.0, 16.0]")
    return parse_protocol(text.replace("drift_order = -1", "\n".join(["drift_order = -1", *lines])))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("echo_time_ms = 13.9", ""),
        ("echo_time_ms = 20.0", "takes 20 ms, the header says 13: each temperature reads 0.65"),
        ("field_strength_t = 3.0", ""),
        (
            "field_strength_t = 1.5",
            "1.5 T, the header says 2.894: each temperature reads 1.9",
        ),
    ],
)
def test_an_override_that_contradicts_the_header_is_told(line, said):
    protocol = protocol_of(line)
    assert said in doubtful_overrides(protocol.thermometry, HEADER)
    assert bool(doubtful_overrides(protocol.thermometry, HEADER)) == bool(said)
    suits = check_header(protocol, HEADER)
    assert suits.startswith("echo time and field strength suit; regions suit")
    assert said in suits
    built = pipeline.build(protocol, HEADER, n_coils=2, n_samples=32, noise=None)
    _, verdict, _ = pipeline.fold(built, pipeline.PipelineState(), frame(0, 0))
    warned = [one for one in verdict.findings if one.rule == "header-override"]
    assert [one.severity for one in warned] == ["warn"] * bool(said)


def test_what_the_header_does_not_say_cannot_contradict():
    silent = replace(HEADER, echo_times_s=(), h1_frequency_hz=None)
    protocol = protocol_of("echo_time_ms = 20.0", "field_strength_t = 1.5")
    assert doubtful_overrides(protocol.thermometry, silent) == ""
    nominal = replace(silent, field_strength_t=3.0)
    assert "the header says 3:" in doubtful_overrides(protocol.thermometry, nominal)
