"""The fault switches of `mrmonitor simulate`; readouts count from 0."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from messages import MonitorError
from simulators import faults
from simulators.faults import Fault

# switch → (numbers after it, what it does)
_SWITCHES = {
    "drop": ("N", "Lose readout N."),
    "duplicate": ("N", "Send readout N twice."),
    "reorder": ("N", "Send readout N after the next."),
    "stall": ("N:SECONDS", "Fall silent before readout N."),
    "truncate": ("N:BYTES", "Break off after so many bytes of readout N."),
    "corrupt": ("N:OFFSET:BYTES", "Overwrite bytes of readout N with random ones."),
    "flood": ("N:COUNT", "Hold readouts back from N, then send them at once."),
    "clock_step": ("N:TICKS", "Shift the scanner's stamps from readout N on."),
}


def fault_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the switches to a command; each may be given many times."""
    for name, (numbers, text) in reversed(_SWITCHES.items()):
        option = click.option(
            f"--{name.replace('_', '-')}", name, multiple=True, metavar=numbers, help=text
        )
        command = option(command)
    return command


def faults_of(given: Mapping[str, Sequence[str]]) -> tuple[Fault, ...]:
    """Return the faults asked for. Raises MonitorError that names the switch."""
    return tuple(
        _fault(name, _numbers(name, text)) for name, texts in given.items() for text in texts
    )


def _numbers(name: str, text: str) -> list[float]:
    expected = _SWITCHES[name][0]
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) != expected.count(":") + 1 or numbers[0] < 0:
        raise MonitorError(f"--{name.replace('_', '-')} {text}: expected {expected}")
    return numbers


def _fault(name: str, numbers: list[float]) -> Fault:
    first = int(numbers[0])
    if name == "stall":
        return faults.stall(first, delay_s=numbers[1])
    whole = [int(number) for number in numbers[1:]]
    if name == "truncate":
        return faults.truncate(first, n_bytes=whole[0])
    if name == "corrupt":
        return faults.corrupt({first}, offset=whole[0], n_bytes=whole[1])
    if name == "flood":
        return faults.flood(first, n_readouts=whole[0])
    if name == "clock_step":
        return faults.step_clock(first, ticks=whole[0])
    simple = {"drop": faults.drop, "duplicate": faults.duplicate, "reorder": faults.reorder}
    return simple[name]({first})
