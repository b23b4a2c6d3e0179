"""Temperature by library, drift and sparse heat at once: hybrid multibaseline and referenceless.

Grissom 2010, doi:10.1118/1.3475943: min |x - (Σ w b) exp(i(Ac + θ))|² + λ|θ|₁ over weights w of the
library images b (Σw = 1, w ≥ 0), drift Ac, and a phase θ of heating's sign. It needs to be told of
no target: heat is where the library cannot explain the phase otherwise. Where targets are known
they stay out of the fit from the beginning.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from scipy.optimize import nnls

from thermometry.drift import MAD_TO_STD
from thermometry.library.fit import Prediction
from thermometry.library.likeness import Likeness
from thermometry.library.method import LibraryMethod
from thermometry.library.phases import Phases, polynomials, turned, wrapped_residual
from thermometry.library.training import Library
from thermometry.phase import wrap

ROUNDS: Final = 3  # of the alternation; it starts from the frame before
FLANK_PX: Final = 2  # heat below the threshold around heat above it
LEAST_PER_IMAGE: Final = 10  # pixels; fewer do not determine the mixture
SUM_WEIGHT: Final = 1e3  # of Σw = 1 over the fit, in units of the largest product
RIDGE: Final = 1e-7  # images that are all alike
ZERO, HALF = np.float32(0), np.float32(0.5)


@dataclass(frozen=True, slots=True)
class Hybrid(LibraryMethod):
    """Convex mixture of library images, drift and sparse heat, by turns; then without sparsity.

    The last fit leaves the heated pixels out and weighs nothing by its size, so that no peak is
    shrunk; θ is then the phase that is left, in every pixel.
    """

    def _learn(self, library: Library) -> tuple[Likeness, Phases, NDArray[np.float64]]:
        compared, n = library.likeness, len(library.images)
        weights = np.zeros((n, n))
        for left_out in range(n if n > 1 else 0):
            others = np.flatnonzero(np.arange(n) != left_out)
            moments = compared.products[left_out, others]
            turned = moments * np.exp(-1j * np.angle(moments[np.argmax(np.abs(moments))]))
            weights[left_out, others] = mixture(compared.gram[np.ix_(others, others)], turned.real)
        predicted = weights.astype(np.float32) @ library.images
        return compared, wrapped_residual(library.images, predicted), weights

    def _predict(
        self,
        library: Library,
        model: Likeness,
        image: NDArray[np.complex64],
    ) -> Prediction:
        gram, moments = model.gram, model.moments(image)
        # the common turn first: what remains is small, so that no pixel wraps away from the rest
        turn = np.complex64(np.exp(-1j * np.angle(moments[model.nearest(moments)])))
        image = image * turn
        weights = mixture(gram, (moments * turn).real)
        noise = np.float32(library.noise_variance)
        energy = np.maximum(image.real**2 + image.imag**2, HALF * noise)
        noise_rad2 = HALF * noise / energy
        std_rad = np.sqrt(noise_rad2 + library.model_rad2)
        drift = theta = np.zeros(len(image), np.float32)
        for _ in range(ROUNDS):
            phase = np.angle(image * np.conj(_mixed(weights, library.images)))
            drift = self._drift(library, phase - theta, energy)
            theta = self._heat(phase - drift, std_rad, library.outside)
            moments = model.moments(turned(image, -drift - theta))
            weights = mixture(gram, moments.real)
        hot = self._with_flanks(theta) & library.outside
        if np.count_nonzero(library.outside & ~hot) >= LEAST_PER_IMAGE * len(library.images):
            without = turned(image, -drift)
            gram, moments = _without(gram, model.moments(without), library, without, hot)
            weights = mixture(gram, moments.real)
        return Prediction(_mixed(weights, library.images), weights, library.outside & ~hot)

    @property
    def _threshold_sigma(self) -> float:
        """λ in standard deviations: at sparsity 1, what noise alone would not pass anywhere.

        Donoho and Johnstone 1994, doi:10.1093/biomet/81.3.425, the universal threshold.
        """
        n_pixels = math.prod(self.plan.shape)
        return self.plan.sparsity * math.sqrt(2.0 * math.log(max(n_pixels, 2)))

    def _drift(
        self, library: Library, phase_rad: NDArray[np.float32], energy: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        chosen = self.basis.choose_pixels(library.outside)
        if self.basis.n_terms == 0 or chosen.size == 0:
            return np.zeros_like(phase_rad)
        terms = self.basis.terms
        sought = polynomials(phase_rad[None, chosen], terms[:, chosen], energy[chosen])
        drift: NDArray[np.float32] = sought[0].astype(np.float32) @ terms
        return drift

    def _heat(
        self,
        phase_rad: NDArray[np.float32],
        std_rad: NDArray[np.float32],
        outside: NDArray[np.bool_],
    ) -> NDArray[np.float32]:
        """Minimum over θ of heating's sign: what goes beyond the threshold.

        Where the library explains little, most pixels would pass for heat: the threshold grows
        with the residual's median outside the targets, over that of noise (Huber 1981).
        """
        sign = np.float32(math.copysign(1.0, self.plan.rad_per_c))
        left = wrap(phase_rad) * sign
        size = np.abs(left[outside]) / std_rad[outside]
        scale = max(1.0, MAD_TO_STD * float(np.median(size))) if size.size else 1.0
        beyond = left - np.float32(scale * self._threshold_sigma) * std_rad
        theta: NDArray[np.float32] = sign * np.maximum(beyond, ZERO)
        return theta

    def _with_flanks(self, theta: NDArray[np.float32]) -> NDArray[np.bool_]:
        hot = (theta != 0).reshape(self.plan.shape)
        around = np.ones((1, 2 * FLANK_PX + 1, 2 * FLANK_PX + 1), np.bool_)
        return np.asarray(binary_dilation(hot, around)).ravel()


def mixture(gram: NDArray[np.float64], moments: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return w (image,) ≥ 0 with Σw = 1 that minimises wᵀ G w - 2 wᵀ m.

    Non-negative least squares with the sum as a heavy equation (Lawson and Hanson 1974, ch. 22
    and 23, doi:10.1137/1.9781611971217).
    """
    n = len(gram)
    size = float(gram.diagonal().max())
    if n == 1 or not size > 0:
        return np.full(n, 1.0 / n)
    root = np.linalg.cholesky(gram / size + RIDGE * np.eye(n))
    target = np.linalg.solve(root, moments / size)
    design = np.vstack([root.T, np.full((1, n), SUM_WEIGHT)])
    found = nnls(design, np.append(target, SUM_WEIGHT))[0]
    weights: NDArray[np.float64] = found / found.sum()
    return weights


def _mixed(weights: NDArray[np.float64], images: NDArray[np.complex64]) -> NDArray[np.complex64]:
    used = np.flatnonzero(weights)
    parts = weights[used].astype(np.float32) @ images[used].view(np.float32)
    return parts.view(np.complex64)


def _without(
    gram: NDArray[np.float64],
    moments: NDArray[np.complex128],
    library: Library,
    image: NDArray[np.complex64],
    hot: NDArray[np.bool_],
) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Take the hot pixels out of the products of the images with themselves and with the image."""
    inside = library.images[:, hot].astype(np.complex128)
    return (
        gram - (inside @ inside.conj().T).real,
        moments - np.conj(inside) @ image[hot],
    )
