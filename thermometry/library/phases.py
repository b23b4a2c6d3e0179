"""The phases of a library's images: unwrapped along their likeness, slow drift told from breath."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.drift import MIN_PIXELS_PER_TERM
from thermometry.phase import wrap

Phases = NDArray[np.float32]
LEAST_FOR_TREND: Final = 5  # images: fewer cannot tell drift from breath
IMAGES_PER_COMPONENT: Final = 3


def unwrapped(images: NDArray[np.complex64], similarity: NDArray[np.float64]) -> Phases:
    """Return the phases (image, pixel), each without a wrap against the image most like it.

    similarity: (image, image). Images are taken in the order of a maximum spanning tree (Prim
    1957, doi:10.1002/j.1538-7305.1957.tb01515.x): from one breathing state to the next the phase
    moves little, from end to end of a breath it may pass a turn.
    """
    phases = np.empty(images.shape, np.float32)
    phases[0] = np.angle(images[0])
    known, open_ = [0], list(range(1, len(images)))
    while open_:
        link = similarity[np.ix_(open_, known)]
        row, column = np.unravel_index(int(link.argmax()), link.shape)
        new, old = open_[int(row)], known[int(column)]
        product = images[new] * np.conj(images[old])
        turn = np.angle(np.sum(product, dtype=np.complex128))
        step = np.angle(product * np.complex64(np.exp(-1j * turn)))
        phases[new] = phases[old] + step + np.float32(turn)
        known.append(new)
        open_.remove(new)
    return phases


def polynomials(
    phases: Phases, terms: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Least-squares polynomials (image, term) through phases (image, pixel).

    terms: (term, pixel). weights: (pixel,), the inverse of the phases' variance.
    """
    if len(terms) == 0:
        return np.zeros((len(phases), 0))
    # float64: normal equations square the condition number
    weighted = (terms * weights).astype(np.float64)
    normal = weighted @ terms.T
    moment = phases.astype(np.float64) @ weighted.T
    found: NDArray[np.float64] = moment @ np.linalg.pinv(normal, hermitian=True)
    return found


def principal_scores(gram: NDArray[np.float64], n_components: int) -> NDArray[np.float64]:
    """Orthonormal scores (image, component) of centred data, from its products (image, image)."""
    centred = gram - gram.mean(axis=0)
    centred -= centred.mean(axis=1)[:, None]
    _, vectors = np.linalg.eigh(centred)
    n_kept = min(n_components, len(gram) - 1)
    scores: NDArray[np.float64] = vectors[:, ::-1][:, :n_kept]
    return scores


def slow_drift(
    phases: Phases,
    terms: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    n_components: int,
) -> NDArray[np.float64]:
    """Polynomials (image, term) that grow evenly from the first image on: drift, not breath.

    Breathing moves the field by polynomials too. It is told apart by what no polynomial explains:
    the polynomial of each image is regressed on time and on the principal components of the rest.
    phases: (image, pixel); images are taken as evenly spaced.
    """
    found = polynomials(phases, terms, weights)
    n_images, n_pixels = phases.shape
    # of too few pixels a polynomial means nothing elsewhere; `fit_drift` refuses them too
    if n_images < LEAST_FOR_TREND or n_pixels < MIN_PIXELS_PER_TERM * max(len(terms), 1):
        return np.zeros_like(found)
    rest = ((phases - found.astype(np.float32) @ terms) * np.sqrt(weights)).astype(np.float64)
    n_kept = min(n_components, (n_images - 2) // IMAGES_PER_COMPONENT)
    scores = principal_scores(rest @ rest.T, n_kept)
    time = np.arange(n_images, dtype=np.float64)
    design = np.column_stack([np.ones(n_images), time, scores])
    slope = np.linalg.lstsq(design, found, rcond=None)[0][1]
    return np.outer(time, slope)


def wrapped_residual(images: NDArray[np.complex64], predicted: NDArray[np.complex64]) -> Phases:
    """Phase (image, pixel) that a prediction leaves, the common turn of each image taken off."""
    product = images * np.conj(predicted)
    turn = np.angle(np.sum(product, axis=1, dtype=np.complex128, keepdims=True))
    left: Phases = np.angle(product) - turn.astype(np.float32)
    return wrap(left)


def turned(
    image: NDArray[np.complex64] | NDArray[np.float32], phase_rad: NDArray[np.float32]
) -> NDArray[np.complex64]:
    """Return an image (…, pixel) turned forward by a phase of the same shape."""
    # a complex exponential takes five times as long as cosine and sine
    phasor = np.empty(phase_rad.shape, np.complex64)
    np.cos(phase_rad, out=phasor.real)
    np.sin(phase_rad, out=phasor.imag)
    product: NDArray[np.complex64] = image * phasor
    return product
