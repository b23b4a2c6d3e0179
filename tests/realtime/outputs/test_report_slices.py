"""A treatment of several slices: each table tells of all of them, as each was last seen."""

import numpy as np
import pytest

from messages import FrameKey, Maps, Pose, RegionReading, RunStart, RunStop, Verdict
from messages.codec import decode, encode
from realtime.outputs.report_lesion import lesion_mm3
from realtime.outputs.report_record import read_run
from realtime.outputs.report_regions import region_table
from realtime.outputs.run_folder import RunFolder
from tests.realtime.outputs.test_report import PROTOCOL

N = 24
PIXEL_MM = 10.0
THICKNESS_MM = 3.0
HOTTEST_C = {0: 41.0, 1: 66.0, 2: 58.0}  # by slice
N_LETHAL = {0: 0, 1: 16, 2: 4}  # pixels beyond 240 CEM43 min


def write(folder, frame, *, slice_, hottest_c, n_lethal):
    def take(noun):
        folder.take(*decode(encode(noun, epoch="e", sequence=1)))

    key = FrameKey(repetition=frame // 3, slice=slice_)
    side = round(n_lethal**0.5)
    dose = np.full((1, N, N), 1.0, np.float32)
    dose[0, 11 : 11 + side, 11 : 11 + side] = 1000.0 + slice_
    temperature = np.full((1, N, N), 37.0, np.float32)
    temperature[0, 12, 12] = hottest_c
    most = float(dose.max())
    reading = RegionReading("focus", "target", 13, 13, hottest_c, 40.0, 0.3, most, 0.0)
    take(Verdict(frame, key, "COMPUTED", "GRANTED", 2.0 * frame, (), (reading,), stage_ms={}))
    known = np.ones((1, N, N), np.bool_)
    field = (N * PIXEL_MM, N * PIXEL_MM, THICKNESS_MM)
    std = np.full_like(temperature, 0.25)
    take(Maps(frame, key, 2.0 * frame, field, Pose(), known.astype(np.float32), temperature, std,
              known, dose, 0.5 * dose, 2.0 * dose, dose))  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """Three slices in turn, twice; what the second turn shows is the end of the run."""
    start = RunStart(
        "r", "p", "h", "mrgfus", "d", "s", "2026-01-01T00:00:00", "m", {}, (1, N, N),
        (N * PIXEL_MM, N * PIXEL_MM, THICKNESS_MM), 100.0, 4500.0, {},
    )  # fmt: skip
    folder = RunFolder(tmp_path, start)
    for frame in range(6):
        slice_, is_end = frame % 3, frame >= 3
        write(
            folder, frame, slice_=slice_,
            hottest_c=HOTTEST_C[slice_] - (0.0 if is_end else 5.0),
            n_lethal=N_LETHAL[slice_] if is_end else 0,
        )  # fmt: skip
    folder.take(*decode(encode(RunStop("r", "completed", "", "2026", 6, 0, 0, 0, 1, 0))))
    folder.close()
    (tmp_path / "protocol.toml").write_text(PROTOCOL)
    record = read_run(tmp_path)
    yield record
    record.close()


def test_the_lesion_is_that_of_all_slices_together(run):
    found = lesion_mm3(run)
    voxel_mm3 = PIXEL_MM**2 * THICKNESS_MM
    # contours lie between pixels: the edge of a small square rounds off
    assert found.volume_mm3 == pytest.approx(sum(N_LETHAL.values()) * voxel_mm3, rel=0.35)
    assert found.low_mm3 <= found.volume_mm3 <= found.high_mm3


def test_a_region_is_told_where_it_was_hottest_and_its_dose_where_it_was_most(run):
    table, _ = region_table(run)
    (row,) = table.rows
    assert row[:4] == ("focus", "target", "66.0 ± 0.5 °C", "4")  # slice 1, second turn
    assert row[5] == "1,002"  # slice 2
    assert row[6] == "501 to 2,004"  # the interval of that same pixel
