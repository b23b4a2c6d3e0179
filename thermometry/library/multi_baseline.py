"""Temperature against the library images most like the new one: the multi-baseline method.

Vigen 2003, doi:10.1002/mrm.10608, chooses by a navigator; Denis de Senneville 2007,
doi:10.1002/mrm.21124, by the images themselves. Between the two most fitting images the baseline is
interpolated, because a breath passes between the states that the training has met.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermometry.library.fit import Prediction
from thermometry.library.likeness import Likeness, likeness
from thermometry.library.method import LibraryMethod
from thermometry.library.phases import Phases, wrapped_residual
from thermometry.library.training import Library


@dataclass(frozen=True, slots=True)
class MultiBaseline(LibraryMethod):
    """The nearest library image, or the point between it and another that fits best."""

    def _learn(self, library: Library) -> tuple[Likeness, Phases, NDArray[np.float64]]:
        compared, n = library.likeness, len(library.images)
        if self.plan.library_choice != "image":
            choice = self.plan.library_choice
            shape = self.plan.shape
            compared = likeness(library.images, library.outside, shape=shape, choice=choice)
        weights = np.zeros((n, n))
        for left_out in range(n if n > 1 else 0):
            others = np.flatnonzero(np.arange(n) != left_out)
            weights[left_out, others] = between_two(
                compared.gram[np.ix_(others, others)], compared.products[left_out, others]
            )
        predicted = weights.astype(np.float32) @ library.images
        return compared, wrapped_residual(library.images, predicted), weights

    def _predict(
        self,
        library: Library,
        model: Likeness,
        image: NDArray[np.complex64],
    ) -> Prediction:
        weights = between_two(model.gram, model.moments(image))
        used = np.flatnonzero(weights)
        baseline = weights[used].astype(np.float32) @ library.images[used]
        return Prediction(baseline, weights, library.outside)


def between_two(gram: NDArray[np.float64], moments: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return weights (image,): of the most similar image b and of the best c beside it.

    They minimise |x - (1 - t) b - t c|² over c and 0 ≤ t ≤ 1, from the images' products alone.
    gram: (image, image). moments: Σ x conj(b) of each; their common turn is taken off.
    """
    norms = np.sqrt(gram.diagonal())
    norms = np.where(norms > 0, norms, np.inf)
    first = int(np.argmax(np.abs(moments) / norms))
    turned = (moments * np.exp(-1j * np.angle(moments[first]))).real
    weights = np.zeros(len(gram))
    weights[first] = 1.0
    slope = (turned - turned[first]) - (gram[first] - gram[first, first])
    length = gram.diagonal() + gram[first, first] - 2.0 * gram[first]
    share = np.clip(slope / np.where(length > 0, length, np.inf), 0.0, 1.0)
    gain = share * (2.0 * slope - share * length)
    second = int(np.argmax(gain))
    if gain[second] > 0:
        weights[first] = 1.0 - share[second]
        weights[second] += share[second]
    return weights
