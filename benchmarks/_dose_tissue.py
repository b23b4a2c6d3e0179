"""Thermal dose in a liver that breathes: summed in tissue, and summed in pixels, against truth."""

import math

import _path  # noqa: F401 - first of all that is not Python's own
from _table import Table, Target

from benchmarks._moving_liver import (
    ENERGY_J,
    FOCUS_RADIUS_MM,
    N_BASELINE,
    N_COOLING,
    Real,
    Score,
    off_mm,
    protocol,
    score,
    summed,
    tracked_mask,
    treated,
)

REACHES_MM = (11.0, 6.0)  # of the diaphragm; the focus moves by 0.7 of it
N_HEATED = 30
LEAST_COVERED, MOST_OFF_MM = 0.9, 0.5


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return what summing in tissue is worth, and the figures behind it."""
    n_frames = N_BASELINE + (4 if quick else N_HEATED) + N_COOLING
    targets: list[Target] = []
    rows: list[tuple[str, ...]] = []
    for reach_mm in REACHES_MM[:1] if quick else REACHES_MM:
        one = treated(reach_mm, n_frames=n_frames, matrix=40 if quick else 80)
        found = summed(one, protocol(in_tissue=True)), summed(one, protocol(in_tissue=False))
        errors_mm = off_mm(one, found[0].displacements, tracked_mask(one))
        tissue, pixels = (score(each.maps, one.truth_min) for each in found)
        name = f"focus breathes by {one.depth_mm:.1f} mm"
        for where, each in (("tissue", tissue), ("pixels", pixels)):
            rows.append(_row(f"{name}, {where}", each, errors_mm if where == "tissue" else None))
        targets += _targets(name, tissue, pixels, errors_mm)
    return tuple(targets), Table(
        "Thermal dose in a breathing liver, in tissue and in pixels",
        (
            "case", "lesion, pixels", "peak over truth", "lesion over truth", "DSC of the lesion",
            "covered", "interval, × and ÷", "place of the focus off, mean and largest, mm",
        ),
        tuple(rows),
        NOTE,
    )  # fmt: skip


def _row(name: str, one: Score, errors_mm: Real | None) -> tuple[str, ...]:
    off = "–" if errors_mm is None else f"{errors_mm.mean():.2f}, {errors_mm.max():.2f}"
    return (
        name, str(one.n_lesion), f"{one.peak:.2f}", f"{one.volume:.2f}", f"{one.overlap:.2f}",
        f"{100 * one.covered:.0f} %", f"{one.width:.1f}", off,
    )  # fmt: skip


def _targets(name: str, tissue: Score, pixels: Score, errors_mm: Real) -> list[Target]:
    mean_mm = float(errors_mm.mean()) if errors_mm.size else math.nan
    return [
        Target(
            f"{name}: dose in tissue within its interval in {100 * LEAST_COVERED:.0f} % of the "
            "lesion",
            f"{100 * tissue.covered:.0f} % (in pixels {100 * pixels.covered:.0f} %)",
            tissue.covered >= LEAST_COVERED,
        ),
        Target(
            f"{name}: DSC of the lesion better than in pixels",
            f"{tissue.overlap:.2f} against {pixels.overlap:.2f}",
            tissue.overlap > pixels.overlap,
        ),
        Target(
            f"{name}: place of the focus true to {MOST_OFF_MM:g} mm in the mean",
            f"{mean_mm:.2f} mm",
            mean_mm <= MOST_OFF_MM,
        ),
    ]


NOTE = (
    "`simulators.patients`, breathing-liver, by the shipped protocol mrgfus-liver with and without "
    f"its [motion]: {ENERGY_J:g} J on a focus of {FOCUS_RADIUS_MM:g} mm radius that follows the "
    "tissue, segmented EPI of 0.4 s a frame and 3 mm pixels, SNR 40, lungs that disturb the field. "
    "Truth: temperature of material points, from the bio-heat solution, averaged over the tissue "
    "of each pixel of the first image, and integrated in steps of 0.1 s. Lesion: 240 CEM43; "
    "covered: share of its true pixels whose 95 % interval holds the truth. Place: of the focus, "
    "against the breath at the mean time of the image's segments. The trackers see the shading of "
    "the coils and the shifted fat of the wall, which stand still."
)
