"""What a DICOM reader finds in the objects is what the monitor measured, and whose it is."""

import dataclasses
import io
import warnings

import highdicom
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut

from messages import MonitorError
from realtime.outputs.dicom.frame import frame_instances
from realtime.outputs.dicom.magnitude import even_step
from realtime.outputs.dicom.study import Patient, kind_of, study_of
from tests.realtime.outputs.dicom.made import SHAPE, START, frame

STUDY = study_of(START)


def reread(dataset):
    """Return an object as another program reads it from its bytes."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return pydicom.dcmread(io.BytesIO(buffer.getvalue()))


@pytest.fixture(scope="module")
def objects():
    """The objects of the frame by kind, read back; magnitude has one a plane."""
    found = {}
    for one in map(reread, frame_instances(frame(), STUDY)):
        found.setdefault(kind_of(one)[0], []).append(one)
    return found


def volume(dataset):
    """Return floats (z, y, x) in the monitor's order: highdicom sorts planes by their place."""
    along = np.array(frame().pose.slice_dir)
    positions = [
        float(np.array(one.PlanePositionSequence[0].ImagePositionPatient, float) @ along)
        for one in dataset.PerFrameFunctionalGroupsSequence
    ]
    return dataset.pixel_array[np.argsort(positions)]


def test_temperature_is_read_bit_for_bit_in_degrees_celsius(objects):
    (found,) = objects["temperature"]
    np.testing.assert_array_equal(volume(found), frame().temperature_c)
    mapping = found.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    unit = mapping.MeasurementUnitsCodeSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator) == ("Cel", "UCUM")
    quantity = mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0]
    assert (quantity.CodeValue, quantity.CodingSchemeDesignator) == ("246508008", "SCT")
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1.0, 0.0)


def test_thermal_dose_is_read_bit_for_bit_in_minutes(objects):
    (found,) = objects["cem43"]
    dose = np.where(frame().valid, frame().dose_cem43_min, np.nan)
    np.testing.assert_array_equal(volume(found), dose)
    mapping = found.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    unit = mapping.MeasurementUnitsCodeSequence[0]
    assert (unit.CodeValue, unit.CodingSchemeDesignator) == ("min", "UCUM")
    quantity = mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0]
    assert (quantity.CodeValue, quantity.CodingSchemeDesignator) == ("CEM43", "99MRMONITOR")
    schemes = found.CodingSchemeIdentificationSequence
    assert [one.CodingSchemeDesignator for one in schemes] == ["99MRMONITOR"]


def test_what_is_not_valid_is_no_number(objects):
    for kind in ("temperature", "cem43"):
        np.testing.assert_array_equal(np.isfinite(volume(objects[kind][0])), frame().valid)


def test_magnitude_is_read_within_half_a_step(objects):
    found = np.stack([apply_modality_lut(one.pixel_array, one) for one in objects["magnitude"]])
    step = float(objects["magnitude"][0].RescaleSlope)
    assert step == 5e-9  # 3e-4 in 65535 steps
    np.testing.assert_allclose(found, frame().magnitude, atol=0.5001 * step, rtol=0)


@given(at_least=st.floats(1e-30, 1e30))
def test_a_step_is_short_to_write_and_no_more_than_two_and_a_half_times_too_large(at_least):
    step = even_step(at_least)
    assert at_least <= step <= 2.5001 * at_least
    assert float(pydicom.valuerep.format_number_as_ds(step)) == step


def test_the_lesion_is_read_by_highdicom_with_either_side():
    (lesion,) = (one for one in frame_instances(frame(), STUDY) if one.Modality == "SEG")
    buffer = io.BytesIO()
    lesion.save_as(buffer, enforce_file_format=True)
    found = highdicom.seg.segread(io.BytesIO(buffer.getvalue()))
    labels = [found.get_segment_description(n).segment_label for n in found.segment_numbers]
    assert [one.split(", ")[1][:8] for one in labels] == ["estimate", "surely: ", "perhaps:"]
    sides = (frame().dose_cem43_min, frame().dose_low_cem43_min, frame().dose_high_cem43_min)
    n_seen = [int(np.sum(one.pixel_array)) for one in _segments(lesion)]
    assert n_seen == [int(np.sum(side >= 240.0)) for side in sides]
    assert n_seen == [19, 18, 19]


