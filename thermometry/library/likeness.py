"""How much an image is like each image of a library: by its pixels, or by a navigator."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermometry.plan import LibraryChoice


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What images are compared by, outside the heat.

    features: complex64 (image, feature). products: complex128 (image, image), Σ a conj(b).
    outside: float32 (pixel,), 1 where compared, else 0.
    """

    features: NDArray[np.complex64]
    products: NDArray[np.complex128]
    outside: NDArray[np.float32]
    shape: tuple[int, int, int]
    choice: LibraryChoice

    @property
    def gram(self) -> NDArray[np.float64]:
        """Real part of the products, (image, image)."""
        return np.ascontiguousarray(self.products.real)

    def moments(self, image: NDArray[np.complex64]) -> NDArray[np.complex128]:
        """Return Σ x conj(b) (image,) of an image (pixel,) with each image of the library."""
        features = _features(image[None], self.outside, self.shape, self.choice)
        # conj of the few, not of the library
        moments = (self.features @ np.conj(features[0])).astype(np.complex128)
        turned: NDArray[np.complex128] = np.conj(moments)
        return turned

    def nearest(self, moments: NDArray[np.complex128]) -> int:
        """Return the library image most like the one of these moments, a common turn aside."""
        norms = np.sqrt(self.products.real.diagonal())
        return int(np.argmax(np.abs(moments) / np.where(norms > 0, norms, np.inf)))


def likeness(
    images: NDArray[np.complex64],
    outside: NDArray[np.bool_],
    *,
    shape: tuple[int, int, int],
    choice: LibraryChoice,
) -> Likeness:
    """Return what images (image, pixel) are compared by.

    "image": complex pixels, so that the field counts as the anatomy does (Denis de Senneville
    2007, doi:10.1002/mrm.21124). "navigator": the projection onto the readout direction, which a
    navigator echo would measure (Vigen 2003, doi:10.1002/mrm.10608).
    """
    weight = outside.astype(np.float32)
    features = _features(images, weight, shape, choice)
    # float64: the images of a library are nearly alike, so that their products nearly cancel
    exact = features.astype(np.complex128)
    return Likeness(features, exact @ exact.conj().T, weight, shape, choice)


def similarity(images: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Return the correlation (image, image) of images (image, pixel), blind to a common turn."""
    products = np.abs(images @ images.conj().T).astype(np.float64)
    norms = np.sqrt(products.diagonal())
    norms = np.where(norms > 0, norms, np.inf)
    correlation: NDArray[np.float64] = products / np.outer(norms, norms)
    return correlation


def _features(
    images: NDArray[np.complex64],
    outside: NDArray[np.float32],
    shape: tuple[int, int, int],
    choice: LibraryChoice,
) -> NDArray[np.complex64]:
    kept = images * outside
    if choice == "image":
        return kept
    projections: NDArray[np.complex64] = kept.reshape(-1, *shape).sum(axis=2)
    return projections.reshape(len(images), -1)
