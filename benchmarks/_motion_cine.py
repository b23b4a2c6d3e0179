"""Real cine without labels: how far the trackers are from what most of seven others agree on."""

from collections.abc import Iterator
from dataclasses import dataclass

import _path  # noqa: F401 - the repository first
import numpy as np
from _independent_trackers import TRACKERS
from _moving_picture import data_folder, image_of
from _table import MeasurementError, Table, Target
from numpy.typing import NDArray
from scipy import ndimage

from motion import METHODS, TrackingPlan

Real = NDArray[np.float64]

# lung_a comes without its pixel size: its figures are pixels, written as millimetres
PIXEL_MM = {"liver_a": 1.818, "liver_b": 1.818, "lung_a": 1.0}
RATE_HZ = {"liver_a": 5.97, "liver_b": 5.97, "lung_a": 3.18}
N_FRAMES, N_TARGETS = 140, 4
RADIUS_MM, REACH_MM = 11.0, 30.0
MOST_MEAN_MM, LOST_MM, TRUE_MM = 0.5, 3.0, 1.0
AGREED_MM, LEAST_AGREED = 1.5, 4  # of seven
JUDGED = "ncc-affine"


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """One target of one sequence.

    consensus_mm: (frame, 2), median of the independent trackers. n_agreed: (frame,), how many of
    them are near it. found_mm, is_doubted, is_training: by method.
    """

    name: str
    consensus_mm: Real
    n_agreed: NDArray[np.intp]
    found_mm: dict[str, Real]
    is_doubted: dict[str, NDArray[np.bool_]]
    is_training: dict[str, NDArray[np.bool_]]

    @property
    def is_agreed(self) -> NDArray[np.bool_]:
        """Where the others agree, so that there is something to be compared with."""
        return self.n_agreed >= LEAST_AGREED


def measure(*, quick: bool) -> tuple[tuple[Target, ...], Table]:
    """Return what was promised, and the figures of every tracker on every target."""
    if not (data_folder() / "cine").is_dir():
        raise MeasurementError(f"no real cine at {data_folder() / 'cine'}; set MRMONITOR_DATA")
    found = [
        one
        for name in (("liver_a",) if quick else PIXEL_MM)
        for one in followed(
            name, n_frames=40 if quick else N_FRAMES, n_targets=1 if quick else N_TARGETS
        )
    ]
    return _targets(found), _table(found)


def followed(name: str, *, n_frames: int, n_targets: int) -> Iterator[Followed]:
    """Follow the targets of one sequence with everything there is."""
    with np.load(data_folder() / "cine" / f"{name}.npz") as file:
        frames = file["frames"][:n_frames].astype(np.float64)
    pixel, radius = PIXEL_MM[name], RADIUS_MM / PIXEL_MM[name]
    reach = int(REACH_MM / pixel)
    for number, centre in enumerate(targets(frames, radius, n_targets)):
        all_mm = pixel * _others(frames, centre, radius, reach)
        consensus = np.nanmedian(all_mm, axis=0)
        is_near = np.linalg.norm(all_mm - consensus, axis=2) <= AGREED_MM
        found = {m: _run(m, frames, centre, radius, pixel, RATE_HZ[name]) for m in METHODS}
        yield Followed(
            f"{name} {number + 1}", consensus, is_near.sum(axis=0),
            *({method: one[part] for method, one in found.items()} for part in range(3)),
        )  # fmt: skip


def _others(frames: Real, centre: tuple[float, float], radius: float, reach: int) -> Real:
    """Return the shifts (tracker, frame, 2) of the independent trackers, pixels.

    One that leaves its reach has lost the target: NaN, it has no vote, and it starts anew.
    """
    half = int(3 * radius) + reach + 4
    low = np.maximum(np.round(centre).astype(int) - half, 0)
    cut = frames[:, low[0] : low[0] + 2 * half + 1, low[1] : low[1] + 2 * half + 1]
    at = (centre[0] - low[0], centre[1] - low[1])
    shifts = np.full((len(TRACKERS), len(frames), 2), np.nan)
    for path, finder in zip(shifts, TRACKERS.values(), strict=True):
        last = np.zeros(2)
        for number, now in enumerate(cut):
            found = finder(cut[0], now, at, radius, last, reach)
            is_lost = not np.abs(found).max() <= reach
            last = np.zeros(2) if is_lost else found
            path[number] = np.nan if is_lost else found
    return shifts


