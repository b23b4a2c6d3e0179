"""Bodies that look like a chest, a liver and a pelvis; the first of each is the target.

Places are (back, down) mm in the sagittal slice through the anatomy's origin; what moves does so
the less the farther it lies from the diaphragm.
"""

import math
from collections.abc import Callable

import numpy as np

from simulators.linac.bodies import Body, Vector

Share = Callable[[float, float], Vector]


def lung() -> tuple[Body, ...]:
    """Return a chest: a bright tumour in a dark lung above the dome of the liver."""
    share = _breathing(full_mm=18.0, dome_mm=45.0)
    target = _at(0.5 + 0.04j, 22, 18, (11, 12, 13), 20, (1.0, 1.0, 1.0))
    dome = _at(0.5, 0, 93, (105, 60, 50), 0, share(0, 45))
    hilum = _at(0.4, 6, -34, (13, 9, 15), 15, share(6, -34))
    liver_vessels = tuple(
        _at(0.2, back, down, (8, long, 2.6), turn, share(back, down))
        for back, down, long, turn in ((-20, 92, 18, 40), (14, 86, 14, -35), (4, 125, 20, 10))
    )
    beside = tuple(  # what a coronal slice through the tumour shows
        _aside(0.3, left, 22, down, size, share(22, down))
        for left, down, size in (
            (-30, -20, (14, 5, 2.4)), (-52, 4, (12, 5, 2.0)), (-40, -52, (2.2, 5, 15)),
            (28, -36, (16, 6, 3.2)), (46, 2, (2.4, 5, 14)), (30, 24, (10, 4, 1.8)),
            (-70, -24, (9, 4, 1.8)), (-28, 30, (2.0, 4, 9)), (8, -66, (2.4, 5, 16)),
            (-62, -78, (8, 4, 1.6)), (36, -86, (1.8, 4, 12)),
        )
    )  # fmt: skip
    return (target, *_chest(), dome, hilum, *_lung_vessels(share), *beside, *liver_vessels)


def liver() -> tuple[Body, ...]:
    """Return an abdomen: a darker tumour in a textured liver under the diaphragm."""
    share = _breathing(full_mm=10.0, dome_mm=-50.0, end_mm=150.0, end_share=0.75)
    target = _at(-0.3, 8, 10, (14, 13, 12), -25, (1.0, 1.0, 1.0))
    organ = _at(0.5 + 0.05j, -3, 36, (100, 68, 86), 6, (1.0, 1.0, 1.0))
    vessels = tuple(
        _at(0.25, back, down, (7, long, 3.0), turn, share(back, down))
        for back, down, long, turn in (
            (-34, 8, 20, 50), (-14, 52, 24, -30), (34, 46, 16, 70), (20, -24, 14, -55),
            (-40, 62, 12, 15), (10, 82, 17, 25),
        )
    )  # fmt: skip
    kidney = _at(-0.15, 44, 96, (24, 17, 30), 12, share(44, 96))
    pelvis = _at(0.25, 46, 96, (12, 7, 14), 12, share(46, 96))
    above = tuple(one for one in _lung_vessels(share) if one.center_mm[2] > 70)
    texture = _texture(share, centre=(-3, 36), reach=(56, 70), clear_of=(8, 10, 24))
    return (target, *_chest(), organ, *vessels, kidney, pelvis, *above, *texture)


def pelvis() -> tuple[Body, ...]:
    """Return a pelvis: a prostate between bladder, rectum and bone."""
    target = _at(0.28, 4, 22, (23, 17, 20), 20, (1.0, 1.0, 1.0))
    zone = _at(0.12, 1, 18, (12, 8, 10), 20, (1.0, 1.0, 1.0))
    bladder = _at(0.55, -16, -28, (38, 30, 26), -15, (0.3, 0.3, 0.3))
    rectum = _at(0.12, 36, 10, (15, 13, 42), -18, (0.6, 0.6, 0.3))
    hollow = _at(-0.3, 37, 6, (9, 7, 30), -18, (0.6, 0.9, 0.3))
    vesicles = _at(0.3, 22, -10, (26, 9, 5), -30, (0.8, 0.8, 0.7))
    bones = (
        _at(-0.22, -52, 32, (14, 13, 20), 35),  # symphysis
        *(_at(0.18, 74 - 4 * i, -120 + 29 * i, (24, 14, 12), -12 * i) for i in range(6)),  # sacrum
        *(_at(-0.2, 74 - 4 * i, -105 + 29 * i, (22, 13, 2.5), -12 * i) for i in range(5)),
    )
    bowel = tuple(
        _at(0.16, back, down, (20, 16, 11), turn)
        for back, down, turn in ((-40, -95, 20), (-8, -84, -20), (24, -92, 10), (-24, -130, 0))
    )
    wall = (
        _at(0.75, 0, 0, (170, 112, 186)),
        _at(-0.4, 0, 0, (158, 98, 172)),
        _at(-0.05, -6, 0, (120, 74, 150)),
    )
    return (target, *wall, zone, bladder, rectum, hollow, vesicles, *bones, *bowel)


