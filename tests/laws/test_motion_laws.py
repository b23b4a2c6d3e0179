"""Promises that every tracker of motion.METHODS keeps."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motion import METHODS
from tests.motion.moving import breathing, disc, fold, image, picture, plan

EVERY = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@EVERY
def test_a_still_target_does_not_move(method):
    _, found = fold(method(plan()), [picture()] * 3)
    for place in found:
        # aligned it is where it was; a parabola through three correlations is near it
        limit_mm = 0.02 if method is METHODS["ncc"] else 0.001
        assert np.abs(place.displacement_mm).max() < limit_mm
        assert np.sum(place.target_mask ^ disc()) <= 0.02 * disc().sum()
        assert place.area_mm2 == pytest.approx(disc().sum(), rel=1e-3)
        assert place.volume_mm3 == pytest.approx(5 * place.area_mm2)
        assert place.similarity > 0.999


@EVERY
@settings(max_examples=15, deadline=None)
@given(y=st.floats(-14, 14), x=st.floats(-14, 14))
def test_a_known_shift_is_found(method, y, x):
    _, (_, place) = fold(method(plan()), [picture(), picture((y, x))])
    assert np.abs(np.subtract(place.displacement_mm, (y, x))).max() < 0.1


@EVERY
@pytest.mark.parametrize("pixel_mm", [(2.0, 2.0), (1.0, 1.5)])
def test_a_shift_is_told_in_millimetres(method, pixel_mm):
    _, (_, place) = fold(method(plan(pixel_mm=pixel_mm)), [picture(), picture((4.0, -6.0))])
    wanted = np.multiply((4.0, -6.0), pixel_mm)
    assert np.abs(place.displacement_mm - wanted).max() < 0.15
    assert place.area_mm2 == pytest.approx(disc().sum() * math.prod(pixel_mm), rel=0.02)


@EVERY
@pytest.mark.parametrize("scale", [1e-7, 1e6])
@pytest.mark.parametrize(("gain", "bias"), [(1.4, 0.0), (0.8, 0.7)])
def test_is_blind_to_gain_and_bias(method, scale, gain, bias):
    moved = gain * picture((5.3, -2.2)) + bias
    _, (_, place) = fold(method(plan()), [scale * picture(), scale * moved])
    assert np.abs(np.subtract(place.displacement_mm, (5.3, -2.2))).max() < 0.1


@EVERY
def test_the_step_is_deterministic_and_leaves_the_image_alone(method):
    tracker = method(plan())
    state, _ = fold(tracker, [picture(noise=0.1, seed=n) for n in range(8)])
    one = image(picture((3, 1), noise=0.1), 8)
    before = one.pixels.copy()
    first, second = tracker.step(state, one)[1], tracker.step(state, one)[1]
    assert first.displacement_mm == second.displacement_mm
    assert first.similarity == second.similarity
    assert np.array_equal(one.pixels, before)


@EVERY
def test_the_state_survives_a_checkpoint_and_is_small(method):
    pictures, _ = breathing(20)
    tracker = method(plan())
    state, _ = fold(tracker, pictures)
    packed = pickle.dumps(state)
    assert len(packed) < 2_000_000
    one = image(picture((3, 1)), 20)
    again = tracker.step(pickle.loads(packed), one)[1]
    assert again.displacement_mm == tracker.step(state, one)[1].displacement_mm


@EVERY
def test_what_lasts_stays_the_same_object(method):
    tracker = method(plan())
    pictures, _ = breathing(20)
    state, _ = fold(tracker, pictures)
    after, _ = tracker.step(state, image(pictures[3], 20))
    assert after.followed["target"].templates is state.followed["target"].templates


@EVERY
@pytest.mark.parametrize("number", [0, 4, 12])
@pytest.mark.parametrize("is_complete", [True, False])
def test_a_bad_image_is_doubted_and_teaches_nothing(method, number, is_complete):
    tracker = method(plan())
    pictures, _ = breathing(15)
    bad = np.full_like(pictures[0], np.nan) if is_complete else pictures[number]
    images = [image(one, n) for n, one in enumerate(pictures)]
    state, _ = fold(tracker, images[:number])
    after, place = tracker.step(state, image(bad, number, is_complete=is_complete))
    assert place.doubts == ("bad-image",)
    assert not place.is_tracked
    assert np.isnan(place.displacement_mm).all()
    assert not place.target_mask.any()
    assert after is state


@EVERY
def test_training_is_told_and_ends(method):
    pictures, _ = breathing(9)
    _, found = fold(method(plan(training_frames=6)), pictures)
    assert [one.is_training for one in found] == [True] * 6 + [False] * 3
    assert [one.training_frames for one in found][:7] == [1, 2, 3, 4, 5, 6, 6]
    assert all(one.training_wanted == 6 for one in found)
    assert found[-1].is_tracked
    assert found[6].similarity_limit > 0.5


@EVERY
def test_an_image_of_another_size_is_refused_in_words(method):
    tracker = method(plan())
    with pytest.raises(ValueError, match=r"frame 7: .*\(1, 20, 30\).*\(1, 96, 100\)"):
        tracker.step(tracker.start(), image(np.ones((20, 30)), 7))


@EVERY
def test_an_empty_mask_is_refused_in_words(method):
    with pytest.raises(ValueError, match="target: the mask"):
        method(plan(target_mask=np.zeros((96, 100), bool)))


@EVERY
def test_organs_are_followed_as_the_target_is(method):
    organ = disc(7.0, (30.0, 62.0))
    _, found = fold(method(plan(organ_masks={"heart": organ})), [picture(), picture((6.0, 0.0))])
    assert set(found[1].organ_masks) == {"heart"}
    assert np.sum(found[0].organ_masks["heart"] ^ organ) <= 4
    moved = np.argwhere(found[1].organ_masks["heart"]).mean(axis=0)
    assert np.abs(moved - np.argwhere(organ).mean(axis=0) - (6.0, 0.0)).max() < 0.1
