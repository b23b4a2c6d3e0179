"""What a session's pipeline is built of."""

from dataclasses import replace

import numpy as np
import pytest

from messages import READOUT, Encoding, Frame, FrameKey, Pose, SessionHeader
from realtime import pipeline
from realtime.protocol import parse_protocol

IMAGING = """
[protocol]
name = "images"
therapy = "imaging"
frame_deadline_ms = 1000.0
lease_ms = 4500.0
[recon]
method = "auto"
{more}
"""
EXTENT_MM = (64.0, 64.0, 5.0)


def built(*, more="", noise=None, n_samples=32, **encoding):
    encoding = {"trajectory": "cartesian"} | encoding
    one = Encoding((32, 32, 1), (32, 32, 1), EXTENT_MM, EXTENT_MM, **encoding)
    protocol = parse_protocol(IMAGING.format(more=more))
    header = SessionHeader(b"", (one,))
    return pipeline.build(protocol, header, n_coils=2, n_samples=n_samples, noise=noise)


def noise_scan(noise_us, imaging_us):
    rng = np.random.default_rng(0)
    samples = (rng.standard_normal((2, 400)) + 1j * rng.standard_normal((2, 400))).astype("c8")
    return pipeline.NoiseScan(samples, noise_us, imaging_us)


@pytest.mark.parametrize(
    ("noise_us", "imaging_us", "is_whitened"), [(5, 8, True), (0, 8, False), (0, 0, False)]
)
def test_noise_of_unknown_bandwidth_whitens_nothing(noise_us, imaging_us, is_whitened):
    one = built(noise=noise_scan(noise_us, imaging_us))
    assert (one.reconstructor.plan.whitening is not None) == is_whitened


@pytest.mark.parametrize(
    ("encoding", "method"),
    [
        ({}, "CartesianFFT"),
        ({"trajectory": "epi"}, "CartesianFFT"),
        ({"acceleration": (2, 1), "calibration_mode": "embedded"}, "Grappa"),
        ({"trajectory": "radial"}, "Gridded"),
        ({"trajectory": "spiral"}, "Gridded"),
    ],
)
def test_the_header_s_sampling_chooses_the_method(encoding, method):
    assert method in type(built(**encoding).reconstructor).__name__


def test_what_the_protocol_overrides_reaches_the_reconstruction():
    more = 'sampling = "epi"\nencoded_matrix = [32, 48, 1]\nrecon_matrix = [16, 48, 1]'
    plan = built(more=more, n_samples=32).reconstructor.plan
    assert plan.encoding.trajectory == "epi"
    assert plan.encoded_matrix == (32, 48, 1)
    assert plan.recon_matrix == (16, 48, 1)
    assert plan.line_center == 24


def test_each_setting_has_its_key():
    more = 'iterations = 7\nregularisation = 0.5\ncoil_maps = "espirit"\nreadouts_per_frame = 9'
    settings = built(more=more).reconstructor.plan.settings
    assert (settings.iterations, settings.regularisation) == (7, 0.5)
    assert (settings.coil_maps, settings.readouts_per_frame) == ("espirit", 9)


def test_an_image_that_wants_calibration_says_so_and_not_that_lines_are_missing():
    one = built(acceleration=(2, 1), calibration_mode="separate")
    rows = np.zeros(16, READOUT)
    rows["kspace_encode_step_1"], rows["n_samples"] = np.arange(0, 32, 2), 32
    rows["center_sample"] = 16
    rng = np.random.default_rng(1)
    samples = (rng.standard_normal((16, 2, 32)) + 1j).astype(np.complex64)
    frame = Frame(0, FrameKey(), rows, samples, 1.0, Pose(), is_complete=True)
    _, verdict, _ = pipeline.fold(one, pipeline.PipelineState(), frame)
    (finding,) = [one for one in verdict.findings if one.rule == "incomplete-frame"]
    assert "calibration" in finding.text
    missing = replace(frame, is_complete=False)
    _, verdict, _ = pipeline.fold(one, pipeline.PipelineState(), missing)
    (finding,) = [one for one in verdict.findings if one.rule == "incomplete-frame"]
    assert finding.text == "lines of the frame are missing"
