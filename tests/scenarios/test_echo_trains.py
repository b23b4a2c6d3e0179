"""A heated echo train through the gateway and a real worker, in the orders that scanners play."""

from dataclasses import replace

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
from simulators.tissue import WATER, FieldDrift, Gaussian, Heat, MagnetField, Part, Tissue
from simulators.tissue.heat import on_off
from simulators.tissue_scan import TissueScan
from tests.harness import Running, running

N, N_BASELINE, N_FRAMES = 32, 3, 7
FOV_MM = 96.0
TR_TICKS = 22 / 2.5  # of the catalogue's sequence
PROTOCOL = f"""
[protocol]
name = "echo-train"
therapy = "mrgfus"
frame_deadline_ms = 4000.0
lease_ms = 30000.0
[stream]
stall_ms = 20000.0
[recon]
method = "fft"
[thermometry]
method = "multi-echo"
baseline_frames = {N_BASELINE}
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
heated_margin_px = 4.0
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
    sequence = CATALOGUE["multi-echo"](n_frames=N_FRAMES, matrix=(N, N), fov_mm=(FOV_MM, FOV_MM))
    frame_s = sequence.frame_time_s(0)
    tissue = Tissue(
        parts=(Part(water=(Ellipse(1.0, (0, 0), (40, 38)),)),),
        water=replace(WATER, t2_star_s=0.02),
        drift=FieldDrift(pattern=MagnetField(order0_hz=8), after_s=60),
        heat=Heat(
            source=Gaussian(center_mm=(0, 0), fwhm_mm=(14, 14, 20)),
            plan=on_off(N_BASELINE * frame_s, 1000.0, watts=40),
            rate_c_per_s_w=0.2,
        ),
    )
    return TissueScan(sequence, tissue, n_coils=4, snr=80.0)


@pytest.fixture(scope="module")
def played(scan):
    """Readouts by frame, noise under -1: echo after echo of each line."""
    frames = {}
    for one in scan.readouts():
        frames.setdefault(one.frame, []).append(one.message)
    return frames


def separately(messages):
    """The same samples stamped as a scanner would that plays all of echo 0, then all of echo 1."""
    heads = [acquisition_head(one).copy() for one in messages]
    order = sorted(range(len(heads)), key=lambda index: int(heads[index]["idx"]["contrast"]))
    counters = [int(head["scan_counter"]) for head in heads]
    moved = []
    for counter, index in zip(counters, order, strict=True):
        head = heads[index]
        head["scan_counter"] = counter
        head["acquisition_time_stamp"] = 1_000_000 + round(counter * TR_TICKS)
        moved.append(acquisition_message(head, acquisition_samples(messages[index])))
    return moved


def as_played(messages):
    return messages


@pytest.fixture
def gateway(tmp_path):
    with running(tmp_path, parse_protocol(PROTOCOL)) as it:
        yield it


@pytest.fixture
def client(gateway: Running):
    one = gateway.connect()
    yield one
    one.hang_up()


def is_of(message, line, echo):
    counters = acquisition_head(message)["idx"]
    return (int(counters["kspace_encode_step_1"]), int(counters["contrast"])) == (line, echo)


def play(gateway, client, scan, frames):
    """Send a session frame by frame, each when the one before is back; return how it ended."""
    client.send(header_message(scan.header_xml()), *frames[-1])
    for frame in range(N_FRAMES):
        client.send(*frames[frame])
        client.read_until(lambda _, n=frame: client.n_frames > n)
    client.send(close_message())
    client.read_to_end()
    return gateway.events.topic("run.stop")


@pytest.mark.parametrize("order", [as_played, separately])
def test_a_train_is_one_frame_and_warms_as_the_tissue_does(gateway, client, scan, played, order):
    frames = {number: order(messages) for number, messages in played.items()}
    stop = play(gateway, client, scan, frames)
    assert (stop.n_frames, stop.n_incomplete, stop.n_fault, stop.status) == (
        N_FRAMES, 0, 0, "completed",
    )  # fmt: skip
    maps = [one for one in gateway.events.all("map") if one.key.repetition >= N_BASELINE]
    assert {one.key.contrast for one in maps} == {0}
    assert scan.seen_rise_c(N_FRAMES - 1)[N // 2, N // 2] > 10
    for one in maps:
        expected = scan.seen_rise_c(one.key.repetition)
        inside = one.valid[0] & np.isfinite(expected)
        assert inside.sum() > 300
        error = (one.temperature_c[0] - 37.0 - expected)[inside]
        # heat goes on from echo to echo
        assert np.std(error / one.temperature_std_c[0][inside]) < 1.2
        assert abs(np.mean(error)) < 0.1


@pytest.mark.parametrize("order", [as_played, separately])
def test_a_lost_line_of_one_echo_is_an_incomplete_frame(gateway, client, scan, played, order):
    frames = {number: order(messages) for number, messages in played.items()}
    broken = N_BASELINE + 1
    frames[broken] = [one for one in frames[broken] if not is_of(one, 20, 1)]
    stop = play(gateway, client, scan, frames)
    assert (stop.n_frames, stop.n_incomplete, stop.n_lost_readouts) == (N_FRAMES, 1, 1)
    verdicts = gateway.events.all("verdict")
    rules = [{finding.rule for finding in one.findings} for one in verdicts]
    assert ["incomplete-frame" in one for one in rules] == [n == broken for n in range(N_FRAMES)]
    decisions = [one.decision for one in verdicts[N_BASELINE:]]
    assert decisions == ["GRANTED", "HELD", "GRANTED", "GRANTED"]
    maps = {one.key.repetition: one for one in gateway.events.all("map")}
    assert not maps[broken].valid.any()
    assert maps[broken + 1].valid.any()


def test_too_few_echo_times_refuse_the_session(client, scan, played):
    xml = scan.header_xml()
    assert xml.count(b"<TE>") == 4
    first = xml.index(b"<TE>")
    cut = xml.index(b"</TE>", first) + len(b"</TE>")
    client.send(header_message(xml[:first] + xml[cut:]), *played[-1], *played[0])
    client.read_to_end()
    assert any(
        "multi-echo needs one above 0 for each of the 4 contrasts" in t for t in client.texts
    )
