"""The report's dose-volume histograms: delivered, planned so far, and the forecast of the end."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from motion.dose import DosePlan, rigid_portions
from motion.dose.delivery import Portion
from motion.dose.tissue import Tissue
from realtime.outputs import report_style as style
from realtime.outputs.delivered_dose import Delivery
from realtime.outputs.report_dose_curves import STYLES

Real = NDArray[np.float64]

_LEAST_LEFT = 0.005  # of the plan's units: less is the end of the fraction
_WIDTHS = {"delivered": 1.8}


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Volume that has a dose or more. when: as in `STYLES`.

    gy (n,) rising; percent (n,) of the structure's volume, falling.
    """

    structure: str
    role: str
    when: str
    gy: Real
    percent: Real


def curves_of(delivery: Delivery) -> list[Curve]:
    """Return the curves of the plan's structures; without a forecast where all was delivered."""
    return list(_curves(delivery))


def _curves(delivery: Delivery) -> Iterator[Curve]:
    plan = delivery.plan
    came = rigid_portions(plan, delivery.places, delivery.beams)
    still = tuple(Portion(one.beam, one.mu, np.zeros(3)) for one in came)
    doses = {"delivered": came, "planned so far": still}
    coming = tuple(_coming(plan, came))
    if coming:
        doses["forecast of the end"] = (*came, *coming)
    tissue = Tissue(plan.grid, np.concatenate([one.points_mm for one in plan.structures]))
    starts = np.cumsum([len(one.volume_mm3) for one in plan.structures])[:-1]
    for when, portions in doses.items():
        parts = np.split(tissue.received_gy(plan, portions), starts)
        for one, gy in zip(plan.structures, parts, strict=True):
            yield Curve(one.name, one.role, when, *_cumulated(gy, one.volume_mm3))


def _coming(plan: DosePlan, came: tuple[Portion, ...]) -> Iterator[Portion]:
    """Yield the units that are left, at the places of those that came."""
    total = sum(one.mu for one in came)
    for beam, cloud in enumerate(plan.clouds):
        left = cloud.planned_mu - sum(one.mu for one in came if one.beam == beam)
        if total > 0 and left > _LEAST_LEFT * cloud.planned_mu:
            for one in came:
                yield Portion(beam, left * one.mu / total, one.at_mm)


def _cumulated(gy: Real, volume_mm3: Real) -> tuple[Real, Real]:
    order = np.argsort(gy)
    volume = volume_mm3[order]
    above = np.cumsum(volume[::-1])[::-1]  # that has this dose or more
    gy = np.concatenate([[0.0], gy[order]])
    return gy, 100.0 * np.concatenate([[above[0]], above]) / above[0]


def draw(delivery: Delivery) -> Figure:
    """Draw the curves of all structures."""
    figure = style.new_figure(style.WIDTH_IN, 3.4)
    axes = figure.subplots()
    found = curves_of(delivery)
    names = list(dict.fromkeys((one.structure, one.role) for one in found))
    colours = style.region_colours(names)
    for one in found:
        axes.step(
            one.gy, one.percent, where="pre", color=colours[one.structure], ls=STYLES[one.when],
            lw=_WIDTHS.get(one.when, 1.1),
        )  # fmt: skip
    told = dict.fromkeys(one.when for one in found)
    lines = [Line2D([], [], color=colours[name], lw=2, label=name) for name, _ in names]
    lines += [Line2D([], [], color=style.QUIET, ls=STYLES[when], label=when) for when in told]
    axes.legend(handles=lines, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7.5)
    axes.set(xlabel="dose (Gy)", ylabel="volume with at least this dose (%)", ylim=(-2, 103))
    # a fraction that never began has no dose to scale by
    axes.set_xlim(0, 1.03 * max([one.gy[-1] for one in found if one.gy[-1] > 0], default=1.0))
    return figure
