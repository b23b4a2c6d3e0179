"""Fat that warms, seen by two flip angles in turn, through the gateway and a real worker."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from realtime.protocol import parse_protocol
from simulators.mrd import (
    acquisition_head,
    acquisition_message,
    acquisition_samples,
    close_message,
    header_message,
)
from simulators.phantom import Ellipse
from simulators.sequences import CATALOGUE
from simulators.tissue import FAT, Gaussian, Heat, Part, Tissue
from simulators.tissue.heat import on_off
from simulators.tissue_scan import TissueScan
from tests.harness import running

N, N_BASELINE, N_FRAMES = 32, 4, 8
FLIPS_DEG, T1_PER_C = (4.0, 20.0), 0.019
PROTOCOL = f"""
[protocol]
name = "warm-fat"
therapy = "mrgfus"
frame_deadline_ms = 4000.0
lease_ms = 30000.0
[stream]
stall_ms = 20000.0
[recon]
method = "fft"
[thermometry]
method = "t1"
baseline_frames = {N_BASELINE}
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = -1
max_std_c = 6.0
t1_change_percent_per_c = {100 * T1_PER_C}
t1_change_std_percent_per_c = 0.2
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [16.0, 16.0]
radii_px = [2.0, 2.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
"""


@pytest.fixture(scope="module")
def scan():
    """Each frame of the monitor is two of the simulator's, one for each flip angle."""
    sequence = CATALOGUE["gre"](n_frames=2 * N_FRAMES, matrix=(N, N), fov_mm=(96.0, 96.0))
    frame_s = sequence.frame_time_s(0)
    tissue = Tissue(
        parts=(Part(fat=(Ellipse(1.0, (0, 0), (40, 38)),)),),
        fat=replace(FAT, t2_star_s=0.03, t1_s=0.35, t1_per_c=T1_PER_C),
        heat=Heat(
            source=Gaussian(center_mm=(0, 0), fwhm_mm=(16, 16, 24)),
            plan=on_off(2 * N_BASELINE * frame_s, 1000.0, watts=30),
            rate_c_per_s_w=0.1,
        ),
    )
    # of the object at rest and fully relaxed, of which a flip angle of 4° shows 5 %
    return TissueScan(
        sequence, tissue, n_coils=4, snr=2500.0, flip_deg=lambda frame: FLIPS_DEG[frame % 2]
    )


def header_of(scan):
    angles = "".join(f"<flipAngle_deg>{one}</flipAngle_deg>" for one in FLIPS_DEG)
    xml = scan.header_xml().decode()
    before, rest = xml.split("<flipAngle_deg>")
    xml = before + angles + rest.split("</flipAngle_deg>")[1]
    contrast = "<contrast><minimum>0</minimum><maximum>{}</maximum>"
    assert contrast.format(0) in xml
    return xml.replace(contrast.format(0), contrast.format(1)).encode()


def message_of(readout):
    if readout.frame < 0:
        return readout.message
    head = acquisition_head(readout.message)
    head["idx"]["repetition"], head["idx"]["contrast"] = divmod(readout.frame, 2)
    return acquisition_message(head, acquisition_samples(readout.message))


def test_fat_warms_as_its_t1_says(scan, tmp_path):
    with running(tmp_path, parse_protocol(PROTOCOL)) as gateway:
        client = gateway.connect()
        client.send(header_message(header_of(scan)))
        for number, readouts in groupby(scan.readouts(), lambda one: max(one.frame, 0) // 2):
            client.send(*map(message_of, readouts))
            client.read_until(lambda _, n=number: client.n_frames > n)
        client.send(close_message())
        client.read_to_end()
        client.hang_up()
        stop = gateway.events.topic("run.stop")
        maps = {one.key.repetition: one for one in gateway.events.all("map")}
    assert (stop.n_frames, stop.n_incomplete, stop.n_fault) == (N_FRAMES, 0, 0)
    last = maps[N_FRAMES - 1]
    x_mm, y_mm = np.meshgrid(*[(np.arange(N) - N // 2) * 3.0] * 2)
    both = [scan.truth(x_mm, y_mm, frame=2 * (N_FRAMES - 1) + one).rise_c for one in (0, 1)]
    expected = np.mean(both, axis=0)
    assert expected[N // 2, N // 2] > 5
    inside = np.hypot(x_mm, y_mm) < 30
    assert last.valid[0][inside].mean() > 0.99
    kept = inside & last.valid[0]
    error = (last.temperature_c[0] - 37.0 - expected)[kept]
    # the focus is wider than five pixels, so that points and what k-space shows agree
    assert np.std(error / last.temperature_std_c[0][kept]) == pytest.approx(1, abs=0.15)
    # the strong flip angle tells most of T1, and it is played a quarter of a second after the mean
    assert abs(np.mean(error)) < 0.3


def test_one_flip_angle_is_refused_with_what_is_missing(scan, tmp_path):
    with running(tmp_path, parse_protocol(PROTOCOL)) as gateway:
        client = gateway.connect()
        client.send(header_message(scan.header_xml()))
        for readout in scan.readouts():
            client.send(readout.message)
            if readout.frame == 0:
                break
        client.read_to_end()
        client.hang_up()
    assert any("t1 needs two or more flip angles" in text for text in client.texts)
