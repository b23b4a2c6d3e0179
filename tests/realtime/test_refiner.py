"""A refinement that fails leaves the slice with the calibration that it has."""

from types import SimpleNamespace

import numpy as np
import pytest

from realtime.pipeline import PipelineState, SliceState
from realtime.refiner import Refiner
from recon import Calibration

STREAM = (0, 0, 0, 0)


def refined_by(refine):
    known = Calibration()
    built = SimpleNamespace(
        protocol=SimpleNamespace(recon=SimpleNamespace(coil_maps="espirit")),
        reconstructor=SimpleNamespace(refine=refine),
    )
    refiner = Refiner(built, is_patient=True)
    try:
        state = refiner.between_frames(PipelineState({STREAM: SliceState({}, known)}))
        assert refiner.between_frames(state) is state  # it is not tried again
    finally:
        refiner.close()
    return known, state.slices[STREAM]


def raising(error):
    def refine(_):
        raise error

    return refine


@pytest.mark.parametrize("error", [ValueError("singular"), np.linalg.LinAlgError("no SVD")])
def test_a_refinement_that_fails_is_not_tried_again(error):
    known, found = refined_by(raising(error))
    assert found.calibration is known
    assert found.is_refined


def test_a_refinement_that_succeeds_is_taken():
    better = Calibration()
    _, found = refined_by(lambda _: better)
    assert found.calibration is better
    assert found.is_refined


def test_a_bug_is_not_hidden():
    with pytest.raises(TypeError):
        refined_by(raising(TypeError("a bug")))
