"""Regions as one picture, where they are known to lie."""

import math

import numpy as np
import pytest

from messages import Displacement, FrameKey
from motion import TrackingPlan
from realtime.frame_interval import frame_interval_s
from realtime.protocol import parse_protocol
from realtime.region_bits import MOST_REGIONS, moved_masks, region_bits
from realtime.streams.mrd_header import parse_header
from tests.harness import Scan

SHAPE = (1, 12, 12)
HEAD = """
[protocol]
name = "bench"
therapy = "imaging"
frame_deadline_ms = 100.0
lease_ms = 4500.0
[recon]
method = "fft"
"""


def protocol_of(*regions):
    """Regions by name, role and what else is written of them."""
    place = 'shape = "ellipse"\ncenter_px = [4.0, 4.0]\nradii_px = [1.0, 1.0]\n'
    told = [
        f'[[region]]\nname = "{n}"\nrole = "{role}"\n{place}{more}\n' for n, role, more in regions
    ]
    return parse_protocol(HEAD + "".join(told))


def square(y, x, size=2):
    mask = np.zeros(SHAPE, np.bool_)
    mask[0, y : y + size, x : x + size] = True
    return mask


def seen(displacement_mm, mask, **organs):
    organs = {name: organ[0] for name, organ in organs.items()}
    return Displacement(
        0, FrameKey(), 0.0, displacement_mm, mask[0], 1.0, 1.0, 1.0, organ_masks=organs
    )


def test_each_region_has_its_bit_in_the_protocol_s_order_and_they_overlap():
    protocol = protocol_of(("a", "target", ""), ("b", "body", ""), ("c", "target", ""))
    bits = region_bits(protocol, {"a": square(0, 0), "c": square(1, 1)}, shape=SHAPE)
    assert bits.dtype == np.uint16
    assert not bits.flags.writeable
    assert (bits[0, 0, 0], bits[0, 1, 1], bits[0, 2, 2], bits[0, 5, 5]) == (1, 5, 4, 0)


def test_regions_beyond_the_bits_have_none():
    regions = [(f"r{k}", "target", "") for k in range(MOST_REGIONS + 2)]
    masks = {name: square(0, 0) for name, _, _ in regions}
    bits = region_bits(protocol_of(*regions), masks, shape=SHAPE)
    assert bits.max() == (1 << MOST_REGIONS) - 1


def test_what_follows_the_target_moves_and_what_stays_stays():
    protocol = protocol_of(
        ("led", "target", ""),
        ("aim", "target", ""),
        ("still", "target", "moves = false"),
        ("organ", "organ-at-risk", "moves = true"),
        ("bone", "organ-at-risk", ""),
    )
    masks = {one: square(2, 2) for one in ("led", "still", "organ", "bone")} | {"aim": square(4, 4)}
    plan = TrackingPlan(square(2, 2)[0], (2.0, 1.0), 5.0, organ_masks={"organ": square(2, 2)[0]})
    where = seen((4.0, -1.0), square(5, 1), organ=square(8, 8))
    moved = moved_masks(protocol, masks, where, plan)
    assert np.array_equal(moved["led"], square(5, 1))  # where the tracker saw it, to the pixel
    assert np.array_equal(moved["aim"], square(6, 3))
    assert np.array_equal(moved["organ"], square(8, 8))
    assert np.array_equal(moved["still"], square(2, 2))
    assert np.array_equal(moved["bone"], square(2, 2))


def test_what_moves_and_is_not_found_is_nowhere():
    protocol = protocol_of(("led", "target", ""), ("aim", "target", ""), ("o", "body", ""))
    masks = {"led": square(2, 2), "aim": square(4, 4), "o": square(0, 0)}
    plan = TrackingPlan(square(2, 2)[0], (1.0, 1.0), 5.0, organ_masks={"o": square(0, 0)[0]})
    lost = seen((math.nan, math.nan), np.zeros(SHAPE, np.bool_))
    moved = moved_masks(protocol, masks, lost, plan)
    assert not moved["led"].any()
    assert set(moved) == {"led"}


def test_what_leaves_the_image_does_not_come_in_at_the_other_side():
    protocol = protocol_of(("led", "target", ""), ("aim", "target", ""))
    masks = {"led": square(2, 2), "aim": square(0, 10)}
    plan = TrackingPlan(square(2, 2)[0], (1.0, 1.0), 5.0)
    moved = moved_masks(protocol, masks, seen((-1.0, 1.0), square(1, 3)), plan)
    assert np.argwhere(moved["aim"]).tolist() == [[0, 0, 11]]


@pytest.mark.parametrize(
    ("changed", "readouts", "expected_s"),
    [
        ({}, None, 0.32),  # 32 lines of 10 ms
        ({}, 8, 0.08),
        ({"TR": ""}, None, None),
        ({"trajectory": "radial"}, None, None),
        ({"trajectory": "radial"}, 20, 0.2),
        ({"trajectory": "epi"}, None, None),
    ],
)
def test_a_frame_takes_its_lines_where_the_header_tells(changed, readouts, expected_s):
    header = parse_header(Scan().header(**changed))
    assert frame_interval_s(header, readouts) == (
        None if expected_s is None else pytest.approx(expected_s)
    )
