"""Plan, structures and doses agree, or the file and the attribute at fault are named."""

import numpy as np
import pytest

from messages import MonitorError
from realtime.protocol_sections import Dose
from realtime.rt.delivery_plan import load_delivery
from realtime.rt.rtplan import read_plan
from tests.realtime.rt.rt_files import of, save_dose, save_plan, save_structures, square

COUNTS = np.full((8, 20, 20), 400)
PLACE = {"ImagePositionPatient": [-28.5, -19.0, -10.0]}
SETTINGS = Dose(plan="plan.dcm", structures="s.dcm", beams=("b1.dcm", "b2.dcm"), target="GTV")


def files(folder, **changed):
    """A sound plan of two beams in two fractions, but for what is changed by file."""
    save_plan(folder / "plan.dcm", ((1, 100.0), (2, 50.0)), **changed.get("plan", {}))
    rois = {"GTV": [square(z, 5.0) for z in (0, 3, 6)], "skin": [square(z) for z in (0, 3, 6)]}
    kinds = {"GTV": "GTV", "skin": "EXTERNAL"}
    save_structures(folder / "s.dcm", rois, kinds, **changed.get("structures", {}))
    save_dose(folder / "b1.dcm", COUNTS, **{**PLACE, **changed.get("b1", {})})
    save_dose(folder / "b2.dcm", 2 * COUNTS, **{"beam": 2, **PLACE, **changed.get("b2", {})})
    return folder


def test_a_sound_set_becomes_the_plan_of_one_fraction(tmp_path):
    plan = load_delivery(SETTINGS, files(tmp_path))
    assert [(cloud.number, cloud.planned_mu) for cloud in plan.clouds] == [(1, 100.0), (2, 50.0)]
    assert [float(cloud.gy.max()) for cloud in plan.clouds] == pytest.approx([2.0, 4.0])
    assert [one.name for one in plan.structures] == ["GTV"], "the outline is not followed"
    assert plan.prescription_gy == 20.0


def test_a_dose_of_one_session_is_not_divided(tmp_path):
    session = {"DoseSummationType": "BEAM_SESSION"}
    plan = load_delivery(SETTINGS, files(tmp_path, b1=session))
    assert float(plan.clouds[0].gy.max()) == pytest.approx(4.0)


REFUSED = {
    "dose in another frame": (
        {"b2": {"FrameOfReferenceUID": "9.9"}},
        "b2.dcm: FrameOfReferenceUID 9.9 is not that of b1.dcm",
    ),
    "structures in another frame": (
        {"structures": {"frame": "9.9"}},
        "s.dcm, ROI 'GTV': FrameOfReferenceUID",
    ),
    "a dose of another beam": ({"b2": {"beam": 7}}, "b2.dcm: ReferencedBeamNumber is 7"),
    "a dose twice": ({"b2": {"beam": 1}}, "b2.dcm: ReferencedBeamNumber 1 is that of b1.dcm too"),
    "a beam without dose": (
        {"plan": {"beams": ((1, 1.0), (2, 1.0), (3, 1.0))}},
        r"plan.dcm: BeamSequence has beam\(s\) 3 without a dose",
    ),
    "a dose of all beams": (
        {"b1": {"DoseSummationType": "PLAN"}},
        "b1.dcm: DoseSummationType is PLAN and names no single beam",
    ),
    "another grid": ({"b2": {"PixelSpacing": [2.0, 3.1]}}, "b2.dcm: ImagePositionPatient"),
    "another plan": ({"b1": {"ReferencedRTPlanSequence": [
        of(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID="1.9")]}},
        "b1.dcm: ReferencedSOPInstanceUID"),
    "a target outside the grid": (
        {name: {"ImagePositionPatient": [0.0, 0.0, 0.0]} for name in ("b1", "b2")},
        "s.dcm: ROI 'GTV' reaches out of the dose grid of b1.dcm",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_does_not_agree_is_told(what, tmp_path):
    changed, text = REFUSED[what]
    plan = changed.get("plan", {})
    if "beams" in plan:
        files(tmp_path)
        save_plan(tmp_path / "plan.dcm", plan["beams"])
    else:
        files(tmp_path, **changed)
    with pytest.raises(MonitorError, match=text):
        load_delivery(SETTINGS, tmp_path)


UNSOUND = {
    "no monitor units": (((1, 0.0),), {}, "BeamMeterset of beam 1 is 0"),
    "no beams": ((), {}, "ReferencedBeamSequence is missing or empty"),
    "no fractions": (((1, 1.0),), {"n_fractions": 0}, "NumberOfFractionsPlanned is 0"),
}


@pytest.mark.parametrize("what", UNSOUND)
def test_a_plan_that_cannot_be_delivered_is_refused(what, tmp_path):
    beams, changed, text = UNSOUND[what]
    with pytest.raises(MonitorError, match=f"plan.dcm: {text}"):
        read_plan(save_plan(tmp_path / "plan.dcm", beams, **changed))


def test_a_setup_beam_is_left_out(tmp_path):
    beams = [
        of(BeamNumber=1, TreatmentDeliveryType="TREATMENT", PrimaryDosimeterUnit="MU"),
        of(BeamNumber=2, TreatmentDeliveryType="SETUP"),
    ]
    plan = read_plan(save_plan(tmp_path / "plan.dcm", ((1, 90.0),), BeamSequence=beams))
    assert [(one.number, one.planned_mu) for one in plan.beams] == [(1, 90.0)]
