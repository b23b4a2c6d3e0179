"""Tracking of targets that move: synthetic, real and corrupted images, and how long it takes."""

import sys

import _path  # noqa: F401 - first of all that is not Python's own
from _cases import run_cases

CASES = ("tracking", "cine", "corrupted", "latency", "ghosts")

if __name__ == "__main__":
    sys.exit(run_cases("motion", CASES, about=__doc__))
