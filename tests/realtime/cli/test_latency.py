"""The figures of `mrmonitor latency` are those of the frames it timed."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner

from messages import Pose
from realtime.cli import main
from realtime.cli.latency import Timing, protocol_for, write_csv
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


@pytest.mark.slow
def test_a_short_measurement_writes_table_and_plot(tmp_path):
    out = tmp_path / "latency"
    arguments = ["latency", "--matrix=64", "--coils=2", "--rate=5", "--frames=16", f"--out={out}"]
    result = CliRunner().invoke(main, arguments)
    assert "median / that sum" in result.output, result.output
    rows = list(csv.DictReader((out / "latency.csv").read_text().splitlines()))
    assert 1 <= len(rows) <= 6  # ten are left out as warm-up
    assert all(float(row["end_to_end_ms"]) > 0 for row in rows)
    assert (out / "latency.png").read_bytes().startswith(b"\x89PNG")
