"""Radiation dose delivered to moving anatomy: its accuracy, its cost, and what gating saves."""

import sys

import _path  # noqa: F401 - first of all that is not Python's own
from _cases import run_cases

CASES = ("accuracy", "speed")

if __name__ == "__main__":
    sys.exit(run_cases("dose", CASES, about=__doc__))
