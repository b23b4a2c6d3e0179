"""The configuration that FIRE and OpenRecon name in a text of JSON after the header."""

import json

_MAX_BYTES = 1 << 20
_MAX_NAME = 1023  # as much as a CONFIG_FILE message holds


def config_of(text: str) -> str | None:
    """Return the configuration that a text names, None where it names none.

    `customconfig` goes before `config` where it is not empty. Never raises: the text may be
    anything. The name is the client's word: look it up, never open it as a path.
    """
    if len(text) > _MAX_BYTES or not text.lstrip().startswith("{"):
        return None
    try:
        # a whole number of a million digits takes a minute to read, and none is needed
        said = json.loads(text, parse_int=_none, parse_float=_none, parse_constant=_none)
    except (ValueError, RecursionError):
        return None
    parameters = said.get("parameters") if isinstance(said, dict) else None
    if not isinstance(parameters, dict):
        return None
    for key in ("customconfig", "config"):
        name = parameters.get(key)
        if isinstance(name, str) and 0 < len(name.strip()) <= _MAX_NAME:
            return name.strip()
    return None


def _none(text: str) -> None:
    del text
