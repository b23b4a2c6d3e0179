"""The schema that editors read takes every shipped protocol, and no wrong key, unit or name."""

import json
import tomllib
from importlib import resources

import jsonschema
import pytest
from click.testing import CliRunner

from realtime.cli import main
from realtime.protocol import shipped_protocols
from realtime.protocol_schema import protocol_schema


@pytest.fixture(scope="module")
def validator():
    schema = protocol_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def content(name="mrgfus-demo"):
    folder = resources.files("realtime.protocols")
    return tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))


def places(validator, told):
    """The keys at fault; of a choice between kinds, the choice."""
    return {".".join(map(str, error.path)) for error in validator.iter_errors(told)}


@pytest.mark.parametrize("name", shipped_protocols())
def test_every_shipped_protocol_is_valid(validator, name):
    assert places(validator, content(name)) == set()


@pytest.mark.parametrize(
    ("section", "key", "value", "where"),
    [
        ("protocol", "frame_deadline_s", 0.1, "protocol"),  # another unit is another key
        ("protocol", "lease_ms", "4500", "protocol.lease_ms"),
        ("protocol", "lease_ms", -1.0, "protocol.lease_ms"),
        ("recon", "method", "grapa", "recon.method"),
        ("recon", "iterations", "ten", "recon.iterations"),
        ("thermometry", "phase_sign", 0, "thermometry.phase_sign"),
        ("thermometry", "tissue", "kidneystone", "thermometry.tissue"),
        ("motion", "tracker", "eye", "motion.tracker"),
    ],
)
def test_a_wrong_key_unit_or_name_is_refused_where_it_stands(validator, section, key, value, where):
    told = content("mrlinac-demo" if section == "motion" else "mrgfus-demo")
    told[section][key] = value
    assert where in places(validator, told)


def test_a_limit_of_no_known_rule_or_with_another_rules_key_is_refused(validator):
    told = content()
    told["limit"].append({"rule": "temperature-min", "region": "focus", "stop_above_c": 60.0})
    told["limit"].append({"rule": "temperature-max", "region": "focus", "stop_above_f": 140.0})
    n = len(told["limit"])
    assert places(validator, told) == {f"limit.{n - 2}", f"limit.{n - 1}"}


def test_a_missing_key_is_told(validator):
    told = content()
    del told["protocol"]["frame_deadline_ms"]
    assert places(validator, told) == {"protocol"}


def test_the_command_writes_it_to_a_file_or_prints_it(tmp_path):
    printed = CliRunner().invoke(main, ["schema"])
    written = CliRunner().invoke(main, ["schema", str(tmp_path / "protocol.schema.json")])
    assert (printed.exit_code, written.exit_code) == (0, 0)
    text = (tmp_path / "protocol.schema.json").read_text(encoding="utf-8")
    assert (
        json.loads(text) == json.loads(printed.output) == json.loads(json.dumps(protocol_schema()))
    )


def test_no_key_may_be_null_which_toml_cannot_write():
    def types(node):
        if isinstance(node, dict):
            yield from [node["type"]] if isinstance(node.get("type"), str) else []
            for one in node.values():
                yield from types(one)
        elif isinstance(node, list | tuple):
            for one in node:
                yield from types(one)

    assert "null" not in set(types(protocol_schema()))