def _chest() -> tuple[Body, ...]:
    """Return what stands still: skin, muscle, the dark cavity, ribs and the mediastinum."""
    ribs = []
    for down in range(-130, 131, 26):
        wide = float(np.sqrt(1 - (down / 170) ** 2))
        ribs += [
            _at(-0.22, -6 + 87 * wide, down, (60, 4.5, 6), 25),
            _at(-0.22, -6 - 84 * wide, down + 8, (60, 3.5, 5), -25),
        ]
    outline = (
        _at(0.72, 0, 0, (170, 108, 188)),
        _at(-0.3, 0, 0, (160, 100, 181)),
        _at(-0.35, -6, 2, (140, 78, 170)),
    )
    mediastinum = _aside(0.42, 95, -12, -10, (38, 40, 95))
    return (*outline, *ribs, mediastinum)


def _lung_vessels(share: Share) -> list[Body]:
    """Return vessels that branch from the hilum and thin out on their way."""
    rng = np.random.default_rng(3)
    vessels: list[Body] = []
    for turn in (-165, -128, -96, -62, -20, 24, 58, 84, 108, 142, 172):
        turn_deg = turn + float(rng.uniform(-9, 9))
        away = 11 * math.cos(math.radians(turn_deg)), 14 * math.sin(math.radians(turn_deg))
        _branch(vessels, share, rng, start=(6 + away[0], away[1] - 34), turn_deg=turn_deg)
    return vessels


def _branch(
    vessels: list[Body],
    share: Share,
    rng: np.random.Generator,
    *,
    start: tuple[float, float],
    turn_deg: float,
    wide_mm: float = 3.4,
) -> None:
    """Add a vessel and the two that it forks into, until they are thin or leave the lung."""
    long = float(rng.uniform(16, 30)) * math.sqrt(wide_mm / 3)
    turn = math.radians(turn_deg)
    end = start[0] + long * math.cos(turn), start[1] + long * math.sin(turn)
    back, down = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    near_target = abs(back - 22) < 24 and abs(down - 18) < 24
    is_inside = ((end[0] + 6) / 70) ** 2 + (end[1] / 152) ** 2 < 1 and end[1] < 40
    if wide_mm < 1 or not is_inside or near_target:
        return
    size = (2.5 * wide_mm, 0.6 * long, wide_mm)
    vessels.append(_at(0.1 + 0.08 * wide_mm, back, down, size, turn_deg, share(back, down)))
    for side in (-1, 1):
        bent = turn_deg + side * float(rng.uniform(12, 34))
        _branch(vessels, share, rng, start=end, turn_deg=bent, wide_mm=wide_mm * 0.62)


def _texture(
    share: Share,
    *,
    centre: tuple[float, float],
    reach: tuple[float, float],
    clear_of: tuple[float, float, float],
) -> list[Body]:
    """Return speckles of an organ, everywhere but about its tumour (back, down, radius)."""
    rng = np.random.default_rng(7)
    speckles: list[Body] = []
    while len(speckles) < 48:
        u, v = rng.uniform(-1, 1, 2)
        back, down = centre[0] + reach[0] * u, centre[1] + reach[1] * v
        radius = float(rng.uniform(3, 9))
        far = np.hypot(back - clear_of[0], down - clear_of[1]) > clear_of[2] + radius / 2
        if u**2 + v**2 < 1 and far:
            weight, stretch = float(rng.uniform(-0.07, 0.07)), float(rng.uniform(0.6, 1.4))
            size = (radius, radius * stretch, radius)
            speckles.append(
                _at(weight, back, down, size, float(rng.uniform(0, 180)), share(back, down))
            )
    return speckles


def _breathing(
    *, full_mm: float, dome_mm: float, end_mm: float = 200.0, end_share: float = 1.0
) -> Share:
    """Return shares that are 1 at full_mm down, a little more at the dome, little at the apex."""
    points = sorted([(-175.0, 0.1), (full_mm, 1.0), (dome_mm, 1.12), (end_mm, end_share)])
    downs, shares = zip(*points, strict=True)

    def share(back: float, down: float) -> Vector:
        along = float(np.interp(down, downs, shares))
        across = along * float(np.clip(1 - (back - 10) / 300, 0.7, 1.2))  # the front moves more
        return along, across, along

    return share


def _at(
    weight: complex,
    back: float,
    down: float,
    semi_axes_mm: Vector,
    angle_deg: float = 0.0,
    share: Vector = (0.0, 0.0, 0.0),
) -> Body:
    return Body(weight, (0.0, float(back), -float(down)), semi_axes_mm, angle_deg, share)


def _aside(
    weight: complex,
    left: float,
    back: float,
    down: float,
    semi_axes_mm: Vector,
    share: Vector = (0.0, 0.0, 0.0),
) -> Body:
    return Body(weight, (float(left), float(back), -float(down)), semi_axes_mm, 0.0, share)
