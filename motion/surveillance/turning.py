"""Where a breath turns: the end-exhale and end-inhale points of a level over time."""

import math
from dataclasses import dataclass, replace
from typing import Literal

Point = tuple[float, float, float]  # time_s, y_mm, x_mm


@dataclass(frozen=True, slots=True)
class Turning:
    """The way since the last turning point.

    seeks: which end comes next. level_mm, point: the farthest so far toward it.
    other_mm: level of the turning point before, NaN where there was none.
    """

    seeks: Literal["exhale", "inhale"] = "exhale"
    level_mm: float = math.inf
    point: Point = (math.nan, math.nan, math.nan)
    other_mm: float = math.nan


def turn(
    state: Turning, level_mm: float, point: Point, *, least_mm: float
) -> tuple[Turning, Turning | None]:
    """Return the next state, and what was reached where the breath has just turned.

    level_mm: rises as the patient inhales. A turning point counts once the level has come back
    from it by least_mm, which noise must not do.
    """
    sign = 1.0 if state.seeks == "exhale" else -1.0
    if sign * (level_mm - state.level_mm) < 0.0:
        return replace(state, level_mm=level_mm, point=point), None
    if sign * (level_mm - state.level_mm) < least_mm:
        return state, None
    after: Literal["exhale", "inhale"] = "inhale" if state.seeks == "exhale" else "exhale"
    return Turning(after, level_mm, point, state.level_mm), state
