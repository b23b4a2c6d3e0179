"""Options that belong together, handed to a command as one value."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

Command = Callable[..., Any]


def grouped(
    name: str, kind: Callable[..., object], keys: Sequence[str], options: Sequence[Command]
) -> Callable[[Command], Command]:
    """Return a decorator that adds options to a command, which takes them as `name`.

    kind: made of the options' values by `keys`, the names that click gives them.
    """

    def adding(command: Command) -> Command:
        @wraps(command)
        def packed(*arguments: object, **given: Any) -> object:  # noqa: ANN401 - click's
            value = kind(**{key: given.pop(key) for key in keys})
            return command(*arguments, **{name: value}, **given)

        for option in reversed(options):
            packed = option(packed)
        return packed

    return adding
