"""Heatings that nobody tuned the heat model on: drawn by lot, from sources that it has not seen.

Shapes, places, durations, pulses and tissues are drawn; the oracle is the simulator's heated box,
whose perfusion changes while it heats. The monitor is told the tissue's name, as by a protocol;
the truth differs from the table. Other lots (1 and 2027) showed what was wrong with the model, and
served to mend it; this one was looked at when that was done.
"""

from functools import cache

import numpy as np
from _heat_truth import N_PX, PIXEL_MM, STEP_S, WATTS, Course

from simulators.tissue.heat import Heat, Medium, PowerPlan
from simulators.tissue.heated_box import HeatedBox
from simulators.tissue.sources import Cone, Disc, Gaussian, Lobes, Skewed, Source

N_HEATINGS = 12
DRAWN = 2028  # the lot: set once, before the first result of it was seen
AFTER_S = 60.0  # of cooling, beyond which dose does not grow
# diffusivity in mm²/s and perfusion in 1/s, of the literature's averages
_TISSUES = {"muscle": (0.131, 0.0007), "liver": (0.136, 0.0154), "brain": (0.134, 0.0098)}


@cache
def drawn(index: int, lot: int = DRAWN) -> Course:
    """Return the course of the heating of a number in a lot."""
    rng = np.random.default_rng([lot, index])
    tissue = ("muscle", "liver", "brain")[int(rng.integers(3))]
    diffusivity, perfusion = _TISSUES[tissue]
    centre = (float(rng.uniform(-3, 3)), float(rng.uniform(-3, 3)))
    on_s = float(rng.uniform(8, 40))
    plan = _plan(rng, on_s)
    name, source = _source(rng, index, centre)
    heat = Heat(
        source=source,
        plan=plan,
        medium=Medium(
            diffusivity_mm2_per_s=diffusivity * rng.uniform(0.85, 1.15),
            perfusion_per_s=perfusion * rng.uniform(0.5, 1.6),
            perfusion_factor=_ramp(on_s * rng.uniform(0.3, 0.9), rng.choice([0.2, 1.0, 2.0])),
        ),
        center_mm=centre,
        extent_mm=(44.0, 44.0),
        half_depth_mm=16.0,
    )
    times = np.arange(0, on_s + AFTER_S, STEP_S)
    rise = _voxels(HeatedBox(heat), times)
    # perfusion follows the time, not the temperature, so that the rise scales with the rate
    rise *= rng.uniform(15, 21) / rise.max()
    return Course(f"{name}, {tissue}", tissue, plan.steps, times, rise)


def _plan(rng: np.random.Generator, on_s: float) -> PowerPlan:
    """Return power without a break, or in two or three pulses of unlike power."""
    n = int(rng.integers(1, 4))
    steps = []
    for pulse in range(n):
        start_s = pulse * on_s / n
        pause_s = 0.0 if pulse == n - 1 else rng.uniform(0.1, 0.3) * on_s / n
        steps += [(start_s, WATTS * (1.0 if pulse == 0 else rng.uniform(0.6, 1.0)))]
        steps += [(start_s + on_s / n - pause_s, 0.0)]
    return PowerPlan(tuple(steps))


def _source(
    rng: np.random.Generator, index: int, centre: tuple[float, float]
) -> tuple[str, Source]:
    deep = float(rng.uniform(5, 12))
    width = float(rng.uniform(2.4, 4.5))
    match index % 4:
        case 0:
            behind = width * rng.uniform(1.5, 3)
            return "skewed", Skewed(center_mm=centre, fwhm_mm=(width, width, behind, deep))
        case 1:
            apart = rng.uniform(3, 5) * np.array([np.cos(a := rng.uniform(0, 6.3)), np.sin(a)])
            other = (centre[0] + float(apart[0]), centre[1] + float(apart[1]))
            return "two lobes", Lobes(
                parts=(
                    (1.0, Gaussian(center_mm=centre, fwhm_mm=(width, 1.3 * width, deep))),
                    (
                        float(rng.uniform(0.4, 0.9)),
                        Gaussian(center_mm=other, fwhm_mm=(width, width, deep)),
                    ),
                )
            )
        case 2:
            angle = float(rng.uniform(14, 28))
            return "cone", Cone(center_mm=centre, waist_fwhm_mm=width, half_angle_deg=angle)
        case _:
            edge = float(rng.uniform(0.6, 1.5))
            return "flat top", Disc(
                center_mm=centre, radius_mm=width, half_depth_mm=deep / 2, edge_mm=edge
            )


def _ramp(from_s: float, to: float):  # noqa: ANN202 - a Factor
    """Return perfusion that goes to a factor of its rest within ten seconds."""
    return lambda t_s, _rise_c: np.asarray(1 + (to - 1) * np.clip((t_s - from_s) / 10, 0, 1))


def _voxels(box: HeatedBox, times: np.ndarray) -> np.ndarray:
    """Return rises (time, y, x) averaged over each pixel, float32."""
    axis = (np.arange(N_PX) - N_PX // 2) * PIXEL_MM
    nodes, weights = np.polynomial.legendre.leggauss(4)
    rows = sum(
        w / 2 * box.rows(axis + n * PIXEL_MM / 2) for n, w in zip(nodes, weights, strict=True)
    )
    columns = sum(
        w / 2 * box.columns(axis + n * PIXEL_MM / 2) for n, w in zip(nodes, weights, strict=True)
    )
    found = np.zeros((times.size, N_PX, N_PX), np.float32)
    for step, time_s in enumerate(times):
        plane = box.plane(float(time_s))
        if plane is not None:
            found[step] = rows @ plane @ columns
    return found
