"""Which monitor units came where: the accelerator's reports against the path of the tissue."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from messages import BeamLog
from motion.dose.place import ImageField, Path
from motion.dose.plan import DoseCloud

Real = NDArray[np.float64]

ROUNDING_MU = 0.011  # accelerators report hundredths; less is no fall
MOST_BENT_S = 0.5  # between frames, for their three to tell how the way bends
MOST_OVER_PLAN = 1.01  # a beam ends within 1 % of its plan (TG-142: monitor linearity 2 %)


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """Monitor units of one beam that tissue received at one place.

    beam: index in the plan. mu: how many. at_mm: (3,) LPS. before, after, share: the fields of the
    frames around it, and where between them (0 to 1); None where there is none.
    """

    beam: int
    mu: float
    at_mm: Real
    before: ImageField | None = None
    after: ImageField | None = None
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Counter:
    """How far one beam's monitor units have been placed.

    mu: placed by until_s, NaN before the first report; above 0 then where another session placed
    them. reported_mu: the most that was reported.
    """

    mu: float = 0.0
    until_s: float = math.nan
    reported_mu: float = 0.0


@dataclass(frozen=True, slots=True)
class Counted:
    """What one beam's reports come to: its counter, its portions, units that came unseen."""

    counter: Counter
    portions: tuple[Portion, ...] = ()
    unplaced_mu: float = 0.0


def delivered(counter: Counter, log: BeamLog, path: Path, *, beam: int, number: int) -> Counted:
    """Return what a beam delivered since, as far as both the reports and the path reach.

    Between reports units rise evenly, between frames tissue moves with the speed and acceleration
    of the last three. The units of one interval between frames go to two places that have the mean
    and variance of their moments: exact for a dose that is a cubic along an interval of constant
    speed and output. Units before the first frame known, or
    beside a frame without a place, are counted at the nearest known place and as unplaced. Units
    never fall: what a report takes back has been given. Reports may come late, again, or many at
    once; those before `counter.until_s` are known.
    """
    times, mu = _reports(counter, log, number=number)
    if not times.size or not path.time_s.size:
        return Counted(counter)
    counter = replace(counter, reported_mu=max(counter.reported_mu, float(mu[-1])))
    until_s = min(float(times[-1]), float(path.time_s[-1]))
    is_started = math.isfinite(counter.until_s)
    started = counter if is_started else replace(counter, until_s=float(times[0]))
    if until_s < started.until_s:
        return Counted(counter)
    knots = _knots(started, times, path.time_s, until_s)
    at_knots = np.interp(knots, times, mu)
    # a first report may tell of units given before anybody looked
    mus = np.concatenate([[at_knots[0] - started.mu], np.diff(at_knots)])
    starts = np.concatenate([[knots[0]], knots[:-1]])
    portions, unplaced_mu = _placed(path, starts, knots, mus, beam=beam)
    counter = replace(counter, mu=float(at_knots[-1]), until_s=until_s)
    return Counted(counter, portions, unplaced_mu)


def since(log: BeamLog, time_s: float) -> BeamLog:
    """Return the reports later than a time."""
    later = log.time_s > time_s
    if later.all():
        return log
    return BeamLog(log.time_s[later], log.number[later], log.is_on[later], log.mu[later])


def doubts_of(
    log: BeamLog, counters: tuple[Counter, ...], clouds: tuple[DoseCloud, ...]
) -> dict[str, str]:
    """Say what in new reports of the accelerator cannot be: a sentence by kind and beam."""
    found, known = dict[str, str](), [cloud.number for cloud in clouds]
    strangers = [number for number in log.number.tolist() if number not in known]
    if strangers:
        found["unknown"] = (
            f"the accelerator reports beam {strangers[0]}, "
            f"the plan has {', '.join(map(str, known))}"
        )
    reported = set(log.number.tolist())
    for counter, cloud in zip(counters, clouds, strict=True):
        if cloud.number not in reported:
            continue
        number, mu = cloud.number, log.mu[log.number == cloud.number]
        if not np.isfinite(mu).all():
            found[f"number {number}"] = f"the monitor units reported of beam {number} are no number"
        mu = np.concatenate([[counter.reported_mu], mu])
        falls = np.flatnonzero(np.diff(mu) < -ROUNDING_MU)
        if falls.size:
            before, after = mu[falls[0]], mu[falls[0] + 1]
            found[f"fall {number}"] = (
                f"monitor units of beam {number} fell from {before:.2f} to {after:.2f}"
            )
        if mu.max() > MOST_OVER_PLAN * cloud.planned_mu + ROUNDING_MU:
            found[f"more {number}"] = (
                f"beam {number} has delivered more than its {cloud.planned_mu:.1f} planned "
                "monitor units"
            )
    return found


