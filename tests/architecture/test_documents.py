"""The documents say what the code does."""

import json
import re
import sys
import types

import msgspec
import numpy as np
import pytest

import thermometry
from messages.codec import TOPICS, decode
from motion.prediction import Guarded
from realtime.alerts.limits import LIMITS, rule_name
from realtime.protocol import parse_protocol, shipped_protocols
from realtime.protocol_sections import (
    Document,
    Dose,
    General,
    Motion,
    Recon,
    Region,
    Stream,
    Thermometry,
)
from tests.thermometry.phantoms import (
    BODY_C,
    anatomy,
    fold,
    heated,
    hot_spot,
    make_image,
    make_plan,
)

LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
SHAPE = (1, 32, 32)


def documents(root):
    found = [root / "README.md", root / "CONTRIBUTING.md", root / "CHANGELOG.md"]
    return [*found, *sorted((root / "docs").rglob("*.md"))]


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def test_links_lead_somewhere(root):
    broken = {
        f"{file.relative_to(root)}: {target}"
        for file in documents(root)
        for target in LINK.findall(file.read_text())
        if "://" not in target and not (file.parent / target).exists()
    }
    assert not broken


@pytest.fixture
def toy(root):
    code, _ = blocks((root / "docs" / "add_a_method.md").read_text(), "python")
    module = types.ModuleType("first_image")
    sys.modules["first_image"] = module  # dataclasses look their module up
    exec(code, module.__dict__)
    yield module.FirstImage
    del sys.modules["first_image"]


def test_the_method_of_the_guide_measures(toy):
    coils, rise = anatomy(SHAPE), hot_spot(SHAPE, 10)
    images = [make_image(one, noise_std=0.01) for one in (coils, heated(coils, rise))]
    _, maps = fold(toy(make_plan(SHAPE, drift_order=-1)), images)
    assert maps[0].is_baseline
    inside = maps[1].valid
    assert inside.mean() > 0.5
    assert np.abs(maps[1].temperature_c - BODY_C - rise)[inside].max() < 0.1


def test_a_protocol_selects_the_method_of_the_guide_by_name(toy, monkeypatch, root):
    text = (root / "realtime" / "protocols" / "mrgfus-demo.toml").read_text()
    monkeypatch.setitem(thermometry.METHODS, "first-image", toy)
    protocol = parse_protocol(text.replace('"single-baseline"', '"first-image"'))
    assert protocol.thermometry.method == "first-image"


def test_the_predictor_of_the_guide_follows_a_straight_line(root):
    _, code = blocks((root / "docs" / "add_a_method.md").read_text(), "python")
    module = types.ModuleType("steady")
    exec(code, module.__dict__)
    predictor = Guarded(module.Steady())
    state, speed_mm_per_s, horizon_s = predictor.start(), np.array([3.0, -1.0]), 0.25
    for time_s in np.arange(0.0, 8.0, 0.125):
        position_mm = tuple(speed_mm_per_s * time_s)
        state, found = predictor.step(
            state, time_s=float(time_s), position_mm=position_mm, horizon_s=horizon_s
        )
    assert found.is_trusted  # holding would be 0.8 mm late
    wanted_mm = speed_mm_per_s * (time_s + horizon_s)
    assert np.abs(np.subtract(found.position_mm, wanted_mm)).max() < 0.01


def test_every_key_of_a_protocol_is_documented(root):
    text = (root / "docs" / "protocol.md").read_text()
    for kind in (General, Stream, Recon, Thermometry, Motion, Dose, Region, *LIMITS):
        for name in kind.__struct_fields__:
            assert f"`{name}`" in text, f"{kind.__name__}.{name}"
    for limit in LIMITS:
        assert f"`{rule_name(limit)}`" in text
    for name in (*Document.__struct_fields__, *shipped_protocols()):
        assert name in text


def test_the_defaults_in_the_protocol_page_are_the_codes(root):
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]*\| ([^|]*) \|", (root / "docs" / "protocol.md").read_text(), re.M
    )
    told = dict(rows)
    for kind in (Stream, Thermometry):
        for field in msgspec.structs.fields(kind):
            if isinstance(field.default, int | float) and not isinstance(field.default, bool):
                assert float(told[field.name]) == float(field.default), field.name


def test_each_topic_has_an_example_that_decodes(root):
    text = (root / "docs" / "wire.md").read_text()
    shown = {}
    for topic, example in re.findall(
        r"^#### `([a-z.]+)`\n.*?```json\n(.*?)^```", text, re.S | re.M
    ):
        header = json.loads(example)
        arrays = [
            np.zeros(one["shape"], one["dtype"]).tobytes()
            for one in header["body"].values()
            if isinstance(one, dict) and "array" in one
        ]
        shown[topic] = decode([topic.encode(), json.dumps(header).encode(), *arrays])
    assert set(shown) == set(TOPICS.values())
