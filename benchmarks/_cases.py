"""A benchmark of several cases: each is a module `_<name>_<case>.py` with `measure(quick=…)`."""

import argparse
from collections.abc import Callable
from importlib import import_module

from _table import Outcome, Table, Target, run

Case = Callable[..., tuple[tuple[Target, ...], Table]]


def run_cases(name: str, cases: tuple[str, ...], *, about: str) -> int:
    """Measure all cases, or the one that `--case` asks for; return the exit status."""

    def options(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--case", choices=cases, help="one case alone")

    def measure(arguments: argparse.Namespace) -> Outcome:
        targets: list[Target] = []
        tables: list[Table] = []
        for one in cases if arguments.case is None else (arguments.case,):
            case: Case = import_module(f"_{name}_{one}").measure
            promises, table = case(quick=arguments.quick)
            targets.extend(promises)
            tables.append(table)
        return Outcome(tuple(targets), tuple(tables))

    return run(name, measure, about=about, options=options)
