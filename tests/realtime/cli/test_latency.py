"""The figures of `mrmonitor latency` are those of the frames it timed."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

from messages import Pose
from realtime.cli import main
from realtime.cli.latency import protocol_for
from realtime.cli.latency_figures import Timing, ratios_of, write_csv
from realtime.cli.latency_flow import course_of, write_flow
from realtime.regions import region_masks


@pytest.mark.parametrize("matrix", [32, 64, 96, 128, 192, 256])
def test_regions_of_the_protocol_lie_in_any_matrix(matrix):
    protocol = protocol_for(matrix)
    shape, fov_mm = (1, matrix, matrix), (240.0, 240.0, 3.0)
    masks = region_masks(protocol, shape=shape, fov_mm=fov_mm, pose=Pose())
    center = np.argwhere(masks["focus"][0]).mean(axis=0) / matrix
    assert np.abs(center - np.array([72, 71]) / 128).max() < 1 / matrix  # within a pixel


def test_csv_gives_kernels_as_the_sum_of_the_four(tmp_path):
    stage_ms = {"absorb": 1.0, "reconstruct": 2.0, "measure": 4.0, "judge": 8.0, "deliver": 16.0}
    write_csv(tmp_path / "a.csv", [Timing(12, stage_ms, 40.0, 41.0)])
    with (tmp_path / "a.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (row["frame"], row["kernels_ms"], row["age_ms"]) == ("12", "15.000", "40.000")


def test_ratios_are_known_of_frames_whose_times_are_known():
    stage_ms = {"hand_over": 0.5, "absorb": 1.0, "reconstruct": 2.0, "measure": 4.0, "judge": 1.0}
    frames = [Timing(n, stage_ms, 10.0 if n else 40.0) for n in range(1001)]
    ratios = ratios_of(frames)
    assert (ratios.kernels_ms, ratios.median_ms) == (8.0, 10.0)
    assert ratios.over_kernels == pytest.approx(1.25)
    assert ratios.tail_over_median == pytest.approx(1.0)  # one of 1001 is beyond p99.9
    assert ratios_of([*frames, frames[0], frames[0]]).tail_over_median == pytest.approx(4.0)


def test_the_flow_of_a_frame_is_what_holoscans_tools_read(tmp_path):
    stage_ms = {"hand_over": 0.25, "absorb": 0.5, "reconstruct": 1.0}
    seen = Timing(7, stage_ms, 2.0, sent_ns=5_000_000, received_ns=6_000_000, heard_ns=9_000_000)
    write_flow(tmp_path, [seen, Timing(8, stage_ms, 2.0)])  # of frame 8 no event was heard
    (line,) = (tmp_path / "latency_flow.log").read_text().splitlines()
    # as HoloHub's log parsers take a line apart
    steps = [step.strip()[1:-1].split(",") for step in line.split("->")]
    assert steps[:3] == [
        ["scanner", "5000", "5000"],
        ["hand_over", "6000", "6250"],
        ["absorb", "6250", "6750"],
    ]
    assert steps[-1] == ["subscriber", "9000", "9000"]
    times = [int(time_us) for step in steps for time_us in step[1:]]
    assert times == sorted(times)
    (row,) = csv.DictReader((tmp_path / "latency_flow.csv").read_text().splitlines())
    assert (row["frame"], row["reconstruct_in_us"], row["reconstruct_out_us"]) == (
        "7", "6750", "7750",
    )  # fmt: skip
    assert [int(value) for value in row.values()][1:] == times
    assert course_of(Timing(8, stage_ms, 2.0)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "more", [(), ("--trajectory=radial", "--spokes=21", "--images", "--load=1")]
)
def test_a_short_measurement_writes_table_plot_and_bound(tmp_path, more):
    out = tmp_path / "latency"
    arguments = ["latency", "--matrix=64", "--coils=2", "--rate=5", "--frames=16", f"--out={out}"]
    result = CliRunner().invoke(main, [*arguments, *more])
    assert "median / that sum" in result.output, result.output
    rows = list(csv.DictReader((out / "latency.csv").read_text().splitlines()))
    assert 1 <= len(rows) <= 6  # ten are left out as warm-up
    assert all(float(row["end_to_end_ms"]) > 0 for row in rows)
    assert all((float(row["first_image_ms"]) > 0) == ("--images" in more) for row in rows)
    assert all(float(row["images_ms"]) >= float(row["first_image_ms"]) for row in rows if more)
    assert (out / "latency.png").read_bytes().startswith(b"\x89PNG")
    assert len((out / "latency_flow.log").read_text().splitlines()) == len(rows)
    bound = (out / "bound.md").read_text()
    for words in ("## Promised", "100 ms", "## Measured", f"| {len(rows)} |", "## Not promised"):
        assert words in bound
    assert ("1 process at normal priority" in bound) == ("--load=1" in more)
