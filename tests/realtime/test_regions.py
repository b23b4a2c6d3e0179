"""Regions lie where the protocol says, in pixels or in the patient."""

import numpy as np
import pytest

from messages import Pose, ProtocolError
from realtime.protocol import load_protocol, parse_protocol
from realtime.regions import heated_mask, reference_mask, region_masks

SHAPE = (1, 64, 48)
FOV_MM = (96.0, 128.0, 5.0)  # 2 mm pixels

HEAD = """
[protocol]
name = "bench"
therapy = "imaging"
frame_deadline_ms = 100.0
lease_ms = 4500.0
[recon]
method = "fft"
"""


def region(name, role, body):
    return f'[[region]]\nname = "{name}"\nrole = "{role}"\n{body}\n'


def masks_of(*regions, shape=SHAPE, fov_mm=FOV_MM, pose=None, folder=None):
    protocol = parse_protocol(HEAD + "".join(regions), folder=folder)
    return protocol, region_masks(protocol, shape=shape, fov_mm=fov_mm, pose=pose or Pose())


def pixels(mask):
    return {tuple(int(i) for i in at) for at in np.argwhere(mask)}


def test_an_ellipse_holds_the_pixels_whose_centre_it_holds():
    body = 'shape = "ellipse"\ncenter_px = [10.0, 20.0]\nradii_px = [1.0, 2.0]'
    _, masks = masks_of(region("a", "target", body))
    expected = {(0, 9, 20), (0, 11, 20), *((0, 10, x) for x in range(18, 23))}
    assert pixels(masks["a"]) == expected
    assert masks["a"].shape == SHAPE
    assert not masks["a"].flags.writeable


def test_a_rectangle_spans_its_half_sides():
    body = 'shape = "rectangle"\ncenter_px = [10.0, 20.0]\nradii_px = [1.0, 2.0]'
    _, masks = masks_of(region("a", "target", body))
    assert pixels(masks["a"]) == {(0, y, x) for y in (9, 10, 11) for x in range(18, 23)}


def test_the_pose_position_is_pixel_n_half():
    body = 'shape = "ellipse"\ncenter_mm = [5.0, -7.0, 3.0]\nradii_mm = [1.0, 1.0]'
    pose = Pose(position_mm=(5.0, -7.0, 3.0))
    _, masks = masks_of(region("a", "target", body), pose=pose)
    assert pixels(masks["a"]) == {(0, 32, 24)}


def test_x_runs_along_read_and_y_along_phase():
    """3 px along read and 5 px along phase of a coronal slice with swapped, flipped axes."""
    pose = Pose(
        position_mm=(10.0, 20.0, 30.0),
        read_dir=(0.0, 0.0, -1.0),
        phase_dir=(1.0, 0.0, 0.0),
        slice_dir=(0.0, -1.0, 0.0),
    )
    body = 'shape = "ellipse"\ncenter_mm = [20.0, 20.0, 24.0]\nradii_mm = [1.0, 1.0]'
    _, masks = masks_of(region("a", "target", body), pose=pose)
    assert pixels(masks["a"]) == {(0, 32 + 5, 24 + 3)}


def test_radii_in_mm_use_each_axis_own_pixel_size():
    body = 'shape = "rectangle"\ncenter_px = [32.0, 24.0]\nradii_mm = [4.0, 4.0]'
    _, masks = masks_of(region("a", "target", body), fov_mm=(48.0, 128.0, 5.0))
    rows, columns = np.nonzero(masks["a"][0])
    assert (rows.min(), rows.max()) == (30, 34), "2 mm pixels along y"
    assert (columns.min(), columns.max()) == (20, 28), "1 mm pixels along x"


def test_a_slice_index_picks_one_slice_and_none_picks_all():
    body = 'shape = "ellipse"\ncenter_px = [10.0, 20.0]\nradii_px = [0.5, 0.5]'
    _, masks = masks_of(
        region("one", "target", body + "\nslice = 2"),
        region("all", "body", body),
        shape=(3, 64, 48),
    )
    assert pixels(masks["one"]) == {(2, 10, 20)}
    assert pixels(masks["all"]) == {(z, 10, 20) for z in range(3)}


