"""Sessions, readouts and recordings for the reconstruction tests."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from messages import READOUT, Encoding, EncodingLimit, Frame, FrameKey, Pose, SessionHeader
from messages.acquisition import NOISE_MEASUREMENT
from recon import METHODS, Calibration, plan


def make_encoding(
    *, encoded=(16, 16, 1), recon=None, encoded_fov_mm=None, recon_fov_mm=None, **rest
):
    recon = recon or encoded
    encoded_fov_mm = encoded_fov_mm or tuple(2.0 * n for n in encoded)
    recon_fov_mm = recon_fov_mm or tuple(2.0 * n for n in recon)
    rest.setdefault("trajectory", "cartesian")
    return Encoding(encoded, recon, encoded_fov_mm, recon_fov_mm, **rest)


def make_plan(*, n_coils=1, n_samples=None, whitening=None, **encoding):
    one = make_encoding(**encoding)
    n_samples = n_samples or max(one.encoded_matrix[0], 1)
    return plan(
        SessionHeader(b"", (one,)), n_coils=n_coils, n_samples=n_samples, whitening=whitening
    )


def make_rows(n_readouts, *, n_samples, center_sample=None, lines=None, **columns):
    rows = np.zeros(n_readouts, READOUT)
    rows["kspace_encode_step_1"] = np.arange(n_readouts) if lines is None else lines
    rows["n_samples"] = n_samples
    rows["center_sample"] = n_samples // 2 if center_sample is None else center_sample
    for name, values in columns.items():
        rows[name] = values
    return rows


def make_frame(rows, samples):
    return Frame(0, FrameKey(), rows, samples, 0.0, Pose(), True)


def calibrate(the_plan, rows, samples):
    method = METHODS["fft"](the_plan)
    samples = np.ascontiguousarray(samples, dtype=np.complex64)
    partial = method.absorb(method.start(), rows, samples)
    return method.calibrate(partial, make_frame(rows, samples))


def reconstruct(the_plan, rows, samples, *, maps=None):
    samples = np.ascontiguousarray(samples, dtype=np.complex64)
    method = METHODS["fft"](the_plan)
    partial = method.absorb(method.start(), rows, samples)
    calibration = maps if maps is None or isinstance(maps, Calibration) else Calibration(maps)
    return method.finish(partial, make_frame(rows, samples), calibration)


@dataclass(frozen=True)
class Recording:
    header: SessionHeader
    rows: np.ndarray
    samples: np.ndarray
    noise: np.ndarray
    repetition: np.ndarray


def read_recording(path, *, group="dataset"):
    """Read an ISMRMRD file with h5py and regular expressions: no reader of ours is involved."""
    with h5py.File(path) as file:
        group = file[group] if group in file else file[next(iter(file))]
        xml = group["xml"][0]
        table = group["data"][:]
    xml = xml.decode() if isinstance(xml, bytes) else xml
    head = table["head"]
    is_noise = (head["flags"] & np.uint64(NOISE_MEASUREMENT)) != 0
    samples = np.stack(
        [
            row["data"].view(np.complex64).reshape(row["head"]["active_channels"], -1)
            for row in table
        ]
    )
    rows = np.zeros(len(table), READOUT)
    for name in ("center_sample", "discard_pre", "discard_post", "flags", "sample_time_us"):
        rows[name] = head[name]
    rows["n_samples"] = head["number_of_samples"]
    for name in ("kspace_encode_step_1", "kspace_encode_step_2", "segment", "average"):
        rows[name] = head["idx"][name]
    noise = samples[is_noise].transpose(1, 0, 2).reshape(samples.shape[1], -1)
    repetition = head["idx"]["repetition"][~is_noise]
    header = SessionHeader(xml.encode(), (_encoding(xml),))
    return Recording(header, rows[~is_noise], samples[~is_noise], noise, repetition)


def _encoding(xml):
    def numbers(space, quantity, kind):
        block = re.search(f"<{space}>.*?<{quantity}>(.*?)</{quantity}>", xml, re.DOTALL)[1]
        return tuple(kind(float(re.search(f"<{a}>(.*?)</{a}>", block)[1])) for a in "xyz")

    def limit(name):
        block = re.search(f"<encodingLimits>.*?<{name}>(.*?)</{name}>", xml, re.DOTALL)
        if block is None:
            return None
        keys = ("minimum", "maximum", "center")
        return EncodingLimit(*(int(re.search(f"<{k}>(.*?)</{k}>", block[1])[1]) for k in keys))

    return Encoding(
        numbers("encodedSpace", "matrixSize", int),
        numbers("reconSpace", "matrixSize", int),
        numbers("encodedSpace", "fieldOfView_mm", float),
        numbers("reconSpace", "fieldOfView_mm", float),
        re.search("<trajectory>(.*?)</trajectory>", xml)[1],
        limit("kspace_encoding_step_1"),
        limit("kspace_encoding_step_2"),
    )


@pytest.fixture(name="make_plan")
def make_plan_fixture():
    return make_plan


@pytest.fixture(name="make_rows")
def make_rows_fixture():
    return make_rows


@pytest.fixture(name="make_frame")
def make_frame_fixture():
    return make_frame


@pytest.fixture(name="reconstruct")
def reconstruct_fixture():
    return reconstruct


@pytest.fixture(name="calibrate")
def calibrate_fixture():
    return calibrate


@pytest.fixture(name="read_recording")
def read_recording_fixture():
    return read_recording


@pytest.fixture
def real_scans():
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("MRMONITOR_DATA", beside)) / "mrd"
    if not folder.is_dir():
        pytest.skip(f"no real scans at {folder}")
    return folder
