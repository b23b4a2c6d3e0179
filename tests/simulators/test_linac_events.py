"""What happens to a patient in the beam: motions, traces and events do what they say."""

import math

import numpy as np
import pytest

from simulators.linac import (
    CosFour,
    Drift,
    Excursion,
    Fade,
    NoiseBurst,
    Sinusoid,
    Still,
    baseline_shift,
    cough,
    deep_breath,
    gas,
    linac_scan,
    out_of_plane,
    read_trace,
)
from simulators.mrd import acquisition_samples

TIMES = np.linspace(0, 40, 4001)


def path_of(*events, motion=None):
    scene = linac_scan("lung-sagittal", motion=motion or Still(), events=events, n_frames=1).scene
    return scene.displacement_mm(TIMES)


def still_scan(*events, **of_scan):
    sizes = {"n_frames": 8, "matrix": (32, 32), "n_coils": 1, "sequence": "cartesian"}
    return linac_scan(
        "lung-sagittal", motion=Still(), events=events, gain=None, **(sizes | of_scan)
    )


def test_cos_four_breathes_out_at_zero_and_in_half_a_period_later():
    breath = CosFour(depth_mm=(0.0, -3.0, -15.0), period_s=4.0, lag_s=0.0)
    places = breath.lps_mm(np.array([0.0, 2.0, 4.0, 6.0]))
    assert places[::2] == pytest.approx(np.zeros((2, 3)), abs=1e-12)
    assert places[1::2] == pytest.approx(np.array([[0, -3, -15], [0, -3, -15]]), abs=1e-12)


def test_movement_forward_lags_so_that_the_path_is_a_loop():
    loop, line = (CosFour(lag_s=lag_s).lps_mm(TIMES) for lag_s in (0.3, 0.0))
    area = [abs(np.trapezoid(path[:, 1], path[:, 2])) for path in (loop, line)]
    assert area[0] > 10
    assert area[1] < 1e-6
    later = CosFour(lag_s=0.3).lps_mm(TIMES + 0.3)
    assert later[:, 1] / -3.5 == pytest.approx(loop[:, 2] / -14.0)


def test_depth_and_period_vary_from_breath_to_breath():
    even, uneven = CosFour(), CosFour(depth_varies=0.2, period_varies=0.2)
    for breath, varies in ((even, False), (uneven, True)):
        down = -breath.lps_mm(np.linspace(0, 200, 20001))[:, 2]
        peaks = np.flatnonzero((down[1:-1] > down[:-2]) & (down[1:-1] >= down[2:])) + 1
        assert (np.ptp(down[peaks]) > 2) == varies
        assert (np.ptp(np.diff(peaks)) * 0.01 > 0.3) == varies
        assert np.diff(peaks).mean() * 0.01 == pytest.approx(4.0, rel=0.03)


def test_the_prostate_drifts_and_stays():
    path = Drift(displacement_mm=(0.0, 1.0, -2.0), after_s=10.0).lps_mm(np.array([0.0, 10.0, 1e4]))
    assert path[0] == pytest.approx(np.zeros(3))
    assert path[1, 2] == pytest.approx(-2 * (1 - math.exp(-1)))
    assert path[2] == pytest.approx(np.array([0.0, 1.0, -2.0]))


def test_a_trace_is_read_in_lps_from_its_first_place_and_holds_on(tmp_path):
    file = tmp_path / "trace.txt"
    file.write_text("".join(f"{t} {1 + t} {2 * t} {-t} 9 9 9\n" for t in range(5)))
    trace = read_trace(file)
    assert trace.lps_mm(np.array(1.5)) == pytest.approx(np.array([1.5, 1.5, 3.0]))
    assert trace.lps_mm(np.array([-3.0, 0.0, 4.0, 99.0])) == pytest.approx(
        np.array([[0, 0, 0], [0, 0, 0], [4, 4, 8], [4, 4, 8]])
    )
    later = read_trace(file, start_s=2.0)
    assert later.lps_mm(np.array([0.0, 1.0]))[:, 2] == pytest.approx(np.array([0.0, 2.0]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a b c d\n", "expected columns"),
        ("0 1 2\n1 1 2\n", "expected columns"),
        ("0 1 2 3\n", "expected columns"),
        ("0 1 2 3\n0 1 2 3\n", "do not rise"),
        ("0 1 2 3\n1 nan 2 3\n", "expected columns"),
    ],
)
def test_a_file_that_is_no_trace_is_refused(tmp_path, text, told):
    file = tmp_path / "trace.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match=told):
        read_trace(file)


@pytest.mark.realdata
def test_real_traces_move_as_livers_do(data_folder):
    trace = read_trace(data_folder.parent / "traces" / "liver_LargeSI70s.txt")
    path = trace.lps_mm(TIMES)
    assert 10 < np.ptp(path[:, 2]) < 20
    assert np.corrcoef(path[:, 1], path[:, 2])[0, 1] > 0.5  # down and forward together
    assert np.abs(np.diff(path, axis=0)).max() < 0.6  # 10 ms


