"""Dose and figures of five structures at every frame: what one frame costs."""

import math

import _path  # noqa: F401 - first of all that is not Python's own
import numpy as np
from _table import Table, Target
from numpy.typing import NDArray

from messages import BeamLog
from motion.dose import Accumulator, DoseCloud, DoseGrid, DosePlan, Place, Structure
from realtime.clock import MonotonicClock

Real = NDArray[np.float64]

MOST_MS = 5.0
SHAPE, STEP_MM = (80, 100, 100), 2.5
N_WARM = 20
FRAME_S, N_BEAMS, BEAM_S, BEAM_MU = 0.125, 9, 6.0, 120.0
# name, role, centre (x, y, z) and radius, mm: 2 100 voxels in the target, 14 800 in all
SPHERES = (
    ("target", "target", (0.0, 0.0, 0.0), 20.0),
    ("liver", "organ-at-risk", (0.0, 50.0, 0.0), 30.0),
    ("kidney", "organ-at-risk", (40.0, 0.0, 0.0), 25.0),
    ("cord", "organ-at-risk", (-50.0, 0.0, 0.0), 15.0),
    ("bile duct", "organ-at-risk", (0.0, -30.0, 20.0), 10.0),
)


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return the promise and what each number of structures and each state of the beam costs."""
    n_frames = 60 if quick else 1200
    plan = _plan()
    accumulator = Accumulator(plan)
    on = _took_ms(accumulator, n_frames, _reports(n_frames * FRAME_S))
    off = _took_ms(accumulator, n_frames, BeamLog())
    late = _took_ms(accumulator, n_frames, _reports(n_frames * FRAME_S), told_every=40)
    median, p99 = (float(np.percentile(on, one)) for one in (50, 99))
    target = Target(
        f"dose and DVH per frame, {'×'.join(map(str, SHAPE))} grid, 5 structures: ≤ {MOST_MS:g} ms",
        f"p50 {median:.2f} ms, p99 {p99:.2f} ms",
        p99 <= MOST_MS,
    )
    rows = [
        (name, *(f"{np.percentile(took, one):.2f} ms" for one in (50, 99, 100)))
        for name, took in (
            ("beam on, reported at 10 Hz", on),
            ("beam never on", off),
            ("beam on, reported every 5 s", late),
        )
    ]
    n_points = sum(len(one.volume_mm3) for one in plan.structures)
    return (target,), Table(
        f"Dose per frame, {N_BEAMS} beams, {n_points:,} voxels in 5 structures",
        ("the beam", "p50", "p99", "most"),
        tuple(rows),
        "Delivered, planned so far and forecast, with all figures of each structure. Late reports "
        "bring many frames at once, which are joined by displacement.",
    )


def _took_ms(
    accumulator: Accumulator, n_frames: int, reports: BeamLog, *, told_every: int = 1
) -> Real:
    """Return what each frame took, the first ones left out; reports come as they would."""
    state, took, known, clock = accumulator.start(), [], BeamLog(), MonotonicClock()
    for frame in range(n_frames):
        now_s = frame * FRAME_S
        if frame % told_every == 0:
            recent = (reports.time_s <= now_s) & (reports.time_s > now_s - told_every - 1)
            known = BeamLog(
                reports.time_s[recent],
                reports.number[recent],
                reports.is_on[recent],
                reports.mu[recent],
            )
        breath = math.sin(2 * math.pi * now_s / 4)
        place = Place(now_s, (0.5 * breath, 2 * breath**2, 8 * breath))
        start_ns = clock.now_ns()
        state, _ = accumulator.step(state, place, known)
        took.append((clock.now_ns() - start_ns) / 1e6)
    return np.array(took[N_WARM:])


def _reports(until_s: float) -> BeamLog:
    """Return reports at 10 Hz of beams one after another, over again where the time is long."""
    time_s = np.arange(0.0, until_s, 0.1)
    beam = np.minimum(time_s // BEAM_S, N_BEAMS - 1).astype(np.int64)
    mu = np.minimum((time_s - beam * BEAM_S) / BEAM_S, 1.0) * BEAM_MU
    return BeamLog(time_s, beam + 1, mu < BEAM_MU, mu)


def _plan() -> DosePlan:
    origin = tuple(-STEP_MM * (n - 1) / 2 for n in reversed(SHAPE))
    steps = ((0.0, 0.0, STEP_MM), (0.0, STEP_MM, 0.0), (STEP_MM, 0.0, 0.0))
    grid = DoseGrid(SHAPE, (origin[0], origin[1], origin[2]), steps)
    points_mm = grid.points_mm()
    clouds = tuple(
        DoseCloud(n + 1, BEAM_MU, _beam(points_mm, angle), grid)
        for n, angle in enumerate(np.linspace(0, 2 * np.pi, N_BEAMS, endpoint=False))
    )
    structures = tuple(_sphere(points_mm, *one) for one in SPHERES)
    return DosePlan(clouds, structures, "target", 5.0)


def _beam(points_mm: Real, angle: float) -> NDArray[np.float32]:
    """Return a beam through the middle: a Gaussian across, falling off along."""
    x, y, z = np.moveaxis(points_mm, -1, 0)
    across = y * math.cos(angle) - x * math.sin(angle)
    along = x * math.cos(angle) + y * math.sin(angle)
    dose = np.exp(-(across**2 + z**2) / 2 / 18.0**2 - along / 200.0)
    return (0.6 * dose).astype(np.float32)


def _sphere(
    points_mm: Real, name: str, role: str, center: tuple[float, ...], radius: float
) -> Structure:
    inside = ((points_mm - np.array(center)) ** 2).sum(axis=-1) < radius**2
    volume = np.full(int(inside.sum()), STEP_MM**3)
    volume[::7] *= 0.4  # as voxels at an outline have
    return Structure(name, role, points_mm[inside], volume)
