"""The phase that each pixel held before, carried along where the heated tissue has moved."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.compiled import compiled

# below it a pixel that tissue has left, or come to, is still within π of what it held
SURE_RAD: Final = np.float32(0.5 * math.pi)
HOT_RAD: Final = np.float32(0.25 * math.pi)
REACH_PX: Final = 6  # of an organ between two frames
BETTER: Final = np.float32(0.5)  # a shift must explain so much that staying does not
ZERO, ONE = np.float32(0.0), np.float32(1.0)
NOTHING = np.zeros((1, 1, 1), np.complex64)
Volume = NDArray[np.float32]


def followed(held_rad: Volume, wrapped_rad: Volume, usable: NDArray[np.bool_]) -> Volume:
    """Return the held phase (z, y, x), moved in plane to where the new phase shows it.

    A pixel is unwrapped against what it held. Once heat passes half a turn and its tissue moves,
    that is another tissue's phase: what was hot and now lies still beside it would read a whole
    turn. The shift, whole pixels, is the one under which old and new phase agree best up to whole
    turns; it is taken only where it leaves at most half of what staying leaves. Colder tissue
    needs none.
    """
    hot = np.flatnonzero((np.abs(held_rad) > HOT_RAD).any(axis=0).ravel())
    if hot.size == 0 or float(np.max(np.abs(held_rad))) <= SURE_RAD:
        _best_shift(NOTHING, NOTHING, 0, 0, 0, 0)  # compiled before there is heat
        return held_rad
    y, x = np.unravel_index(hot, held_rad.shape[1:])
    box = (
        max(int(y.min()) - REACH_PX, 0),
        min(int(y.max()) + REACH_PX + 1, held_rad.shape[1]),
        max(int(x.min()) - REACH_PX, 0),
        min(int(x.max()) + REACH_PX + 1, held_rad.shape[2]),
    )
    before, now = np.exp(1j * held_rad), np.where(usable, np.exp(1j * wrapped_rad), 0)
    dy, dx = _best_shift(before.astype(np.complex64), now.astype(np.complex64), *box)
    if dy == 0 and dx == 0:
        return held_rad
    rows = np.clip(np.arange(box[0], box[1]) - dy, 0, held_rad.shape[1] - 1)
    columns = np.clip(np.arange(box[2], box[3]) - dx, 0, held_rad.shape[2] - 1)
    moved = held_rad.copy()
    moved[:, box[0] : box[1], box[2] : box[3]] = held_rad[:, rows][:, :, columns]
    return moved


@compiled
def _best_shift(
    before: NDArray[np.complex64],
    now: NDArray[np.complex64],
    y_from: int,
    y_to: int,
    x_from: int,
    x_to: int,
) -> tuple[int, int]:
    """Shift (y, x) that leaves least Σ 1 - cos of what old and new phase differ by."""
    n_z, n_y, n_x = before.shape
    best_y, best_x, least = 0, 0, ZERO
    for step in range((2 * REACH_PX + 1) ** 2 + 1):
        # staying first, so that the others are compared with it
        dy = 0 if step == 0 else (step - 1) // (2 * REACH_PX + 1) - REACH_PX
        dx = 0 if step == 0 else (step - 1) % (2 * REACH_PX + 1) - REACH_PX
        cost = ZERO
        for z in range(n_z):
            for y in range(y_from, y_to):
                row = min(max(y - dy, 0), n_y - 1)
                for x in range(x_from, x_to):
                    old = before[z, row, min(max(x - dx, 0), n_x - 1)]
                    new = now[z, y, x]
                    size = new.real * new.real + new.imag * new.imag
                    cost += size - (old.real * new.real + old.imag * new.imag)
        if step == 0:
            least = BETTER * cost
        elif cost < least:
            best_y, best_x, least = dy, dx, cost
    return best_y, best_x
