"""What a phase is turned into temperature with: the echo time and the proton frequency."""

from messages import SessionHeader
from realtime.protocol_sections import Thermometry
from realtime.streams.mrd_header import require_thermometry


def echo_time_and_frequency(settings: Thermometry, header: SessionHeader) -> tuple[float, float]:
    """Return echo time (s) and H1 frequency (Hz): the protocol's where it gives them.

    Raises HeaderError, naming the field, where neither header nor protocol does.
    """
    return require_thermometry(
        header,
        echo_time_s_override=None
        if settings.echo_time_ms is None
        else settings.echo_time_ms * 1e-3,
        field_strength_t_override=settings.field_strength_t,
    )
