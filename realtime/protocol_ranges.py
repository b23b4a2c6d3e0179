"""What a protocol's number may be, in words: msgspec names only the bound that was crossed."""

from collections.abc import Mapping, Sequence
from functools import cache

from msgspec import inspect

from realtime.protocol_sections import Document


def expected_number(path: str) -> str:
    """Return the documented range of the number at a path such as `region[0].radii_mm[1]`.

    Empty where there is none.
    """
    ranges = {_range(one) for one in _at(_document(), _steps(path)) if _range(one)}
    return " or ".join(sorted(ranges))


def value_at(content: object, path: str) -> object:
    """Return what stands at a path of the TOML, None where that cannot be told."""
    for step in _steps(path):
        if isinstance(content, Mapping):
            content = content.get(step)
        elif isinstance(content, Sequence) and step.isdigit() and int(step) < len(content):
            content = content[int(step)]
        else:
            return None
    return content


@cache
def _document() -> inspect.Type:
    return inspect.type_info(Document)


def _steps(path: str) -> list[str]:
    return [step.rstrip("]") for step in path.replace("[", ".").split(".") if step]


def _at(kind: inspect.Type, steps: list[str]) -> list[inspect.Type]:
    """Return every type that may stand there: a limit is one of several."""
    if isinstance(kind, inspect.UnionType):
        return [found for one in kind.types for found in _at(one, steps)]
    if not steps:
        return [kind]
    if isinstance(kind, inspect.StructType):
        fields = [one.type for one in kind.fields if one.encode_name == steps[0]]
        return [found for one in fields for found in _at(one, steps[1:])]
    if isinstance(kind, inspect.VarTupleType):
        return _at(kind.item_type, steps[1:])
    if isinstance(kind, inspect.TupleType):
        return _at(kind.item_types[0], steps[1:])  # ours are of one kind each
    return []


def _range(kind: inspect.Type) -> str:
    if not isinstance(kind, inspect.FloatType | inspect.IntType):
        return ""
    if kind.ge is not None and kind.le is not None:
        return f"{kind.ge:g} to {kind.le:g}"
    bounds = (
        ("at least", kind.ge), ("more than", kind.gt), ("at most", kind.le), ("less than", kind.lt)
    )  # fmt: skip
    return " and ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)
