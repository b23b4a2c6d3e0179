"""Scanner time as the scanner's counter gives it."""

_SECONDS_A_DAY = 86400.0
_TICKS_PER_S = {"2.5ms": 400.0, "ms": 1e3, "us": 1e6, "none": 0.0}


def check_unit(unit: str) -> None:
    """Raise ValueError unless this is a unit of time stamps."""
    if unit not in _TICKS_PER_S:
        raise ValueError(f"time_stamp_unit {unit!r}, expected {', '.join(_TICKS_PER_S)}")


def ticks(t_s: float, *, unit: str, start_of_day_s: float) -> int:
    """Return the time stamp of a moment, truncated; it wraps at midnight.

    unit: 2.5ms | ms | us | none. Microseconds would overflow 32 bits as time of day, so they count
        from the start of the measurement.
    """
    per_s = _TICKS_PER_S[unit]
    if unit == "us":
        return int((t_s + 1.0) * per_s)  # 1 s: the noise scan comes before zero
    return int(((start_of_day_s + t_s) % _SECONDS_A_DAY) * per_s)
