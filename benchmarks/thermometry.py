"""Thermometry, dose and alerts of simulated patients against the truth that the simulator knows."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module

import _path  # noqa: F401 - first of all that is not Python's own
from _table import Outcome, Table, Target, run

Case = Callable[..., tuple[tuple[Target, ...], Table]]

CASES = (
    "still",
    "breathing",
    "drift",
    "multi_echo",
    "water_fat",
    "kspace_hybrid",
    "dose",
    "shut_off",
    "alerts",
)
"""Each is a module `_thermometry_<case>.py` with a function `measure(quick=…)`."""


def options(parser: argparse.ArgumentParser) -> None:
    """Add what only this benchmark asks for."""
    parser.add_argument("--case", choices=CASES, help="one case alone")


def measure(arguments: argparse.Namespace) -> Outcome:
    """Return all cases, or the one that was asked for."""
    targets: list[Target] = []
    tables: list[Table] = []
    for name in CASES if arguments.case is None else (arguments.case,):
        case: Case = import_module(f"_thermometry_{name}").measure
        promises, table = case(quick=arguments.quick)
        targets.extend(promises)
        tables.append(table)
    return Outcome(tuple(targets), tuple(tables))


if __name__ == "__main__":
    sys.exit(run("thermometry", measure, about=__doc__, options=options))
