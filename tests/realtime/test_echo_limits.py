"""A method that needs a train says so before anybody is treated."""

import pytest

from messages import Encoding, HeaderError, SessionHeader
from realtime import pipeline
from realtime.protocol import parse_protocol
from realtime.session_setup import assembler_for

PROTOCOL = """
[protocol]
name = "water-fat"
therapy = "mrgfus"
frame_deadline_ms = 100.0
lease_ms = 4500.0
[recon]
method = "fft"
[thermometry]
method = "water-fat"
baseline_frames = 2
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [2.0, 2.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 60.0
"""


def build(*echo_times_s):
    n, extent_mm = (32, 32, 1), (64.0, 64.0, 5.0)
    encoding = Encoding(n, n, extent_mm, extent_mm, "cartesian", n_contrasts=len(echo_times_s))
    header = SessionHeader(
        b"", (encoding,), echo_times_s=tuple(echo_times_s), h1_frequency_hz=127.7e6
    )
    return pipeline.build(parse_protocol(PROTOCOL), header, n_coils=2, n_samples=32, noise=None)


@pytest.mark.parametrize("echo_times_s", [(0.01,), (0.01, 0.02)])
def test_water_and_fat_are_not_sought_in_too_few_echoes(echo_times_s):
    with pytest.raises(HeaderError, match="water-fat needs 3 or more"):
        build(*echo_times_s)


def test_three_echoes_are_enough():
    assert build(0.01, 0.013, 0.016).n_joined == 3


def test_a_header_that_claims_thousands_of_echoes_is_refused_before_any_is_kept():
    """Each readout looked through all of them: one client stopped the gateway for seconds."""
    n, extent_mm = (32, 32, 1), (64.0, 64.0, 5.0)
    encoding = Encoding(n, n, extent_mm, extent_mm, "cartesian", n_contrasts=65536)
    header = SessionHeader(b"", (encoding,), echo_times_s=(0.01,), h1_frequency_hz=127.7e6)
    with pytest.raises(HeaderError, match=r"contrast: names 65536, expected at most 64"):
        assembler_for(parse_protocol(PROTOCOL), header)
