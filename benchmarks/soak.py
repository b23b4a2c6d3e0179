"""Random kills and pauses: alerts journalled = alerts delivered, no gap, order kept.

`make soak` runs it; its exit status is 1 where anything is wrong.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

import _path  # noqa: F401 - first of all that is not Python's own
from _table import MeasurementError, Outcome, Table, Target, run

from tests.soak.run import Report, SoakError, soak

SECONDS_A_FAULT = 2.4
_QUICK = 8
_MOST_SHOWN = 30
_wrong: list[str] = []


def report_of(arguments: argparse.Namespace) -> Report:
    n_faults = _QUICK if arguments.quick else arguments.faults
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = Path(arguments.keep or scratch).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return soak(
                folder,
                n_faults,
                seed=arguments.seed,
                limit_s=60.0 + SECONDS_A_FAULT * n_faults,
                tell=lambda text: print(text, file=sys.stderr, flush=True),
            )
        except SoakError as error:
            raise MeasurementError(str(error)) from error


def measure(arguments: argparse.Namespace) -> Outcome:
    print(f"seed {arguments.seed}", file=sys.stderr, flush=True)
    report = report_of(arguments)
    _wrong.extend(report.wrong)
    for text in report.wrong[:_MOST_SHOWN]:
        print(f"WRONG  {text}", file=sys.stderr)
    n_faults = sum(report.n_faults.values())
    n_wanted = _QUICK if arguments.quick else arguments.faults
    is_enough = n_faults >= min(n_wanted, 500)
    if not is_enough:
        _wrong.append(f"only {n_faults} faults in the time")
    delivered = {
        name.rpartition(" ")[2]: n
        for name, n in report.facts.items()
        if name.startswith("alerts del")
    }
    told = ", ".join(f"{n} to the {name}" for name, n in delivered.items())
    targets = (
        Target(
            "random kills and pauses" + ("" if arguments.quick else ", at least 500"),
            f"{n_faults} (seed {arguments.seed})",
            is_enough if arguments.quick else n_faults >= 500,
        ),
        Target(
            "alerts journalled = alerts delivered, no gap, order kept; one verdict a frame; no "
            "GRANTED without a newer valid verdict",
            f"{report.facts['alerts journalled']} journalled; {told}; "
            f"{len(report.wrong)} things wrong",
            not report.wrong,
        ),
    )
    faults = tuple((kind, str(n)) for kind, n in sorted(report.n_faults.items()))
    facts = tuple((what, str(n)) for what, n in report.facts.items())
    return Outcome(
        targets,
        (
            Table("Faults", ("fault", "times"), faults),
            Table("What was left", ("what", "number"), facts),
        ),
    )


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--faults", type=int, default=500, help="500 by default")
    parser.add_argument(
        "--seed",
        type=int,
        default=random.SystemRandom().randrange(10**6),
        help="of the faults; another one each time by default",
    )
    parser.add_argument("--keep", help="a folder in which journal and logs are to stay")


if __name__ == "__main__":
    sys.exit(run("soak", measure, about=__doc__, options=_options) or int(bool(_wrong)))
