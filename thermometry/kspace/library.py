"""The baselines of the k-space hybrid, and their mixture for a frame."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from thermometry.baseline import Reference, coil_energy
from thermometry.coil_images import Coils, frozen
from thermometry.kspace.columns import Columns, Crop, crop_to, turn
from thermometry.library.hybrid import mixture

LEAST_MODELLED: Final = 0.5  # of min_snr: what is weaker than that folds no signal onto others
MORE_THAN_NOISE: Final = 1.2  # variance between the baselines over that of the noise


@dataclass(frozen=True, slots=True, eq=False)
class Baselines:
    """The finished library.

    images: complex64 (image, coil, z, y, x), white, slow drift taken out; a single one, the mean,
        where the images differ by noise alone.
    reference: of their mean.
    noise_variance: E|n|² of one coil of one of `images`.
    crop: the columns that hold signal; columns: complex64 (image, coil, column, y), `images` there,
        0 where there is too little signal to be modelled.
    """

    images: NDArray[np.complex64]
    reference: Reference
    noise_variance: float
    crop: Crop
    columns: NDArray[np.complex64]

    @property
    def is_one(self) -> bool:
        """Whether there is nothing to choose from."""
        return len(self.images) == 1


def make_baselines(images: tuple[Coils, ...], reference: Reference, *, min_snr: float) -> Baselines:
    """Make the library of images (coil, z, y, x) whose mean is the reference's baseline."""
    stack = np.stack([reference.white(one) for one in images])
    mean, noise = stack.mean(axis=0), reference.noise_variance
    noise_variance = noise
    if not _differ(stack, mean, reference):
        stack, noise_variance = mean[None], noise / len(images)
    energy = np.min([coil_energy(one) for one in stack], axis=0)
    signal = energy - len(mean) * noise_variance
    modelled = np.isfinite(energy) & (signal >= 0.5 * (LEAST_MODELLED * min_snr) ** 2 * noise)
    crop = crop_to(modelled)
    columns = crop.columns(np.where(modelled, stack, np.complex64(0)))
    return Baselines(frozen(stack), reference, noise_variance, crop, frozen(columns))


def weights_for(
    baselines: Baselines,
    coils: NDArray[np.complex64],
    background_rad: NDArray[np.float32],
    measured: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Return the weights (image,) whose mixture comes closest to the measured lines; they sum to 1.

    coils: complex64 (coil, column, y), zero-filled. background_rad: (column, y), the drift so far;
    a turn of the whole is found beside it. Noise of the baselines keeps the weights apart from
    noise: what they fit of it by chance costs more than it gains.
    """
    kept = np.fft.ifftshift(measured)
    turned = baselines.columns * turn(background_rad)
    seen = scipy.fft.fft(turned, axis=-1)[..., kept].reshape(len(turned), -1)
    moments = seen.conj() @ scipy.fft.fft(coils, axis=-1)[..., kept].ravel()
    gram = (seen.conj() @ seen.T).real.astype(np.float64)
    # the image that is nearest knows the turn best
    best = np.argmax(np.abs(moments) ** 2 / gram.diagonal())
    back = moments[best].conj() / max(abs(moments[best]), np.finfo(np.float32).tiny)
    return mixture(gram, (moments * back).real.astype(np.float64))


def _differ(stack: NDArray[np.complex64], mean: Coils, reference: Reference) -> bool:
    """Whether the images (image, coil, z, y, x) are further apart than noise puts them."""
    n_images, n_coils = stack.shape[:2]
    if n_images < 2 or not reference.usable.any():
        return False
    apart = sum(coil_energy(one - mean)[reference.usable].mean(dtype=np.float64) for one in stack)
    expected = (n_images - 1) * n_coils * reference.noise_variance
    return bool(apart > MORE_THAN_NOISE * expected)


def mixed(images: NDArray[np.complex64], weights: NDArray[np.float64]) -> Columns:
    """Return Σ w b over the images (image, …)."""
    combined: Columns = np.tensordot(weights.astype(np.float32), images, axes=1)
    return combined
