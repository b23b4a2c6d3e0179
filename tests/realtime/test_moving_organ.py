"""A liver that breathes, from raw data through the fold: dose and focus belong to tissue."""

import numpy as np
import pytest

from benchmarks import _moving_liver as bench
from messages import PowerLog
from realtime import pipeline
from realtime.pipeline import NoiseScan, PipelineState
from realtime.protocol import load_protocol

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]  # simulated raw data, 0.4 s a frame

REACH_MM, N_FRAMES = 11.0, 40  # of the diaphragm; 5.6 s of heat, more than a breath


@pytest.fixture(scope="module")
def following():
    return bench.treated(REACH_MM, n_frames=N_FRAMES, matrix=80)


def findings(one):
    """What the rules say of each frame, by the shipped protocol."""
    frames, sequence = one.played.frames, one.scan.sequence
    _, n_coils, n_samples = frames[0].samples.shape
    built = pipeline.build(
        load_protocol("mrgfus-liver"),
        one.played.header,
        n_coils=n_coils,
        n_samples=n_samples,
        noise=NoiseScan(one.played.noise, sequence.noise_sample_time_us, sequence.sample_time_us),
    )
    state, found = PipelineState(), []
    for frame, time_s in zip(frames, one.times_s, strict=True):
        timed = bench.replace(frame, time_s=float(time_s))
        state, verdict, _ = pipeline.fold(built, state, timed, PowerLog())
        found.append({(each.rule, each.severity) for each in verdict.findings})
    return found


def test_dose_in_tissue_finds_the_lesion_that_dose_in_pixels_smears(following):
    seen = bench.summed(following, bench.protocol(in_tissue=True))
    tissue = bench.score(seen.maps, following.truth_min)
    in_space = bench.summed(following, bench.protocol(in_tissue=False))
    pixels = bench.score(in_space.maps, following.truth_min)
    assert tissue.overlap >= 0.7  # of some ten pixels of 3 mm, two may differ
    assert tissue.overlap > pixels.overlap
    assert tissue.covered >= 0.8


def test_the_focus_of_the_liver_is_followed_to_a_quarter_of_a_pixel(following):
    seen = bench.summed(following, bench.protocol(in_tissue=True))
    off_mm = bench.off_mm(following, seen.displacements, bench.tracked_mask(following))
    assert len(off_mm) >= 0.9 * (N_FRAMES - bench.N_BASELINE)  # the others are doubted, and held
    assert np.mean(off_mm) < 0.75
    assert following.depth_mm > 5.0  # or there was nothing to follow


def test_a_focus_that_follows_its_target_is_not_off_it(following):
    found = findings(following)
    assert not any(rule == "focus-offset" for frame in found for rule, _ in frame)


def test_a_focus_that_stays_while_the_liver_moves_is_off_its_target():
    fixed = bench.treated(REACH_MM, n_frames=N_FRAMES, matrix=80, follows=False)
    found = findings(fixed)
    assert any(("focus-offset", "hold") in frame for frame in found)
