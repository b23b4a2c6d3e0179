"""From raw data to what the rules on heating say, with and without a word of the device."""

import numpy as np
import pytest

from benchmarks._treatment import Monitor
from messages import Acquisition, PowerLog
from realtime.protocol import parse_protocol
from realtime.streams.mrd_decoder import Decoder
from simulators.mrd import header_message
from simulators.phantom import Ellipse
from simulators.sequence import GradientEcho
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment

N, FOV_MM, N_BASELINE = 32, 64.0, 5
TREATMENT = Treatment(
    sequence=GradientEcho(
        matrix=(N, N), fov_mm=(FOV_MM, FOV_MM), repetition_time_s=2.0 / N, time_stamp_unit="us"
    ),
    anatomy=(Ellipse(0.8, (0.0, 0.0), (28.0, 27.0)), Ellipse(0.2, (-9.0, -8.0), (6.0, 5.0))),
    n_coils=2,
    snr=60.0,
    n_frames=18,
    n_baseline_frames=N_BASELINE,
    focus_mm=(2.3, 3.1),
    planned_peak_c=56.0,
    planned_heating_s=18.0,
)
PROTOCOL = """
[protocol]
name = "raw-data"
therapy = "mrgfus"
frame_deadline_ms = 1000.0
lease_ms = 20000.0
[recon]
method = "fft"
[thermometry]
method = "single-baseline"
baseline_frames = 5
alpha_ppm_per_c = -0.0094
phase_sign = 1
body_temperature_c = 37.0
drift_order = 0
heated_margin_px = 5.0
heat_model = true
[[region]]
name = "focus"
role = "target"
shape = "ellipse"
center_px = [17.5, 17.2]
radii_px = [3.0, 3.0]
[[limit]]
rule = "temperature-max"
region = "focus"
stop_above_c = 70.0
"""


def findings(*, knows_power, arrives_until=10**6, treatment=TREATMENT):
    """Every hold of the measured frames, by frame; power arrives until that frame."""
    simulator = TreatmentSimulator(treatment)
    monitor = Monitor(parse_protocol(PROTOCOL), simulator.header())
    decoder = Decoder()
    decoder.feed(header_message(simulator.header()))
    for readout in simulator.noise_readouts():
        decoder.feed(readout.message)
    frame_s = treatment.sequence.frame_time_s
    on_s = N_BASELINE * frame_s
    steps = ((-1.0, 0.0), (on_s, 30.0), (on_s + treatment.planned_heating_s, 0.0))
    while not simulator.is_finished:
        arrives = simulator.next_echo_s < arrives_until * frame_s
        readout = simulator.next_readout(sonicating=arrives and simulator.wants_heat)
        decoder.feed(readout.message)
        if knows_power:
            said = np.array([one for one in steps if one[0] <= readout.t_s]).T
            monitor.power = PowerLog(*said)
        for event in decoder.events():
            if isinstance(event, Acquisition):
                monitor.take(event)
    return [
        (number, one.rule, one.text)
        for number, verdict in enumerate(monitor.verdicts)
        for one in verdict.findings
        if one.severity == "hold" and number >= N_BASELINE
    ]


@pytest.mark.parametrize("knows_power", [True, False])
def test_a_right_treatment_is_held_by_no_model(knows_power):
    assert findings(knows_power=knows_power) == []


def test_power_that_no_longer_arrives_is_told_by_the_model():
    held = findings(knows_power=True, arrives_until=N_BASELINE + 5)
    assert {rule for _, rule, _ in held} == {"heating-response"}
    first, _, text = held[0]
    assert N_BASELINE + 5 < first <= N_BASELINE + 8
    assert "heat model expected" in text
    assert findings(knows_power=False, arrives_until=N_BASELINE + 5) == []
