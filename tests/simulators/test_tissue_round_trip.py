"""Tissue through the monitor's own path: MRD messages, frames, reconstruction."""

import numpy as np
import pytest

from benchmarks._scan_frames import play, reconstruct
from simulators.patient import Patient
from simulators.phantom import HEAD
from simulators.scan import Scan
from simulators.sequences import Cartesian, Epi
from simulators.tissue import Part, Tissue
from simulators.tissue_scan import TissueScan


@pytest.mark.parametrize(
    "sequence",
    [Cartesian(n_frames=1), Epi(n_frames=1, odd_even_phase_rad=0.4, gradient_delay_us=1.5)],
    ids=lambda one: type(one).__name__,
)
def test_still_tissue_looks_like_its_ellipses(sequence):
    pixels = []
    for scan in (
        TissueScan(sequence, Tissue(parts=(Part(water=HEAD),)), n_coils=4),
        Scan(sequence, patient=Patient(bodies=HEAD), n_coils=4),
    ):
        played = play(scan)
        pixels.append(reconstruct(played.method("fft"), played.frames[0])[0].coil_pixels)
    mine, exact = pixels
    error = np.abs(mine - exact)
    assert np.sqrt((error**2).mean()) < 1e-3 * np.abs(exact).max()
    assert error.max() < 0.03 * np.abs(exact).max()
