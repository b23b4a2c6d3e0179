"""One readout on its way to the wire."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Readout:
    """One MRD message with an acquisition or a waveform, and when the scanner played it.

    message: the whole MRD v1 message, identifier included.
    t_s: scanner time of the echo, from the start of the first frame.
    frame: frame index from 0; -1 for a noise readout or a waveform.
    delay_s: wall time that a fault wants to pass before sending.
    is_paced: False where a fault wants it sent at once.
    """

    message: bytes
    t_s: float
    frame: int
    is_last_of_frame: bool = False
    delay_s: float = 0.0
    is_paced: bool = True
