"""Temperature against a phase model of breathing: mean and principal components of a library.

Phase = mean + Σ aₖ Uₖ + drift; the few aₖ are fitted outside the heat, so that the field in the
heat follows from the field around it. The linear model goes beyond the states of the training as
far as the field is linear in the motion; how far it went is in the misfit and in the standard
deviation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermometry.library.fit import Prediction
from thermometry.library.method import LibraryMethod
from thermometry.library.phases import Phases, polynomials, principal_scores, turned
from thermometry.library.training import Library
from thermometry.phase import wrap


@dataclass(frozen=True, slots=True, eq=False)
class PhaseModel:
    """mean: float32 (pixel,). components: float32 (component, pixel), rad for a score of 1.

    scores: float64 (image, component), orthonormal.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pca(LibraryMethod):
    """Mean phase and principal components, their scores fitted with the drift outside the heat.

    Turk and Pentland 1991, doi:10.1162/jocn.1991.3.1.71: components of few large images from the
    products of the images. A polynomial part of a component cannot be told from drift, which is
    fitted anew in each frame, so that components are taken of what polynomials leave.
    """

    def _learn(self, library: Library) -> tuple[PhaseModel, Phases, NDArray[np.float64]]:
        n = len(library.images)
        energy = library.energy * library.usable
        phases = library.phases - library.phases[0]
        rest = phases
        chosen = self.basis.choose_pixels(library.outside)
        if chosen.size:
            free = polynomials(phases[:, chosen], self.basis.terms[:, chosen], energy[chosen])
            rest = phases - free.astype(np.float32) @ self.basis.terms
        products = _products(rest, energy)
        scores = principal_scores(products, self._n_kept(n))
        model = PhaseModel(
            mean=library.phases[0] + phases.mean(axis=0),
            components=(scores.T @ phases).astype(np.float32),
            scores=scores,
        )
        weights = self._left_out(products)
        return model, wrap(rest - weights.astype(np.float32) @ rest), weights

    def _n_kept(self, n_images: int) -> int:
        return min(self.plan.pca_components, (n_images - 1) // 2)

    def _left_out(self, products: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights (image, image) by which the others model each image."""
        n = len(products)
        weights = np.zeros((n, n))
        for left_out in range(n if n > 1 else 0):
            others = np.flatnonzero(np.arange(n) != left_out)
            among = products[np.ix_(others, others)]
            scores = principal_scores(among, self._n_kept(n - 1))
            mean = np.full(n - 1, 1.0 / (n - 1))
            # products of each component with itself and with the image, both from the mean on
            own = np.einsum("ik,ij,jk->k", scores, among, scores)
            with_image = scores.T @ (products[others, left_out] - among @ mean)
            fitted = np.where(own > 0, with_image / np.where(own > 0, own, 1.0), 0.0)
            weights[left_out, others] = mean + scores @ fitted
        return weights

    def _predict(
        self,
        library: Library,
        model: PhaseModel,
        image: NDArray[np.complex64],
    ) -> Prediction:
        # from the scores of the image most like it, so that no phase wraps
        compared = library.likeness
        nearest = compared.nearest(compared.moments(image))
        scores = model.scores[nearest]
        phase = model.mean + scores.astype(np.float32) @ model.components
        n_images = len(model.scores)
        return Prediction(
            turned(np.abs(library.images[nearest]), phase),
            1.0 / n_images + model.scores @ scores,
            library.outside,
            model.components,
            model.scores,
        )


def _products(phases: Phases, weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Products (image, image) of phases over the noise, in float64: they nearly cancel."""
    scaled = (phases * np.sqrt(weights)).astype(np.float64)
    return scaled @ scaled.T
