"""How far ahead a decision is about."""

import math

_LONGEST_S = 0.5  # between images: a longer one is a gap and says nothing of the next


def decision_horizon_s(latency_s: float, *, interval_s: float) -> float:
    """Return the time from an image to the middle of the time for which its decision stands.

    A decision acts latency_s after its image and stands until that of the next image acts,
    interval_s later: half of that is added to the latency. interval_s: between this image and the
    one before, NaN where there was none.
    """
    if not math.isfinite(interval_s):
        return latency_s
    return latency_s + 0.5 * min(max(interval_s, 0.0), _LONGEST_S)
