"""Scans reconstructed by the definition, without any of the product's methods."""

import math

import numpy as np
import pytest

from simulators.mrd import (
    acquisition_head,
    acquisition_samples,
    acquisition_trajectory,
)
from simulators.patient import Patient
from simulators.phantom import Ellipse
from simulators.scan import Scan
from simulators.sequences import Epi, Radial, Spiral

BODY = Patient(
    bodies=(Ellipse(1.0, (12.0, -9.0), (55.0, 70.0), 20.0), Ellipse(-0.5j, (30.0, 10.0), (15, 20)))
)
X, Y = np.meshgrid(np.arange(-84, 85, 14.0), np.arange(-84, 85, 14.0))


def sum_over_samples(scan, weights):
    """The adjoint: each sample's wave at a few points, by its weight in 1/mm²."""
    dx, dy, _ = scan.sequence.voxel_mm
    total = np.zeros(X.shape, complex)
    for message, weight in zip(scan.messages(), weights, strict=True):
        samples = acquisition_samples(message)[0] * weight * (dx * dy)
        kx, ky = acquisition_trajectory(message).T / 1e3
        wave = np.exp(2j * np.pi * (np.multiply.outer(X, kx) + np.multiply.outer(Y, ky)))
        total += wave @ samples
    return total


def away_from_edges(truth_at):
    here = truth_at(X, Y)
    shifts = [(7.0, 0), (-7.0, 0), (0, 7.0), (0, -7.0)]
    return here, np.all([truth_at(X + a, Y + b) == here for a, b in shifts], axis=0)


def test_uniform_spokes_add_up_to_the_object():
    n_spokes, n = 160, 96
    sequence = Radial(
        matrix=(n, n),
        spokes_per_frame=n_spokes,
        angles="uniform",
        trajectory_unit="1/m",
        n_frames=1,
    )
    scan = Scan(sequence, patient=BODY, n_coils=1)
    step = 1 / 480
    radius = np.abs(np.arange(2 * n) - n) * step
    ring = radius * step * math.pi / n_spokes
    ring[n] = math.pi * (step / 2) ** 2 / n_spokes
    found = sum_over_samples(scan, [ring] * n_spokes)
    truth, inside = away_from_edges(scan.truth)
    assert np.abs(found - truth)[inside].max() < 0.08
    assert np.abs(np.abs(truth[inside]) > 0.9).sum() > 20


def test_spirals_add_up_to_the_object():
    sequence = Spiral(n_frames=1, trajectory_unit="1/m")
    scan = Scan(sequence, patient=BODY, n_coils=1)
    k = next(iter(sequence.readouts())).k_per_mm[:, :2]
    square = (k**2).sum(axis=1)
    borders = (square[1:] + square[:-1]) / 2
    borders[0] = square[1] * 0.5 ** (4 / 3)  # at full slew the radius grows as time to the 2/3
    borders = np.concatenate([[0], borders, square[-1:]])
    ring = math.pi * np.diff(borders) / sequence.n_arms  # area that a sample stands for
    found = sum_over_samples(scan, [ring] * sequence.n_arms)
    truth, inside = away_from_edges(scan.truth)
    assert np.abs(found - truth)[inside].max() < 0.1


@pytest.mark.parametrize("phase_rad", [0.0, 0.5])
def test_odd_even_phase_makes_a_ghost_half_a_field_of_view_away(phase_rad):
    # a flat gradient samples evenly, so a plain FFT after the flip is the whole reconstruction
    epi = Epi(
        matrix=(64, 64),
        ramp_up_us=2.0,
        flat_top_us=516.0,
        ramp_down_us=2.0,
        delay_us=4.0,
        sample_time_us=4.0,
        odd_even_phase_rad=phase_rad,
        n_frames=1,
    )
    body = Patient(bodies=(Ellipse(1.0, (0.0, 0.0), (60.0, 40.0)),))
    scan = Scan(epi, patient=body, n_coils=1)
    lines = []
    for message in list(scan.messages())[3:]:
        samples = acquisition_samples(message)[0]
        lines.append(
            samples[::-1] if int(acquisition_head(message)["flags"]) & 1 << 21 else samples
        )
    # samples lie half a step beside the grid: a phase along x, the same for all lines
    kspace = np.fft.ifftshift(np.stack(lines), axes=(0, 1))
    image = np.abs(np.fft.fftshift(np.fft.ifft2(kspace)))
    object_, ghost = image[32, 64], image[0, 64]
    assert object_ == pytest.approx(math.cos(phase_rad / 2), abs=0.05)
    assert ghost == pytest.approx(math.sin(phase_rad / 2), abs=0.05)
