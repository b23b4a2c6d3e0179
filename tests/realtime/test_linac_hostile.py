"""What nobody should send to an MR-linac's monitor: it is held, worded, and nothing breaks."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec import structs

from messages import BeamLog, MonitorError, Waveform
from messages.codec import to_json
from realtime import pipeline
from realtime.permit import Lease
from realtime.protocol_sections import Dose
from realtime.synthetic_frame import synthetic_frame
from tests.realtime.linac_patient import PERIOD_S, SAGITTAL, Patient, breathing_mm
from tests.realtime.linac_pipeline import motion_protocol, one_beam, pipeline_of

PATIENT = Patient()


def quick(**motion):
    known = {"training_frames": 8, "gate_center": '"reference"', **motion}
    shape = {"shape": known.pop("shape")} if "shape" in known else {}
    return motion_protocol("mrlinac-lung", **shape, **known)


def verdicts(frames, protocol=None, *, beam=None, dose_plan=None, **header):
    built = pipeline_of(protocol or quick(), dose_plan=dose_plan, **header)
    state, found = pipeline.PipelineState(), []
    for number, frame in enumerate(frames):
        state, verdict, _ = pipeline.fold(
            built, state, frame, None, None if beam is None else beam(number)
        )
        to_json(verdict)
        found.append(verdict)
    return found


def texts(verdict):
    return " | ".join(one.text for one in verdict.findings if one.severity == "hold")


def silent(frame):
    return replace(frame, samples=np.zeros_like(frame.samples))


def test_an_empty_first_image_is_no_reference():
    frames = PATIENT.breathing(24)
    frames[:2] = map(silent, frames[:2])
    found = verdicts(frames)
    assert "taught nothing" in texts(found[0])
    assert found[-1].motion.reference_frame == 2
    assert any(one.decision == "GRANTED" for one in found)


def test_images_of_zeros_teach_nothing_for_ever():
    found = verdicts(map(silent, PATIENT.breathing(14)))
    assert all(one.decision == "HELD" for one in found)
    assert "frame 0 of 8" in texts(found[-1])


def test_frames_without_a_clock_are_held_and_no_fault():
    timeless = [PATIENT.frame(n, time_s=np.nan) for n in range(14)]
    found = verdicts(timeless)
    assert all(one.decision == "HELD" and "scanner clock" in texts(one) for one in found)


@pytest.mark.parametrize("at_s", [lambda n: 20 * PERIOD_S, lambda n: (40 - n) * PERIOD_S])
def test_a_clock_that_stands_or_runs_back_is_held(at_s):
    frames = PATIENT.breathing(21) + [PATIENT.frame(n, time_s=at_s(n)) for n in range(21, 26)]
    found = verdicts(frames)
    assert all(one.decision == "HELD" for one in found[21:])
    assert "scanner clock" in texts(found[22])


REGIONS = {
    "air": 'shape = "ellipse"\ncenter_px = [5.0, 5.0]\nradii_px = [3.0, 3.0]',
    "a corner": 'shape = "ellipse"\ncenter_px = [2.0, 2.0]\nradii_px = [2.0, 2.0]',
}


# ncc follows the body's edge beside the region, and does not see that the region is empty
@pytest.mark.parametrize("tracker", ["ncc-affine", "ncc-flow"])
@pytest.mark.parametrize("where", REGIONS)
def test_a_target_drawn_in_air_is_never_permitted(where, tracker):
    found = verdicts(PATIENT.breathing(20), quick(shape=REGIONS[where], tracker=f'"{tracker}"'))
    assert all(one.decision == "HELD" for one in found)
    assert "not followed" in texts(found[-1])


ODD = {
    "one pixel": {"shape": 'shape = "rectangle"\ncenter_px = [32.0, 32.0]\nradii_px = [0.5, 0.5]'},
    "the whole image": {
        "shape": 'shape = "rectangle"\ncenter_px = [31.5, 31.5]\nradii_px = [32.0, 32.0]'
    },
    "a search beyond the image": {"search_mm": 1000.0},
    "no search": {"search_mm": 0.1},
    "no latency": {"latency_ms": 0.0},
    "five seconds of latency": {"latency_ms": 5000.0},
    "a training without end": {"training_frames": 1000},
}


@pytest.mark.parametrize("what", ODD)
def test_odd_settings_give_verdicts(what):
    found = verdicts(PATIENT.breathing(16), quick(**ODD[what]))
    assert len(found) == 16


def test_one_frame_of_training_is_not_enough_to_permit():
    found = verdicts(PATIENT.breathing(20), quick(training_frames=1))
    early = found[1:6]
    assert all("too seldom" in texts(one) for one in early)
    assert all(one.decision == "HELD" for one in early)


@pytest.mark.parametrize("period_s", [0.02, 2.0])
def test_at_any_frame_rate_frames_are_judged(period_s):
    frames = [PATIENT.frame(n, breathing_mm(n * period_s), time_s=n * period_s) for n in range(20)]
    motion = verdicts(frames)[-1].motion
    assert 0.25 <= motion.effect_time_s - motion.time_s <= 0.25 + period_s


def test_a_volume_is_held_and_says_so():
    x, y, z = 64, 64, 4
    built = pipeline_of(quick(), depth=z)
    frame = synthetic_frame(built, SAGITTAL)
    _, verdict, maps = pipeline.fold(built, pipeline.PipelineState(), frame)
    assert maps.magnitude.shape == (z, y, x)
    assert verdict.decision == "HELD"
    assert "not followed in this slice" in texts(verdict)


def test_images_without_directions_are_held_where_dose_is_counted():
    nowhere = replace(SAGITTAL, read_dir=(0.0,) * 3, phase_dir=(0.0,) * 3, slice_dir=(0.0,) * 3)
    frames = [PATIENT.frame(n, pose=nowhere) for n in range(20)]
    found = verdicts(frames, dose_plan=one_beam())
    assert all(one.decision == "HELD" for one in found)
    assert "directions" in texts(found[-1])


def reports(n, *, number=1, mu=1.0, time_s=None):
    at_s = n * PERIOD_S if time_s is None else time_s
    return BeamLog(np.array([at_s]), np.array([number]), np.array([True]), np.array([mu]))


LIES = {
    "units fall": lambda n: reports(n, mu=50.0 - n),
    "a beam of no plan": lambda n: reports(n, number=99),
    "more than planned": lambda n: reports(n, mu=1e4),
    "no number": lambda n: reports(n, mu=np.nan),
}


@pytest.mark.parametrize("lie", LIES)
def test_reports_that_cannot_be_hold(lie):
    found = verdicts(PATIENT.breathing(16), dose_plan=one_beam(), beam=LIES[lie])
    assert found[-1].decision == "HELD"
    assert "the accelerator's reports cannot be" in texts(found[-1])


def test_two_accelerators_at_once_hold():
    def both(n):
        one = reports(n, mu=float(n))
        same = (np.repeat(getattr(one, name), 2) for name in ("time_s", "number", "is_on"))
        return BeamLog(*same, np.array([n, n / 2]))

    found = verdicts(PATIENT.breathing(16), dose_plan=one_beam(), beam=both)
    assert found[-1].decision == "HELD"


def test_a_plan_that_was_not_read_is_refused():
    known = quick()  # its files need not be there for this
    dose = Dose("plan.dcm", "structures.dcm", ("beam.dcm",), "GTV")
    named = replace(known, document=structs.replace(known.document, dose=dose))
    with pytest.raises(MonitorError, match="dose"):
        pipeline_of(named)


def test_a_slice_that_stops_coming_takes_the_permit_with_it():
    built, state, lease = pipeline_of(quick(), n_slices=2), pipeline.PipelineState(), Lease(280.0)
    states = []
    for n in range(40):
        if n % 2 and n > 30:
            continue
        state, verdict, _ = pipeline.fold(built, state, PATIENT.frame(n, slice_=n % 2))
        now_ns = int(n * PERIOD_S * 1e9)
        lease, permit = lease.renew(verdict, received_ns=now_ns, now_ns=now_ns)
        states.append((n, permit.state))
    assert "GRANTED" in {one for n, one in states if n < 30}
    assert {one for n, one in states if n > 31} == {"HELD"}


WAVES = {
    "no channel": {"samples": np.zeros((0, 5), np.uint32)},
    "no sample": {"samples": np.zeros((1, 0), np.uint32)},
    "no time": {"time_s": None},
    "time is no number": {"time_s": np.nan},
    "no step": {"sample_time_us": 0.0},
    "steps back": {"sample_time_us": -10.0},
    "step is no number": {"sample_time_us": np.nan},
    "another kind": {"waveform_id": 1 << 15},
    "largest values": {"samples": np.full((1, 5), 2**32 - 1, np.uint32)},
}


@pytest.mark.parametrize("what", WAVES)
def test_odd_waveforms_change_no_verdict(what):
    fields = {"waveform_id": 2, "sample_time_us": 1e4, "samples": np.ones((1, 5), np.uint32)}
    frames, plain = [], PATIENT.breathing(16)
    for frame in plain:
        known = {"flags": 0, "measurement_uid": 0, "scan_counter": 0, "time_stamp": 0,
                 "time_s": frame.time_s, **fields, **WAVES[what]}  # fmt: skip
        frames.append(replace(frame, waveforms=(Waveform(**known),)))
    assert [one.decision for one in verdicts(frames)] == [one.decision for one in verdicts(plain)]


def test_a_changed_number_of_coils_names_both():
    frames = [*PATIENT.breathing(3), PATIENT.frame(3, n_coils=2)]
    with pytest.raises(ValueError, match="3 coils"):
        verdicts(frames)
