"""What a protocol file may say, as JSON Schema: an editor then completes keys and marks mistakes.

It tells what one key may be. What several keys must be together only `mrmonitor check` knows.
"""

import msgspec

import motion
import recon
import thermometry
from realtime.protocol import AUTO
from realtime.protocol_sections import Document
from thermometry.heat.tissue import TISSUES

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NAMES = {
    ("Recon", "method"): (AUTO, *recon.METHODS),
    ("Thermometry", "method"): tuple(thermometry.METHODS),
    ("Thermometry", "tissue"): tuple(TISSUES),
    ("Motion", "tracker"): tuple(motion.METHODS),
    ("Motion", "predictor"): tuple(motion.PREDICTORS),
}


def protocol_schema() -> dict[str, object]:
    """Return the JSON Schema (2020-12) of a protocol file; the names are of what is installed."""
    schema = msgspec.json.schema(Document)
    kinds = schema["$defs"]
    for (kind, key), names in _NAMES.items():
        kinds[kind]["properties"][key]["enum"] = list(names)
    for kind in kinds.values():
        kind["properties"] = {key: _without_null(one) for key, one in kind["properties"].items()}
        kind["description"] = " ".join(kind["description"].split())
    title = {"$schema": DIALECT, "title": "Treatment protocol of mrmonitor"}
    return title | schema


def _without_null(key: dict[str, object]) -> dict[str, object]:
    """Return a key's schema without null, which TOML cannot write: the key is left out instead."""
    choices = key.get("anyOf")
    if not isinstance(choices, list) or {"type": "null"} not in choices:
        return key
    others = [one for one in choices if one != {"type": "null"}]
    rest = {name: value for name, value in key.items() if name not in ("anyOf", "default")}
    return rest | (others[0] if len(others) == 1 else {"anyOf": others})
