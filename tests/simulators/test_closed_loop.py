"""The closed loop against a monitor of a hundred lines that shares nothing with ours."""

from dataclasses import replace

import pytest

from simulators import GradientEcho, TreatmentSimulator, faults
from simulators.closed_loop import ClosedLoop
from simulators.device_line import Monitor

N_ROWS = 24


@pytest.fixture(scope="module")
def treatment(small):
    """2.4 s a frame, 100 ms a readout."""
    sequence = GradientEcho(matrix=(32, N_ROWS), repetition_time_s=0.1)
    return replace(
        small,
        sequence=sequence,
        n_coils=2,
        n_frames=10,
        n_baseline_frames=2,
        focus_fwhm_mm=(3.0, 6.5),
        planned_heating_s=60.0,
        planned_peak_c=75.0,
    )


def run(treatment, monitor, **options):
    simulator = TreatmentSimulator(treatment)
    return simulator, ClosedLoop(simulator, monitor.ports, **options).run()


def test_it_heats_while_granted_and_stops_on_hold(treatment, monitor):
    fake = monitor(lambda frame: "GRANTED" if frame < 6 else "HELD", delay_s=0.03)
    simulator, result = run(treatment, fake, limit_c=55.0)
    assert result.status == "completed"
    assert fake.n_readouts == result.n_readouts == 10 * N_ROWS
    (off,) = result.power_offs
    assert (off.cause, off.frame_id) == ("held", 6)
    latency_s = off.t_s - result.frames[6].end_s
    assert 0.03 <= latency_s < 0.09  # wall time of the answer, in scanner time
    first_s, last_s = simulator.truth.power_time_s
    assert first_s == pytest.approx(result.frames[1].end_s)
    assert last_s == pytest.approx(off.t_s)
    split = result.overshoot
    assert split.overshoot_c > 0.5
    parts = (split.due_to_frame_time_c, split.due_to_detection_c, split.due_to_processing_c)
    assert sum(parts) == pytest.approx(split.overshoot_c)
    assert 0 < split.due_to_processing_c < 0.2
    assert [one["watts"] for one in fake.reports] == [0.0, 30.0, 0.0]
    echo_s = treatment.sequence.echo_s(0)  # the monitor counts from the first echo
    assert fake.reports[1]["time_s"] == pytest.approx(first_s - echo_s)
    assert fake.reports[2]["time_s"] == pytest.approx(off.t_s - echo_s)
    assert len(result.texts) == 10
    assert len(result.verdicts) == 9
    assert result.n_missed_events == 0
    assert result.n_unanswered_frames == 0
    assert result.faults == ()


def test_no_heat_without_a_permit(treatment, monitor):
    simulator, result = run(replace(treatment, n_frames=4), monitor(lambda _: "HELD"))
    assert result.heated_s == 0
    assert simulator.truth.power_w == []
    assert max(simulator.truth.peak_c) == 37.0
    assert result.overshoot.overshoot_c == 0


def test_no_heat_while_nobody_answers(treatment, monitor):
    quick = replace(treatment, n_frames=3)
    _, result = run(quick, monitor(lambda _: None), frame_wait_s=0.05)
    assert result.heated_s == 0
    assert result.n_unanswered_frames == 3


def test_lease_lapses_where_the_monitor_falls_silent(treatment, monitor):
    fake = monitor(lambda frame: "GRANTED" if frame < 4 else None, lease_ms=3000)
    simulator, result = run(treatment, fake, limit_c=45.0, frame_wait_s=0.1)
    (off,) = result.power_offs
    assert (off.cause, off.frame_id) == ("lapse", 3)
    assert 3.0 <= off.t_s - result.frames[3].end_s < 3.1
    assert result.overshoot.due_to_lease_c > 0
    assert result.overshoot.due_to_processing_c == 0
    assert simulator.truth.power_w[-1] == 0.0


def test_missed_event_is_read_as_held(treatment, monitor):
    fake = monitor(lambda _: "GRANTED")
    original = fake.answer

    def answer(frame):
        if frame == 4:
            with fake.lock:
                fake.sequences["permit"] += 5
            fake.publish("alert", {"text": "after a gap"})
        original(frame)

    fake.answer = answer
    _, result = run(treatment, fake)
    assert result.n_missed_events == 1
    assert any(not change.is_granted for change in result.permits)
    assert result.power_offs[0].cause == "held"


def test_at_real_time_an_event_counts_when_it_comes(treatment, monitor):
    sequence = GradientEcho(matrix=(32, 8), repetition_time_s=0.02, echo_time_s=0.01)
    fast = replace(treatment, sequence=sequence, n_frames=8, n_baseline_frames=1)
    fake = monitor(lambda frame: "GRANTED" if frame < 4 else "HELD", delay_s=0.05)
    simulator, result = run(fast, fake, speed=1.0)
    (off,) = result.power_offs
    assert off.cause == "held"
    assert 0.05 <= off.t_s - result.frames[4].end_s < 0.3
    assert result.wall_s >= 8 * 8 * 0.02
    assert result.heated_s == pytest.approx(off.t_s - simulator.truth.power_time_s[0])


def test_at_real_time_silence_is_held(treatment, monitor):
    life = {"dead": False}

    def judge(frame):
        life["dead"] |= frame >= 3
        return "dead" if life["dead"] else "GRANTED"

    sequence = GradientEcho(matrix=(32, 8), repetition_time_s=0.025, echo_time_s=0.01)
    fast = replace(treatment, sequence=sequence, n_frames=14, n_baseline_frames=1)
    _, result = run(fast, monitor(judge), speed=1.0)
    (off,) = result.power_offs
    assert off.cause == "silence"
    assert 0.8 < off.t_s - result.frames[3].end_s < 1.4


def test_server_that_hangs_up_ends_the_power(treatment, monitor):
    simulator, result = run(
        treatment, monitor(lambda _: "GRANTED", refuses=True), frame_wait_s=0.02
    )
    assert result.status.startswith("connection lost")
    assert result.heated_s == 0
    assert not simulator.is_finished


def test_faults_reach_the_wire(treatment, monitor):
    fake = monitor(lambda _: "GRANTED")
    short = replace(treatment, n_frames=3)
    _, result = run(short, fake, faults=(faults.drop({5, 6}), faults.duplicate({20})))
    assert result.status == "completed"
    assert fake.n_readouts == 3 * N_ROWS - 1


def test_broken_stream_ends_without_close(treatment, monitor):
    fake = monitor(lambda _: "GRANTED")
    short = replace(treatment, n_frames=3)
    _, result = run(short, fake, faults=(faults.truncate(30, n_bytes=100),))
    assert result.status == "cut"
    fake.threads[0].join(3)
    assert fake.n_readouts == 30
    assert 4 not in fake.received


def test_speed_must_be_positive(treatment, monitor):
    simulator = TreatmentSimulator(replace(treatment, n_frames=1))
    with pytest.raises(ValueError, match="speed 0"):
        ClosedLoop(simulator, Monitor(), speed=0)
