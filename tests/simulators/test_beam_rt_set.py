"""The plan as DICOM says what the plan says."""

import numpy as np
import pydicom
import pytest

from simulators.beam import PLAN_FILE, STRUCTURES_FILE, plan_of, write_rt_set


class Body:
    center_mm, semi_axes_mm, angle_deg = (0.0, 22.0, -18.0), (11.0, 12.0, 13.0), 20.0


@pytest.fixture(scope="module")
def plan():
    return plan_of(Body(), (-62.0, -11.0, 43.0))


@pytest.fixture(scope="module")
def folder(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rt")
    assert write_rt_set(plan, folder) == ("beam-1.dcm", "beam-2.dcm", "beam-3.dcm")
    return folder


def test_the_plan_has_its_beams_units_and_prescription(plan, folder):
    written = pydicom.dcmread(folder / PLAN_FILE)
    (group,) = written.FractionGroupSequence
    meters = {one.ReferencedBeamNumber: one.BeamMeterset for one in group.ReferencedBeamSequence}
    assert meters == {beam.number: beam.mu for beam in plan.beams}
    assert [one.BeamNumber for one in written.BeamSequence] == [1, 2, 3]
    prescribed = written.DoseReferenceSequence[0].TargetPrescriptionDose
    assert float(prescribed) == plan.prescription_gy


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_beams_dose_is_the_closed_form_at_every_place_of_its_grid(plan, folder, number):
    dose, beam = pydicom.dcmread(folder / f"beam-{number}.dcm"), plan.beams[number - 1]
    gy = dose.pixel_array * float(dose.DoseGridScaling)
    rng = np.random.default_rng(number)
    for z, y, x in zip(*(rng.integers(0, n, 200) for n in gy.shape), strict=True):
        place = np.add(
            [float(one) for one in dose.ImagePositionPatient],
            [
                x * float(dose.PixelSpacing[1]),
                y * float(dose.PixelSpacing[0]),
                float(dose.GridFrameOffsetVector[z]),
            ],
        )
        assert gy[z, y, x] == pytest.approx(beam.mu * beam.gy_per_mu_at(place), abs=1e-8)
    group = dose.ReferencedRTPlanSequence[0].ReferencedFractionGroupSequence[0]
    assert group.ReferencedBeamSequence[0].ReferencedBeamNumber == number
    assert dose.DoseSummationType == "BEAM"


def test_the_structures_are_drawn_where_they_lie(plan, folder):
    written = pydicom.dcmread(folder / STRUCTURES_FILE)
    names = [one.ROIName for one in written.StructureSetROISequence]
    assert names == [one.name for one in plan.structures]
    for structure, roi in zip(plan.structures, written.ROIContourSequence, strict=True):
        drawn = np.concatenate(
            [np.reshape(one.ContourData, (-1, 3)).astype(float) for one in roi.ContourSequence]
        )
        assert np.abs(structure.reach(drawn - structure.center_mm) - 1).max() < 1e-3


def test_all_files_lie_in_one_frame_of_reference_and_name_the_plan(folder):
    files = [pydicom.dcmread(one) for one in sorted(folder.iterdir())]
    assert len({one.FrameOfReferenceUID for one in files}) == 1
    assert len({one.SOPInstanceUID for one in files}) == len(files)
    uid = pydicom.dcmread(folder / PLAN_FILE).SOPInstanceUID
    doses = [one for one in files if one.Modality == "RTDOSE"]
    assert all(one.ReferencedRTPlanSequence[0].ReferencedSOPInstanceUID == uid for one in doses)


def test_the_same_plan_gives_the_same_files(plan, folder, tmp_path):
    write_rt_set(plan, tmp_path)
    for one in folder.iterdir():
        assert (tmp_path / one.name).read_bytes() == one.read_bytes(), one.name
