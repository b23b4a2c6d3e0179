"""The readout gradient of an EPI scan, as a header describes it."""

from messages import EpiTiming
from realtime.streams.header_xml import Element, child, finite, text_of

_IDENTIFIER = "ConventionalEPI"


def epi_timing(encoding: Element) -> EpiTiming | None:
    """Return the trapezoid and the sampling that `trajectoryDescription` gives, in µs.

    Names as siemens_to_ismrmrd writes them; a number may stand among the longs or the doubles. None
    where the description is another's, incomplete or cannot be.
    """
    description = child(encoding, "trajectoryDescription")
    if description is None or text_of(description, "identifier") != _IDENTIFIER:
        return None
    found: dict[str, float | None] = {}
    for kind in ("userParameterLong", "userParameterDouble"):
        for parameter in description.findall(kind):
            value = finite(text_of(parameter, "value"))
            found.setdefault(text_of(parameter, "name"), value)
    ramp_up, flat_top, ramp_down, delay, n_samples, dwell = (
        found.get(name)
        for name in (
            "rampUpTime",
            "flatTopTime",
            "rampDownTime",
            "acqDelayTime",
            "numSamples",
            "dwellTime",
        )
    )
    if ramp_up is None or flat_top is None or ramp_down is None or delay is None:
        return None
    if n_samples is None or dwell is None:
        return None
    if min(ramp_up, flat_top, ramp_down, delay) < 0 or ramp_up + flat_top + ramp_down == 0:
        return None
    if n_samples < 1 or not n_samples.is_integer() or dwell <= 0:
        return None
    return EpiTiming(ramp_up, flat_top, ramp_down, delay, int(n_samples), dwell)
