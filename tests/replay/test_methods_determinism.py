"""Every method gives the same bits twice, in processes that share nothing: two slices, heat, power.

Echo trains, the heat model and what is fitted by iteration included. Names are hashed with another
seed in each process, so that no order of a set decides anything.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.methods import CASES

REPOSITORY = Path(__file__).parents[2]
FOLDED = """
import hashlib
from dataclasses import replace
import numpy as np
from messages import PowerLog
from messages.codec import to_json
from realtime import pipeline
from tests.methods import CASES, N_BASELINE, HeatedDisc, build

power = PowerLog(np.array([2.0 * N_BASELINE + 2.0]), np.array([30.0]))
for case in CASES:
    built, state, digest = build(*case), pipeline.PipelineState(), hashlib.sha256()
    disc, n_valid = HeatedDisc(built), 0
    for number in range(N_BASELINE + 5):
        frame = disc.frame(number, 3.0 * max(number - N_BASELINE, 0))
        for slice_ in range(2):
            one = replace(frame, key=replace(frame.key, slice=slice_))
            state, verdict, maps = pipeline.fold(built, state, one, power)
            digest.update(to_json(verdict))
            for name in ("magnitude", "temperature_c", "temperature_std_c", "valid",
                         "dose_cem43_min", "dose_low_cem43_min", "arrhenius_omega"):
                digest.update(getattr(maps, name).tobytes())
            n_valid += int(maps.valid.sum())
    print(case[0] + "+model" * bool(case[1]), digest.hexdigest(), n_valid, flush=True)
"""


@pytest.mark.slow
def test_two_processes_fold_the_same_bits():
    said = []
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(REPOSITORY)}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", FOLDED], capture_output=True, text=True,
            env=environment, cwd=REPOSITORY, timeout=300, check=True,
        )  # fmt: skip
        said.append(dict(line.split(" ", 1) for line in done.stdout.splitlines()))
    assert len(said[0]) == len(CASES)
    for name, folded in said[0].items():
        assert folded == said[1][name], name
        assert int(folded.split()[1]) > 0 or name == "kspace-hybrid"
