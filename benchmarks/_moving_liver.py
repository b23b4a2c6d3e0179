"""A heated liver that breathes, the monitor's dose of it, and the dose that its tissue received."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks._scan_frames import Played, play
from messages import Displacement, Frame, Maps, PowerLog
from realtime import pipeline
from realtime.pipeline import NoiseScan, PipelineState
from realtime.pipeline_state import Pipeline
from realtime.protocol import Protocol, load_protocol, parse_protocol
from realtime.regions import region_masks
from simulators.patients import PATIENTS
from simulators.sequences import CATALOGUE
from simulators.tissue import Breathing, Disc
from simulators.tissue.heat import on_off
from simulators.tissue_scan import TissueScan

Real = NDArray[np.float64]
Mask = NDArray[np.bool_]

N_BASELINE, N_COOLING = 20, 6
FOCUS_MM, FOCUS_RADIUS_MM, ENERGY_J = (-12.0, 34.0), 7.0, 600.0  # (x, y) at rest
BODY_C = 37.0
NECROSIS_MIN = 240.0
STEP_S, SUB, LEAST_DOSE_MIN = 0.1, 5, 1e-3
AROUND_MM = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Treated:
    """A heated liver. truth_min: CEM43 (y, x) of the tissue that the first image shows there.

    depth_mm: how far the focus moves. times_s: of k-space centres; shown_s: what an image's place
    is the mean of, the times of its segments.
    """

    scan: TissueScan
    played: Played
    times_s: Real
    shown_s: Real
    truth_min: Real
    depth_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Summed:
    """What the monitor made of it: last maps, and where it saw the focus, mm (frame, (y, x))."""

    maps: Maps
    displacements: tuple[Displacement | None, ...]


@cache
def treated(reach_mm: float, *, n_frames: int, matrix: int, follows: bool = True) -> Treated:
    """Play a liver whose diaphragm moves so far; the focus follows it or stays in the scanner."""
    patient = PATIENTS["breathing-liver"]
    sequence = CATALOGUE[patient.sequence](n_frames=n_frames, matrix=(matrix, matrix))
    frame_s = sequence.frame_time_s(0)
    on_s, off_s = (n * frame_s for n in (N_BASELINE, n_frames - N_COOLING))
    tissue = patient.tissue(on_s, off_s)
    if tissue.heat is None or tissue.breathing is None:
        raise ValueError("this patient neither warms nor breathes")
    source = Disc(center_mm=FOCUS_MM, radius_mm=FOCUS_RADIUS_MM, half_depth_mm=FOCUS_RADIUS_MM)
    plan = on_off(on_s, off_s, watts=ENERGY_J / (off_s - on_s))
    heat = replace(tissue.heat, source=source, plan=plan, follows=follows)
    breathing = replace(tissue.breathing, reach_mm=reach_mm)
    scan = TissueScan(sequence, replace(tissue, heat=heat, breathing=breathing), snr=40.0)
    times_s = np.array([scan.center_time_s(frame) for frame in range(n_frames)])
    shown_s = np.array([_shown_s(scan, frame) for frame in range(n_frames)])
    depths_mm = [place_mm(breathing, t_s)[0] for t_s in shown_s]
    truth_min = _truth_min(scan, breathing, from_s=on_s, to_s=times_s[-1], shown_s=shown_s[0])
    return Treated(scan, play(scan), times_s, shown_s, truth_min, float(np.ptp(depths_mm)))


def place_mm(breathing: Breathing, t_s: float) -> Real:
    """Return how far the focus's tissue is from its rest, (y, x)."""
    along_mm = breathing.along_mm(np.array(FOCUS_MM[1]), t_s)
    return np.array([float(along_mm), breathing.across_now_mm(t_s)])


def _shown_s(scan: TissueScan, frame: int) -> float:
    start_s = scan.sequence.start_s(frame)
    return float(np.mean([one.t_s for one in scan.sequence.frame_readouts(frame, start_s)]))


