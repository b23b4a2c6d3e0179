"""The label is as OpenRecon demands it, and what it promises of the container is so."""

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from messages import RunStart
from realtime.protocol import shipped_protocols
from simulators.mrd import TEXT

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "openrecon"
LABEL = json.loads((FOLDER / "OpenReconLabel.json").read_text(encoding="utf-8"))

# What OpenRecon's label schema 1.1.0 demands, in our words: its keys, names and types.
WORDS = {"type": "object", "required": ["en"], "properties": {"en": {"type": "string"}}}
IDENTIFIER = {"type": "string", "pattern": "^[A-Za-z0-9]+$"}
REGULATORY = (
    "device_trade_name", "production_identifier", "manufacturer_address", "made_in",
    "manufacture_date", "material_number", "gtin", "udi", "safety_advices",
    "special_operating_instructions", "additional_relevant_information",
)  # fmt: skip
BOOLEANS = ("can_process_adjustment_data", "can_use_gpu", "require_readout_filter_off")
COUNTS = ("min_count_required_gpus", "min_required_gpu_memory", "min_required_memory")


def exact(properties, required):
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(required),
    }


STRING = {"type": "string"}
COMMON = {"id": IDENTIFIER, "label": WORDS, "information": WORDS, "default": STRING}
VALUE = exact({"id": STRING, "name": WORDS}, ["id", "name"])
VALUES = {"type": "array", "minItems": 1, "items": VALUE}
CHOICE = exact(
    COMMON | {"type": {"const": "choice"}, "values": VALUES},
    ["type", "id", "label", "default", "values"],
)
FREE = exact(
    COMMON | {"type": {"const": "string"}, "isLargeText": {"type": "boolean"}},
    ["type", "id", "label"],
)
SCHEMA = exact(
    {
        "general": exact(
            {
                "name": WORDS,
                "version": {"type": "string", "pattern": r"^(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}$"},
                "vendor": STRING,
                "information": WORDS,
                "id": STRING,
                "license_string": STRING,
                "regulatory_information": exact(dict.fromkeys(REGULATORY, STRING), REGULATORY),
            },
            ["name", "version", "vendor", "information", "id", "regulatory_information"],
        ),
        "reconstruction": exact(
            {
                "transfer_protocol": exact(
                    {"protocol": {"const": "ISMRMRD"}, "version": {"const": "1.4.1"}},
                    ["protocol", "version"],
                ),
                "port": {"type": "integer"},
                "emitter": {"enum": ["raw", "image"]},
                "injector": {"enum": ["compleximage", "image"]},
                "content_qualification_type": {"enum": ["PRODUCT", "SERVICE", "RESEARCH"]},
                "min_count_required_cpu_cores": {"type": "integer", "minimum": 1},
                "channel_compression": exact({"require_state": {"enum": ["on", "off"]}}, []),
            }
            | {key: {"type": "boolean"} for key in BOOLEANS}
            | {key: {"type": "integer", "minimum": 0} for key in COUNTS},
            [
                "transfer_protocol", "port", "emitter", "injector", "can_use_gpu",
                "min_required_memory", "min_count_required_cpu_cores",
            ],
        ),
        "parameters": {
            "type": "array",
            "maxItems": 14,
            "uniqueItems": True,
            "items": {"oneOf": [CHOICE, FREE]},
        },
    },
    ["general", "reconstruction", "parameters"],
)  # fmt: skip


def instructions():
    """The Dockerfile's instructions: (word, arguments)."""
    text = re.sub(r"^#.*\n", "", (FOLDER / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(None, 1)) for line in lines if line.strip()]


def of(word):
    return [arguments for one, arguments in instructions() if one == word]


@pytest.fixture(scope="module")
def command():
    return json.loads(of("CMD")[0])


def test_the_label_is_as_its_schema_demands():
    jsonschema.validate(LABEL, SCHEMA)
    assert LABEL["reconstruction"]["content_qualification_type"] == "RESEARCH"
    assert "interlock" in LABEL["general"]["information"]["en"]


def test_the_label_has_the_version_of_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'version = "{LABEL["general"]["version"]}"' in text


def test_every_protocol_that_it_offers_is_shipped():
    config, own = LABEL["parameters"]
    offered = [one["id"] for one in config["values"]]
    assert (config["id"], own["id"]) == ("config", "customconfig")
    assert set(offered) <= set(shipped_protocols())
    assert config["default"] == "imaging"  # which never permits a treatment
    assert config["default"] in offered


@pytest.mark.slow
def test_what_the_scanner_sends_of_the_label_chooses_the_protocol(shared_gateway, scan):
    chosen = {one["id"]: one["default"] for one in LABEL["parameters"]}
    said = json.dumps({"version": "1.1.0", "parameters": chosen}).encode() + b"\0"
    mark, client = shared_gateway.mark(), shared_gateway.connect()
    text = TEXT.to_bytes(2, "little") + len(said).to_bytes(4, "little") + said
    with client.connection:
        client.send(scan.opening(), text)
        client.send_frame(scan, 0)
    assert isinstance(start := shared_gateway.events.topic("run.start", after=mark), RunStart)
    assert start.protocol_name == "imaging"


def test_the_container_is_built_of_files_that_are_there_and_listens_on_its_port(command):
    assert len(of("FROM")) == 2
    assert all(re.fullmatch(r"python:3\.1[1-9]-slim( AS build)?", one) for one in of("FROM"))
    for source in (one.split()[0] for one in of("COPY") if not one.startswith("--from")):
        assert (ROOT / source).exists(), source
    assert any("pip wheel" in one for one in of("RUN"))
    assert any("-c /wheels/constraints.txt" in one for one in of("RUN"))
    assert of("EXPOSE") == [str(LABEL["reconstruction"]["port"])]
    assert of("USER") == ["mrmonitor"]
    assert command[:2] == ["mrmonitor", "serve"]
    assert "--port" not in command  # 9002 is the usual one


@pytest.mark.slow
def test_the_containers_command_serves(command, tmp_path):
    free = ["--port", "0", "--zmq-port", "0", "--events-port", "0", "--control-port", "0"]
    served = subprocess.Popen(
        [sys.executable, "-m", "realtime.cli", *command[1:], "--out", str(tmp_path), *free],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    with served:
        told = []
        for line in served.stdout:
            told.append(line)
            if "run folders" in line:
                break
        served.terminate()
        assert "tcp://0.0.0.0:" in "".join(told)
        assert "the permit is held" in served.stdout.read()
    assert served.returncode == 0
