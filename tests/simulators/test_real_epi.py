"""The simulated EPI beside a real one: counters, flags and header of every readout."""

import ismrmrd
import numpy as np
import pytest
from ismrmrd.xsd import CreateFromDocument

from simulators.mrd import FIRST_IN_REPETITION, acquisition_head
from simulators.scan import Scan
from simulators.sequences import Epi

pytestmark = pytest.mark.realdata

SAME = ("flags", "scan_counter", "number_of_samples", "center_sample", "encoding_space_ref")
SAME += ("discard_pre", "discard_post", "active_channels", "sample_time_us")
COUNTERS = ("kspace_encode_step_1", "average", "slice", "contrast", "repetition", "segment")


@pytest.fixture(scope="module")
def real(data_folder):
    with ismrmrd.File(data_folder / "skyra_epi_2ch.h5", "r") as file:
        dataset = file["dataset"]
        return dataset.header, dataset.acquisitions[:]


@pytest.fixture(scope="module")
def scan():
    return Scan(Epi(fov_mm=(200.0, 200.0), n_frames=1, repetition_time_s=2.0), n_coils=2)


def test_readouts_carry_the_same_heads(real, scan):
    _, readouts = real
    heads = [acquisition_head(message) for message in scan.messages()]
    heads[0]["flags"] &= ~np.uint64(FIRST_IN_REPETITION)  # the converter sets no such flag
    assert len(heads) == len(readouts) == 83
    for ours, theirs in zip(heads, readouts, strict=True):
        for name in SAME:
            assert ours[name] == pytest.approx(getattr(theirs.getHead(), name)), name
        for name in COUNTERS:
            assert int(ours["idx"][name]) == getattr(theirs.idx, name), name
        assert list(ours["idx"]["user"]) == list(theirs.idx.user)


def test_lines_are_stamped_at_the_same_pace(real, scan):
    _, readouts = real
    ours = [int(acquisition_head(message)["acquisition_time_stamp"]) for message in scan.messages()]
    theirs = [readout.acquisition_time_stamp for readout in readouts]
    assert ours[-1] - ours[3] == pytest.approx(theirs[-1] - theirs[3], abs=1)


def test_header_describes_the_gradient_with_the_same_words(real, scan):
    theirs = real[0].encoding[0]
    ours = CreateFromDocument(scan.header_xml()).encoding[0]
    assert ours.trajectory == theirs.trajectory
    assert ours.encodedSpace.matrixSize == theirs.encodedSpace.matrixSize
    assert ours.encodedSpace.fieldOfView_mm.x == theirs.encodedSpace.fieldOfView_mm.x
    assert ours.reconSpace.matrixSize == theirs.reconSpace.matrixSize
    assert (
        ours.encodingLimits.kspace_encoding_step_1 == theirs.encodingLimits.kspace_encoding_step_1
    )
    told, meant = ours.trajectoryDescription, theirs.trajectoryDescription
    assert told.identifier == meant.identifier
    assert told.userParameterDouble == meant.userParameterDouble
    long, real_long = ({e.name: e.value for e in t.userParameterLong} for t in (told, meant))
    assert long.keys() == real_long.keys()
    del long["etl"], real_long["etl"]  # 128 there, with 80 lines
    assert long == real_long