def _truth_min(
    scan: TissueScan, breathing: Breathing, *, from_s: float, to_s: float, shown_s: float
) -> Real:
    """Return CEM43 (y, x) in material points, of the mean temperature of each pixel's tissue."""
    box, (n, _), (wide_mm, _) = scan.box, scan.sequence.matrix, scan.sequence.fov_mm
    if box is None:
        raise ValueError("nothing is heated")
    pixel_mm = wide_mm / n
    pixels_mm = (np.arange(n) - n // 2) * pixel_mm
    fine_mm = pixels_mm[:, None] + (np.arange(SUB) - SUB // 2) * pixel_mm / SUB
    x0, y0 = FOCUS_MM
    rows, columns = abs(pixels_mm - y0) < AROUND_MM, abs(pixels_mm - x0) < AROUND_MM
    y = breathing.resting_mm(fine_mm[rows].ravel(), shown_s)
    x = fine_mm[columns].ravel() - breathing.across_now_mm(shown_s)
    across, along = box.rows(y), box.columns(x)
    minutes = np.zeros((rows.sum(), columns.sum()))
    for t_s in np.arange(from_s, to_s, STEP_S) + STEP_S / 2:
        plane = box.plane(float(t_s))
        fine_c = np.full((y.size, x.size), BODY_C)
        if plane is not None:
            fine_c += across @ plane @ along
        mean_c = fine_c.reshape(rows.sum(), SUB, columns.sum(), SUB).mean(axis=(1, 3))
        # Sapareto and Dewey 1984: a degree doubles the rate, quadruples it below 43 °C
        minutes += STEP_S / 60 * np.where(mean_c >= 43, 0.5, 0.25) ** (43 - mean_c)
    whole = np.zeros((n, n))
    whole[np.ix_(rows, columns)] = minutes
    return whole


def protocol(*, in_tissue: bool) -> Protocol:
    """Return the shipped protocol, or what it would be if it did not know of motion."""
    shipped = load_protocol("mrgfus-liver")
    if in_tissue:
        return shipped
    before, _, rest = shipped.text.partition("[motion]")
    _, region, after = rest.partition("[[region]]")
    return parse_protocol((before + region + after).replace('"tracked"', '"organ-at-risk"'))


def summed(one: Treated, settings: Protocol) -> Summed:
    """Run the frames through the monitor's fold."""
    frames, sequence = one.played.frames, one.scan.sequence
    _, n_coils, n_samples = frames[0].samples.shape
    noise = NoiseScan(one.played.noise, sequence.noise_sample_time_us, sequence.sample_time_us)
    built = pipeline.build(
        settings, one.played.header, n_coils=n_coils, n_samples=n_samples, noise=noise
    )
    state, places = PipelineState(), []
    for frame, time_s in zip(frames, one.times_s, strict=True):
        state, place, maps = _step(built, state, replace(frame, time_s=float(time_s)))
        places.append(place)
    return Summed(maps, tuple(places))


def _step(
    built: Pipeline, state: PipelineState, frame: Frame
) -> tuple[PipelineState, Displacement | None, Maps]:
    """Return what `pipeline.fold` does, and the displacement, which is in no map."""
    one = pipeline.slice_of(built, state, frame)
    partial = built.reconstructor.absorb(
        built.reconstructor.start(one.calibration), frame.readouts, frame.samples, frame.trajectory
    )
    one, image = pipeline.reconstruct(built, one, partial, frame)
    measured = pipeline.measure(one, image)
    state, _, maps = pipeline.conclude(built, state, measured, frame, PowerLog())
    followed = measured.followed
    return state, None if followed is None else followed.displacement, maps


def off_mm(one: Treated, displacements: tuple[Displacement | None, ...], tracked: Mask) -> Real:
    """Return by how much each frame's place of the focus is wrong, mm."""
    breathing, (n, _), (wide_mm, _) = (
        one.scan.tissue.breathing, one.scan.sequence.matrix, one.scan.sequence.fov_mm,
    )  # fmt: skip
    if breathing is None:
        raise ValueError("the patient does not breathe")
    first_mm = place_mm(breathing, one.shown_s[0])
    about_mm = (np.argwhere(tracked).mean(axis=0) - n // 2) * wide_mm / n
    lever_mm = np.array(FOCUS_MM[::-1]) + first_mm - about_mm
    errors = []
    for seen, shown_s in zip(displacements, one.shown_s, strict=True):
        if seen is None or not seen.is_tracked:
            continue
        found = np.array(seen.displacement_mm) + (np.array(seen.matrix) - np.eye(2)) @ lever_mm
        errors.append(np.linalg.norm(found - (place_mm(breathing, shown_s) - first_mm)))
    return np.array(errors)


@dataclass(frozen=True, slots=True)
class Score:
    """peak, volume: over the truth's. overlap: Dice coefficient of the lesions.

    covered: share of the lesion. width: of its interval, as a factor to either side.
    """

    peak: float
    volume: float
    overlap: float
    covered: float
    width: float
    n_lesion: int


def score(maps: Maps, truth_min: Real) -> Score:
    """Compare a dose with the truth, where that is dead and where it says so."""
    dose, low, high = (
        np.asarray(one[0], np.float64)
        for one in (maps.dose_cem43_min, maps.dose_low_cem43_min, maps.dose_high_cem43_min)
        if one is not None
    )
    lesion, told = truth_min >= NECROSIS_MIN, dose >= NECROSIS_MIN
    near = truth_min > LEAST_DOSE_MIN
    if not lesion.any():
        raise ValueError("nothing was truly killed, so there is no lesion to compare")
    return Score(
        peak=float(dose[near].max() / truth_min.max()),
        volume=float(told.sum() / lesion.sum()),
        overlap=float(2 * (told & lesion).sum() / (told.sum() + lesion.sum())),
        covered=float(((low <= truth_min) & (truth_min <= high))[lesion].mean()),
        width=float(np.median(np.sqrt(high[lesion] / low[lesion]))),
        n_lesion=int(lesion.sum()),
    )


def tracked_mask(one: Treated) -> Mask:
    """Return what the shipped protocol follows, bool (y, x)."""
    settings, frame = protocol(in_tissue=True), one.played.frames[0]
    n, (wide_mm, high_mm) = one.scan.sequence.matrix[0], one.scan.sequence.fov_mm
    masks = region_masks(
        settings,
        shape=(1, n, n),
        fov_mm=(wide_mm, high_mm, one.scan.sequence.depth_mm),
        pose=frame.pose,
    )
    name = next(region.name for region in settings.region if region.role == "tracked")
    return masks[name][0]
