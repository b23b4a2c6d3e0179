"""Images of the last so many spokes, anew with each hop."""

import dataclasses
import pickle

import numpy as np
import pytest

from messages import HeaderError
from messages.acquisition import NOISE_MEASUREMENT
from recon import METHODS, ReconstructionSettings, SlidingWindow
from recon.cg_sense import CGSense
from recon.gridded import GriddedNUFFT
from tests.recon.conftest import make_plan
from tests.recon.nonuniform import N_COILS, N, body, nrmse, nudft, session, spokes

HOP, WINDOW, REPETITION_S = 5, 21, 0.004
N_HOPS = 9
FULL = 4  # the first hop with which a window of 21 is full
ROUNDING = 1e-5  # of the image's norm: spokes are added in another order
methods = pytest.mark.parametrize("method_class", [GriddedNUFFT, CGSense])
sources = pytest.mark.parametrize("source", ["golden-angle", "header"])


def hops(source="golden-angle", *, n=N_HOPS, hop=HOP, window=WINDOW, first=0, times=True):
    """Hops of one still body whose spokes run on by the golden angle."""
    settings = ReconstructionSettings(
        trajectory=source, readouts_per_frame=hop, window_readouts=window, iterations=4
    )
    coords = [spokes((first + number) * hop, hop) for number in range(n)]
    one = session(coords, settings=settings)
    frames = []
    for number, frame in enumerate(one.frames):
        frame.readouts["repetition"] = first + number
        at_s = (np.arange(hop) + (first + number) * hop) * REPETITION_S
        frame.readouts["time_s"] = at_s if times else np.nan
        key = dataclasses.replace(frame.key, repetition=first + number)
        frames.append(dataclasses.replace(frame, key=key, time_s=frame.readouts["time_s"].mean()))
    return one.plan, frames


def fold(method, frames, calibration=None, *, batch=None):
    """Images of frames, as the pipeline makes them."""
    images = []
    partial = None
    for frame in frames:
        partial = method.start(calibration, partial)
        for begin in range(0, len(frame.readouts), batch or len(frame.readouts)):
            rows = slice(begin, begin + (batch or len(frame.readouts)))
            brought = None if frame.trajectory is None else frame.trajectory[rows]
            partial = method.absorb(partial, frame.readouts[rows], frame.samples[rows], brought)
        calibration = method.calibrate(partial, frame, calibration)
        images.append(method.finish(partial, frame, calibration))
    return images, calibration


def sliding(method_class, the_plan, n_readouts=WINDOW):
    return SlidingWindow(method_class(the_plan), n_readouts)


def joined(frames, n_readouts=WINDOW):
    """The last spokes of frames as one frame."""
    last = slice(-n_readouts, None)
    return dataclasses.replace(
        frames[-1],
        readouts=np.concatenate([one.readouts for one in frames])[last],
        samples=np.concatenate([one.samples for one in frames])[last],
        trajectory=np.concatenate([one.trajectory for one in frames])[last],
    )


@sources
@methods
def test_each_image_is_that_of_its_last_spokes_in_one_frame(method_class, source):
    the_plan, frames = hops(source)
    images, calibration = fold(sliding(method_class, the_plan), frames)
    plain = method_class(the_plan)
    for number in range(FULL, N_HOPS):
        whole = joined(frames[: number + 1])
        partial = plain.absorb(plain.start(), whole.readouts, whole.samples, whole.trajectory)
        learned = dataclasses.replace(
            calibration.learned, sampling=plain.calibrate(partial, whole).sampling
        )
        expected = plain.finish(partial, whole, learned)
        assert nrmse(images[number].pixels, expected.pixels) < ROUNDING


@sources
@methods
def test_spokes_are_spread_as_they_land_once_a_window_has_taught_their_weights(
    method_class, source
):
    the_plan, frames = hops(source)
    method = sliding(method_class, the_plan)
    _, calibration = fold(method, frames[: FULL + 1])
    for frame in frames[FULL + 1 :]:
        partial = method.start(calibration)
        assert len(partial.one.coord) == WINDOW - HOP
        partial = method.absorb(partial, frame.readouts, frame.samples, frame.trajectory)
        assert partial.one.is_spread
        calibration = method.calibrate(partial, frame, calibration)
        assert method._arrived(partial, calibration.hops, calibration.learned) is partial.one


@methods
def test_batches_make_no_difference(method_class):
    the_plan, frames = hops()
    whole, _ = fold(sliding(method_class, the_plan), frames)
    one_by_one, _ = fold(sliding(method_class, the_plan), frames, batch=1)
    for image, other in zip(whole, one_by_one, strict=True):
        np.testing.assert_array_equal(image.pixels, other.pixels)


@methods
def test_a_global_phase_passes_through(method_class):
    the_plan, frames = hops()
    images, _ = fold(sliding(method_class, the_plan), frames)
    turn = np.complex64(np.exp(1j))
    turned = [dataclasses.replace(one, samples=turn * one.samples) for one in frames]
    others, _ = fold(sliding(method_class, the_plan), turned)
    for image, other in zip(images, others, strict=True):
        # maps of the frames themselves round differently where these are turned
        assert nrmse(other.pixels, turn * image.pixels) < 1e-4


