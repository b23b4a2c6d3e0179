"""Which regions are followed in focused ultrasound, and which pixels move back with them."""

import numpy as np
import pytest

from messages import Pose, ProtocolError
from realtime.alerts.rules_linac import target_of
from realtime.pipeline_following import open_following
from realtime.protocol import load_protocol, parse_protocol
from realtime.regions import region_masks

SHAPE = (1, 80, 80)
POSE = Pose((2.5, -11.0, 43.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
LIVER = load_protocol("mrgfus-liver")


def opened(protocol, shape=SHAPE):
    masks = region_masks(protocol, shape=shape, fov_mm=(240.0, 240.0, 8.0), pose=POSE)
    return masks, open_following(protocol, masks, voxel_mm=(8.0, 3.0, 3.0), pose=POSE)


def test_a_tracked_region_is_followed_and_the_heated_area_moves_with_it():
    masks, following = opened(LIVER)
    assert np.array_equal(following.tracker.plan.target_mask, masks["liver"][0])
    assert following.registration.moving[masks["focus"] | masks["liver"]].all()
    assert not following.registration.moving.all()
    assert target_of(LIVER) == "liver"  # findings name what is followed


def test_without_one_the_targets_themselves_are_followed():
    alone = parse_protocol(LIVER.text.replace('"tracked"', '"body"'))
    masks, following = opened(alone)
    assert np.array_equal(following.tracker.plan.target_mask, masks["focus"][0])


def test_a_target_that_does_not_move_stays_where_it_is():
    text = LIVER.text.replace('role = "target"', 'role = "target"\nmoves = false')
    text = text.replace("radii_mm = [45.0, 50.0]", "radii_mm = [4.0, 4.0]")
    masks, following = opened(parse_protocol(text))
    assert not following.registration.moving[masks["focus"] & ~masks["liver"]].any()


def test_a_volume_whose_maps_cannot_move_is_refused():
    with pytest.raises(ProtocolError) as caught:
        opened(LIVER, shape=(3, 80, 80))
    assert caught.value.key == "motion"
