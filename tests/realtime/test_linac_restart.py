"""A worker dies in the middle of a delivery: what the next one knows, and must not pretend."""

import os
import pickle

import numpy as np
import pytest

from benchmarks._treatment import Monitor
from messages import BeamLog
from realtime import pipeline
from realtime.checkpoint import CheckpointMemory
from simulators.linac import CosFour, linac_scan
from tests.realtime.linac_treatment import protocol_with, treated

pytestmark = pytest.mark.slow

QUICK = protocol_with(training_frames=12, gate_center='"reference"')
MOTION = CosFour(depth_mm=(0.0, -2.0, -8.0), period_s=3.0)
N, KILLED = 44, 26


class Restarted(Monitor):
    """A monitor whose worker dies after a frame; `keep` says what the next one finds."""

    def __init__(self, *arguments, keep):
        super().__init__(*arguments)
        self._keep = keep

    def take(self, acquisition):
        maps = super().take(acquisition)
        if maps and len(self.verdicts) == KILLED:
            self.state = pipeline.interrupt(self._keep(self.state))
        return maps


@pytest.fixture(scope="module")
def scan():
    return linac_scan("lung-sagittal", motion=MOTION, n_frames=N)


def restarted(scan, keep):
    monitor, _ = treated(scan, QUICK, monitor=Restarted(QUICK, scan.header_xml(), keep=keep))
    return monitor.verdicts


def test_with_its_checkpoint_the_next_worker_follows_on_from_the_same_reference(scan):
    whole, _ = treated(scan, QUICK)
    after = restarted(scan, lambda state: pickle.loads(pickle.dumps(state)))
    for one, other in zip(whole.verdicts[KILLED:], after[KILLED:], strict=True):
        assert other.motion.displacement_mm == one.motion.displacement_mm
        assert other.motion.predicted_mm == one.motion.predicted_mm
        assert other.decision == one.decision


def test_without_a_checkpoint_the_reference_is_lost(scan):
    after = restarted(scan, lambda state: pipeline.PipelineState())[KILLED:]
    assert all(one.decision == "HELD" for one in after)
    assert all("reference-lost" in {found.rule for found in one.findings} for one in after)
    # it is trained again, and would have been permitted on another reference
    assert any(one.motion.is_gate_open for one in after)


def test_the_checkpoint_holds_what_is_not_of_one_slice(scan):
    fd = os.memfd_create("checkpoint")
    memory, states = CheckpointMemory(fd), []

    def save(monitor, n):
        monitor.beam = BeamLog(
            np.array([n / 8]), np.array([1]), np.array([True]), np.array([n * 1.0])
        )
        memory.save(monitor.state)
        states.append(monitor.state)

    treated(scan, QUICK, between=save)
    kept, last = CheckpointMemory(fd).load(), states[-1]
    assert kept.place_lps_mm == last.place_lps_mm != (0.0, 0.0, 0.0)
    assert kept.first_pose == last.first_pose
    assert kept.beam.mu.tolist() == last.beam.mu.tolist() != []
    os.close(fd)
