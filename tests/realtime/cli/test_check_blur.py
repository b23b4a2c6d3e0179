"""`check` says what voxels and frame time hide of a hot spot."""

import pytest

from realtime.cli.protocol_check import check_blur
from realtime.protocol import load_protocol, parse_protocol
from realtime.streams.mrd_header import parse_header
from simulators.sequence import GradientEcho, header_xml

GUARD = '[[limit]]\nrule = "blur-guard"\nregion = "focus"\nfocus_fwhm_mm = [10.0, 3.0, 3.0]\n'
PROTOCOL = parse_protocol(load_protocol("mrgfus-demo").text + GUARD)


def said(pixel_mm, repetition_time_s):
    sequence = GradientEcho(
        matrix=(64, 64), fov_mm=(64 * pixel_mm,) * 2, repetition_time_s=repetition_time_s
    )
    return check_blur(PROTOCOL, parse_header(header_xml(sequence, n_coils=2, n_frames=3)))


def test_the_reference_s_figures_are_told():
    # 3 × 3 × 10 mm FWHM at 1.1 × 1.1 × 3 mm reads 0.92 of the peak at best, 0.73 at worst
    (text,) = said(1.1, 0.0156)
    assert "hide 8% to 27%" in text
    assert "1.0 s a frame" in text


@pytest.mark.parametrize(
    ("pixel_mm", "repetition_time_s", "verdict"),
    [(0.8, 1e-4, "within"), (2.0, 1e-4, "over"), (0.8, 0.12, "over")],
)
def test_large_voxels_and_slow_frames_are_over_the_limit(pixel_mm, repetition_time_s, verdict):
    (text,) = said(pixel_mm, repetition_time_s)
    assert f": {verdict} the limit of 10 %" in text


def test_a_protocol_without_the_limit_is_told_nothing():
    header = parse_header(header_xml(GradientEcho(), n_coils=2, n_frames=3))
    assert check_blur(load_protocol("mrgfus-phantom"), header) == ()