def test_images_are_complete_once_the_window_is_full():
    the_plan, frames = hops()
    images, calibration = fold(sliding(GriddedNUFFT, the_plan), frames)
    assert [image.is_complete for image in images] == [False] * FULL + [True] * (N_HOPS - FULL)
    assert calibration.is_rolling
    assert calibration.is_ready


def test_the_time_is_the_mean_of_the_windows_spokes():
    the_plan, frames = hops()
    images, _ = fold(sliding(GriddedNUFFT, the_plan), frames)
    newest = N_HOPS * HOP - 1
    assert images[-1].time_s == pytest.approx((newest - (WINDOW - 1) / 2) * REPETITION_S)
    assert images[0].time_s == pytest.approx((HOP - 1) / 2 * REPETITION_S)


@pytest.mark.parametrize("times", [True, False], ids=["clock", "repetitions"])
def test_a_lost_hop_holds_all_windows_until_one_is_full_again(times):
    the_plan, frames = hops(n=14, times=times)
    images, _ = fold(sliding(GriddedNUFFT, the_plan), frames[:6] + frames[7:])
    held = range(6, 6 + FULL)
    assert [image.is_complete for image in images[FULL:]] == [
        number not in held for number in range(FULL, 13)
    ]


def test_a_lost_spoke_holds_all_windows_that_would_show_it():
    the_plan, frames = hops(n=14)
    short = dataclasses.replace(
        frames[6],
        readouts=np.delete(frames[6].readouts, 2),
        samples=np.delete(frames[6].samples, 2, axis=0),
        trajectory=np.delete(frames[6].trajectory, 2, axis=0),
        is_complete=False,
    )
    images, _ = fold(sliding(GriddedNUFFT, the_plan), [*frames[:6], short, *frames[7:]])
    is_held = [not image.is_complete for image in images[FULL:]]
    assert is_held == [6 <= number <= 6 + FULL for number in range(FULL, 14)]
    # windows with the hole are weighed by their own spokes: a still body looks the same
    for held in images[6 : 6 + FULL]:
        assert nrmse(abs(held.pixels), abs(images[5].pixels)) < 0.15


def test_a_window_that_fills_anew_has_the_scale_of_a_full_one():
    the_plan, frames = hops(n=14)
    images, _ = fold(sliding(GriddedNUFFT, the_plan), frames[:6] + frames[9:])
    means = [float(abs(images[number].pixels).mean()) for number in (5, 8)]
    assert means[1] == pytest.approx(means[0], rel=0.15)


def test_a_step_that_turns_out_twice_too_long_does_not_hide_the_gap():
    the_plan, frames = hops(n=10)
    images, _ = fold(sliding(GriddedNUFFT, the_plan), [frames[0], *frames[2:]])
    assert [image.is_complete for image in images] == [False] * (1 + FULL) + [True] * 4


def test_a_stream_that_begins_anew_fills_its_window_anew():
    the_plan, frames = hops()
    method = sliding(GriddedNUFFT, the_plan)
    _, calibration = fold(method, frames)
    images, later = fold(method, hops()[1], calibration)  # scanner time has gone back
    fresh, _ = fold(sliding(GriddedNUFFT, the_plan), hops()[1])
    assert [one.is_complete for one in images] == [one.is_complete for one in fresh]
    assert nrmse(images[-1].pixels, fresh[-1].pixels) < 0.01  # maps of another window
    assert len(later.hops) == len(calibration.hops)


def test_what_is_carried_is_bounded_picklable_and_shared_with_the_frame_before():
    the_plan, frames = hops()
    method = sliding(GriddedNUFFT, the_plan)
    _, before = fold(method, frames[:-1])
    images, after = fold(method, frames[-1:], before)
    assert sum(hop.n_spokes for hop in after.hops) < WINDOW + HOP
    assert all(old is kept for old, kept in zip(before.hops[1:], after.hops[:-1], strict=True))
    again, _ = fold(method, frames[-1:], pickle.loads(pickle.dumps(before)))
    np.testing.assert_array_equal(again[0].pixels, images[0].pixels)


def test_frames_are_left_as_they_were_and_not_held():
    the_plan, frames = hops()
    copies = [frame.samples.copy() for frame in frames]
    method = sliding(GriddedNUFFT, the_plan)
    expected, _ = fold(method, frames)
    calibration, images = None, []
    for frame in frames:  # the mailbox's slot is written over once a frame is answered
        slot = dataclasses.replace(frame, samples=frame.samples.copy())
        one, calibration = fold(method, [slot], calibration)
        slot.samples.fill(np.nan)
        images += one
    np.testing.assert_array_equal(images[-1].pixels, expected[-1].pixels)
    for frame, copy in zip(frames, copies, strict=True):
        np.testing.assert_array_equal(frame.samples, copy)