@pytest.mark.parametrize(
    "body",
    [
        'shape = "ellipse"\ncenter_px = [2.0, 20.0]\nradii_px = [3.0, 3.0]',
        'shape = "ellipse"\ncenter_px = [20.0, 46.0]\nradii_px = [2.0, 2.0]',
        'shape = "ellipse"\ncenter_px = [200.0, 20.0]\nradii_px = [3.0, 3.0]',
        'shape = "ellipse"\ncenter_px = [10.5, 20.5]\nradii_px = [0.4, 0.4]',
        'shape = "ellipse"\ncenter_mm = [0.0, 0.0, 3.0]\nradii_px = [3.0, 3.0]',
        'shape = "ellipse"\ncenter_px = [10.0, 20.0]\nradii_px = [3.0, 3.0]\nslice = 1',
    ],
    ids=["cut by the edge", "cut by the far edge", "far outside", "empty", "off plane", "no slice"],
)
def test_a_region_that_cannot_be_watched_whole_is_refused(body):
    with pytest.raises(ProtocolError) as caught:
        masks_of(region("a", "target", body))
    assert caught.value.key.startswith("region[0]")


def test_a_mask_file_is_taken_as_it_is(tmp_path):
    drawn = np.zeros(SHAPE[1:], np.uint8)
    drawn[3, 4] = 255
    np.save(tmp_path / "m.npy", drawn)
    _, masks = masks_of(region("a", "target", 'mask = "m.npy"'), folder=tmp_path)
    assert pixels(masks["a"]) == {(0, 3, 4)}
    with pytest.raises(ProtocolError, match="the image is"):
        masks_of(region("a", "target", 'mask = "m.npy"'), folder=tmp_path, shape=(1, 48, 64))


def test_an_empty_mask_file_is_refused(tmp_path):
    np.save(tmp_path / "m.npy", np.zeros(SHAPE[1:], np.bool_))
    with pytest.raises(ProtocolError, match="no pixel"):
        masks_of(region("a", "target", 'mask = "m.npy"'), folder=tmp_path)


DOT = 'shape = "ellipse"\ncenter_px = [{y}.0, {x}.0]\nradii_px = [0.5, 0.5]'


def test_heat_is_expected_in_the_targets_and_around_them():
    protocol, masks = masks_of(
        region("a", "target", DOT.format(y=10, x=10)),
        region("b", "target", DOT.format(y=30, x=30)),
        region("c", "organ-at-risk", DOT.format(y=50, x=40)),
    )
    exact = heated_mask(masks, protocol, shape=SHAPE, margin_px=0.0)
    assert pixels(exact) == {(0, 10, 10), (0, 30, 30)}
    wide = heated_mask(masks, protocol, shape=SHAPE, margin_px=2.0)
    assert pixels(wide) >= {(0, 8, 10), (0, 10, 12), (0, 11, 11), (0, 32, 30)}
    assert not pixels(wide) & {(0, 8, 8), (0, 10, 13), (0, 50, 40)}


def test_heat_stays_in_the_targets_slice():
    protocol, masks = masks_of(
        region("a", "target", DOT.format(y=10, x=10) + "\nslice = 1"), shape=(3, 64, 48)
    )
    heated = heated_mask(masks, protocol, shape=(3, 64, 48), margin_px=2.0)
    assert [bool(plane.any()) for plane in heated] == [False, True, False]


def test_without_targets_nothing_is_heated():
    protocol, masks = masks_of()
    assert not heated_mask(masks, protocol, shape=SHAPE, margin_px=3.0).any()


def test_the_reference_falls_back_to_the_body_and_then_to_everything():
    reference = region("r", "reference", DOT.format(y=5, x=5))
    body = region("b", "body", DOT.format(y=9, x=9))
    protocol, masks = masks_of(reference, body)
    assert pixels(reference_mask(masks, protocol, shape=SHAPE)) == {(0, 5, 5)}
    protocol, masks = masks_of(body)
    assert pixels(reference_mask(masks, protocol, shape=SHAPE)) == {(0, 9, 9)}
    protocol, masks = masks_of()
    assert reference_mask(masks, protocol, shape=SHAPE).all()


@pytest.mark.parametrize(("name", "n"), [("mrgfus-demo", 128), ("mrgfus-phantom", 160)])
def test_the_shipped_regions_lie_in_the_image_they_are_made_for(name, n):
    protocol = load_protocol(name)
    masks = region_masks(protocol, shape=(1, n, n), fov_mm=(200.0, 200.0, 5.0), pose=Pose())
    assert masks.keys() == {region.name for region in protocol.region}
    heated = heated_mask(masks, protocol, shape=(1, n, n))
    assert (reference_mask(masks, protocol, shape=(1, n, n)) & ~heated).sum() > 0.5 * n * n