def _reports(counter: Counter, log: BeamLog, *, number: int) -> tuple[Real, Real]:
    """Return a beam's reports after what is counted, that point first; units never fall."""
    fits = (log.number == number) & np.isfinite(log.mu) & np.isfinite(log.time_s)
    times, mu = log.time_s[fits], log.mu[fits]
    if math.isfinite(counter.until_s):
        new = times > counter.until_s
        times = np.concatenate([[counter.until_s], times[new]])
        mu = np.concatenate([[counter.mu], mu[new]])
    mu = np.maximum(mu, counter.mu)
    mu = np.maximum.accumulate(mu) if mu.size else mu
    is_last = np.append(np.diff(times) > 0, True)[: times.size]  # of several at one moment
    return times[is_last], mu[is_last]


def _knots(counter: Counter, times: Real, frames: Real, until_s: float) -> Real:
    inner = np.concatenate([times, frames])
    inner = inner[(inner > counter.until_s) & (inner < until_s)]
    return np.unique(np.concatenate([[counter.until_s], inner, [until_s]]))


def _placed(
    path: Path, starts: Real, ends: Real, mus: Real, *, beam: int
) -> tuple[tuple[Portion, ...], float]:
    """Return the portions of stretches of even output, and the units of them that came unseen.

    The first stretch has no duration: it was not seen.
    """
    interval = np.searchsorted(path.time_s, (starts + ends) / 2, side="right") - 1
    interval = np.clip(interval, -1, path.time_s.size - 2)
    is_seen = (interval >= 0) & path.is_known[interval] & path.is_known[interval + 1]
    is_seen[0] = False
    portions = list[Portion]()
    for n in np.unique(interval[mus > 0]).tolist():
        of_it = (interval == n) & (mus > 0)
        mu = float(mus[of_it].sum())
        if n < 0:
            portions.append(Portion(beam, mu, path.at_mm[0]))
            continue
        first_s, last_s = path.time_s[n : n + 2]
        begin, end = ((t[of_it] - first_s) / (last_s - first_s) for t in (starts, ends))
        fields = path.field_of(n), path.field_of(n + 1)
        bend_mm = _bend_mm(path, n)
        for share in _two_places(begin, end, mus[of_it] / mu):
            at_mm = (1 - share) * path.at_mm[n] + share * path.at_mm[n + 1]
            at_mm = at_mm - share * (1 - share) * bend_mm
            portions.append(Portion(beam, mu / 2, at_mm, *fields, share))
    return tuple(portions), float(mus[~is_seen].sum())


def _bend_mm(path: Path, n: int) -> Real:
    """Return by how much the way from frame n to the next is bent, (3,): its second derivative.

    Newton's second divided difference, times the interval's square: the place at a share s of it is
    the chord's less s (1 - s) of this. A straight line cuts the turns of a breath: of 12 mm in 2 s,
    seen 4 times a second, it told 2 % too little dose. Zero beside a frame without a place, and
    where three frames are too far apart to tell.
    """
    if n < 1 or not path.is_known[n - 1 : n + 2].all():
        return np.zeros(3)
    before_s, step_s = np.diff(path.time_s[n - 1 : n + 2])
    if max(before_s, step_s) > MOST_BENT_S or before_s > 2 * step_s:
        return np.zeros(3)
    slopes = np.diff(path.at_mm[n - 1 : n + 2], axis=0) / [[before_s], [step_s]]
    return np.asarray((slopes[1] - slopes[0]) / (before_s + step_s) * step_s**2)


def _two_places(begin: Real, end: Real, weights: Real) -> tuple[float, float]:
    """Return the two places of equal weight with the mean and variance of the stretches' own."""
    mean = float(weights @ (begin + end)) / 2
    square = float(weights @ (begin**2 + begin * end + end**2)) / 3
    reach = math.sqrt(max(square - mean**2, 0.0))
    reach = min(reach, max(min(mean, 1 - mean), 0.0))  # never beyond the frames around it
    return mean - reach, mean + reach
