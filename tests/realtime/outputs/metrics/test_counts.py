"""The figures tell what was heard; of a silent monitor nothing old is told as new."""

import os
from dataclasses import replace

import pytest

from messages import Heartbeat, Permit
from tests.realtime.outputs.metrics.figures import START, STOP, Figures, alert, treated, verdict


@pytest.fixture
def figures():
    it = Figures(os.getpid())
    it.beat()
    it.hear(START)
    return it


def test_frames_are_counted_by_outcome_with_their_age_and_stages(figures):
    for n in range(9):
        figures.hear(verdict(n))
    figures.hear(verdict(9, "LATE", 100.5))
    told = figures.samples()
    assert told["mrmonitor_frames_total", "COMPUTED"] == 9
    assert told["mrmonitor_frames_total", "LATE"] == 1
    assert told["mrmonitor_frames_total", "FAULT"] == 0
    assert told["mrmonitor_frame_age_seconds_bucket", "0.003"] == 0
    assert told["mrmonitor_frame_age_seconds_bucket", "0.005"] == 9
    assert told["mrmonitor_frame_age_seconds_bucket", "0.1"] == 9
    assert told["mrmonitor_frame_age_seconds_bucket", "+Inf"] == 10
    assert told["mrmonitor_stage_seconds_count", "reconstruct"] == 9
    assert told["mrmonitor_stage_seconds_sum", "measure"] == pytest.approx(0.018)
    assert told["mrmonitor_findings_total", "late-frame", "hold"] == 1


def test_an_alert_is_counted_once_and_open_until_it_is_over(figures):
    figures.hear(alert(0))
    figures.hear(alert(0, "acknowledged"))
    figures.hear(alert(1, priority="medium"))
    told = figures.samples()
    assert told["mrmonitor_alerts_raised_total", "drift.hold", "high"] == 1
    assert told["mrmonitor_open_alerts", "high", "acknowledged"] == 1
    assert told["mrmonitor_open_alerts", "high", "raised"] == 0
    assert told["mrmonitor_open_alerts", "medium", "raised"] == 1
    figures.hear(alert(0, "withdrawn"))
    assert figures.samples()["mrmonitor_open_alerts", "high", "acknowledged"] == 0


def test_a_finished_run_tells_its_readouts(figures):
    figures.hear(STOP)
    told = figures.samples()
    assert told["mrmonitor_runs_total", "completed"] == 1
    assert told["mrmonitor_readouts_total",] == 200
    kinds = {kind: told["mrmonitor_bad_readouts_total", kind] for kind in ("duplicate", "lost")}
    assert kinds == {"duplicate": 5, "lost": 6}
    assert told["mrmonitor_bad_readouts_total", "unused"] == 4
    assert told["mrmonitor_incomplete_frames_total",] == 3


def test_a_permit_that_lapses_is_not_granted_and_its_time_is_counted(figures):
    figures.grant(lease_ms=1000.0)
    for _ in range(5):
        figures.beat("GRANTED")
    assert figures.samples()["mrmonitor_permit_granted",] == 1
    assert figures.samples()["mrmonitor_permit_lease_left_seconds",] == pytest.approx(0.5)
    for _ in range(6):  # nobody says that it has lapsed
        figures.beat("GRANTED")
    told = figures.samples()
    assert told["mrmonitor_permit_granted",] == 0
    assert told["mrmonitor_permit_lease_left_seconds",] == 0
    assert told["mrmonitor_permit_granted_seconds_total",] == pytest.approx(0.9, abs=0.11)
    assert told["mrmonitor_permit_changes_total", "GRANTED"] == 1
    assert told["mrmonitor_permit_changes_total", "HELD"] == 1


def test_a_short_hold_between_two_scrapes_is_counted(figures):
    figures.grant()
    figures.hear(Permit("HELD", 0.0, "too hot", 1, "run"))
    figures.grant()
    assert figures.samples()["mrmonitor_permit_changes_total", "HELD"] == 1


def test_a_silent_monitor_is_not_up_and_nothing_that_it_said_looks_fresh(figures):
    figures.hear(verdict())
    figures.hear(alert(0))
    figures.grant()
    assert figures.samples()["mrmonitor_up",] == 1
    figures.look(after_s=0.6)
    told = figures.samples()
    assert told["mrmonitor_up",] == 0
    assert told["mrmonitor_permit_granted",] == 0
    assert told["mrmonitor_last_word_age_seconds",] == pytest.approx(0.6)
    assert told["mrmonitor_last_frame_age_seconds",] == pytest.approx(0.6)
    names = {key[0] for key in told}
    assert not names & {"mrmonitor_open_alerts", "mrmonitor_run_info", "mrmonitor_run_active"}
    # time in which this process stood still is no time of which it knows
    figures.look(after_s=60.0)
    assert figures.samples()["mrmonitor_permit_granted_seconds_total",] < 1


def test_a_monitor_that_was_never_heard_is_not_up():
    told = Figures().samples()
    assert told["mrmonitor_up",] == 0
    assert told["mrmonitor_permit_granted",] == 0
    assert ("mrmonitor_last_word_age_seconds",) not in told


def test_of_a_run_the_protocol_and_its_hash_are_told_and_nothing_else(figures):
    (labels,) = [key[1:] for key in figures.samples() if key[0] == "mrmonitor_run_info"]
    assert labels == ("brain", "cafe")
    assert "1.2.3.4" not in figures.text()


def test_a_run_that_began_while_another_had_the_permit_is_told_when_it_has_it(figures):
    figures.hear(replace(START, run_id="next", protocol_name="liver"))
    figures.hear(Heartbeat(0, "HELD", "next"))
    (labels,) = [key[1:] for key in figures.samples() if key[0] == "mrmonitor_run_info"]
    assert labels == ("liver", "cafe")


def test_memory_and_processor_time_are_those_of_this_process(figures):
    told = figures.samples()
    assert told["mrmonitor_resident_memory_bytes", "gateway"] > 10e6
    assert told["mrmonitor_cpu_seconds_total", "gateway"] > 0
    assert figures.samples()["mrmonitor_cpu_seconds_total", "gateway"] < 2 * 60 * 60
    assert Figures(2**30).samples()["mrmonitor_resident_memory_bytes", "gateway"] == 0  # gone


def test_every_metric_is_in_the_document(root):
    names = {line.split()[2] for line in treated().text().splitlines() if line.startswith("# TYPE")}
    text = (root / "docs" / "metrics.md").read_text()
    assert len(names) > 20
    missing = {name for name in names if not name.endswith("_created") and f"`{name}`" not in text}
    assert not missing
