"""Whether the end-exhale place stays where it was: an average and a sum, breath by breath."""

import math
from dataclasses import dataclass, replace

Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Baseline:
    """The end-exhale places so far, (y, x) in mm.

    first_mm: mean of the first ones; of `n` so far while they are fewer than asked for.
    mean_mm: exponentially weighted. cusum_mm: what they were beyond the allowance, summed up.
    """

    n: int = 0
    first_mm: Place = (0.0, 0.0)
    mean_mm: Place = (0.0, 0.0)
    cusum_mm: float = 0.0

    def is_known(self, n_cycles: int) -> bool:
        """Whether the first places have been seen."""
        return self.n >= n_cycles

    @property
    def shift_mm(self) -> float:
        """How far the average is from the first places."""
        return math.dist(self.mean_mm, self.first_mm)


def with_point(
    state: Baseline, place_mm: Place, *, n_cycles: int, max_shift_mm: float, allowance_mm: float
) -> Baseline:
    """Return the baseline after one more end-exhale place.

    EWMA (Roberts 1959, doi:10.1080/00401706.1959.10489860) with the weight 2 / (n + 1), which
    averages over about n_cycles; CUSUM (Page 1954, doi:10.1093/biomet/41.1-2.100) of the distance
    from the first places less the allowance, which a shift of max_shift_mm brings to its limit in
    n_cycles. Neither reaches max_shift_mm with fewer points than that: a single odd breath,
    however deep, is no shift of the baseline.
    """
    n = state.n + 1
    if n <= n_cycles:
        first_mm = _toward(state.first_mm, place_mm, 1.0 / n)
        return replace(state, n=n, first_mm=first_mm, mean_mm=first_mm)
    off_mm = math.dist(place_mm, state.mean_mm)
    most = max_shift_mm / n_cycles / off_mm if off_mm > 0.0 else 0.0
    mean_mm = _toward(state.mean_mm, place_mm, min(most, 2.0 / (n_cycles + 1)))
    beyond_mm = min(math.dist(place_mm, state.first_mm), max_shift_mm) - allowance_mm
    return replace(state, n=n, mean_mm=mean_mm, cusum_mm=max(0.0, state.cusum_mm + beyond_mm))


def _toward(start: Place, end: Place, share: float) -> Place:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
