"""Real scans and other programs' files through the whole gateway."""

import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from realtime.clock import MonotonicClock
from realtime.gateway import Gateway
from realtime.outputs.publisher import Addresses
from realtime.protocol import Protocol, load_protocol, parse_protocol
from realtime.settings import Settings
from realtime.streams.links import SocketLink, open_link
from realtime.streams.player import PlayerSettings, PlayerSummary, play
from realtime.streams.recordings import open_recording
from simulators import carrier
from simulators.recording import write_hdf5
from tests.harness import ANYWHERE, running

# the Trio's header says Cartesian and 64 × 64; its lines are 96, every second one runs backwards
TRIO = """
[protocol]
name = "trio"
therapy = "imaging"
frame_deadline_ms = 1000
lease_ms = 4500
[recon]
method = "fft"
sampling = "epi"
encoded_matrix = [96, 96, 1]
recon_matrix = [96, 96, 1]
epi_reverse = "odd"
epi_reference = "trio_epi_1ch_navigator.h5"
"""
SCANS = [
    "skyra_gre_2ch.h5",
    "skyra_se_32ch.h5",
    "skyra_epi_2ch.h5",
    "trio_epi_1ch.h5",
    "trio_epi_1ch_navigator.h5",
]


def protocol_for(name: str, folder: Path) -> Protocol:
    if not name.startswith("trio"):
        return load_protocol("imaging")
    return parse_protocol(TRIO, folder=folder)


def maps_in(folder: Path) -> dict[str, np.ndarray]:
    with h5py.File(folder / "maps.h5") as file:
        return {name: file[name][:] for name in file}


def replayed(path: Path, protocol: Protocol, out: Path) -> tuple[PlayerSummary, dict]:
    """Replay a file as `mrmonitor replay --speed max` does: a socket pair, one run."""
    gateway = Gateway(
        Settings(
            out, protocol, tcp=None, zmq=None, addresses=Addresses(ANYWHERE, ANYWHERE),
            is_single_run=True, is_lossless=True,
        ),
        MonotonicClock(),
    )  # fmt: skip
    ours, theirs = socket.socketpair()
    gateway.adopt(ours, name="replay")
    summaries: list[PlayerSummary] = []

    def send() -> None:
        link = SocketLink(theirs)
        summaries.append(play(open_recording(path), link, settings=PlayerSettings()))
        link.close()

    player = threading.Thread(target=send)
    player.start()
    gateway.run(lambda: gateway.is_idle)
    player.join()
    gateway.close()
    assert gateway.failures == []
    return summaries[0], maps_in(out)


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.parametrize("name", SCANS)
def test_file_tcp_and_zeromq_give_the_same_image(data_folder: Path, tmp_path: Path, name: str):
    imaging = protocol_for(name, data_folder)
    summary, expected = replayed(data_folder / name, imaging, tmp_path / "file")
    assert summary.is_closed
    assert not summary.problem
    assert np.isfinite(expected["magnitude"]).all()
    assert expected["magnitude"].shape[0] == 1, "one frame, answered once"
    assert expected["magnitude"].max() > 0
    with running(tmp_path / "served", imaging, is_lossless=True) as served:
        for url in (
            f"tcp://127.0.0.1:{served.port}",
            served.gateway.zmq_endpoint.replace("tcp://", "zmq://"),
        ):
            link = open_link(url)
            again = play(open_recording(data_folder / name), link, settings=PlayerSettings())
            link.close()
            assert (again.is_closed, again.problem) == (True, "")
            assert again.n_images == summary.n_images
        folders = list(served.gateway.folders)
    for folder in folders:
        found = maps_in(folder)
        assert np.array_equal(found["magnitude"], expected["magnitude"])
        assert np.array_equal(found["time_s"], expected["time_s"], equal_nan=True)


