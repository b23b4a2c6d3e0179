"""Documents made of a protocol's own keys with wild values: a protocol, or a key path told."""

import re

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messages import ProtocolError
from realtime.alerts.limits import LIMITS, rule_name
from realtime.protocol import load_protocol, parse_protocol, shipped_protocols
from realtime.protocol_sections import Document, Region

KEY = re.compile(r"[a-z0-9_.\[\]-]+", re.IGNORECASE)
TOML_KEY = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)
WILD = st.one_of(
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.sampled_from([0, 1, -1, 2, 100, 1000]),
    st.floats(),
    st.sampled_from([0.0, -0.0, 0.5, 1e-300, 1e308, float("inf"), float("nan")]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(["auto", "fft", "nufft", "ncc-affine", "focus", "target", "../x.npy"]),
)
VALUES = st.recursive(
    WILD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TOML_KEY, inner, max_size=2),
    max_leaves=4,
)
SHIPPED = {name: load_protocol(name) for name in shipped_protocols()}


def value_text(value):
    """A value as TOML has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(value_text(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {value_text(one)}' for key, one in value.items())}}}"
    return repr(value)


def toml(document):
    """Sections and lists of sections as a TOML document."""
    lines = []
    for name, section in document.items():
        tables = section if isinstance(section, list) else [section]
        for table in tables:
            lines.append(f"[[{name}]]" if isinstance(section, list) else f"[{name}]")
            lines += [f"{key} = {value_text(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def spelled_out(protocol):
    """Every key of a protocol that has a value, its defaults among them."""
    return _without_none(msgspec.to_builtins(protocol.document))


def _without_none(value):
    if isinstance(value, dict):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    return [_without_none(one) for one in value] if isinstance(value, list | tuple) else value


def _keys_of(name):
    """The keys that a section may have."""
    if name == "region":
        return list(Region.__struct_fields__)
    if name == "limit":
        return ["rule", *{key for one in LIMITS for key in one.__struct_fields__}]
    section = Document.__annotations__[name]
    for kind in getattr(section, "__args__", (section,)):
        if hasattr(kind, "__struct_fields__"):
            return list(kind.__struct_fields__)
    raise AssertionError(name)


@st.composite
def documents(draw):
    """A shipped protocol with one to four keys set to something else, added or taken away."""
    protocol = SHIPPED[draw(st.sampled_from(sorted(SHIPPED)))]
    document = spelled_out(protocol)
    for _ in range(draw(st.integers(1, 4))):
        name = draw(st.sampled_from(list(Document.__struct_fields__)))
        section = document.setdefault(name, [] if name in ("region", "limit") else {})
        if isinstance(section, list):
            if draw(st.integers(0, 4)) == 0 or not section:
                section.append({})
            section = section[draw(st.integers(0, len(section) - 1))]
        key = draw(st.sampled_from([*_keys_of(name), "no_such_key"]))
        if draw(st.integers(0, 5)) == 0:
            section.pop(key, None)
        elif key == "rule":
            section[key] = draw(st.sampled_from([rule_name(one) for one in LIMITS]))
        else:
            section[key] = draw(VALUES)
    return toml(document), protocol.folder


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents())
def test_wild_values_are_a_protocol_or_a_key_that_is_told(drawn):
    text, folder = drawn
    refusal = None
    try:
        protocol = parse_protocol(text, folder=folder)
    except ProtocolError as error:
        refusal = error
    if refusal is not None:
        assert refusal.key
        assert "\n" not in str(refusal)
        return
    again = parse_protocol(toml(spelled_out(protocol)), folder=folder)
    assert again.document == protocol.document
    assert again.hash == protocol.hash


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(TOML_KEY, st.dictionaries(TOML_KEY, VALUES, max_size=4), max_size=4))
def test_any_toml_is_refused_by_a_key(document):
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(toml(document))
    assert caught.value.key
    assert "\n" not in str(caught.value)


@given(st.text(max_size=300))
def test_any_text_is_refused(text):
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_a_shipped_protocol_round_trips(name):
    protocol = SHIPPED[name]
    again = parse_protocol(toml(spelled_out(protocol)), folder=protocol.folder)
    assert again.document == protocol.document
    assert again.hash == protocol.hash
