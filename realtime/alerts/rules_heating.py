"""Rules on how heat comes: not at all, as a wrong sign, too fast."""

import math
from itertools import takewhile

import numpy as np

from messages import Finding, PowerLog
from realtime.alerts.findings import finding, gravest
from realtime.alerts.history import Glance, RegionGlance
from realtime.alerts.limits import HeatingRate, HeatingResponse
from realtime.alerts.observation import Observation, n_spared

_CLEAR_SIGMA = 3.0  # the hottest twentieth of a cold region reaches 1.6, rarely 2.5


def heating_response(limit: HeatingResponse, seen: Observation) -> Finding | None:
    """Find a region that seems to cool, or that does not heat as power and model say.

    Apparent cooling under heat is the sign of a wrong phase convention: the true temperature then
    runs the other way, unseen by every upper limit.
    """
    inside = seen.believed(limit.region)
    n_valid = int(np.count_nonzero(inside))
    if n_valid == 0:
        return None
    rise_c = seen.temperature.temperature_c[inside] - seen.body_temperature_c
    std_c = np.nan_to_num(seen.temperature.temperature_std_c[inside], nan=0.0)
    spared = n_spared(n_valid)
    allowed_c = np.maximum(limit.max_wrong_sign_c, limit.sigma * std_c)
    if float(np.partition(rise_c + allowed_c, spared)[spared]) <= 0.0:
        coldest_c = float(np.partition(rise_c, spared)[spared])
        text = f"{limit.region} reads {coldest_c:.1f} °C against body temperature: wrong sign?"
        return finding(
            limit, "hold", text, value=coldest_c, reached=-limit.max_wrong_sign_c, unit="°C"
        )
    hot_c = float(np.partition(rise_c, -1 - spared)[-1 - spared])
    return gravest(
        _no_heating(limit, seen, hot_c, typical_c=float(np.median(std_c))),
        _unexpected(limit, seen, float(rise_c.max())),
    )


def _no_heating(
    limit: HeatingResponse, seen: Observation, rise_c: float, *, typical_c: float
) -> Finding | None:
    """Find power without heat; a rise that noise alone could show is none."""
    if limit.expect_rise_c is None or limit.within_s is None:
        return None
    on_since_s = seen.power.on_since_s
    if seen.time_s is None or on_since_s is None:
        return None
    on_for_s = seen.time_s - on_since_s
    needed_c = max(limit.expect_rise_c, _CLEAR_SIGMA * typical_c)
    if on_for_s < limit.within_s or rise_c >= needed_c:
        return None
    text = (
        f"{limit.region} rose {rise_c:.1f} °C in {on_for_s:.1f} s of power, "
        f"expected {needed_c:.3g}: the heat may go elsewhere"
    )
    return finding(limit, "hold", text, value=rise_c, reached=needed_c, unit="°C")


def _unexpected(limit: HeatingResponse, seen: Observation, rise_c: float) -> Finding | None:
    """Find a rise that a trusted heat model did not expect, several frames in a row."""
    if seen.forecast is None or not _is_hottest(limit.region, seen):
        return None  # the model speaks of the hottest place
    if _n_unexpected(seen.history.glances, sigma=limit.sigma) < limit.unexpected_frames:
        return None
    expected_c = seen.forecast.expected_rise_c
    if not abs(rise_c - expected_c) >= limit.max_unexpected_c:
        return None
    text = (
        f"{limit.region} rose {rise_c:.1f} °C, the heat model expected {expected_c:.1f} "
        f"({seen.forecast.rise_z:+.1f} standard deviations, {limit.unexpected_frames} frames)"
    )
    return finding(
        limit, "hold", text, value=abs(seen.forecast.rise_z), reached=limit.sigma, unit="sigma"
    )


def _n_unexpected(glances: tuple[Glance, ...], *, sigma: float) -> int:
    """Return how many of the last frames a model did not expect that was trusted before them.

    What it did not expect is also what ends its trust. Of a model that was never trusted, such as
    one that knows no power, nothing follows.
    """
    # NaN compares as expected
    n = sum(1 for _ in takewhile(lambda one: abs(one.rise_z) >= sigma, reversed(glances)))
    return n if n < len(glances) and glances[-1 - n].is_trusted else 0


