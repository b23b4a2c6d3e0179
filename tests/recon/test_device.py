"""The end of a reconstruction on a device: the same image, and nothing taken for what it is not."""

from dataclasses import replace

import numpy as np
import pytest
import sigpy

from messages import READOUT, Encoding, Frame, FrameKey, Pose, ProtocolError, SessionHeader
from messages.acquisition import PARALLEL_CALIBRATION_AND_IMAGING
from recon import METHODS, ReconstructionSettings, plan
from recon.device import inverse_fft
from recon.unfolding import unfolding
from tests.recon.devices import AT_HAND, METHODS_THERE, StandIn, There

N, N_COILS = 24, 3
ROUNDING = 1e-5  # of the brightest pixel: two FFT libraries in float32
there = pytest.mark.parametrize("device", sorted(AT_HAND))


def planned(name, *, lines_kept=2, **settings):
    is_folded = name != "fft"
    matrix, fov_mm = (N, N, 1), (48.0, 48.0, 5.0)
    encoding = Encoding(
        matrix, matrix, fov_mm, fov_mm, "cartesian",
        acceleration=(lines_kept, 1) if is_folded else (1, 1),
        calibration_mode="embedded" if is_folded else "",
    )  # fmt: skip
    known = ReconstructionSettings(**settings)
    return plan(SessionHeader(b"", (encoding,)), n_coils=N_COILS, n_samples=N, settings=known)


def frame_of(name, *, n_averages=1, offset=0):
    rng = np.random.default_rng(5)
    lines = np.arange(N)
    if name == "sense":
        lines = lines[(lines % 2 == offset) | (np.abs(lines - N // 2) <= 6)]
    lines = np.tile(lines, n_averages)
    rows = np.zeros(len(lines), READOUT)
    rows["kspace_encode_step_1"] = lines
    rows["n_samples"], rows["center_sample"] = N, N // 2
    if name == "sense":
        is_central = np.abs(lines - N // 2) <= 6
        rows["flags"][is_central] = PARALLEL_CALIBRATION_AND_IMAGING
    y, x = np.mgrid[:N, :N] - N // 2
    object_ = np.exp(-(y**2 + x**2) / 40.0 + 0.1j * x)
    coils = np.exp(0.06 * np.stack([y, x, -y - x]) + 0.02j * np.stack([x, -y, y]))
    kspace = sigpy.fft(object_ * coils, axes=(1, 2))
    kspace = kspace[:, lines].transpose(1, 0, 2)
    noise = rng.standard_normal((*kspace.shape, 2)) @ [1e-3, 1e-3j]
    samples = (kspace + noise).astype(np.complex64)
    return Frame(0, FrameKey(), rows, samples, 0.0, Pose(), True)


def images(method, frames):
    calibration, made, partial = None, [], None
    for frame in frames:
        partial = method.start(calibration, partial)
        partial = method.absorb(partial, frame.readouts, frame.samples)
        calibration = method.calibrate(partial, frame, calibration)
        made.append(method.finish(partial, frame, calibration))
    return made


@there
@pytest.mark.parametrize("name", METHODS_THERE)
@pytest.mark.parametrize("n_averages", [1, 2])
def test_the_image_is_the_hosts(name, device, n_averages):
    frames = [frame_of(name, n_averages=n_averages)] * 2
    host = images(METHODS[name](planned(name)), frames)
    made = images(METHODS[name](planned(name), AT_HAND[device]()), frames)
    for one, other in zip(made, host, strict=True):
        assert type(one.pixels) is np.ndarray
        assert one.pixels.dtype == np.complex64
        assert np.abs(one.pixels - other.pixels).max() <= ROUNDING * np.abs(other.pixels).max()
        if other.coil_pixels is not None:
            largest = np.abs(other.coil_pixels).max()
            assert np.abs(one.coil_pixels - other.coil_pixels).max() <= ROUNDING * largest


@there
def test_lines_that_lie_further_on_and_any_other_set_of_lines_unfold_alike(device):
    rng = np.random.default_rng(1)
    maps = (rng.standard_normal((N_COILS, 1, N, N, 2)) @ [1, 1j]).astype(np.complex64)
    image = (rng.standard_normal((1, N, N, 2)) @ [1, 1j]).astype(np.complex64)
    memory = AT_HAND[device]()
    for measured in (np.arange(N) % 2 == 0, rng.random(N) < 0.7):
        found = unfolding(maps, measured, 1e-2)
        sent = replace(found, weights=memory.send(found.weights))
        expected = found.image(image, offset=1, n_ky=N)
        made = memory.fetch(sent.image(memory.send(image), offset=1, n_ky=N))
        assert np.abs(made - expected).max() <= ROUNDING * np.abs(expected).max()


def test_each_line_goes_there_as_it_lands_and_maps_only_once():
    frame, device = frame_of("sense"), StandIn()
    images(METHODS["sense"](planned("sense"), device), [frame])
    n_lines, n_maps = len(frame.readouts), 2  # weights of the coils and of the unfolding
    assert device.n_sent == n_lines + n_maps
    device.n_sent = device.n_fetched = 0
    method = METHODS["sense"](planned("sense"), device)
    images(method, [frame] * 3)
    assert device.n_sent == 3 * n_lines + n_maps
    assert device.n_fetched == 3


@pytest.mark.parametrize(
    "forgotten",
    [
        np.asarray,
        np.array,
        lambda one: one + np.ones(4),
        lambda one: np.multiply(np.ones(4), one),
        lambda one: one.__setitem__(slice(None), np.ones(4)),
        lambda one: one[np.array([0, 1])],
        lambda one: inverse_fft(one, axis=0) + np.zeros(4),
    ],
)
def test_the_stand_in_refuses_what_a_gpu_refuses(forgotten):
    with pytest.raises(TypeError, match="host"):
        forgotten(There(np.ones(4, np.complex64)))


@pytest.mark.skipif("cuda" in AT_HAND, reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused_with_what_to_do():
    with pytest.raises(ProtocolError, match=r"recon\.device: is 'cuda', but .*say 'cpu'"):
        METHODS["fft"](planned("fft", device="cuda"))


@pytest.mark.parametrize("name", ["grappa", "l1-wavelet"])
def test_a_method_that_knows_of_no_device_says_so(name):
    with pytest.raises(ProtocolError, match=r"recon\.device: .* recon.method fft or sense"):
        METHODS[name](planned(name, device="cuda"))
