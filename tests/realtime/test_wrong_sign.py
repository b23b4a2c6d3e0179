"""A protocol with the wrong phase_sign shows heat as cold: the test heating finds it."""

import pytest

from realtime.protocol import parse_protocol
from tests.realtime.test_off_resonance_shift import PROTOCOL, last_frame, scan_of

RESPONSE = """
[[limit]]
rule = "heating-response"
region = "focus"
max_wrong_sign_c = 3.0
sigma = 4.0
"""


@pytest.mark.parametrize("scanner_sign", [1, -1])
@pytest.mark.parametrize("protocol_sign", [1, -1])
def test_a_wrong_phase_sign_is_held_by_heating_response(scanner_sign, protocol_sign):
    text = PROTOCOL.format(moved="false", sign=protocol_sign) + RESPONSE
    scan = scan_of(phase_sign=scanner_sign, drift_hz=0.0)
    verdict, _ = last_frame(scan, parse_protocol(text))
    held = [one for one in verdict.findings if one.rule == "heating-response"]
    assert bool(held) == (scanner_sign != protocol_sign)
    if held:
        assert held[0].severity == "hold"
        assert "wrong sign?" in held[0].text
