"""An edge of dose on one side only: tissue that moves to it gains, whichever way axes run."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from messages import BeamLog, Displacement, FrameKey, Image, Pose, ProtocolError
from motion.dose import Accumulator, DoseCloud, DosePlan, Place, Structure, whole_grid_gy
from motion.gating import GateState
from realtime.pipeline_delivery import deliver, plane_gy
from realtime.pipeline_place import place
from realtime.pipeline_state import (
    Followed,
    Following,
    Measured,
    MotionMemory,
    Pipeline,
    PipelineState,
    SliceState,
)
from realtime.protocol import load_protocol, parse_protocol
from realtime.protocol_sections import Dose
from realtime.rt.rtdose import read_dose
from tests.realtime.rt.rt_files import save_dose

SCALING, N, STREAM = 1e-6, 28, (0, 0, 0, 0)
PATIENT_MM = np.array([-60.0, 15.0, 40.0])  # far from the origin: a wrong sign cannot hide

DIRECTIONS = {
    "left": (1.0, 0.0, 0.0),
    "posterior": (0.0, 1.0, 0.0),
    "superior": (0.0, 0.0, 1.0),
}
ROOT = np.sqrt(0.5)
POSES = {
    "sagittal": ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)),
    "coronal": ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)),
    "head below": ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "oblique": ((ROOT, ROOT, 0.0), (0.5, -0.5, -ROOT)),
}
# ImageOrientationPatient, GridFrameOffsetVector's step: axes permuted and negative
GRIDS = {
    "transverse": ((1, 0, 0, 0, 1, 0), 2.0),
    "feet first": ((1, 0, 0, 0, 1, 0), -2.0),
    "sagittal": ((0, 1, 0, 0, 0, -1), 2.0),
    "turned": ((0, -1, 0, 1, 0, 0), 2.0),
    "from behind": ((-1, 0, 0, 0, 0, 1), -2.0),
}


def edge_gy(points_mm, toward):
    """A field that begins at the patient's middle and has one edge only."""
    along = (np.asarray(points_mm) - PATIENT_MM) @ np.array(toward)
    return 2.0 / (1 + np.exp(-along / 4.0))


def cloud(tmp_path, toward, grid="transverse"):
    """The dose of one beam, written and read as RTDOSE."""
    cosines, step_mm = GRIDS[grid]
    row, column = np.array(cosines[:3], float), np.array(cosines[3:], float)
    normal = np.cross(row, column)
    index = np.arange(N) * 2.0
    frames = np.arange(N) * step_mm
    middle = (row + column) * index[-1] / 2 + normal * frames[-1] / 2
    origin = PATIENT_MM - middle
    points = (
        origin + frames[:, None, None, None] * normal
        + index[:, None, None] * column + index[:, None] * row
    )  # fmt: skip
    path = save_dose(
        tmp_path / "d.dcm",
        np.rint(edge_gy(points, toward) / SCALING),
        scaling=SCALING,
        ImagePositionPatient=[float(one) for one in origin],
        ImageOrientationPatient=list(cosines),
        PixelSpacing=[2.0, 2.0],
        GridFrameOffsetVector=[float(one) for one in frames],
    )
    read = read_dose(path)
    return DoseCloud(1, 100.0, read.gy, read.grid)


def played(dose, pose, moved_mm, *, protocol=None, slice_state=None):
    """Two images of a target that stays at moved_mm (y, x), 100 monitor units between them."""
    target = Structure("target", "target", PATIENT_MM[None], np.ones(1))
    plan = DosePlan((dose,), (target,), "target")
    pipeline = Pipeline(
        protocol or load_protocol("mrlinac-lung"),
        None,
        None,
        (),
        0.0,
        accumulator=Accumulator(plan),
    )
    state, memory, delivered = PipelineState(), MotionMemory(), None
    log = BeamLog(
        np.array([0.0, 1.0]), np.ones(2, np.int64), np.array([True, False]), np.array([0.0, 100.0])
    )
    state = replace(state, beam=log)
    for number in range(2):
        pixels = np.zeros((1, 9, 9), np.complex64)
        image = Image(number, FrameKey(), float(number), pixels, (27.0, 27.0, 5.0), pose)
        mask = np.zeros((9, 9), np.bool_)
        seen = Displacement(number, FrameKey(), float(number), moved_mm, mask, 1.0, 5.0, 1.0)
        state, memory = place(state, memory, seen, pose)
        measured = Measured(
            image, slice_state or SliceState({}), None, None, followed=Followed(seen)
        )
        state, delivered = deliver(pipeline, state, measured, STREAM)
    return plan, state, delivered, plane_gy(state, STREAM, image)


def pose_of(name):
    read, phase = (np.array(one) for one in POSES[name])
    normal = np.cross(read, phase)
    return Pose(*(tuple(one.tolist()) for one in (PATIENT_MM, read, phase, normal)))


@pytest.mark.parametrize("name", POSES)
@pytest.mark.parametrize("side", DIRECTIONS)
@pytest.mark.parametrize("moved_mm", [(6.0, 0.0), (-6.0, 0.0), (0.0, 5.0), (3.0, -5.0)])
def test_dose_is_that_of_the_place_in_the_patient(name, side, moved_mm, tmp_path):
    pose, toward = pose_of(name), DIRECTIONS[side]
    _, _, told, _ = played(cloud(tmp_path, toward), pose, moved_mm)
    # y of an image runs along phase_dir, x along read_dir
    in_patient = moved_mm[0] * np.array(pose.phase_dir) + moved_mm[1] * np.array(pose.read_dir)
    expected = edge_gy(PATIENT_MM + in_patient, toward)
    assert told.so_far[0].mean_gy == pytest.approx(float(expected), rel=0.005)


