"""Dose to moving anatomy, of radiation and of heat: its accuracy and its cost."""

import sys

import _path  # noqa: F401 - first of all that is not Python's own
from _cases import run_cases

CASES = ("accuracy", "closed_loop", "speed", "tissue")

if __name__ == "__main__":
    sys.exit(run_cases("dose", CASES, about=__doc__))
