"""A thermometry method in 20 lines: the library image most like the new one is its baseline.

To have it: this file as thermometry/library/nearest_image.py, and in METHODS of thermometry/
__init__.py the line `"nearest-image": NearestImage,` (and its name in KEEPS_LIBRARY). Drift, noise,
wraps and what may be believed come with LibraryMethod. Use `multi-baseline`, which interpolates.
"""

import numpy as np
from numpy.typing import NDArray

from thermometry.library.fit import Prediction
from thermometry.library.likeness import Likeness
from thermometry.library.method import LibraryMethod
from thermometry.library.phases import Phases, wrapped_residual
from thermometry.library.training import Library


class NearestImage(LibraryMethod):
    """The library image that is most like the new one."""

    def _learn(self, library: Library) -> tuple[Likeness, Phases, NDArray[np.float64]]:
        products = np.abs(library.likeness.products)
        np.fill_diagonal(products, -1.0)  # each image is left out of its own choice
        nearest = np.eye(len(products))[products.argmax(axis=1)]
        predicted = library.images[nearest.argmax(axis=1)]
        return library.likeness, wrapped_residual(library.images, predicted), nearest

    def _predict(
        self, library: Library, model: Likeness, image: NDArray[np.complex64]
    ) -> Prediction:
        nearest = model.nearest(model.moments(image))
        chosen = np.eye(len(library.images))[nearest]
        return Prediction(library.images[nearest], chosen, library.outside)
