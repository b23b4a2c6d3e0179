"""How many hertz one pixel of the image spans along the readout."""

import math

from messages import Encoding, ProtocolError
from realtime.protocol_sections import Thermometry


def readout_bandwidth_hz_per_px(encoding: Encoding, sample_time_us: float) -> float:
    """Return the bandwidth of a pixel; NaN where the dwell time or the sampling do not tell.

    A sample is one step of 1 / encoded field of view further in k-space. Only where each line is a
    readout of its own is the readout the direction in which off-resonance displaces: a train of
    echoes is displaced along its phase encoding, spokes and spirals are blurred.
    """
    if encoding.trajectory != "cartesian" or not sample_time_us > 0:
        return math.nan
    pixel_mm = encoding.recon_fov_mm[0] / encoding.recon_matrix[0]
    return pixel_mm / (sample_time_us * 1e-6 * encoding.encoded_fov_mm[0])


def require_bandwidth(settings: Thermometry, encoding: Encoding, bandwidth_hz: float) -> None:
    """Raise ProtocolError where the map is to be moved along the readout, nobody knows how far."""
    if settings.off_resonance_shift and not math.isfinite(bandwidth_hz):
        why = (
            "the readouts tell no sample_time_us"
            if encoding.trajectory == "cartesian"
            else f"the scan is {encoding.trajectory}, expected cartesian"
        )
        raise ProtocolError(
            f"is true, but {why}: how far off-resonance moves a pixel is not known",
            key="thermometry.off_resonance_shift",
        )