def test_readouts_that_make_no_image_take_no_place_in_the_window():
    the_plan, frames = hops("header")
    noisy = []
    for frame in frames:
        rows = frame.readouts[[0, *range(HOP)]]
        rows["flags"][0] = NOISE_MEASUREMENT
        samples = np.concatenate([9 * frame.samples[:1], frame.samples])
        brought = frame.trajectory[[0, *range(HOP)]]
        noisy.append(dataclasses.replace(frame, readouts=rows, samples=samples, trajectory=brought))
    images, _ = fold(sliding(GriddedNUFFT, the_plan), noisy)
    expected, _ = fold(sliding(GriddedNUFFT, the_plan), frames)
    np.testing.assert_array_equal(images[-1].pixels, expected[-1].pixels)


def test_counters_that_run_on_past_the_window_change_nothing():
    the_plan, frames = hops("header")
    expected, _ = fold(sliding(GriddedNUFFT, the_plan), frames)
    limit = dataclasses.replace(the_plan.encoding.kspace_encoding_step_1, maximum=N_HOPS * HOP - 1)
    encoding = dataclasses.replace(the_plan.encoding, kspace_encoding_step_1=limit)
    method = sliding(GriddedNUFFT, dataclasses.replace(the_plan, encoding=encoding))
    for number, frame in enumerate(frames):
        frame.readouts["kspace_encode_step_1"] = number * HOP + np.arange(HOP)
        frame.readouts["repetition"] = 0
    images, calibration = fold(method, frames[:-1])
    frame = frames[-1]
    partial = method.start(calibration)
    partial = method.absorb(partial, frame.readouts, frame.samples, frame.trajectory)
    assert partial.one.is_spread
    images += fold(method, frames[-1:], calibration)[0]
    for image, other in zip(images, expected, strict=True):
        assert nrmse(image.pixels, other.pixels) < ROUNDING


def test_a_moving_body_is_seen_where_it_is_at_the_windows_time():
    """The trap: with old spokes in the window the image shows the past, and its time says so."""
    the_plan, frames = hops(n=30, hop=5, window=55)
    px_per_s = 12.0
    y, x = np.mgrid[:N, :N] - N // 2
    moved = []
    for number, frame in enumerate(frames):
        samples = np.empty_like(frame.samples)
        for spoke, at_s in enumerate(frame.readouts["time_s"]):
            coord = spokes(number * 5 + spoke, 1)[0]
            disc = np.exp(-((y - 5 + px_per_s * (0.6 - at_s)) ** 2 + x**2) / 8)
            samples[spoke] = nudft(disc * np.ones((N_COILS, 1, 1)), coord)
        moved.append(dataclasses.replace(frame, samples=samples))
    images, _ = fold(sliding(GriddedNUFFT, the_plan, 55), moved)
    for image in images[12::6]:
        power = np.abs(image.pixels[0]) ** 2
        power[power < 0.2 * power.max()] = 0
        seen_px = float((power * y).sum() / power.sum())
        assert seen_px == pytest.approx(5 - px_per_s * (0.6 - image.time_s), abs=0.1)


def test_a_cartesian_session_has_no_window():
    with pytest.raises(HeaderError, match=r"'cartesian', recon.window_readouts expects one of"):
        SlidingWindow(METHODS["fft"](make_plan()), WINDOW)


def test_a_hop_as_long_as_the_window_is_a_frame_by_itself():
    the_plan, frames = hops("header", n=3, hop=WINDOW)
    images, _ = fold(sliding(GriddedNUFFT, the_plan), frames)
    assert all(image.is_complete for image in images)
    expected, _ = fold(GriddedNUFFT(the_plan), frames[:1])
    assert nrmse(images[0].pixels, expected[0].pixels) < ROUNDING


def test_the_scanner_counts_by_its_header_and_not_by_the_hop():
    """Spokes counted 0 to 20 in each repetition, a hop every 7 of them."""
    the_plan, _ = hops()
    encoding = dataclasses.replace(
        the_plan.encoding,
        kspace_encoding_step_1=dataclasses.replace(
            the_plan.encoding.kspace_encoding_step_1, maximum=20
        ),
    )
    counted = dataclasses.replace(the_plan, encoding=encoding)
    trajectory = GriddedNUFFT(counted).trajectory
    assert trajectory.spoke((20, 0, 0, 0, 0, 3, 0)) == 83
    assert trajectory.spoke((2, 0, 0, 0, 0, 1, 0)) == 23


def test_the_forward_model_is_that_of_the_window():
    the_plan, frames = hops()
    method = sliding(GriddedNUFFT, the_plan)
    _, calibration = fold(method, frames[:-1])
    partial = method.start(calibration)
    frame = frames[-1]
    partial = method.absorb(partial, frame.readouts, frame.samples, frame.trajectory)
    forward = method.operator(None, partial)
    seen = forward * np.ascontiguousarray(body()[:, None], np.complex64)
    whole = joined(frames)
    measured = whole.samples.transpose(1, 0, 2).reshape(N_COILS, -1)
    assert nrmse(seen, measured) < 1e-3
