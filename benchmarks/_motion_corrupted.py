"""Frames that are not what they should be: are they held, and are the good ones believed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import _path  # noqa: F401 - the repository first
import numpy as np
from _motion_tracking import cases
from _moving_picture import Case, frames, image_of
from _table import Table, Target
from numpy.typing import NDArray

from motion import METHODS, TrackingPlan

Real = NDArray[np.float64]
Complex = NDArray[np.complex128]

KINDS = ("noise burst", "k-space spike", "out of plane", "dropped lines", "zeroed lines")
SILENT = "zeroed lines"  # the stream says that they are whole; of dropped ones it says so
SHARE, LOST_MM = 0.15, 3.0
N_PICTURES, N_PASSES = 60, 9
LEAST_HELD, MOST_FALSE = 0.99, 0.005
JUDGED = "ncc-affine"


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One frame after training.

    kind: "" where it was good. error_mm: of the reported place, NaN where there is none.
    """

    kind: str
    error_mm: float
    is_held: bool
    doubts: tuple[str, ...]


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return what was promised, and the figures by kind of corruption."""
    n_pictures, n_passes = (30, 2) if quick else (N_PICTURES, N_PASSES)
    found: list[Judged] = []
    for case in list(cases(n_pictures))[: 1 if quick else None]:
        clean = [(one.clean, one.shift_px, one.mask) for one in frames(replace(case, noise=0.0))]
        # to and fro, so that the motion has no seam
        order = [k for n in range(n_passes) for k in range(n_pictures)[:: 1 if n % 2 == 0 else -1]]
        found += judged(JUDGED, case, [clean[k] for k in order])
    return _targets(found), _table(found)


def judged(
    method: str, case: Case, shown: list[tuple[Real, Real, NDArray[np.bool_]]]
) -> Iterator[Judged]:
    """Yield what a tracker makes of a sequence of which some frames are corrupted.

    All but the first may be, those of the training too.
    """
    rng = np.random.default_rng(case.seed + 1000)
    tracker = METHODS[method](TrackingPlan(shown[0][2], (1.0, 1.0), 5.0))
    state, sigma = tracker.start(), case.noise * float(np.quantile(shown[0][0], 0.99))
    for number, (clean, shift, _) in enumerate(shown):
        kind = str(rng.choice(KINDS)) if number and rng.random() < SHARE else ""
        noise = sigma * (rng.standard_normal((2, *clean.shape)))
        picture = np.abs(corrupted(clean + noise[0] + 1j * noise[1], kind, rng))
        image = replace(image_of(picture, number), is_complete=kind != "dropped lines")
        state, place = tracker.step(state, image)
        if not place.is_training:
            error = float(np.linalg.norm(np.array(place.displacement_mm) - shift))
            yield Judged(kind, error, not place.is_tracked, place.doubts)


def corrupted(clean: Complex, kind: str, rng: np.random.Generator) -> Complex:
    """Return a complex picture (y, x) with one thing wrong, as severe as chance will have it."""
    bright = float(np.quantile(np.abs(clean), 0.99))
    picture = clean.copy()
    if kind == "noise burst":
        size = rng.uniform(0.25, 1.0) * bright
        picture += size * (rng.standard_normal(clean.shape) + 1j * rng.standard_normal(clean.shape))
    elif kind == "k-space spike":
        size, phase = rng.uniform(0.3, 1.5) * bright, rng.uniform(0, 2 * np.pi)
        ky, kx = rng.uniform(0.02, 0.25, 2) * rng.choice([-1, 1], 2)
        y, x = np.mgrid[: clean.shape[0], : clean.shape[1]]
        picture += size * np.exp(1j * (2 * np.pi * (ky * y + kx * x) + phase))
    elif kind == "out of plane":
        # other tissue of the same body: what lies elsewhere in it, turned over
        away = rng.integers(45, 90, 2) * rng.choice([-1, 1], 2)
        picture = np.roll(picture[:, ::-1], tuple(int(a) for a in away), axis=(0, 1))
    elif kind in ("dropped lines", SILENT):
        lines = np.fft.fftshift(np.fft.fft2(picture), axes=0)
        first = int(rng.integers(0, clean.shape[0] // 2))
        length = int(rng.integers(clean.shape[0] // 8, clean.shape[0] // 2))
        lines[first : first + length] = 0.0
        picture = np.fft.ifft2(np.fft.ifftshift(lines, axes=0))
    return picture


def _targets(found: list[Judged]) -> tuple[Target, ...]:
    told = [one for one in found if one.kind not in ("", SILENT)]
    silent = [one for one in found if one.kind == SILENT]
    good = [one for one in found if not one.kind]
    lost = [one for one in found if one.error_mm > LOST_MM]
    held_told, held_silent, held_lost, false = (
        float(np.mean([one.is_held for one in part])) if part else 1.0
        for part in (told, silent, lost, good)
    )
    passed = [one.error_mm for one in silent if not one.is_held]
    where = f"corrupted frames, {JUDGED}"
    return (
        Target(
            f"{where}: ≥ 99 % held (noise, spikes, other tissue, lines that never came)",
            f"{100 * held_told:.1f} % of {len(told)}",
            held_told >= LEAST_HELD,
        ),
        Target(
            f"{where}: ≥ 99 % held of all whose place is wrong by > {LOST_MM:.0f} mm",
            f"{100 * held_lost:.1f} % of {len(lost)}",
            held_lost >= LEAST_HELD,
        ),
        Target(
            f"{where}: lines that came as zeros and say that they are whole, held",
            f"{100 * held_silent:.1f} % of {len(silent)}; the {len(passed)} others are true within "
            f"{max(passed, default=0.0):.2f} mm",
            None,
        ),
        Target(
            f"{where}: ≤ 0.5 % false holds",
            f"{100 * false:.2f} % of {len(good)} good frames",
            false <= MOST_FALSE,
        ),
    )


def _table(found: list[Judged]) -> Table:
    rows = []
    for kind in (*KINDS, ""):
        part = [one for one in found if one.kind == kind]
        lost = [one for one in part if one.error_mm > LOST_MM]
        missed = [one for one in part if not one.is_held]
        names = sorted({doubt for one in part for doubt in one.doubts})
        rows.append(
            (
                kind or "good", f"{len(part)}", f"{sum(one.is_held for one in part)}",
                f"{len(lost)}", f"{sum(one.is_held for one in lost)}",
                f"{max((one.error_mm for one in missed), default=0.0):.2f}",
                ", ".join(f"{n} {sum(n in o.doubts for o in part)}" for n in names),
            )
        )  # fmt: skip
    return Table(
        f"Synthetic, {JUDGED}, {100 * SHARE:.0f} % of the frames corrupted, training included",
        (
            "frames", "number", "held", f"lost > {LOST_MM:.0f} mm", "lost and held",
            "worst believed mm", "doubts",
        ),
        tuple(rows),
        "Each kind from mild to severe: a burst of 25 to 100 % of the bright signal, a spike whose "
        "stripes are 30 to 150 % of it, other tissue in the target's place, an eighth to a half of "
        "the lines zero. Lines that never came are counted by whoever reads the stream: the image "
        "is marked incomplete, and held before anything is looked at; it has no place that could "
        "be wrong. Zeroed lines are the same without the mark: only the look can tell. The "
        "threshold runs; the first frames after the training are in.",
    )  # fmt: skip
