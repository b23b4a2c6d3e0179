"""The Grafana dashboard asks for what is there, and is drawn in a grid without overlap."""

import json
import re

import pytest

from tests.realtime.outputs.metrics.figures import treated

NAME = re.compile(r"\bmrmonitor_\w+")
LABEL = re.compile(r"(?:by \(|\{\{)([\w, ]+)(?:\)|\}\})")
KINDS = {"stat", "timeseries"}


@pytest.fixture(scope="module")
def dashboard(root):
    return json.loads((root / "docs" / "grafana" / "mrmonitor.json").read_text())


@pytest.fixture(scope="module")
def told():
    """Each sample's name with its labels' names."""
    text = treated().text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {NAME.match(line)[0]: set(re.findall(r'(\w+)="', line)) for line in lines}


def test_every_expression_names_metrics_and_labels_that_exist(dashboard, told):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            names = NAME.findall(target["expr"])
            assert names, panel["title"]
            assert set(names) <= set(told), panel["title"]
            asked = LABEL.findall(target["expr"]) + LABEL.findall(target["legendFormat"])
            labels = {one.strip() for several in asked for one in several.split(",")}
            assert labels <= set.union(*(told[name] for name in names)), panel["title"]
            assert all(f'{name}{{instance=~"$instance"' in target["expr"] for name in names)


def test_counters_are_asked_for_as_rates_and_gauges_are_not(dashboard, told):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            for name in NAME.findall(target["expr"]):
                is_counter = name.endswith(("_total", "_bucket"))
                is_rated = bool(re.search(rf"(rate|increase)\({name}\b", target["expr"]))
                assert is_counter == is_rated, target["expr"]


def test_it_is_a_dashboard(dashboard):
    assert dashboard["schemaVersion"] >= 36
    assert dashboard["uid"] == "mrmonitor"
    assert {one["name"] for one in dashboard["templating"]["list"]} == {"datasource", "instance"}
    panels = dashboard["panels"]
    assert len({one["id"] for one in panels}) == len(panels)
    assert {one["type"] for one in panels} <= KINDS
    assert all(one["title"] and one["fieldConfig"]["defaults"]["noValue"] for one in panels)
    taken = set()
    for one in panels:
        place = one["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, one["title"]
        taken |= cells


def test_what_is_not_heard_is_never_shown_as_granted(dashboard):
    (permit,) = [one for one in dashboard["panels"] if one["title"] == "Permit"]
    assert permit["fieldConfig"]["defaults"]["noValue"] == "NOT HEARD"
    words, special = permit["fieldConfig"]["defaults"]["mappings"]
    assert words["options"]["0"] == {"text": "HELD", "color": "red", "index": 0}
    assert special["options"]["result"]["text"] == "NOT HEARD"