def _segments(lesion):
    for number in (1, 2, 3):
        alone = highdicom.seg.Segmentation.from_dataset(lesion)
        uids = [one.SOPInstanceUID for one in frame_instances(frame(), STUDY)[: SHAPE[0]]]
        pixels = alone.get_pixels_by_source_instance(uids, segment_numbers=[number])
        yield type("Segment", (), {"pixel_array": pixels})


def test_a_frame_without_heat_has_no_lesion_and_one_without_reference_only_its_magnitude():
    cold = frame()
    for name in ("dose_cem43_min", "dose_low_cem43_min", "dose_high_cem43_min"):
        getattr(cold, name)[:] = 1.0
    kinds = {kind_of(one)[0] for one in frame_instances(cold, STUDY)}
    assert kinds == {"magnitude", "temperature", "cem43"}
    cold.valid[:] = False
    assert {kind_of(one)[0] for one in frame_instances(cold, STUDY)} == {"magnitude"}


def test_a_run_gives_the_same_bytes_again():
    def written(one):
        buffer = io.BytesIO()
        one.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()

    first, again = ([written(one) for one in frame_instances(frame(), STUDY)] for _ in range(2))
    assert first == again


def test_one_series_a_kind_and_contrast_and_one_study(objects):
    more = [
        *frame_instances(frame(frame_id=4), STUDY),
        *frame_instances(frame(frame_id=5, contrast=1), STUDY),
    ]
    everything = [*(one for several in objects.values() for one in several), *more]
    assert len({one.StudyInstanceUID for one in everything}) == 1
    series = {(kind_of(one), one.SeriesInstanceUID) for one in everything}
    assert len(series) == len({uid for _, uid in series}) == 8
    assert len({one.SOPInstanceUID for one in everything}) == len(everything)
    assert all(one.SOPInstanceUID.startswith("2.25.") for one in everything)
    assert all(len(one.SOPInstanceUID) <= 64 for one in everything)


def test_without_a_patient_they_belong_to_a_pseudonym_of_the_run(objects):
    for one in (one for several in objects.values() for one in several):
        assert one.PatientID == f"mrmonitor-{START.run_id}"
        assert (one.PatientIdentityRemoved, one.PatientBirthDate) == ("YES", "")
        assert "research" in one.ImageComments


def test_with_a_patient_they_are_other_objects():
    named = study_of(START, Patient("H-4711", "MEIER^EVA"))
    found, before = frame_instances(frame(), named), frame_instances(frame(), STUDY)
    assert {(one.PatientID, str(one.PatientName)) for one in found} == {("H-4711", "MEIER^EVA")}
    assert not any("PatientIdentityRemoved" in one for one in found)
    assert not {one.SOPInstanceUID for one in found} & {one.SOPInstanceUID for one in before}


def test_runs_of_one_name_of_two_monitors_are_other_objects():
    """Containers that were started together have one process id, and so one name for a run."""
    found = [
        {one.SOPInstanceUID for one in frame_instances(frame(), study_of(start))}
        for start in (
            START,
            dataclasses.replace(START, started_utc="2026-11-21T10:50:53.730+00:00"),
            dataclasses.replace(START, header_digest="of another scanner"),
        )
    ]
    assert len(set.union(*found)) == sum(map(len, found))


def test_a_run_without_a_date_is_told():
    with pytest.raises(MonitorError, match="started_utc 'yesterday', expected a date and time"):
        study_of(dataclasses.replace(START, started_utc="yesterday"))


@pytest.mark.parametrize(
    ("patient", "said"),
    [(Patient("", "A^B"), "patient's id: 0 characters"),
     (Patient("1\\2", "A^B"), "patient's id: 3 characters"),
     (Patient("1", "A" * 70), "patient's name: 70 characters"),
     (Patient("1", "MEIER"), "has no ., expected FAMILY")],
)  # fmt: skip
def test_a_patient_that_dicom_cannot_hold_is_refused_without_being_quoted(patient, said):
    with pytest.raises(MonitorError, match=said) as told:
        study_of(START, patient)
    assert "MEIER" not in str(told.value)


def test_no_number_is_warned_of_as_too_long():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in frame_instances(frame(), STUDY):
            reread(one)
