"""Laws of an echo train in one frame, whatever the method that reconstructs each echo."""

from dataclasses import replace

import numpy as np
import pytest

from messages import READOUT
from recon import EchoTrain
from tests.laws.test_recon_laws import make_frame, make_method, methods, with_samples

N_ECHOES = 3


def echoes_of(name):
    """The frame of each echo alone: another patient's phase and signal in each."""
    frames = []
    for contrast in range(N_ECHOES):
        one = make_frame(name, 1)
        decay = 0.7**contrast * np.exp(1j * contrast)
        rng = np.random.default_rng(contrast)
        noise = rng.standard_normal((*one.samples.shape, 2)) @ [0.1, 0.1j]
        rows = one.readouts.copy()
        rows["contrast"] = contrast
        frames.append(replace(with_samples(one, decay * one.samples + noise), readouts=rows))
    return frames


def train_of(frames, order):
    """One frame of all echoes; order: (readout,) indices into the echoes one after the other."""
    rows = np.concatenate([one.readouts for one in frames])[order]
    samples = np.concatenate([one.samples for one in frames])[order]
    trajectory = None
    if frames[0].trajectory is not None:
        trajectory = np.concatenate([one.trajectory for one in frames])[order]
    assert rows.dtype == READOUT
    return replace(frames[0], readouts=rows, samples=samples, trajectory=trajectory)


def separate(frames):
    return np.arange(N_ECHOES * len(frames[0].readouts))


def interleaved(frames):
    return separate(frames).reshape(N_ECHOES, -1).T.ravel()


def unevenly(frames):
    """Every echo of the first line, then what is left of each: rows without a common step."""
    order = separate(frames).reshape(N_ECHOES, -1)
    return np.concatenate([order[:, 0], order[:, 1:].ravel()])


ORDERS = pytest.mark.parametrize("order", [separate, interleaved, unevenly])


def absorb(method, partial, frame, part):
    trajectory = None if frame.trajectory is None else frame.trajectory[part]
    return method.absorb(partial, frame.readouts[part], frame.samples[part], trajectory)


def image_of(method, frame, calibration=None, *, batch=None):
    partial = method.start(calibration)
    batch = batch or len(frame.readouts)
    for first in range(0, len(frame.readouts), batch):
        partial = absorb(method, partial, frame, slice(first, first + batch))
    if calibration is None:
        calibration = method.calibrate(partial, frame)
    return method.finish(partial, frame, calibration), calibration


@methods
@ORDERS
def test_each_echo_is_the_methods_image_with_the_first_echos_calibration(name, order):
    frames, one = echoes_of(name), make_method(name)
    image, _ = image_of(EchoTrain(one, N_ECHOES), train_of(frames, order(frames)))
    _, calibration = image_of(one, frames[0])
    assert len(image.echoes) == N_ECHOES
    for contrast, (found, frame) in enumerate(zip(image.echoes, frames, strict=True)):
        expected, _ = image_of(one, frame, calibration)
        rounding = 1e-5 * np.abs(expected.pixels).max()
        assert np.abs(found.pixels - expected.pixels).max() < rounding
        assert found.key.contrast == contrast
    assert np.array_equal(image.pixels, image.echoes[0].pixels)
    assert image.key.contrast == 0


@methods
@ORDERS
@pytest.mark.parametrize("batch", [1, 7])
def test_the_image_does_not_depend_on_how_readouts_are_batched(name, order, batch):
    frames, method = echoes_of(name), EchoTrain(make_method(name), N_ECHOES)
    train = train_of(frames, order(frames))
    whole, calibration = image_of(method, train)
    at_once, _ = image_of(method, train, calibration)
    piecewise, _ = image_of(method, train, calibration, batch=batch)
    for one, other in zip(at_once.echoes, piecewise.echoes, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
    assert whole.is_complete


def test_buffers_of_a_used_up_train_make_the_same_image():
    frames, method = echoes_of("fft"), EchoTrain(make_method("fft"), N_ECHOES)
    train = train_of(frames, interleaved(frames))
    fresh, calibration = image_of(method, train)
    used = absorb(method, method.start(), train, slice(0, 20))
    partial = absorb(method, method.start(calibration, used), train, slice(None))
    again = method.finish(partial, train, calibration)
    for one, other in zip(fresh.echoes, again.echoes, strict=True):
        assert np.array_equal(one.pixels, other.pixels)


def test_an_echo_that_the_train_does_not_have_is_refused():
    frames, method = echoes_of("fft"), EchoTrain(make_method("fft"), N_ECHOES - 1)
    with pytest.raises(ValueError, match="contrast 2 of a train of 2 echoes"):
        image_of(method, train_of(frames, interleaved(frames)))


def test_an_incomplete_frame_makes_every_echo_incomplete():
    frames, method = echoes_of("fft"), EchoTrain(make_method("fft"), N_ECHOES)
    train = replace(train_of(frames, interleaved(frames)), is_complete=False)
    image, _ = image_of(method, train)
    assert not image.is_complete
    assert not any(one.is_complete for one in image.echoes)


def test_another_partial_frame_is_no_train():
    method = EchoTrain(make_method("fft"), N_ECHOES)
    with pytest.raises(TypeError, match="no partial train"):
        method.start(None, make_method("fft").start())
    with pytest.raises(ValueError, match="expected 1 or more"):
        EchoTrain(make_method("fft"), 0)