@pytest.mark.parametrize(
    ("options", "limit_inside", "limit_everywhere"),
    [
        # the noise scan's 256 samples know each coil's noise to 4 %, which shades the combination;
        # beyond the object a root sum of squares keeps a floor of noise that a matched filter lacks
        ("-n 0.05 -C", 0.05, 0.25),
        ("-n 0.0005", 0.01, 0.01),
    ],
)
def test_debian_s_phantom_is_what_debian_s_reconstruction_makes_of_it(
    tmp_path: Path, options: str, limit_inside: float, limit_everywhere: float
):
    if shutil.which("ismrmrd_generate_cartesian_shepp_logan") is None:
        pytest.skip("ismrmrd-tools are not installed")
    path = tmp_path / "f.h5"
    make = f"ismrmrd_generate_cartesian_shepp_logan -r 3 -c 4 -m 128 -O 2 {options} -o {path}"
    subprocess.run(make.split(), check=True, capture_output=True)
    summary, found = replayed(path, load_protocol("imaging"), tmp_path / "out")
    assert summary.is_closed
    assert found["magnitude"].shape == (3, 1, 128, 128)
    subprocess.run(["ismrmrd_recon_cartesian_2d", str(path)], check=True, capture_output=True)
    with h5py.File(path) as file:
        expected = file["dataset/cpp/data"][0, 0, 0]  # of the last repetition alone
    last = found["magnitude"][-1, 0]
    inside = expected > 0.2 * expected.max()
    for where, limit in ((inside, limit_inside), (expected > -1, limit_everywhere)):
        scale = np.vdot(last[where], expected[where]) / np.vdot(last[where], last[where])
        error = np.linalg.norm((scale * last - expected)[where]) / np.linalg.norm(expected[where])
        assert error < limit


@pytest.mark.parametrize("options", ["-a 2 -w 24", "-a 2 -w 24 -C", "-a 3 -w 36"])
def test_debian_s_accelerated_phantom_is_unfolded(tmp_path: Path, options: str):
    """Its lines shift from repetition to repetition, its centre is flagged as calibration."""
    if shutil.which("ismrmrd_generate_cartesian_shepp_logan") is None:
        pytest.skip("ismrmrd-tools are not installed")
    make = "ismrmrd_generate_cartesian_shepp_logan -c 8 -m 128 -O 2 -n 0.0005"
    full, path = tmp_path / "full.h5", tmp_path / "f.h5"
    subprocess.run(f"{make} -r 1 -o {full}".split(), check=True, capture_output=True)
    subprocess.run(f"{make} -r 2 {options} -o {path}".split(), check=True, capture_output=True)
    subprocess.run(["ismrmrd_recon_cartesian_2d", str(full)], check=True, capture_output=True)
    with h5py.File(full) as file:
        expected = file["dataset/cpp/data"][0, 0, 0]
    summary, found = replayed(path, load_protocol("imaging"), tmp_path / "out")
    assert summary.is_closed
    assert len(found["magnitude"]) == 2 * int(options[3]), "each offset of the lines is a frame"
    inside = expected > 0.2 * expected.max()
    for image in found["magnitude"][:, 0]:
        scale = np.vdot(image[inside], expected[inside]) / np.vdot(image[inside], image[inside])
        error = np.linalg.norm((scale * image - expected)[inside])
        assert error < 0.03 * np.linalg.norm(expected[inside])


HEATED = """
[protocol]
name = "heated-scan"
therapy = "mrgfus"
frame_deadline_ms = 1000
lease_ms = 60000

[recon]
method = "fft"

[thermometry]
method = "single-baseline"
baseline_frames = {n_baseline}
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 20.0
drift_order = 1
echo_time_ms = {echo_time_ms}
min_snr = 8.0
max_std_c = 10.0
heated_margin_px = 12.0

[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [80.0, 80.0]
radii_px = [8.0, 8.0]

[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 70.0
"""
ECHO_TIME_S = 0.003
N_BASELINE = 3


