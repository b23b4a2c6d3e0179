"""Every finding that the code can make has an entry in the event table."""

import ast

from realtime.alerts.events import EVENTS, event_name
from realtime.alerts.limits import LIMITS, rule_name

SEVERITIES = {"inform", "warn", "hold"}


def test_each_rule_of_a_protocol_has_events():
    known = {event.rpartition(".")[0] for event in EVENTS}
    assert {rule_name(limit) for limit in LIMITS} <= known


def test_each_finding_in_the_code_has_an_event(product):
    # Finding("late-frame", "hold", …): a finding without an entry would raise KeyError in treatment
    made = {
        event_name(node.args[0].value, node.args[1].value)
        for tree in product.values()
        if _imports_finding(tree)
        for node in ast.walk(tree)
        if _is_literal_finding(node)
    }
    assert {"late-frame.hold", "fault.hold", "journal.warn"} <= made, "the search found too little"
    assert made <= set(EVENTS), made - set(EVENTS)


def test_what_holds_is_latched_and_urgent():
    for name, event in EVENTS.items():
        if event.holds:
            assert event.latched, name
            assert event.priority == "high", name
        assert event.title.strip(), name
        assert event.advice.strip(), name


def _imports_finding(tree):
    return any(
        isinstance(node, ast.ImportFrom)
        and (node.module or "").partition(".")[0] == "messages"
        and any(alias.name == "Finding" for alias in node.names)
        for node in ast.walk(tree)
    )


def _is_literal_finding(node):
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Finding"
        and len(node.args) >= 2
        and all(isinstance(argument, ast.Constant) for argument in node.args[:2])
        and node.args[1].value in SEVERITIES
    )
