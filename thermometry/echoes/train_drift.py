"""Drift of an echo train: a field that turns each echo by its time, and a phase common to all."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.drift import DriftBasis, DriftFit, fit_drift
from thermometry.echoes.train_turn import shared_turn
from thermometry.phase import wrap

Volume = NDArray[np.float32]
Echoes = NDArray[np.complex64]
Real = NDArray[np.float64]
LEAST_SNR: Final = (
    5.0  # of one echo: below it the phase is not Gaussian, as where fat cancels water
)


@dataclass(frozen=True, eq=False)
class TrainDrift:
    """Coefficients: of the field's phase at the mean echo time, rad, and last the common phase.

    Without a polynomial (order -1) there are none. echo_times_s: (echo,).
    """

    basis: DriftBasis
    echo_times_s: tuple[float, ...]

    @property
    def n_terms(self) -> int:
        """Number of coefficients."""
        return self.basis.n_terms + 1 if self.basis.n_terms else 0

    @property
    def lever(self) -> Real:
        """Echo times over their mean, (echo,)."""
        times = np.asarray(self.echo_times_s)
        return np.asarray(times / times.mean(), np.float64)

    def turn(self, coefficients: Real) -> Echoes:
        """Return exp(-i·drift), complex64 (echo, pixel), which takes the drift out."""
        n_field = self.basis.n_terms
        field = self.basis.evaluate(coefficients[:n_field]).ravel()
        common = float(coefficients[n_field]) if self.n_terms else 0.0
        phase = np.multiply.outer(self.lever.astype(np.float32), field) + np.float32(common)
        turned: Echoes = np.empty(phase.shape, np.complex64)
        np.cos(phase, out=turned.real)
        np.sin(-phase, out=turned.imag)
        return turned

    def fit(
        self,
        echoes: Echoes,
        baseline: Echoes,
        *,
        region: NDArray[np.bool_],
        noise_variance: float,
        per_frame: Volume,
        start: Real,
    ) -> DriftFit | None:
        """Fit the phase of the echoes against the baseline's, (echo, pixel), robustly.

        region: bool (pixel,). noise_variance: E|n|² of the echoes; per_frame: its share in the
        baseline. start: the last drift. Returns None where too few pixels are left, or they do not
        determine it; the weights are those of the fit's pixels, averaged over echoes.
        """
        pixels = self.basis.choose_pixels(region.reshape(self.basis.shape))
        if pixels.size == 0:
            return None
        known = baseline[:, pixels]
        power = known.real**2 + known.imag**2
        seen = power >= LEAST_SNR**2 * 0.5 * noise_variance
        variance = 0.5 * noise_variance * (1 + per_frame[pixels]) / np.where(seen, power, 1)
        design = self._design(pixels)
        product = echoes[:, pixels] * np.conj(known)
        start = self._follow(product * seen, start, design=design)
        expected = np.tensordot(start.astype(np.float32), design, axes=1)
        residual = np.angle(product * np.exp(-1j * expected))
        fit = fit_drift(
            design[:, seen],
            (expected + wrap(residual))[seen],
            variance_rad2=variance[seen].astype(np.float32),
            start=start,
        )
        if fit is None:
            return None
        weights = np.zeros(seen.shape)
        weights[seen] = fit.weights
        return DriftFit(
            fit.coefficients, fit.covariance, weights.mean(axis=0), fit.excess_rad, pixels
        )

    def variance(
        self, covariance: Real, by_field: Volume, by_common: Volume
    ) -> NDArray[np.float32]:
        """Variance of what answers to 1 rad of the field's and of the common phase, (pixel,)."""
        root = np.linalg.cholesky(covariance).T.astype(np.float32)
        spread = (root[:, :-1] @ self.basis.terms) * by_field + root[:, -1:] * by_common
        variance: NDArray[np.float32] = np.einsum("ij,ij->j", spread, spread)
        return variance

    def _design(self, pixels: NDArray[np.intp]) -> NDArray[np.float32]:
        """Terms (term, echo, pixel)."""
        lever = self.lever.astype(np.float32)
        field = self.basis.terms[:, None, pixels] * lever[None, :, None]
        return np.concatenate([field, np.ones((1, *field.shape[1:]), np.float32)])

    def _follow(self, product: Echoes, start: Real, *, design: NDArray[np.float32]) -> Real:
        """Return the start moved by the jump of field and phase that the echoes share."""
        rest = product * np.exp(-1j * np.tensordot(start.astype(np.float32), design, axes=1))
        slope, common = shared_turn(rest.sum(axis=1, dtype=np.complex128), self.lever)
        moved = start.copy()
        moved[0] += slope
        moved[-1] += common
        return moved
