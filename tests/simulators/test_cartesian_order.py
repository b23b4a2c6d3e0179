"""In which order lines, averages and segments of a frame are played."""

from simulators.mrd import LAST_IN_SLICE, acquisition_head
from simulators.scan import Scan
from simulators.sequences import Cartesian


def played(**how):
    scan = Scan(Cartesian(matrix=(8, 8), n_frames=1, **how), n_coils=1)
    return [acquisition_head(message) for message in scan.messages()]


def counted(heads, *names):
    return [tuple(int(head["idx"][name]) for name in names) for head in heads]


def ends(heads):
    return [index for index, head in enumerate(heads) if int(head["flags"]) & LAST_IN_SLICE]


def test_averages_follow_each_other_and_end_once():
    heads = played(n_averages=3)
    assert counted(heads, "average", "kspace_encode_step_1") == [
        (average, row) for average in range(3) for row in range(8)
    ]
    assert ends(heads) == [23]


def test_segments_share_the_lines():
    heads = played(n_segments=2)
    order = counted(heads, "segment", "kspace_encode_step_1")
    assert order == [(0, 0), (0, 2), (0, 4), (0, 6), (1, 1), (1, 3), (1, 5), (1, 7)]
    assert ends(heads) == [7]


def test_partitions_are_played_one_after_the_other():
    heads = played(partitions=3)
    order = counted(heads, "kspace_encode_step_2", "kspace_encode_step_1")
    assert order == [(partition, row) for partition in range(3) for row in range(8)]


def test_each_slice_ends_by_itself():
    heads = played(slices_z_mm=(0.0, 5.0), repetition_time_s=0.04)
    assert ends(heads) == [14, 15]
    assert counted(heads, "slice")[-2:] == [(0,), (1,)]


def test_each_echo_ends_by_itself():
    heads = played(echo_times_s=(0.003, 0.006))
    assert ends(heads) == [14, 15]
    assert counted(heads, "contrast")[-2:] == [(0,), (1,)]
    ticks = [int(head["acquisition_time_stamp"]) for head in heads]
    assert ticks[-1] - ticks[-2] in (1, 2)  # 3 ms in ticks of 2.5