def test_a_tumour_that_sinks_leaves_a_beam_that_covers_what_is_above(tmp_path):
    """Breathing in moves down, +y of a sagittal image: towards the feet, out of the field."""
    dose = cloud(tmp_path, DIRECTIONS["superior"])
    told = [played(dose, pose_of("sagittal"), (down, 0.0))[2] for down in (-8.0, 0.0, 8.0)]
    up, rest, down = (one.so_far[0].mean_gy for one in told)
    assert rest == pytest.approx(1.0, rel=0.005)
    assert up > 1.7
    assert down < 0.3


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("side", DIRECTIONS)
def test_axes_of_the_file_may_run_any_way(grid, side, tmp_path):
    pose, toward = pose_of("oblique"), DIRECTIONS[side]
    _, _, told, _ = played(cloud(tmp_path, toward, grid), pose, (4.0, -3.0))
    moved = 4.0 * np.array(pose.phase_dir) - 3.0 * np.array(pose.read_dir)
    expected = edge_gy(PATIENT_MM + moved, toward)
    assert told.so_far[0].mean_gy == pytest.approx(float(expected), rel=0.005)


@pytest.mark.parametrize("name", POSES)
@pytest.mark.parametrize("grid", ["transverse", "from behind"])
def test_the_picture_of_dose_is_the_grid_cut_by_the_image(name, grid, tmp_path):
    """Pixel n // 2 lies at the position; the whole grid is what `mrmonitor rtdose` writes."""
    pose, moved_mm = pose_of(name), (5.0, -4.0)
    plan, state, _, picture = played(cloud(tmp_path, (0.6, 0.0, 0.8), grid), pose, moved_mm)
    in_patient = moved_mm[0] * np.array(pose.phase_dir) + moved_mm[1] * np.array(pose.read_dir)
    places = [Place(float(t), tuple(in_patient.tolist())) for t in range(2)]
    whole = whole_grid_gy(plan, places, state.beam)
    offsets = (np.arange(9) - 4) * 3.0
    points = (
        PATIENT_MM + offsets[:, None, None] * np.array(pose.phase_dir)
        + offsets[:, None] * np.array(pose.read_dir)
    )  # fmt: skip
    index = np.rint(plan.grid.index_of(points)).astype(int)
    nearest = plan.grid.points_mm()[tuple(np.moveaxis(index, -1, 0))]
    sampled = whole[tuple(np.moveaxis(index, -1, 0))]
    here, there = (edge_gy(one + in_patient, (0.6, 0.0, 0.8)) for one in (points, nearest))
    np.testing.assert_allclose(picture[0], here, rtol=0.01)
    np.testing.assert_allclose(sampled, there, rtol=0.01)


def exhaled_at(center_mm, pose):
    """A plan made breathed out, and a slice whose gate has learned that place."""
    dose = Dose("p", "s", ("b",), "target", plan_at="end-exhale")
    protocol = SimpleNamespace(document=SimpleNamespace(dose=dose))
    following = Following(None, None, gating=GateState(center_mm=center_mm))
    memory = MotionMemory(first_pose=pose)
    return {"protocol": protocol, "slice_state": SliceState({}, following=following, motion=memory)}


@pytest.mark.parametrize("name", POSES)
def test_a_plan_at_end_exhale_is_met_at_end_exhale_whenever_the_reference_was_taken(name, tmp_path):
    """The reference image found the target 8 mm away from where it rests, and the plan has it."""
    pose, center_mm = pose_of(name), (-8.0, 2.0)
    planned = exhaled_at(center_mm, pose)
    dose = cloud(tmp_path, (0.6, 0.0, 0.8))
    _, _, told, picture = played(dose, pose, center_mm, **planned)
    assert told.so_far[0].mean_gy == pytest.approx(1.0, rel=0.005)
    assert told.unplaced_mu == 0.0
    # pixels are the reference image's, and their tissue rests elsewhere than they show it
    at_rest = center_mm[0] * np.array(pose.phase_dir) + center_mm[1] * np.array(pose.read_dir)
    expected = edge_gy(PATIENT_MM + at_rest, (0.6, 0.0, 0.8))
    assert picture[0, 4, 4] == pytest.approx(float(expected), rel=0.005)
    _, _, moved, _ = played(dose, pose, (-3.0, 2.0), **planned)
    expected = edge_gy(PATIENT_MM + 5.0 * np.array(pose.phase_dir), (0.6, 0.0, 0.8))
    assert moved.so_far[0].mean_gy == pytest.approx(float(expected), rel=0.005)


def test_units_before_the_end_exhale_place_is_learned_have_no_place(tmp_path):
    pose = pose_of("sagittal")
    dose = cloud(tmp_path, DIRECTIONS["superior"])
    _, _, told, _ = played(dose, pose, (-8.0, 2.0), **exhaled_at(None, pose))
    assert told.unplaced_mu == pytest.approx(100.0)


def test_a_plan_at_end_exhale_needs_a_gate_that_learns_it():
    text = load_protocol("mrlinac-lung").text.replace('gate_center = "end-exhale"', "")
    files = 'plan = "p.dcm"\nstructures = "s.dcm"\nbeams = ["b.dcm"]\ntarget = "GTV"\n'
    with pytest.raises(ProtocolError, match="learned only where") as caught:
        parse_protocol(f'{text}\n[dose]\n{files}plan_at = "end-exhale"\n')
    assert caught.value.key == "dose.plan_at"
