"""A dose grid lies where the file says, in whichever form it says so."""

import numpy as np
import pytest

from messages import MonitorError
from motion.dose import DoseGrid
from realtime.rt.rtdose import read_dose
from realtime.rt.rtdose_writing import COMMENT, write_dose
from tests.realtime.rt.rt_files import FRAME, PLAN, save_dose

COUNTS = np.arange(24).reshape(2, 3, 4) * 100


def test_counts_become_gy_and_the_axes_are_the_files(tmp_path):
    dose = read_dose(save_dose(tmp_path / "d.dcm", COUNTS))
    assert dose.gy.dtype == np.float32
    np.testing.assert_allclose(dose.gy, COUNTS * 0.01, rtol=1e-6)
    # row 2, column 3, frame 1: 3 columns of 3 mm along x, 2 rows of 2 mm along y, 4 mm along z
    np.testing.assert_allclose(dose.grid.index_of(np.array([-1.0, -16.0, -26.0])), [1, 2, 3])
    assert (dose.beam, dose.frame_of_reference, dose.plan_uid) == (1, FRAME, PLAN)
    assert not dose.is_of_one_fraction


@pytest.mark.parametrize("offsets", [(0.0, 4.0), (0.0, -4.0), (-30.0, -26.0), (-30.0, -34.0)])
def test_both_forms_of_the_frame_offsets_are_read(offsets, tmp_path):
    path = save_dose(tmp_path / "d.dcm", COUNTS, GridFrameOffsetVector=list(offsets))
    step = offsets[1] - offsets[0]
    assert read_dose(path).grid.step_mm[0] == pytest.approx((0.0, 0.0, step))
    assert read_dose(path).grid.origin_mm == (-10.0, -20.0, -30.0)


def test_a_sagittal_grid_with_flipped_axes_is_read(tmp_path):
    """Rows run along -z, columns along y: the planes step along the normal, x."""
    path = save_dose(tmp_path / "d.dcm", COUNTS, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    grid = read_dose(path).grid
    assert np.allclose(grid.step_mm, [(-4, 0, 0), (0, 0, -2), (0, 3, 0)])


REFUSED = {
    "DoseUnits": ({"DoseUnits": "RELATIVE"}, "DoseUnits is RELATIVE, expected GY"),
    "DoseType": ({"DoseType": "ERROR"}, "DoseType"),
    "DoseSummationType": ({"DoseSummationType": "CONTROL_POINT"}, "DoseSummationType"),
    "no scaling": ({"DoseGridScaling": None}, "DoseGridScaling is missing"),
    "scaling of 0": ({"DoseGridScaling": 0.0}, "DoseGridScaling is 0"),
    "uneven planes": (
        {"GridFrameOffsetVector": [0.0, 4.0, 9.0], "NumberOfFrames": 3, "Rows": 2},
        "GridFrameOffsetVector has steps of 4 to 5 mm",
    ),
    "too few offsets": ({"GridFrameOffsetVector": [0.0]}, "GridFrameOffsetVector"),
    "offsets from nowhere": ({"GridFrameOffsetVector": [7.0, 11.0]}, "starts at 7"),
    "skew axes": ({"ImageOrientationPatient": [1, 0, 0, 0.5, 0.9, 0]}, "ImageOrientationPatient"),
    "too few pixels": ({"PixelData": b"\0" * 8}, "PixelData"),
    "no frame of reference": ({"FrameOfReferenceUID": None}, "FrameOfReferenceUID is missing"),
    "spacing of 0": ({"PixelSpacing": [0.0, 1.0]}, "PixelSpacing"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_names_file_and_attribute(what, tmp_path):
    changed, text = REFUSED[what]
    path = save_dose(tmp_path / "beam1.dcm", COUNTS, **changed)
    with pytest.raises(MonitorError, match=text) as caught:
        read_dose(path)
    assert str(caught.value).startswith("beam1.dcm: ")
    assert "\n" not in str(caught.value)


def test_what_is_not_dicom_is_told(tmp_path):
    path = tmp_path / "x.dcm"
    path.write_bytes(b"nothing of the kind" * 20)
    with pytest.raises(MonitorError, match=r"x\.dcm: is not a DICOM file"):
        read_dose(path)
    with pytest.raises(MonitorError, match="cannot be read"):
        read_dose(tmp_path / "absent.dcm")


def test_a_file_cut_short_is_told_at_any_length(tmp_path):
    whole = save_dose(tmp_path / "d.dcm", COUNTS).read_bytes()
    for n in range(0, len(whole) - 1, 37):
        path = tmp_path / "cut.dcm"
        path.write_bytes(whole[:n])
        with pytest.raises(MonitorError):
            read_dose(path)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_written_dose_comes_back_where_it_was(sign, tmp_path):
    like = save_dose(tmp_path / "like.dcm", COUNTS)
    grid = DoseGrid((2, 3, 4), (1.5, -2.25, 3.125), ((0, 0, sign * 2.5), (0, 1.25, 0), (3.0, 0, 0)))
    gy = np.random.default_rng(1).random(grid.shape).astype(np.float32) * 60
    write_dose(tmp_path / "out.dcm", gy, grid, like=like)
    back = read_dose(tmp_path / "out.dcm")
    assert np.abs(back.gy - gy).max() < 1e-5
    np.testing.assert_allclose(back.grid.step_mm, grid.step_mm, atol=1e-6)
    np.testing.assert_allclose(back.grid.origin_mm, grid.origin_mm, atol=1e-6)
    assert back.is_of_one_fraction
    assert (back.plan_uid, back.frame_of_reference, back.beam) == (PLAN, FRAME, None)


def test_written_dose_is_a_new_instance_of_the_same_patient(tmp_path):
    import pydicom

    like = save_dose(tmp_path / "like.dcm", COUNTS)
    write_dose(tmp_path / "out.dcm", COUNTS.astype(np.float32), read_dose(like).grid, like=like)
    old, new = pydicom.dcmread(like), pydicom.dcmread(tmp_path / "out.dcm")
    assert new.SOPInstanceUID != old.SOPInstanceUID
    assert new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID
    assert (new.PatientName, new.DoseComment) == (old.PatientName, COMMENT)


def test_written_dose_has_what_the_standard_asks_for_though_the_plan_has_not(tmp_path):
    """As dciodvfy of dicom3tools finds it: type 2 attributes of patient, study, series, frame."""
    import pydicom

    like = save_dose(tmp_path / "like.dcm", COUNTS)
    write_dose(tmp_path / "out.dcm", COUNTS.astype(np.float32), read_dose(like).grid, like=like)
    written = pydicom.dcmread(tmp_path / "out.dcm")
    for keyword in ("OperatorsName", "PositionReferenceIndicator", "StudyDate", "AccessionNumber",
                    "SeriesNumber", "ReferringPhysicianName", "PatientSex"):  # fmt: skip
        assert keyword in written


def test_dose_that_is_not_finite_is_not_written(tmp_path):
    like = save_dose(tmp_path / "like.dcm", COUNTS)
    gy = np.full(COUNTS.shape, np.nan, np.float32)
    with pytest.raises(MonitorError, match="not finite"):
        write_dose(tmp_path / "out.dcm", gy, read_dose(like).grid, like=like)
    assert not (tmp_path / "out.dcm").exists()
