import math
from dataclasses import replace

import numpy as np
import pytest

from simulators.phantom import Ellipse
from simulators.sequences import Cartesian
from simulators.tissue import Breathing, Part, Sphere, Tissue
from simulators.tissue_scan import TissueScan
from tests.simulators.tissue_images import images

BALL = (Ellipse(1.0, (4.0, -20.0), (30.0, 20.0)),)


def test_drive_is_lujans():
    breathing = Breathing(period_s=4.0)
    times = np.linspace(0, 4, 4001)[:-1]
    drive = np.array([breathing.drive(float(t)) for t in times])
    assert drive[0] == 0
    assert drive.max() == pytest.approx(1.0)
    assert times[drive.argmax()] == pytest.approx(2.0)
    assert drive.mean() == pytest.approx(1 - 3 / 8)  # mean of cos⁴


def test_depth_varies_and_the_path_is_a_loop():
    breathing = Breathing(depth_varies=0.2, lag_s=0.4, across_mm=3.0)
    peaks = [breathing.drive(2.0 + 4 * n) for n in range(20)]
    assert 0.1 < np.ptp(peaks) <= 0.4
    inward, outward = 1.0, 3.0  # the same drive in a breath of even depth
    even = replace(breathing, depth_varies=0.0)
    assert even.drive(inward) == pytest.approx(even.drive(outward))
    assert even.across_now_mm(inward) < even.across_now_mm(outward) - 0.5


def test_a_trace_and_a_hold_are_obeyed():
    traced = Breathing(trace=((0.0, 1.0, 3.0), (0.0, 0.8, 0.2)))
    assert [traced.drive(t) for t in (-1, 0.5, 2.0, 9.0)] == pytest.approx([0.0, 0.4, 0.5, 0.2])
    held = Breathing(hold_from_s=1.3)
    assert held.drive(1.3) == held.drive(7.7) > 0


@pytest.mark.parametrize("t_s", [0.0, 0.7, 2.0, 605.0])
def test_resting_places_are_the_inverse_of_the_movement(t_s):
    breathing = Breathing(reach_mm=20, shifts_mm_per_min=0.3, depth_varies=0.1)
    rest = np.linspace(-150, 150, 301)
    moved = rest + breathing.along_mm(rest, t_s)
    assert np.all(np.diff(moved) > 0)
    assert breathing.resting_mm(moved, t_s) == pytest.approx(rest, abs=1e-9)


def test_tissue_that_would_fold_is_refused():
    with pytest.raises(ValueError, match="folds"):
        Breathing(reach_mm=100, end_share=0.0, full_mm=0, end_mm=80)


def test_image_shows_the_part_where_the_truth_says():
    still = Tissue(parts=(Part(water=BALL, moves=True),))
    breathing = Breathing(reach_mm=18, full_mm=-200, end_mm=-190, end_share=1.0, across_mm=5.0)
    moved = replace(still, breathing=replace(breathing, trace=((0.0,), (1.0,))))
    sequence = Cartesian(matrix=(64, 64), n_frames=1)
    before, after = (
        np.abs(images(TissueScan(sequence, tissue, n_coils=1))[0, 0]) for tissue in (still, moved)
    )
    x, y = sequence.columns_mm, sequence.rows_mm

    def middle(image):
        return np.array([(image**2).sum(0) @ x, (image**2).sum(1) @ y]) / (image**2).sum()

    assert middle(after) - middle(before) == pytest.approx([5.0, 18.0], abs=0.05)
    truth = TissueScan(sequence, moved, n_coils=1).truth(np.array([9.0]), np.array([-2.0]), frame=0)
    assert [float(one[0]) for one in truth.displacement_mm] == pytest.approx([5.0, 18.0])
    assert truth.water[0] == 1.0


def test_squeezed_tissue_keeps_its_signal():
    # material points take their signal with them: brighter where they are denser
    breathing = Breathing(
        reach_mm=20, full_mm=-60, end_mm=40, end_share=0.5, trace=((0.0,), (1.0,))
    )
    still = Tissue(parts=(Part(water=BALL, moves=True),))
    sequence = Cartesian(matrix=(64, 64), n_frames=1)
    before, after = (
        images(TissueScan(sequence, tissue, n_coils=1))[0, 0]
        for tissue in (still, replace(still, breathing=breathing))
    )
    assert after.sum() == pytest.approx(before.sum(), rel=1e-3)
    assert np.median(np.abs(after)[np.abs(after) > 0.8]) == pytest.approx(1 / (1 - 0.1), rel=0.02)


def test_movement_within_a_frame_blurs_it():
    tissue = Tissue(parts=(Part(water=BALL, moves=True),), breathing=Breathing(reach_mm=15))
    sequence = Cartesian(matrix=(64, 64), n_frames=1)
    center_s = TissueScan(sequence, tissue, n_coils=1).center_time_s(0)
    frozen = replace(tissue.breathing, trace=((0.0,), (tissue.breathing.drive(center_s),)))
    live, still = (
        images(TissueScan(sequence, one, n_coils=1))[0, 0]
        for one in (tissue, replace(tissue, breathing=frozen))
    )
    assert np.linalg.norm(live - still) > 0.1 * np.linalg.norm(still)
    middle = np.s_[24:32, 28:38]
    assert np.abs(np.abs(live) - np.abs(still))[middle].mean() < 0.2  # the same ball, smeared


def test_lung_that_moves_swings_the_field_over_the_organ():
    lung = Sphere(chi_ppm=2.2, center_mm=(0, -90, 0), radius_mm=42, follows_mm=(0, 9), swells=0.08)
    liver = (Ellipse(1.0, (0.0, 22.0), (70.0, 70.0)),)
    tissue = Tissue(
        parts=(Part(water=liver, moves=True),),
        bodies=(lung,),
        breathing=Breathing(reach_mm=11, period_s=4.0),
        b0_axis="y",
    )
    sequence = Cartesian(matrix=(64, 64), n_frames=2, repetition_time_s=0.0156)
    scan = TissueScan(sequence, tissue, n_coils=2)
    x, y = sequence.columns_mm[None, :], sequence.rows_mm[:, None]
    out, into = (tissue.field_hz(x, y, t_s=t_s, h1_frequency_hz=123.25e6) for t_s in (0.0, 2.0))
    organ = (x / 65) ** 2 + ((y - 32) / 60) ** 2 < 1
    swing_hz = (into - out)[organ]
    assert 8 < math.sqrt(float((swing_hz**2).mean())) < 25  # 12 °C rms at 3 T are 14 Hz
    assert scan.points[0].at_time(2.0).hz.shape == scan.points[0].water.shape
