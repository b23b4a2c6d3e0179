"""A fraction against a fake monitor: the permit rules the beam, and every report arrives."""

import threading

import numpy as np
import pytest

from simulators import faults
from simulators.beam import AcceleratorSettings, Gating, LinacLoop, plan_of
from simulators.linac import CosFour, linac_scan

FRAME_S = 32 * 0.01


@pytest.fixture(scope="module")
def scan():
    """32 lines of 10 ms a frame."""
    return linac_scan(
        "lung-sagittal",
        sequence="cartesian",
        n_frames=20,
        matrix=(32, 32),
        repetition_time_s=0.01,
        n_coils=2,
        motion=CosFour(period_s=2.5),
    )


def run(scan, fake, *, mu=5.0, **options):
    plan = plan_of(scan.scene.bodies[0], scan.scene.origin_mm, mu_of_beam=mu)
    settings = AcceleratorSettings(on_latency_s=0.1, off_latency_s=0.05, between_s=0.2)
    loop = LinacLoop(
        scan, plan, scan.scene.displacement_mm, fake.ports, settings=settings, **options
    )
    return loop, loop.run()


def test_a_fraction_is_delivered_and_imaging_ends_soon_after(scan, monitor):
    fake = monitor(lambda _: "GRANTED")
    _, result = run(scan, fake)
    assert result.status == "completed"
    assert result.beam.is_finished
    assert result.beam.delivered_mu == pytest.approx(15.0)
    assert result.beam.on_s == pytest.approx(1.5)  # at 10 units a second
    assert result.beam.holds == ()
    assert result.n_frames < 20
    assert result.n_readouts == result.n_frames * 32
    assert fake.n_readouts == result.n_readouts + 64  # the noise scan
    assert result.n_unanswered_frames == 0
    last = {one["number"]: one for one in fake.reports}
    assert [one["mu"] for one in last.values()] == pytest.approx([5.0, 5.0, 5.0])
    assert not any(one["is_on"] for one in last.values())


def test_reports_of_units_add_up_to_what_was_delivered_and_count_from_the_first_readout(
    scan, monitor
):
    fake = monitor(lambda frame: "GRANTED" if frame % 4 < 2 else "HELD")  # 0.64 s each
    loop, result = run(scan, fake, mu=8.0)
    zero_s = next(one.t_s for one in scan.readouts() if one.frame == 0)
    starts_s = [one.start_s for one in loop.accelerator.stretches]
    told_s = [one["time_s"] for one in fake.reports]
    for start_s in starts_s:
        assert min(abs(start_s - zero_s - one) for one in told_s) < 1e-9
    of_beams = {one["number"]: one["mu"] for one in fake.reports}
    assert sum(of_beams.values()) == pytest.approx(result.beam.delivered_mu)
    assert result.beam.holds
    assert {one.asked.cause for one in result.beam.holds} == {"held"}
    for hold in result.beam.holds:
        assert hold.off_s - hold.asked.t_s == pytest.approx(0.05, abs=1e-9)
    assert 0 < result.beam.duty_percent < 100


def test_a_lease_that_lapses_ends_the_beam(scan, monitor):
    fake = monitor(lambda frame: "GRANTED" if frame < 4 else None, lease_ms=700)
    _, result = run(scan, fake, mu=50.0, frame_wait_s=0.05)
    (hold,) = result.beam.holds
    assert hold.asked.cause == "lapse"
    granted_s = 4 * FRAME_S - 0.01  # the last readout of frame 3
    assert granted_s + 0.7 <= hold.asked.t_s < granted_s + 0.8


@pytest.mark.slow
def test_at_the_scanners_pace_silence_ends_the_beam(scan, monitor):
    life = {"dead": False}

    def judge(frame):
        life["dead"] |= frame >= 5
        return "dead" if life["dead"] else "GRANTED"

    _, result = run(scan, monitor(judge), mu=100.0, speed=1.0)
    (hold,) = result.beam.holds
    assert hold.asked.cause == "silence"
    assert 0.8 < hold.asked.t_s - 6 * FRAME_S < 1.5


def test_a_scanner_that_takes_long_to_play_gives_later_events_no_later_time(scan, monitor):
    """In lock-step: a hold that comes while frame 5 is being made is over when it is answered."""
    fake = monitor(lambda _: "GRANTED")
    original = fake.answer

    def answer(frame):
        original(frame)
        if frame == 4:  # a lease that lapses while the scanner is slow
            held = {"state": "HELD", "lease_ms": 0, "reason": "lapsed", "frame_id": frame}
            threading.Timer(0.5, fake.publish, ["permit", held]).start()

    fake.answer = answer
    stall = faults.stall(32 * 5 + 20, delay_s=1.0)
    _, result = run(scan, fake, mu=30.0, faults=(stall,))
    (held,) = (one for one in result.permits if not one.is_granted)
    assert held.latency_s > FRAME_S
    assert 5 * FRAME_S < held.t_s < 6 * FRAME_S
    (hold,) = result.beam.holds[:1]
    assert hold.asked.t_s < 6 * FRAME_S
    granted = [one.t_s for one in result.permits if one.is_granted and one.frame_id == 5]
    assert held.t_s < granted[0]


def test_without_a_permit_nothing_is_delivered(scan, monitor):
    _, result = run(scan, monitor(lambda _: "HELD"))
    assert result.beam.delivered_mu == 0
    assert result.beam.duty_percent == 0
    assert all(one.delivered.mean_gy == 0 for one in result.beam.structures)


def test_a_stream_that_breaks_off_ends_the_beam(scan, monitor):
    fault = faults.truncate(32 * 6, n_bytes=100)
    _, result = run(scan, monitor(lambda _: "GRANTED"), mu=100.0, faults=(fault,))
    assert result.status == "cut"
    (hold,) = result.beam.holds
    assert hold.asked.cause == "end"


def test_what_the_monitor_refuses_is_told(scan, monitor):
    fake = monitor(lambda _: "GRANTED")
    fake.heed = lambda _: {"status": "refused", "text": "beam: no such number"}
    _, result = run(scan, fake)
    assert "beam: no such number" in result.beam.refusals


def test_the_outcome_agrees_with_the_path_that_the_target_went(scan, monitor):
    loop, result = run(scan, monitor(lambda _: "GRANTED"), gating=Gating(margin_mm=2.0))
    at_s = np.concatenate(
        [np.arange(one.start_s, one.end_s, 1e-3) for one in loop.accelerator.stretches]
    )
    distance_mm = np.linalg.norm(scan.scene.displacement_mm(at_s), axis=1)
    expected = 100 * np.mean(distance_mm > 2.0)
    assert result.beam.center_outside_percent == pytest.approx(expected, abs=2.0)
    p95_mm = np.quantile(distance_mm, 0.95)
    assert result.beam.p95_distance_mm == pytest.approx(p95_mm, abs=0.2)
    target = result.beam.structures[0]
    assert target.delivered.d98_gy < target.at_rest.d98_gy
