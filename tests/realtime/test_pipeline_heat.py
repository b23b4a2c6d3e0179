"""The heat model in the fold: raw data and a power log in, what is to come out."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest

from benchmarks._treatment import Monitor
from messages import Acquisition, PowerLog
from realtime.protocol import load_protocol, parse_protocol
from realtime.streams.mrd_decoder import Decoder
from simulators.bioheat import BioheatField
from simulators.mrd import header_message
from simulators.simulator import TreatmentSimulator
from simulators.treatment import Treatment
from simulators.view import BandLimitedView

TREATMENT = Treatment(n_frames=22, planned_peak_c=56.0, planned_heating_s=14.0, snr=60.0)
PROTOCOL = load_protocol("mrgfus-demo")


def played(treatment=TREATMENT, *, integration="model", knows_power=True):
    """The monitor after a treatment that follows its plan, and the simulator's truth."""
    text = PROTOCOL.text.replace(
        "drift_order = 1 ", f'dose_integration = "{integration}"\ndrift_order = 1 '
    )
    simulator = TreatmentSimulator(treatment)
    monitor = Monitor(parse_protocol(text), simulator.header())
    decoder, maps = Decoder(), []
    decoder.feed(header_message(simulator.header()))
    for readout in simulator.noise_readouts():
        decoder.feed(readout.message)
    while not simulator.is_finished:
        decoder.feed(simulator.next_readout(sonicating=simulator.wants_heat).message)
        log = simulator.truth
        if knows_power:
            monitor.power = PowerLog(
                np.array([-1.0, *log.power_time_s]), np.array([0.0, *log.power_w])
            )
        for event in decoder.events():
            if isinstance(event, Acquisition):
                maps += monitor.take(event)
    return monitor, maps, simulator


def final_dose(simulator) -> float:
    """Dose of the hottest pixel when all has cooled, of what perfect images would show."""
    treatment, log = simulator.treatment, simulator.truth
    field = BioheatField(treatment.source, treatment.tissue)
    view = BandLimitedView(
        field,
        treatment.sequence,
        treatment.anatomy,
        focus_mm=treatment.focus_mm,
        rad_per_c=treatment.rad_per_c,
    )
    start_s, end_s = log.power_time_s[:2]
    step_s, dose = 0.25, 0.0
    for step in range(180):
        on_s = min(max(end_s - start_s - step * step_s, 0.0), step_s)
        field.advance(on_s, rate_c_per_s=treatment.rate_c_per_s)
        field.advance(step_s - on_s, rate_c_per_s=0.0)
        rise_c = view.rise_c(field.in_plane())[67:78, 67:76]
        temperature = treatment.body_c + rise_c
        dose += np.exp2(np.where(temperature >= 43, 1, 2) * (temperature - 43)) * step_s / 60
    return float(np.max(dose))


@pytest.mark.slow
def test_from_raw_data_to_the_dose_that_will_be():
    monitor, maps, simulator = played()
    truth = final_dose(simulator)
    off_s = simulator.truth.power_time_s[1]
    after = [
        verdict
        for verdict, one in zip(monitor.verdicts, maps, strict=True)
        if one.time_s is not None and one.time_s > off_s
    ]
    assert len(after) > 2
    for verdict in after:
        focus = next(one for one in verdict.regions if one.name == "focus")
        # SNR 60: 0.25 °C in an image, 0.7 to 1.4 is half a degree
        assert 0.7 < focus.final_cem43_min / truth < 1.4
        assert focus.final_high_cem43_min > truth
    assert focus.dose_max_cem43_min == pytest.approx(focus.final_cem43_min, rel=0.2)
    state = next(iter(monitor.state.slices.values()))
    assert len(state.forecasts) == 1  # "core" lies in the square of "focus"
    again = pickle.loads(pickle.dumps(state))
    assert again.power.time_s.tolist() == state.power.time_s.tolist()


@pytest.mark.slow
def test_the_protocol_chooses_whose_dose_is_published():
    short = replace(TREATMENT, n_frames=9)
    _, model, _ = played(short)
    _, trapezoid, _ = played(short, integration="trapezoid")
    ours, theirs = model[-1].dose_cem43_min, trapezoid[-1].dose_cem43_min
    focus = (0, 72, 71)
    assert ours[focus] != theirs[focus]
    far = np.ones(ours.shape, np.bool_)
    far[:, 50:95, 50:95] = False
    assert np.array_equal(ours[far], theirs[far], equal_nan=True)


@pytest.mark.slow
def test_without_a_word_of_the_device_the_reading_has_a_forecast_that_nobody_trusts():
    monitor, _, _ = played(replace(TREATMENT, n_frames=8), knows_power=False)
    focus = next(one for one in monitor.verdicts[-1].regions if one.name == "focus")
    assert focus.peak_c is not None
    assert math.isfinite(focus.peak_c)
