"""Each finding that can be made has an event, and each event a finding."""

import ast
import inspect

from realtime.alerts import (
    faults,
    life_cycle,
    rules_always,
    rules_delivery,
    rules_gate,
    rules_tracking,
)
from realtime.alerts.events import EVENTS, event_name
from realtime.alerts.limits import LIMITS, rule_name

# What each rule can say. A new rule adds its line here, in EVENTS and in docs/safety.md.
SEVERITIES = {
    "temperature-max": {"warn", "hold"},
    "dose-limit": {"warn", "hold"},
    "dose-risk": {"warn", "hold"},
    "dose-reached": {"inform", "hold"},
    "near-field": {"warn", "hold"},
    "focus-offset": {"warn", "hold"},
    "heating-rate": {"hold"},
    "blur-guard": {"warn"},
    "motion": {"hold", "warn"},
    "baseline-invalid": {"hold"},
    "signal-void": {"hold"},
    "fat": {"warn", "hold"},
    "heating-response": {"hold"},
    "phase-step": {"hold"},
    "drift": {"warn", "hold"},
    "noise": {"hold"},
    "invalid-fraction": {"hold"},
    "stale-frame": {"hold"},
    "region-unseen": {"hold"},
    "incomplete-frame": {"hold"},
    "non-finite-data": {"hold"},
    "scanner-clock": {"hold"},
    "dose-interrupted": {"warn"},
    "training": {"hold"},
    "tracking": {"hold"},
    "reference-lost": {"hold"},
    "gate": {"hold"},
    "avoidance": {"hold"},
    "breath-excursion": {"hold"},
    "baseline-shift": {"hold"},
    "period-change": {"inform"},
    "target-volume": {"warn"},
    "surrogate": {"warn"},
    "prediction-interval": {"warn"},
    "beam-despite-hold": {"hold"},
    "dose-forecast": {"hold"},
    "dose-unplaced": {"warn"},
    "delivery-doubt": {"hold"},
    "library": {"inform"},
    "late-frame": {"hold"},
    "late-expected": {"inform"},
    "fault": {"hold"},
    "stream-lost": {"hold"},
    "lease-lapsed": {"warn"},
    "memory": {"warn"},
    "acknowledgement": {"inform"},
    "client-refused": {"inform"},
    "permit-taken": {"inform"},
    "readouts-unused": {"inform"},
    "time-stamps": {"inform"},
    "header-override": {"warn"},
    "monitor-restarted": {"hold"},
    "dose-taken-over": {"warn"},
    "dose-not-taken-over": {"warn"},
    "dose-not-kept": {"warn"},
    "output-lost": {"warn"},
    "journal": {"warn"},
}


def test_each_rule_and_severity_has_an_event_and_none_is_left_over():
    expected = {
        event_name(rule, one) for rule, severities in SEVERITIES.items() for one in severities
    }
    assert set(EVENTS) == expected


def test_each_limit_is_in_the_table():
    assert {rule_name(limit) for limit in LIMITS} <= set(SEVERITIES)


def test_each_finding_written_in_the_code_has_an_event():
    """Every literal `Finding("rule", "severity", …)` of the rules and the faults."""
    found = set()
    for module in (rules_always, rules_delivery, rules_gate, rules_tracking, faults):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            is_finding = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding"
            if is_finding and all(isinstance(arg, ast.Constant) for arg in node.args[:2]):
                found.add(event_name(node.args[0].value, node.args[1].value))
    assert len(found) >= 9
    assert found <= set(EVENTS)


def test_what_holds_by_itself_is_latched_and_high():
    for name, event in EVENTS.items():
        if event.holds:
            assert event.latched, name
            assert event.priority == "high", name
            assert name.endswith(".hold"), name
        assert event.title, name
        assert event.advice.endswith("."), name


def test_the_hazards_to_the_patient_and_lost_equipment_latch():
    latched = {name for name, event in EVENTS.items() if event.holds}
    assert latched == {
        "temperature-max.hold",
        "dose-limit.hold",
        "dose-risk.hold",
        "near-field.hold",
        "focus-offset.hold",
        "heating-response.hold",
        "heating-rate.hold",
        "baseline-invalid.hold",
        "baseline-shift.hold",
        "beam-despite-hold.hold",
        "dose-forecast.hold",
        "phase-step.hold",
        "reference-lost.hold",
        "delivery-doubt.hold",
        "fault.hold",
        "monitor-restarted.hold",
        "stream-lost.hold",
    }


def test_a_graver_finding_is_never_less_urgent():
    order = {"low": 0, "medium": 1, "high": 2}
    for rule in SEVERITIES:
        urgencies = [
            order[EVENTS[name].priority]
            for name in (event_name(rule, one) for one in ("inform", "warn", "hold"))
            if name in EVENTS
        ]
        assert urgencies == sorted(urgencies), rule


def test_blind_rules_are_rules():
    assert set(SEVERITIES) >= life_cycle.BLIND
