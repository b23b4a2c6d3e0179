"""Texture that moves by an affine law, exactly: plane waves in closed form."""

import numpy as np

from messages import FrameKey, Image, Pose
from motion import TrackingPlan

SHAPE = (96, 100)
CENTRE = np.array([47.3, 50.6])
_RNG = np.random.default_rng(7)
_WAVES = [
    (2 * np.pi / length * np.sin(angle), 2 * np.pi / length * np.cos(angle), phase)
    for length, angle, phase in zip(
        _RNG.uniform(9, 50, 40), _RNG.uniform(0, 6.28, 40), _RNG.uniform(0, 6.28, 40), strict=True
    )
]


def texture(y, x):
    total = sum(np.cos(a * y + b * x + phase) for a, b, phase in _WAVES)
    return 5.0 + 0.5 * total / np.sqrt(len(_WAVES) / 2)


def grid():
    return np.mgrid[: SHAPE[0], : SHAPE[1]].astype(float)


def disc(radius=11.0, centre=CENTRE):
    y, x = grid()
    return np.hypot(y - centre[0], x - centre[1]) <= radius


def plan(**changes):
    values = {
        "target_mask": disc(),
        "pixel_mm": (1.0, 1.0),
        "thickness_mm": 5.0,
        "search_mm": 20.0,
        "training_frames": 6,
    }
    return TrackingPlan(**(values | changes))


def picture(shift=(0.0, 0.0), matrix=((1.0, 0.0), (0.0, 1.0)), *, noise=0.0, seed=0):
    """The tissue after x ↦ c + shift + matrix (x - c), c the centre of mass of `disc()`."""
    centre = np.argwhere(disc()).mean(axis=0)
    offset = np.stack(grid()) - (centre + shift)[:, None, None]
    back = np.tensordot(np.linalg.inv(matrix), offset, axes=1)
    seen = texture(back[0] + centre[0], back[1] + centre[1])
    rng = np.random.default_rng(seed)
    return np.hypot(seen + noise * rng.standard_normal(SHAPE), noise * rng.standard_normal(SHAPE))


def image(magnitude, number=0, *, time_s=None, is_complete=True):
    return Image(
        frame_id=number,
        key=FrameKey(repetition=number),
        time_s=number * 0.25 if time_s is None else time_s,
        pixels=np.asarray(magnitude, np.complex64)[None],
        fov_mm=(100.0, 96.0, 5.0),
        pose=Pose(),
        is_complete=is_complete,
    )


def fold(tracker, pictures):
    """Every displacement of a sequence, and the last state."""
    state, found = tracker.start(), []
    for number, one in enumerate(pictures):
        one = one if isinstance(one, Image) else image(one, number)
        state, place = tracker.step(state, one)
        found.append(place)
    return state, found


def breathing(n_frames, *, amplitude=9.0, noise=0.1):
    """Pictures of a breath, and the shift of each."""
    shifts = [
        np.array([amplitude * np.sin(0.5 * n) ** 2, 0.3 * amplitude * np.sin(0.5 * n) ** 2])
        for n in range(n_frames)
    ]
    return [picture(s, noise=noise, seed=n) for n, s in enumerate(shifts)], shifts
