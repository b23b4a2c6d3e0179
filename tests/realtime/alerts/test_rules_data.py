"""Field, fat, voids, motion, and a baseline that no longer belongs to the image."""

import math
from dataclasses import replace

import numpy as np
import pytest

from messages import Pose
from realtime.alerts.limits import BaselineInvalid, Drift, Fat, Movement, SignalVoid
from realtime.alerts.remembering import remember
from realtime.alerts.rules import judge
from realtime.protocol import ProtocolError, load_protocol, parse_protocol
from tests.realtime.alerts.observations import (
    find,
    focus_mask,
    full,
    seen,
    severity,
    temperature_map,
    told,
)

FAST = Drift(max_rate_c_per_s=0.1)


def drifting(c_per_s, *, step_s=1.5, noise_c=0.0, n=9, **changes):
    rng = np.random.default_rng(5)
    return [
        seen(
            temperature_map(
                drift_c=c_per_s * step_s * k + noise_c * float(rng.standard_normal()), **changes
            ),
            time_s=step_s * (k + 1),
        )
        for k in range(n)
    ]


@pytest.mark.parametrize(
    ("c_per_s", "expected"), [(0.0, None), (0.099, None), (0.101, "warn"), (-0.2, "warn")]
)
def test_fast_drift_warns(c_per_s, expected):
    assert severity(FAST, told(drifting(c_per_s))) == expected
    assert find(Drift(), told(drifting(c_per_s))) is None, "only where a protocol asks"


def test_a_rate_needs_time_and_more_than_noise():
    assert find(FAST, told(drifting(0.5, n=4))) is None
    assert find(FAST, told(drifting(0.5, step_s=0.1, n=30))) is None, "three seconds are too few"
    assert find(FAST, told(drifting(0.0, noise_c=0.4))) is None


def test_the_rate_is_that_of_the_last_ten_seconds():
    quiet, fast = drifting(0.0, n=20), drifting(0.3, n=9)
    later = [replace(one, time_s=one.time_s + 30.0) for one in fast]
    assert severity(FAST, told([*quiet, *later])) == "warn"


VOID = SignalVoid(region="focus", below_percent=20.0, max_percent=5.0)


@pytest.mark.parametrize(
    ("signal", "n_dark", "expected"),
    [(0.21, 16, None), (0.19, 1, "hold"), (0.19, 16, "hold"), (0.19, 0, None)],
)
def test_pixels_far_darker_than_their_surroundings_are_a_void(signal, n_dark, expected):
    magnitude = full(1.0)
    for at in np.argwhere(focus_mask())[:n_dark]:
        magnitude[tuple(at)] = signal
    assert severity(VOID, seen(magnitude=magnitude)) == expected


def test_no_signal_anywhere_is_not_judged_here():
    assert find(VOID, seen(magnitude=full(0.0))) is None
    assert find(VOID, seen(magnitude=full(np.nan))) is None
    assert find(VOID, seen()) is None


def test_a_region_that_fills_the_image_has_no_surroundings_to_be_darker_than():
    everything = {"focus": np.ones(full(0).shape, bool)}
    assert find(VOID, replace(seen(magnitude=full(1.0)), masks=everything)) is None


FAT = Fat(region="focus", max_percent=25.0)


def fatty(percent, n_pixels):
    fraction = full(0.02)
    for at in np.argwhere(focus_mask())[:n_pixels]:
        fraction[tuple(at)] = percent / 100.0
    return seen(temperature_map(fat_fraction=fraction))


@pytest.mark.parametrize(
    ("percent", "n_pixels", "expected"),
    [
        (19.0, 16, None),
        (21.0, 4, None),
        (21.0, 5, "warn"),
        (81.0, 5, "hold"),
        (81.0, 4, None),
        (79.0, 16, "warn"),
        (np.nan, 16, "warn"),
        (np.nan, 4, None),
    ],
)
def test_fat_in_a_region_warns_and_hardly_any_water_holds(percent, n_pixels, expected):
    assert severity(FAT, fatty(percent, n_pixels)) == expected


def test_a_method_that_knows_no_fat_is_silent_and_a_protocol_that_asks_it_is_refused():
    assert find(FAT, seen()) is None
    text = load_protocol("mrgfus-demo").text + '\n[[limit]]\nrule = "fat"\nregion = "focus"\n'
    with pytest.raises(ProtocolError, match=r"limit\[\d+\].rule.*water-fat.*single-baseline"):
        parse_protocol(text)


MOVED = Movement(max_shift_mm=1.5, max_shift_px=1.0)


@pytest.mark.parametrize(
    ("shift_px", "expected"),
    [((0.9, 0.0), None), ((1.0, 0.0), "hold"), ((0.0, 0.7), None), ((0.0, -0.76), "hold")],
)
def test_a_shift_holds_by_pixels_or_by_millimetres(shift_px, expected):
    moved = seen(temperature_map(shift_px=shift_px), voxel_mm=(5.0, 1.0, 2.0))
    assert severity(MOVED, moved) == expected


