import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.streams.fire_config import config_of

# as FIRE sends it, shortened
OPEN_RECON = {
    "version": "1.1.0",
    "parameters": {"config": "invertcontrast", "customconfig": "", "slope": "1.5"},
}


def test_the_name_stands_under_parameters() -> None:
    assert config_of(json.dumps(OPEN_RECON)) == "invertcontrast"


def test_a_custom_config_goes_first_unless_it_is_empty() -> None:
    assert config_of('{"parameters": {"config": "a", "customconfig": "b"}}') == "b"
    assert config_of('{"parameters": {"config": "a", "customconfig": " "}}') == "a"
    assert config_of('{"parameters": {"config": "a", "customconfig": null}}') == "a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "null",
        "[]",
        '"config"',
        "{}",
        '{"config": "a"}',
        '{"parameters": []}',
        '{"parameters": {"config": 3}}',
        '{"parameters": {"config": ["a"]}}',
        '{"parameters": {"config": "' + "a" * 2000 + '"}}',
        '{"parameters": {"config": "a"}',
        '{"parameters": ' * 100_000,
        "[" * 1_000_000,
        '{"a": ' + "9" * 900_000 + "}",
        '{"a": NaN, "b": Infinity, "c": 1e999999}',
        '{"a": "\\ud800"}',
        "{" + " " * (1 << 20),
        "{\0}",
    ],
)
def test_anything_else_names_nothing(text: str) -> None:
    assert config_of(text) is None


def test_numbers_elsewhere_do_not_matter() -> None:
    text = '{"n": ' + "9" * 100_000 + ', "parameters": {"config": "a", "x": 1.5, "y": NaN}}'
    assert config_of(text) == "a"


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_any_json_is_a_name_or_none(value: object) -> None:
    for text in (json.dumps(value), json.dumps({"parameters": {"config": value}})):
        name = config_of(text)
        assert name is None or name == str(value).strip()
