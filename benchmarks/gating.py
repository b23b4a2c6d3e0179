"""Prediction to beam-effect time and the gate, on real respiratory traces."""

import sys

import _path  # noqa: F401 - first of all that is not Python's own
from _cases import run_cases

CASES = ("prediction", "gate")

if __name__ == "__main__":
    sys.exit(run_cases("gating", CASES, about=__doc__))
