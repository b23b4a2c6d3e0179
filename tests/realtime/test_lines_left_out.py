"""Folded images go to nobody who would take them for whole."""

from dataclasses import replace

import pytest

from messages import EncodingLimit, HeaderError, ProtocolError
from realtime import pipeline
from realtime.protocol import parse_protocol
from realtime.streams.mrd_header import parse_header
from simulators.scan import Scan
from simulators.sequences import Undersampled

PROTOCOL = """
[protocol]
name = "undersampled"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 2000.0
[recon]
method = "{recon}"
[thermometry]
method = "{method}"
baseline_frames = 2
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 37.0
drift_order = 1
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [3.0, 3.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
"""


def build(method="kspace-hybrid", recon="fft", **encoding):
    sequence = Undersampled(matrix=(32, 32), acceleration=4, n_frames=2)
    header = parse_header(Scan(sequence, n_coils=4).header_xml())
    changed = replace(header.encodings[0], **encoding)
    header = replace(header, encodings=(changed,))
    protocol = parse_protocol(PROTOCOL.format(method=method, recon=recon))
    return pipeline.build(protocol, header, n_coils=4, n_samples=64, noise=None)


def test_the_method_for_folded_images_gets_them():
    assert build().header.encodings[0].acceleration == (4, 1)


@pytest.mark.parametrize("recon", ["auto", "grappa", "sense"])
def test_any_method_gets_filled_images(recon):
    build("single-baseline", recon)


def test_any_method_gets_images_that_are_not_accelerated():
    build("single-baseline", acceleration=(1, 1))


def test_no_other_method_gets_folded_images():
    with pytest.raises(ProtocolError, match=r'recon\.method: is "fft".*kspace-hybrid'):
        build("single-baseline")


def test_acceleration_along_partitions_is_refused():
    with pytest.raises(HeaderError, match="kspace_encoding_step_2: is 2"):
        build(
            acceleration=(4, 2),
            encoded_matrix=(64, 32, 8),
            recon_matrix=(32, 32, 8),
            kspace_encoding_step_2=EncodingLimit(0, 7, 4),
        )


def test_phase_oversampling_is_refused():
    with pytest.raises(HeaderError, match="48 lines for 32 pixels"):
        build(encoded_matrix=(64, 48, 1), encoded_fov_mm=(480.0, 360.0, 3.0),
              kspace_encoding_step_1=EncodingLimit(0, 47, 24))  # fmt: skip