def _is_hottest(name: str, seen: Observation) -> bool:
    """Whether no other target is hotter than this one."""
    known = {
        one.name: one.temperature_max_c
        for one in seen.regions
        if one.role == "target" and one.temperature_max_c is not None
    }
    return name not in known or known[name] == max(known.values())


def heating_rate(limit: HeatingRate, seen: Observation) -> Finding | None:
    """Find a rise that nothing explains, or a signal that vanishes from one frame to the next."""
    return gravest(_unexplained(limit, seen), _vanishing(limit, seen))


def _unexplained(limit: HeatingRate, seen: Observation) -> Finding | None:
    """Find a rise beyond what the model, or where it cannot tell the frames before, explain."""
    excess_c = _beyond_model(limit, seen)
    if excess_c is not None and excess_c < limit.max_unexplained_c:
        return None
    # how hot the first heated frame will be, a model knows no better than its own deviation says
    if excess_c is None or seen.forecast is None or not seen.forecast.rise_z >= limit.sigma:
        beyond = _beyond_earlier_frames(seen, seen.history.of_region(limit.region))
        if beyond is None:
            return None
        excess_c, std_c = beyond
        if excess_c < max(limit.max_unexplained_c, limit.sigma * std_c):
            return None
    text = (
        f"{limit.region} rose by {excess_c:.1f} °C more in a frame than power and earlier frames "
        f"explain, limit {limit.max_unexplained_c:g}: boiling?"
    )
    return finding(limit, "hold", text, value=excess_c, reached=limit.max_unexplained_c, unit="°C")


def _beyond_model(limit: HeatingRate, seen: Observation) -> float | None:
    """Return by how much the hottest pixel exceeds what the model expected of the hottest place.

    None where the model was not trusted before this frame: one that boiling surprises is trusted no
    more.
    """
    forecast, before = seen.forecast, seen.history.glances[-2:-1]
    if forecast is None or not before or not before[0].is_trusted:
        return None
    inside = seen.believed(limit.region)
    is_told = math.isfinite(forecast.expected_rise_c) and _is_hottest(limit.region, seen)
    if not is_told or not inside.any():
        return None
    rise_c = float(seen.temperature.temperature_c[inside].max()) - seen.body_temperature_c
    return rise_c - forecast.expected_rise_c


def _beyond_earlier_frames(
    seen: Observation, shown: tuple[tuple[float, RegionGlance], ...]
) -> tuple[float, float] | None:
    """Return by how much a frame rose beyond what the frames before explain.

    Under steady power a place in the beam warms ever more slowly, by diffusion and perfusion: so
    the faster of the two frames before bounds this one, once the power, where it is known, has not
    changed since they began. The first of them may have seen half a frame of heat, hence two.
    """
    if len(shown) < 4 or shown[-1][0] != seen.time_s or _changed(seen.power, shown[-4][0]):
        return None
    rates = [
        (after.hot_c - before.hot_c) / (after_s - before_s)
        for (before_s, before), (after_s, after) in zip(shown[-4:-1], shown[-3:], strict=True)
    ]
    if not seen.power.is_known and min(rates[:2]) <= 0.0:
        return None  # heating may have begun just now
    step_s = shown[-1][0] - shown[-2][0]
    usual = max(*rates[:2], 0.0)
    # 1, 1 + 1 and 1 frames' noise: the second difference
    return (rates[2] - usual) * step_s, math.sqrt(6.0) * shown[-1][1].hot_std_c


def _changed(power: PowerLog, since_s: float) -> bool:
    """Whether the power changed after a moment."""
    return power.is_known and bool(power.time_s[-1] > since_s)


def _vanishing(limit: HeatingRate, seen: Observation) -> Finding | None:
    shown = seen.history.of_region(limit.region)[-2:]
    if len(shown) < 2 or shown[-1][0] != seen.time_s:
        return None
    percent = 100.0 * (shown[0][1].dark_ratio - shown[1][1].dark_ratio)
    if not percent >= limit.max_magnitude_drop_percent:
        return None
    text = (
        f"signal in {limit.region} fell by {percent:.0f} % in a frame, limit "
        f"{limit.max_magnitude_drop_percent:g} %: boiling or cavitation?"
    )
    return finding(
        limit, "hold", text, value=percent, reached=limit.max_magnitude_drop_percent, unit="%"
    )