@pytest.mark.parametrize(
    ("misfit_sigma", "std_c", "expected"),
    [(2.9, 1.0, None), (3.1, 1.0, "hold"), (3.1, 0.3, None), (50.0, 0.01, None), (np.nan, 1, None)],
)
def test_what_no_baseline_explains_holds_once_it_is_worth_a_degree(misfit_sigma, std_c, expected):
    temperature = temperature_map(misfit_sigma=misfit_sigma, std_c=full(std_c))
    assert severity(MOVED, seen(temperature)) == expected


def test_likeness_is_judged_where_a_protocol_says_how_much():
    unlike = seen(temperature_map(similarity=0.5))
    assert find(MOVED, unlike) is None
    asked = Movement(min_similarity=0.9)
    assert severity(asked, unlike) == "hold"
    assert find(asked, seen(temperature_map(similarity=0.91))) is None
    assert severity(asked, seen()) == "warn", "asked for and not measured"


SAME = BaselineInvalid(max_shift_mm=0.5, max_turn_deg=0.5, max_drift_jump_c=5.0)
HOME = Pose(position_mm=(10.0, 0.0, 0.0))


def baseline(pose=HOME, time_s=1.0):
    return seen(temperature_map(is_baseline=True), pose=pose, time_s=time_s)


def turned(degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return replace(HOME, read_dir=(c, s, 0.0), phase_dir=(-s, c, 0.0))


@pytest.mark.parametrize(
    ("pose", "expected"),
    [
        (HOME, None),
        (replace(HOME, position_mm=(10.4, 0.0, 0.0)), None),
        (replace(HOME, position_mm=(10.6, 0.0, 0.0)), "hold"),
        (replace(HOME, patient_table_position=(0.0, 0.0, -1.0)), "hold"),
        (turned(0.4), None),
        (turned(0.6), "hold"),
    ],
)
def test_a_slice_or_table_that_is_elsewhere_has_no_baseline(pose, expected):
    assert severity(SAME, told([baseline(), seen(pose=pose, time_s=2.0)])) == expected


def test_it_lasts_until_a_new_baseline_is_gathered_there():
    away = replace(HOME, position_mm=(0.0, 0.0, 0.0))
    course = [baseline(), seen(pose=HOME, time_s=2.0), seen(pose=away, time_s=3.0)]
    assert severity(SAME, told(course)) == "hold"
    course.append(seen(pose=away, time_s=4.0))
    assert severity(SAME, told(course)) == "hold"
    course += [baseline(away, 5.0), seen(pose=away, time_s=6.0)]
    assert find(SAME, told(course)) is None


def test_a_table_that_moves_while_the_baseline_is_gathered_holds_too():
    away = replace(HOME, patient_table_position=(0.0, 0.0, 30.0))
    moved = told([baseline(), baseline(away, 2.0)])
    assert ("baseline-invalid", "hold") in [
        (one.rule, one.severity) for one in judge(load_protocol("mrgfus-demo"), moved)
    ]


@pytest.mark.parametrize(("jump_c", "expected"), [(4.9, None), (5.1, "hold"), (-5.1, "hold")])
def test_a_field_that_jumps_in_a_frame_is_a_new_frequency_or_shim(jump_c, expected):
    first = seen(temperature_map(drift_c=4.0), time_s=1.0)
    second = seen(temperature_map(drift_c=4.0 + jump_c), time_s=2.0)
    assert severity(SAME, told([first, second])) == expected
    assert find(SAME, told([first])) is None


@pytest.mark.parametrize(("drift_c", "expected"), [(4.9, None), (5.1, "hold"), (np.nan, "hold")])
def test_a_field_that_jumped_after_the_last_baseline_frame_is_one_too(drift_c, expected):
    first = seen(temperature_map(drift_c=drift_c), time_s=2.0)
    assert severity(SAME, told([baseline(), first])) == expected


def test_a_clock_that_steps_back_makes_no_jump_of_the_field():
    drifted = [seen(temperature_map(drift_c=4.0 * n), time_s=float(n)) for n in range(1, 4)]
    assert find(SAME, told([*drifted, seen(temperature_map(drift_c=12.5), time_s=0.5)])) is None


def test_headers_without_directions_agree_and_a_place_that_is_no_number_holds():
    nowhere = replace(HOME, read_dir=(0, 0, 0), phase_dir=(0, 0, 0), slice_dir=(0, 0, 0))
    assert find(SAME, told([baseline(nowhere), seen(pose=replace(nowhere), time_s=2.0)])) is None
    lost = replace(HOME, position_mm=(0.0, math.nan, 0.0))
    assert severity(SAME, told([baseline(), seen(pose=lost, time_s=2.0)])) == "hold"


def test_a_frame_that_measured_nothing_leaves_no_trace():
    history = told([seen(time_s=1.0, pose=HOME)]).history
    nothing = temperature_map(valid=np.zeros(full(0).shape, bool))
    assert remember(history, seen(nothing, time_s=2.0)) is history
    assert remember(history, seen(time_s=None)) is history
    assert remember(history, seen(time_s=math.nan)) is history
