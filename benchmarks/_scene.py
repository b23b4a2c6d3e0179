"""The heating that the temperature benchmark plays, its truths, and where to look."""

from dataclasses import dataclass, replace

import numpy as np
from _instant import instant_temperature_c
from _treatment import Plan, Played, play
from numpy.typing import NDArray

from simulators.treatment import default_treatment

Real = NDArray[np.float64]

HOLD_C = 58.0  # within the treatment range 55-60 °C
OUTSIDE_MM = 25.0  # the heat of a minute reaches 6 mm beyond the source's own 6.5 mm
PHASES = {"hold": "plateau", "ramp": "ramp", "cool": "cooling"}
FAIR, UNIFORM = "as encoded", "band-limited"
TRUTHS = (FAIR, UNIFORM, "voxel average", "pixel centre")


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A played heating with its truths, float64 (frame, y, x) in °C, and where to look.

    hot: the pixels within half of the hottest pixel's rise at the plateau. outside: farther than
        OUTSIDE_MM from the focus.
    """

    played: Played
    truths: dict[str, Real]
    hot: NDArray[np.bool_]
    outside: NDArray[np.bool_]
    peak: tuple[int, int]

    def frames(self, phase: str) -> list[int]:
        """Return the frames of a phase."""
        return [n for n, name in enumerate(self.played.phases) if name == phase]


def scene(*, is_quick: bool, focus_fwhm_mm: tuple[float, float] | None = None) -> Scene:
    """Play the heating once and place the regions; the demo's focus unless one is given."""
    treatment = default_treatment()
    if focus_fwhm_mm is not None:
        treatment = replace(treatment, focus_fwhm_mm=focus_fwhm_mm)
    plan = Plan(HOLD_C, hold_frames=3 if is_quick else 8, cool_frames=1 if is_quick else 4)
    played = play(treatment, plan)
    log, sequence = played.truth, played.treatment.sequence
    truths = dict(
        zip(
            TRUTHS,
            (
                np.array(one, np.float64)
                for one in (
                    instant_temperature_c(played),
                    log.temperature_bandlimited_c,
                    log.temperature_voxel_c,
                    log.temperature_point_c,
                )
            ),
            strict=True,
        )
    )
    held = [n for n, name in enumerate(played.phases) if name == "hold"]
    rise = truths[UNIFORM][held].mean(axis=0) - played.treatment.body_c
    y, x = np.unravel_index(int(rise.argmax()), rise.shape)
    dx = sequence.columns_mm[None, :] - played.treatment.focus_mm[0]
    dy = sequence.rows_mm[:, None] - played.treatment.focus_mm[1]
    outside = np.hypot(dx, dy) > OUTSIDE_MM
    return Scene(played, truths, rise >= rise.max() / 2, outside, (int(y), int(x)))


def trapezoid_dose_min(temperature_c: Real, time_s: Real) -> Real:
    """CEM43 of temperatures (frame, …) at the frames' times (Sapareto and Dewey 1984)."""
    halvings = np.where(temperature_c >= 43, 1.0, 2.0)
    rate = np.exp2(halvings * (temperature_c - 43)) / 60
    steps = np.diff(time_s).reshape(-1, *[1] * (temperature_c.ndim - 1))
    return np.asarray((steps * (rate[1:] + rate[:-1]) / 2).sum(axis=0))