def test_a_cough_is_over_after_its_time():
    path = path_of(cough(10.0, displacement_mm=(0.0, -3.0, 9.0), lasts_s=0.3))
    moving = np.abs(path[:, 2]) > 1e-9
    assert TIMES[moving].min() == pytest.approx(10.0, abs=0.03)
    assert TIMES[moving].max() == pytest.approx(10.3, abs=0.03)
    assert path[:, 2].max() == pytest.approx(9.0)
    assert path[TIMES.searchsorted(10.15), 1] == pytest.approx(-3.0, abs=1e-6)


def test_a_deep_breath_comes_on_top_of_breathing():
    usual, deep = path_of(motion=CosFour()), path_of(deep_breath(12.0), motion=CosFour())
    apart = deep - usual
    assert apart[:, 2].min() == pytest.approx(-22.0)
    assert np.abs(apart[(TIMES < 12) | (TIMES > 17)]).max() == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("over_s", [0.0, 5.0])
def test_a_baseline_shift_stays(over_s):
    path = path_of(baseline_shift(20.0, displacement_mm=(0.0, 0.0, -4.0), over_s=over_s))
    assert np.abs(path[TIMES < 20]).max() == 0
    assert path[TIMES - over_s > 20.005, 2] == pytest.approx(-4.0)
    middle = path[TIMES.searchsorted(20 + over_s / 2), 2]
    assert middle == pytest.approx(-2.0 if over_s else -4.0, abs=0.05)


def test_gas_passes():
    path = path_of(gas(5.0, lasts_s=8.0))
    assert path[:, 1].min() == pytest.approx(-6.0)
    assert np.abs(path[TIMES > 13.01]).max() < 1e-9


def test_excursions_are_smooth():
    path = path_of(Excursion(at_s=5, displacement_mm=(0, 0, 10), rise_s=2, stays_s=1, fall_s=2))
    jerk = np.diff(path[:, 2], 3) / 0.01**3
    assert np.abs(np.diff(path[:, 2], 2) / 0.01**2).max() < 10 * 5.78 / 4  # 10/√3 · 10 mm / (2 s)²
    assert np.isfinite(jerk).all()


def test_a_target_out_of_plane_shrinks_vanishes_and_comes_back():
    scan = still_scan(out_of_plane(1.0, left_mm=25.0, lasts_s=3.0, over_s=0.5))
    whole = scan.truth_at(0.0)
    areas = [scan.truth_at(t_s).area_mm2 for t_s in (1.1, 1.2, 2.5, 4.0)]
    assert whole.area_mm2 > areas[0] > areas[1] > areas[2] == 0
    assert areas[3] == pytest.approx(whole.area_mm2)
    gone = scan.truth_at(2.5)
    assert gone.through_plane_mm == pytest.approx(-25.0)  # the slice's normal is -L
    assert not gone.mask.any()
    assert np.isnan(gone.center_mm).all()
    assert np.isnan(gone.contour_mm).all()


def test_a_target_fades_and_its_surroundings_stay():
    scan = still_scan(Fade(at_s=0.2, share=0.25, until_s=0.35, over_s=0.02))
    plain = still_scan()
    bare = still_scan(Fade(at_s=-10.0, share=0.0, over_s=0.0))
    planned = scan.sequence.frame_readouts(4, 0.25)[0]
    target = plain.samples(planned) - bare.samples(planned)
    left = scan.samples(planned) - bare.samples(planned)
    size = abs(target).max()
    assert abs(left - 0.25 * target).max() < 1e-3 * size
    for start_s in (0.0, 0.5):
        again = scan.sequence.frame_readouts(4, start_s)[0]
        assert abs(scan.samples(again) - plain.samples(again)).max() < 1e-3 * size


def test_everything_fades():
    scan = still_scan(Fade(at_s=0.2, share=0.1, over_s=0.0, of_target=False))
    before, after = (scan.sequence.frame_readouts(0, t_s)[5] for t_s in (0.0, 0.3))
    assert scan.samples(after) == pytest.approx(0.1 * scan.samples(before), rel=1e-5)


def test_a_noise_burst_is_as_loud_as_told_and_then_over():
    quiet, loud = (
        still_scan(*events, snr=30.0, matrix=(64, 64))
        for events in ((), (NoiseBurst(at_s=0.2, lasts_s=0.2, times=20.0),))
    )
    pairs = zip(quiet.readouts(), loud.readouts(), strict=True)
    added = {False: [], True: []}
    for one, other in pairs:
        apart = acquisition_samples(other.message) - acquisition_samples(one.message)
        added[0.2 <= one.t_s < 0.4].append(apart)
    assert np.abs(added[False]).max() == 0
    std = math.sqrt(quiet._noise.covariance[0, 0].real)
    assert np.std(added[True]) == pytest.approx(20.0 * std, rel=0.05)


def test_a_sinusoid_is_one():
    path = Sinusoid(amplitude_mm=(1.0, 2.0, 3.0), period_s=4.0).lps_mm(np.array([0.0, 1.0, 3.0]))
    assert path == pytest.approx(np.array([[0, 0, 0], [1, 2, 3], [-1, -2, -3]]), abs=1e-12)
