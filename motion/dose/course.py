"""How tissue moved while the beam was on: monitor units by displacement, in few places."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motion.dose.delivery import Portion

Real = NDArray[np.float64]

BIN_MM = 2.0  # a place is the mean of its bin, so what is lost is the spread within it: 0.6 mm


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Monitor units by displacement. key: int64 (bin, 3), in steps of BIN_MM along LPS.

    mu: float64 (bin, beam). moment_mm: float64 (bin, 3), sum of monitor units times displacement.
    """

    key: NDArray[np.int64]
    mu: Real
    moment_mm: Real

    @staticmethod
    def of(n_beams: int) -> "Course":
        """Return a course in which nothing has been delivered."""
        return Course(np.zeros((0, 3), np.int64), np.zeros((0, n_beams)), np.zeros((0, 3)))

    def followed_by(self, portions: tuple[Portion, ...]) -> "Course":
        """Return the course with more units."""
        if not portions:
            return self
        at_mm = np.array([one.at_mm for one in portions])
        mu = np.zeros((len(portions), self.mu.shape[1]))
        for row, one in zip(mu, portions, strict=True):
            row[one.beam] = one.mu
        return self.joined(at_mm, mu)

    def joined(self, at_mm: Real, mu: Real) -> "Course":
        """Return the course with units mu (n, beam) delivered at displacements at_mm (n, 3)."""
        key = np.rint(at_mm / BIN_MM).astype(np.int64)
        merged, where = np.unique(np.vstack([self.key, key]), axis=0, return_inverse=True)
        where = where.ravel()
        sum_mu, moment = np.zeros((len(merged), self.mu.shape[1])), np.zeros((len(merged), 3))
        np.add.at(sum_mu, where, np.vstack([self.mu, mu]))
        np.add.at(moment, where, np.vstack([self.moment_mm, mu.sum(1)[:, np.newaxis] * at_mm]))
        return Course(merged, sum_mu, moment)

    def places(self, most: int) -> tuple[Real, Real]:
        """Return at most so many places at_mm (n, 3), and the units by beam there, mu (n, beam).

        Bins are joined along the direction of greatest spread, in shares of even units: breathing
        is nearly a line. Mean displacement is kept; spread within a share is lost.
        """
        total = self.mu.sum(axis=1)
        used = total > 0
        mu, total, moment = self.mu[used], total[used], self.moment_mm[used]
        at_mm = moment / total[:, np.newaxis]
        if len(total) <= most:
            return at_mm, mu
        centred = at_mm - total @ at_mm / total.sum()
        _, axes = np.linalg.eigh(centred.T @ (centred * total[:, np.newaxis]))
        order = np.argsort(centred @ axes[:, -1], kind="stable")
        middle = np.cumsum(total[order]) - total[order] / 2
        share = np.minimum((middle / total.sum() * most).astype(np.int64), most - 1)
        starts = np.flatnonzero(np.diff(share, prepend=-1))
        summed = np.add.reduceat(total[order], starts)
        return (
            np.add.reduceat(moment[order], starts) / summed[:, np.newaxis],
            np.add.reduceat(mu[order], starts),
        )
