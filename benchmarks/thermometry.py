"""Thermometry, dose and alerts of simulated patients against the truth that the simulator knows."""

import sys

import _path  # noqa: F401 - first of all that is not Python's own
from _cases import run_cases

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

if __name__ == "__main__":
    sys.exit(run_cases("thermometry", CASES, about=__doc__))
