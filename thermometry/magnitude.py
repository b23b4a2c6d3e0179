"""How the signal compares with the baseline's: motion and boiling show, temperature hardly does."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermometry.baseline import Reference
from thermometry.coil_images import frozen
from thermometry.conversion import NEVER
from thermometry.phase import Observation

LEAST_CONTRAST: Final = 5.0  # over the noise: a still object then correlates by 0.96 or more


def compare_magnitudes(
    seen: Observation, reference: Reference
) -> tuple[NDArray[np.float32] | None, float]:
    """Return the signal over the baseline's, float32 (z, y, x), and the correlation of the two.

    The ratio is NaN where the baseline has too little signal. The correlation is Pearson's, over
    the other pixels; NaN where the object is so even that the noise would rule it, 0 where the
    image is empty. None and NaN where one of the two has no magnitude.
    """
    known, magnitude = reference.magnitude, seen.magnitude
    if known is None or magnitude is None:
        return None, math.nan
    is_known = known > 0
    ratio = np.where(is_known, magnitude / np.where(is_known, known, np.float32(1)), NEVER)
    # float64: sums of squares over thousands of pixels, and scanners choose any scale
    now, then = magnitude[is_known].astype(np.float64), known[is_known].astype(np.float64)
    if now.size == 0:
        return frozen(ratio), math.nan
    now -= now.mean()
    then -= then.mean()
    contrast = float(then @ then)
    noise = 0.5 * reference.noise_variance * then.size  # of the real part, which |z| holds
    if not contrast > LEAST_CONTRAST**2 * noise:
        return frozen(ratio), math.nan
    energy = float(now @ now)
    if energy == 0.0:
        return frozen(ratio), 0.0
    return frozen(ratio), float(now @ then) / math.sqrt(energy * contrast)
