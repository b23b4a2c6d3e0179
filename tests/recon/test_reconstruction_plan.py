"""What a header may and may not ask for."""

import numpy as np
import pytest

from messages import EncodingLimit, HeaderError, SessionHeader
from recon import Whitening, plan


def test_limits_place_the_centre(make_plan):
    the_plan = make_plan(encoded=(16, 144, 1), kspace_encoding_step_1=EncodingLimit(0, 105, 54))
    assert (the_plan.line_offset, the_plan.line_center, the_plan.n_lines) == (18, 54, 144)


def test_without_limits_the_counter_is_the_row(make_plan):
    the_plan = make_plan(encoded=(16, 15, 6))
    assert (the_plan.line_offset, the_plan.line_center) == (0, 7)
    assert (the_plan.partition_offset, the_plan.partition_center) == (0, 3)
    assert the_plan.n_partitions == 6


def test_a_maximum_of_zero_is_a_gap_but_its_centre_counts(make_plan):
    # skyra_se_32ch.h5: 64 lines with a maximum of 0; an encoded z of 2 for a 2-D scan
    the_plan = make_plan(
        encoded=(64, 64, 2),
        recon=(64, 64, 1),
        encoded_fov_mm=(128.0, 128.0, 30.0),
        recon_fov_mm=(128.0, 128.0, 30.0),
        kspace_encoding_step_1=EncodingLimit(0, 0, 32),
        kspace_encoding_step_2=EncodingLimit(0, 0, 0),
    )
    assert (the_plan.line_offset, the_plan.n_lines) == (0, 64)
    assert (the_plan.n_partitions, the_plan.partition_offset) == (1, 0)
    assert the_plan.image_shape == (1, 64, 64)


def test_the_centre_beside_a_maximum_of_zero_may_lie_anywhere(make_plan):
    the_plan = make_plan(encoded=(16, 64, 1), kspace_encoding_step_1=EncodingLimit(0, 0, 40))
    assert the_plan.line_offset == -8


def test_without_limits_an_image_of_one_slice_has_one_partition(make_plan):
    the_plan = make_plan(encoded=(16, 16, 2), recon=(16, 16, 1))
    assert (the_plan.n_partitions, the_plan.partition_offset) == (1, 0)


def test_a_slice_is_not_cropped_in_thickness(make_plan):
    the_plan = make_plan(encoded_fov_mm=(32.0, 32.0, 30.0), recon_fov_mm=(32.0, 32.0, 5.0))
    assert the_plan.grid == (16, 16, 1)


@pytest.mark.parametrize(
    ("encoded", "recon", "encoded_fov_mm", "recon_fov_mm", "grid"),
    [
        # readout oversampling: the same pixels over twice the field of view
        ((256, 128, 1), (128, 128, 1), (600, 300, 5), (300, 300, 5), (256, 128, 1)),
        # phase oversampling of 25 %, cropped in the image
        ((128, 160, 1), (128, 128, 1), (256, 320, 5), (256, 256, 5), (128, 160, 1)),
        # coarser phase encoding, zero-filled in k-space
        ((128, 96, 1), (128, 128, 1), (256, 256, 5), (256, 256, 5), (128, 128, 1)),
        # both at once: 96 lines over 320 mm, pixels of 2 mm
        ((128, 96, 1), (128, 128, 1), (256, 320, 5), (256, 256, 5), (128, 160, 1)),
        # fewer pixels than were encoded: k-space is cropped
        ((128, 128, 1), (64, 64, 1), (256, 256, 5), (256, 256, 5), (64, 64, 1)),
        # slab oversampling
        ((64, 64, 20), (64, 64, 16), (128, 128, 50), (128, 128, 40), (64, 64, 20)),
    ],
)
def test_the_field_of_view_decides_between_filling_and_cropping(
    make_plan, encoded, recon, encoded_fov_mm, recon_fov_mm, grid
):
    the_plan = make_plan(
        encoded=encoded, recon=recon, encoded_fov_mm=encoded_fov_mm, recon_fov_mm=recon_fov_mm
    )
    assert the_plan.grid == grid
    assert the_plan.image_shape == recon[::-1]


REFUSED = [
    ({"trajectory": "kooshball"}, "encoding[0].trajectory"),
    ({"encoded": (0, 16, 1), "recon": (16, 16, 1)}, "encoding[0].encodedSpace.matrixSize.x"),
    ({"recon": (16, 0, 1)}, "encoding[0].reconSpace.matrixSize.y"),
    ({"encoded_fov_mm": (32.0, 0.0, 2.0)}, "encoding[0].encodedSpace.fieldOfView_mm.y"),
    ({"recon_fov_mm": (32.0, float("nan"), 2.0)}, "encoding[0].reconSpace.fieldOfView_mm.y"),
    ({"recon": (32, 16, 1)}, "encoding[0].reconSpace.matrixSize.x"),
    ({"recon_fov_mm": (32.0, 64.0, 2.0)}, "encoding[0].reconSpace.fieldOfView_mm.y"),
    (
        {"kspace_encoding_step_1": EncodingLimit(0, 15, 16)},
        "encoding[0].encodingLimits.kspace_encoding_step_1.center",
    ),
    (
        {"kspace_encoding_step_1": EncodingLimit(0, 20, 8)},
        "encoding[0].encodingLimits.kspace_encoding_step_1.maximum",
    ),
    (
        {"kspace_encoding_step_1": EncodingLimit(0, 11, 3)},  # rows 5 to 16 of 16
        "encoding[0].encodingLimits.kspace_encoding_step_1.maximum",
    ),
    (
        {"encoded": (16, 16, 8), "kspace_encoding_step_2": EncodingLimit(0, 0, 4)},
        "encoding[0].encodingLimits.kspace_encoding_step_2.maximum",
    ),
    ({"encoded": (65535, 65535, 1)}, "encoding[0].encodedSpace.matrixSize"),
]


@pytest.mark.parametrize(("encoding", "field"), REFUSED)
def test_a_header_that_cannot_be_is_refused_by_field(make_plan, encoding, field):
    with pytest.raises(HeaderError) as refused:
        make_plan(**encoding)
    assert refused.value.field == field


def test_an_encoded_space_that_is_not_there_is_refused():
    with pytest.raises(HeaderError, match="number 2"):
        plan(SessionHeader(b"", ()), n_coils=1, n_samples=1, encoding_space_ref=2)


def test_a_noise_scan_of_other_coils_is_refused(make_plan):
    whitening = Whitening(np.eye(3, dtype=np.complex64), 5.0, 100)
    with pytest.raises(ValueError, match="3 coils, the readouts have 2"):
        make_plan(n_coils=2, whitening=whitening)
