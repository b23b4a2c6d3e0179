"""ESPIRiT maps: nearer to the coils than the fast maps, and of the same phase."""

import numpy as np
import pytest

from tests.recon.parallel import (
    calibrated,
    coil_sensitivities,
    kspace,
    lines_of,
    make_frame,
    make_method,
    patient,
    reconstructed,
)  # fmt: skip

INSIDE = np.abs(patient()) > 0.5


@pytest.fixture(scope="module")
def both():
    """The method, a frame, and its calibration before and after refinement."""
    method = make_method("sense", coil_maps="espirit")
    frame = make_frame(kspace(patient()), lines_of("separate"))
    known = calibrated(method, frame)
    return method, frame, known, method.refine(known)


def likeness(maps):
    """Of the worst pixel, the maps' part along the true sensitivities."""
    coils = coil_sensitivities()
    coils = coils / np.sqrt(np.sum(np.abs(coils) ** 2, axis=0))
    return np.abs(np.sum(maps.weights[:, 0] * coils, axis=0))[INSIDE].min()


def test_refined_maps_are_nearer_to_the_truth(both):
    _, _, fast, refined = both
    assert likeness(refined.maps) > 0.9995
    assert 1 - likeness(refined.maps) < 0.5 * (1 - likeness(fast.maps))


def test_refined_maps_have_unit_norm_and_are_frozen(both):
    weights = both[3].maps.weights
    np.testing.assert_allclose(np.sum(np.abs(weights) ** 2, axis=0), 1, atol=1e-4)
    assert weights.dtype == np.complex64
    assert not weights.flags.writeable


def test_phase_stays_where_the_fast_maps_put_it(both):
    method, frame, fast, refined = both
    one, two = reconstructed(method, frame, fast), reconstructed(method, frame, refined)
    turn = np.angle(two.pixels[0] * one.pixels[0].conj())[INSIDE]
    assert np.abs(turn).max() < 0.05
    along = np.sum(fast.maps.weights * refined.maps.weights.conj(), axis=0)
    assert np.abs(np.angle(along)).max() < 1e-4


def test_a_phase_of_the_whole_frame_leaves_the_maps_alone(both):
    method, _, _, refined = both
    turned = make_frame(np.exp(1j) * kspace(patient()), lines_of("separate"))
    again = method.refine(calibrated(method, turned))
    assert np.abs(again.maps.weights - refined.maps.weights)[:, 0, INSIDE].max() < 1e-3


def test_it_is_made_once_and_only_where_asked(both):
    method, frame, _, refined = both
    assert method.refine(refined) is refined
    plain = make_method("sense")
    known = calibrated(plain, frame)
    assert plain.refine(known) is known


def test_agrees_with_sigpy(both):
    sigpy_app = pytest.importorskip("sigpy.mri.app")
    data = kspace(patient())
    calib = sigpy_app.EspiritCalib(data, calib_width=24, crop=0, max_iter=60, show_pbar=False)
    theirs = calib.run()
    ours = both[3].maps.weights[:, 0].conj()
    alike = np.abs(np.sum(theirs.conj() * ours, axis=0))[INSIDE]
    assert alike.min() > 0.999