def targets(frames: Real, radius: float, n_targets: int) -> list[tuple[float, float]]:
    """Return centres by rule: where the first frame has corners and the sequence moves.

    The lesser eigenvalue of the structure tensor (Shi and Tomasi 1994) times the standard deviation
    over time, both over the target's size; the best first, four radii apart, not at the border.
    """
    slopes = np.gradient(ndimage.gaussian_filter(frames[0], 1.0))
    yy, yx, xx = (
        ndimage.gaussian_filter(slopes[a] * slopes[b], radius / 2)
        for a, b in ((0, 0), (0, 1), (1, 1))
    )
    least = (yy + xx) / 2 - np.sqrt(((yy - xx) / 2) ** 2 + yx**2)
    moves = ndimage.gaussian_filter(frames.std(axis=0), radius / 2)
    score = np.sqrt(np.maximum(least, 0.0)) * moves
    rim = int(2.5 * radius) + 4
    score[:rim], score[-rim:], score[:, :rim], score[:, -rim:] = 0.0, 0.0, 0.0, 0.0
    y, x = np.mgrid[: score.shape[0], : score.shape[1]]
    found = []
    for _ in range(n_targets):
        top, left = np.unravel_index(int(np.argmax(score)), score.shape)
        found.append((float(top), float(left)))
        score[np.hypot(y - top, x - left) < 4 * radius] = 0.0
    return found


def _run(
    method: str,
    frames: Real,
    centre: tuple[float, float],
    radius: float,
    pixel_mm: float,
    rate_hz: float,
) -> tuple[Real, NDArray[np.bool_], NDArray[np.bool_]]:
    y, x = np.mgrid[: frames.shape[1], : frames.shape[2]]
    mask = np.hypot(y - centre[0], x - centre[1]) <= radius
    tracker = METHODS[method](TrackingPlan(mask, (pixel_mm, pixel_mm), 7.0))
    state, path, doubted, training = tracker.start(), [], [], []
    for number, frame in enumerate(frames):
        state, place = tracker.step(state, image_of(frame, number, rate_hz=rate_hz))
        path.append(place.displacement_mm)
        doubted.append(bool(place.doubts))
        training.append(place.is_training)
    return np.array(path), np.array(doubted), np.array(training)


def _deviation(one: Followed, method: str) -> tuple[Real, NDArray[np.bool_]]:
    """Return the distances from the consensus, where there is one and nothing is learned any more.

    And whether they were doubted.
    """
    used = one.is_agreed & ~one.is_training[method]
    away = np.linalg.norm(one.found_mm[method] - one.consensus_mm, axis=1)
    return away[used], one.is_doubted[method][used]


def _targets(found: list[Followed]) -> tuple[Target, ...]:
    parts = [_deviation(one, JUDGED) for one in found]
    away, doubted = (np.concatenate(each) for each in zip(*parts, strict=True))
    means = [a[~d].mean() for a, d in parts if (~d).any()]
    if not means:
        raise MeasurementError("no frame is believed where the independent trackers agree")
    mean = float(np.mean(means))
    is_lost, is_true = ~(away <= LOST_MM), away <= TRUE_MM
    unreported = int(np.sum(is_lost & ~doubted))
    where = f"real cine, {JUDGED}"
    return (
        Target(
            f"{where}: ≤ {MOST_MEAN_MM} mm mean from the consensus",
            f"{mean:.2f} mm over {len(means)} of {len(parts)} targets (doubted frames in: "
            f"{np.mean([a.mean() for a, _ in parts if a.size]):.2f} mm)",
            mean <= MOST_MEAN_MM,
        ),
        Target(
            f"{where}: no lost track (> {LOST_MM:.0f} mm) unreported",
            f"{unreported} of {is_lost.sum()} unreported in {away.size} frames",
            unreported == 0,
        ),
        Target(
            f"{where}: held although true within {TRUE_MM:.0f} mm",
            f"{100 * np.mean(doubted[is_true]):.1f} % of {is_true.sum()}",
            None,
        ),
    )


def _table(found: list[Followed]) -> Table:
    rows = []
    for one in found:
        for method in METHODS:
            away, doubted = _deviation(one, method)
            believed = away[~doubted]
            rows.append(
                (
                    one.name, method, f"{np.ptp(one.consensus_mm, axis=0).max():.1f}",
                    f"{100 * one.is_agreed.mean():.0f} %", f"{one.n_agreed.mean():.1f}",
                    f"{believed.mean():.2f}" if believed.size else "–",
                    f"{believed.max():.2f}" if believed.size else "–",
                    f"{away.mean():.2f}" if away.size else "–",
                    f"{int(np.sum(away > LOST_MM))}",
                    f"{int(np.sum(believed > LOST_MM))}", f"{int(doubted.sum())} of {away.size}",
                )
            )  # fmt: skip
    return Table(
        f"Real cine, {N_FRAMES} frames each, discs of {RADIUS_MM:.0f} mm with texture and motion",
        (
            "target", "tracker", "range mm", "agreed", "who agree, of 7", "mean, believed mm",
            "worst, believed mm", "mean, all mm", "lost", "unreported", "doubted",
        ),
        tuple(rows),
        f"Consensus: median of {', '.join(TRACKERS)}, none of which shares code with the product. "
        f"'agreed': the share of frames where {LEAST_AGREED} of the {len(TRACKERS)} lie within "
        f"{AGREED_MM} mm of it; only these count, and only after training. Targets by rule, best "
        "first; none was left out.",
    )  # fmt: skip
