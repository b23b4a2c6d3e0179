"""Frames that leave lines out through the gateway and a real worker, whole ones first or not."""

import numpy as np
import pytest

from realtime.protocol import parse_protocol
from simulators.mrd import acquisition_head, close_message, header_message
from simulators.patient import Patient
from simulators.phantom import Ellipse
from simulators.scan import Scan
from simulators.sequences import Undersampled
from simulators.spot import HeatedSpot, per_frame
from tests.harness import running

N, N_BASELINE, N_FRAMES, PEAK_C = 48, 3, 7, 15.0
PROTOCOL = f"""
[protocol]
name = "undersampled"
therapy = "mrgfus"
frame_deadline_ms = 4000.0
lease_ms = 30000.0
[stream]
stall_ms = 20000.0
[recon]
method = "fft"
[thermometry]
method = "kspace-hybrid"
baseline_frames = {N_BASELINE}
alpha_ppm_per_c = -0.01
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [24.0, 24.0]
radii_px = [3.0, 3.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 90.0
"""


def scan_with(n_whole):
    sequence = Undersampled(
        matrix=(N, N), acceleration=2, n_frames=N_FRAMES, n_whole_frames=n_whole
    )
    heat = HeatedSpot(
        center_mm=(0.0, 0.0), fwhm_mm=(30.0, 30.0), peak_c=per_frame(*(0.0,) * 3, PEAK_C)
    )
    body = (Ellipse(1.0, (0, 0), (80, 99)), Ellipse(-0.3, (-40, -45), (10, 16), 30))
    patient = Patient(bodies=body, rise=heat, alpha_ppm_per_c=-0.01)
    return Scan(sequence, patient=patient, snr=60.0)


def play(tmp_path, scan, *, lost=None):
    """Send a session, each frame when the one before is back; return verdicts, maps and the end."""
    frames = {}
    for one in scan.readouts():
        frames.setdefault(one.frame, []).append(one.message)
    if lost is not None:
        frame, line = lost
        frames[frame] = [
            one
            for one in frames[frame]
            if acquisition_head(one)["idx"]["kspace_encode_step_1"] != line
        ]
    with running(tmp_path, parse_protocol(PROTOCOL)) as gateway:
        client = gateway.connect()
        client.send(header_message(scan.header_xml()), *frames[-1])
        for number in range(N_FRAMES):
            client.send(*frames[number])
            if lost is None or number != lost[0]:  # that one ends when the next begins
                client.read_until(lambda _, n=number: client.n_images >= 3 * (n + 1))
        client.send(close_message())
        client.read_to_end()
        client.hang_up()
        stop = gateway.events.topic("run.stop")
        return gateway.events.all("verdict"), gateway.events.all("map"), stop


def findings(verdict):
    return {one.rule: one.text for one in verdict.findings}


@pytest.mark.slow
def test_whole_frames_then_every_second_line_measures_the_heat(tmp_path):
    verdicts, maps, stop = play(tmp_path, scan_with(N_BASELINE))
    assert (stop.n_frames, stop.n_incomplete, stop.n_fault, stop.status) == (
        N_FRAMES, 0, 0, "completed",
    )  # fmt: skip
    assert [one.decision for one in verdicts[N_BASELINE:]] == ["GRANTED"] * (N_FRAMES - N_BASELINE)
    for one in maps[N_BASELINE:]:
        error = float(one.temperature_c[0, N // 2, N // 2]) - 37.0 - PEAK_C
        assert abs(error) < 5 * float(one.temperature_std_c[0, N // 2, N // 2])
        # nothing of it at the ghost's place, half the field of view away
        assert np.nanmax(np.abs(one.temperature_c[0, :5, N // 2] - 37.0)) < PEAK_C / 4


@pytest.mark.slow
@pytest.mark.parametrize("n_whole", [0, 1])
def test_too_few_whole_frames_hold_the_treatment_and_end_nothing(tmp_path, n_whole):
    verdicts, maps, stop = play(tmp_path, scan_with(n_whole))
    assert (stop.n_frames, stop.n_fault, stop.status) == (N_FRAMES, 0, "completed")
    for verdict, one in zip(verdicts[n_whole:], maps[n_whole:], strict=True):
        assert verdict.decision == "HELD"
        assert findings(verdict)
        assert (verdict.baseline_frames, verdict.baseline_wanted) == (n_whole, N_BASELINE)
        assert not one.valid.any()
    if n_whole == 0:
        assert "aliased" in findings(verdicts[0])["incomplete-frame"]


@pytest.mark.slow
def test_a_lost_line_is_an_incomplete_frame_and_not_a_sparser_one(tmp_path):
    broken = N_BASELINE + 1
    verdicts, maps, stop = play(tmp_path, scan_with(N_BASELINE), lost=(broken, N // 2))
    assert (stop.n_frames, stop.n_incomplete, stop.n_fault) == (N_FRAMES, 1, 0)
    assert ["incomplete-frame" in findings(one) for one in verdicts] == [
        number == broken for number in range(N_FRAMES)
    ]
    assert not maps[broken].valid.any()
    assert maps[broken + 1].valid[0, N // 2, N // 2]