@dataclass(frozen=True)
class Heat:
    """A spot in the middle of the image that warms by 4 °C a frame after the baseline."""

    n_rows: int
    n_samples: int

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        y, x = np.mgrid[: self.n_rows, : self.n_samples].astype(float)
        return y - self.n_rows // 2, x - self.n_samples // 2

    def rise_c(self, frame: int) -> np.ndarray:
        y, x = self.grid()
        return 4.0 * max(frame - N_BASELINE + 1, 0) * np.exp(-(y**2 + x**2) / (2 * 4.0**2))

    def drift_rad(self, frame: int) -> np.ndarray:
        y, x = self.grid()
        return frame * (0.02 + 0.01 * y / self.n_rows - 0.015 * x / self.n_samples)


def heated(folder: Path, tmp_path: Path, *, noise_std: float) -> tuple[dict, np.ndarray]:
    """Repeat the scan with heat and drift; return its maps and the heat on the image's pixels."""
    scan = carrier.load(folder / "skyra_gre_2ch.h5")
    n_frames = N_BASELINE + 4
    heat = Heat(scan.n_rows, scan.kspace.shape[2])
    h1_hz = float(carrier._number(scan.xml, r"<H1resonanceFrequency_Hz>(\d+)"))
    readouts = carrier.repeat(
        scan,
        n_frames=n_frames,
        rise_c=heat.rise_c,
        rad_per_c=carrier.rad_per_c(
            alpha_ppm_per_c=-0.01, h1_frequency_hz=h1_hz, echo_time_s=ECHO_TIME_S
        ),
        drift_rad=heat.drift_rad,
        noise_std=noise_std,
    )
    path = tmp_path / "heated.h5"
    header = carrier.repeated_header(scan, n_frames=n_frames)
    write_hdf5(path, header, [readout.message for readout in readouts])
    protocol = parse_protocol(HEATED.format(n_baseline=N_BASELINE, echo_time_ms=ECHO_TIME_S * 1e3))
    _, found = replayed(path, protocol, tmp_path / "out")
    assert len(found["temperature_c"]) == n_frames
    n_x = found["magnitude"].shape[3]
    edge = (heat.n_samples - n_x) // 2
    truth = np.stack([heat.rise_c(frame)[:, edge : edge + n_x] for frame in range(n_frames)])
    return found, 20.0 + truth


def signal_pixels(found: dict) -> np.ndarray:
    """Well inside the phantom: bright, and away from its edge."""
    magnitude = found["magnitude"][0, 0]
    return magnitude > 0.5 * np.quantile(magnitude, 0.9)


@pytest.mark.realdata
def test_heat_injected_into_a_real_scan_comes_back(data_folder: Path, tmp_path: Path):
    found, truth = heated(data_folder, tmp_path, noise_std=0.0)
    inside = signal_pixels(found)
    error_c = found["temperature_c"][N_BASELINE:, 0] - truth[N_BASELINE:]
    assert inside.sum() > 5000
    assert truth[-1].max() > 35.0
    assert np.nanmax(np.abs(error_c[:, inside])) < 0.1
    assert found["valid"][N_BASELINE:, 0][:, inside].mean() > 0.99


@pytest.mark.realdata
def test_the_reported_standard_deviation_is_that_of_the_error(data_folder: Path, tmp_path: Path):
    scan = carrier.load(data_folder / "skyra_gre_2ch.h5")
    noise_std = 0.01 * float(np.abs(scan.kspace).max()) / 8.0
    found, truth = heated(data_folder, tmp_path, noise_std=noise_std)
    inside = signal_pixels(found) & found["valid"][-1, 0]
    inside &= truth[-1] < 20.01  # outside the focus
    error_c = found["temperature_c"][N_BASELINE:, 0] - truth[N_BASELINE:]
    standardised = (error_c / found["temperature_std_c"][N_BASELINE:, 0])[:, inside]
    assert inside.sum() > 3000
    assert 0.9 < np.nanstd(standardised) < 1.1
