"""Of two predictions, by image and by navigator, the one that has been the better counts."""

import pytest

from messages import Prediction
from realtime.pipeline_motion import surer


def prediction(half_mm, *, is_trusted=True):
    return Prediction(
        1.0, (5.0, 0.0), (5.0 - half_mm, -half_mm), (5.0 + half_mm, half_mm), (half_mm, half_mm),
        coverage=0.9, is_trusted=is_trusted,
    )  # fmt: skip


NARROW, WIDE = prediction(0.5), prediction(1.5)


@pytest.mark.parametrize(
    ("by_image", "sooner", "expected"),
    [
        (NARROW, WIDE, NARROW),
        (WIDE, NARROW, NARROW),
        (None, WIDE, WIDE),
        (WIDE, None, WIDE),
        (None, None, None),
        (prediction(0.5, is_trusted=False), WIDE, WIDE),
    ],
)
def test_the_narrower_of_two_that_are_trusted_counts(by_image, sooner, expected):
    assert surer(by_image, sooner) is expected
