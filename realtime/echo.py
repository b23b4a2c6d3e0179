"""What a phase is turned into temperature with: echo times and the proton frequency."""

from typing import Final

import thermometry
from messages import HeaderError, SessionHeader
from realtime.protocol_sections import Thermometry
from realtime.streams.mrd_header import GAMMA_BAR_HZ_PER_T, require_thermometry

# The gateway looks through a frame's echoes at each readout; a header that claims 65536 of them
# would keep every other client waiting. Relaxometry takes 32.
MAX_JOINED: Final = 64
MAX_OVERRIDE_DISAGREEMENT: Final = 0.1  # as between the header's own frequency and field


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


def doubtful_overrides(settings: Thermometry, header: SessionHeader) -> str:
    """Say which override differs from the header by more than a tenth; nothing where none does.

    An override is there to be believed, but a forgotten one scales every temperature.
    """
    told_s, told_hz = header.echo_times_s[:1], header.h1_frequency_hz
    if told_hz is None and header.field_strength_t is not None:
        told_hz = header.field_strength_t * GAMMA_BAR_HZ_PER_T
    doubts = []
    if settings.echo_time_ms is not None and told_s:
        doubts += _differs("echo_time_ms", settings.echo_time_ms, told_s[0] * 1e3, unit="ms")
    if settings.field_strength_t is not None and told_hz is not None:
        told_t = told_hz / GAMMA_BAR_HZ_PER_T
        doubts += _differs("field_strength_t", settings.field_strength_t, told_t, unit="T")
    return "; ".join(doubts)


def _differs(key: str, used: float, told: float, *, unit: str) -> list[str]:
    if abs(used - told) <= MAX_OVERRIDE_DISAGREEMENT * told:
        return []
    return [
        f"thermometry.{key} takes {used:g} {unit}, the header says {told:.4g}: each temperature "
        f"reads {told / used:.2g} times what it would by the header"
    ]


def joined_contrasts(settings: Thermometry | None, header: SessionHeader) -> int:
    """Return how many contrasts one frame joins: all that the header's limits name, or 1.

    header: what is in force. A method of `thermometry.JOINS_CONTRASTS` needs all at once; for any
    other each contrast is a frame of its own. Raises HeaderError where it names too many.
    """
    if settings is None or settings.method not in thermometry.JOINS_CONTRASTS:
        return 1
    n_joined = header.encodings[0].n_contrasts
    if n_joined > MAX_JOINED:
        raise HeaderError(
            f"names {n_joined}, expected at most {MAX_JOINED} in an echo train",
            field="encoding[0].encodingLimits.contrast",
        )
    return n_joined


def echo_times_of(
    settings: Thermometry, header: SessionHeader, *, n_joined: int
) -> tuple[float, ...]:
    """Return the echo time (s) of each contrast: the protocol's one where it gives it.

    Raises HeaderError where the contrasts of a frame are too few, or cannot be told apart by what
    is given.
    """
    echo_time_s, _ = echo_time_and_frequency(settings, header)
    least = thermometry.LEAST_ECHOES.get(settings.method, 1)
    if n_joined < least:
        raise HeaderError(
            f"names {n_joined}, {settings.method} needs {least} or more",
            field="encoding[0].encodingLimits.contrast",
        )
    if n_joined == 1:
        return header.echo_times_s if settings.echo_time_ms is None else (echo_time_s,)
    if header.encodings[0].trajectory == "epi":
        raise HeaderError(
            f"is epi, whose navigators belong to one echo; {settings.method} takes echoes of "
            "other trajectories",
            field="encoding[0].trajectory",
        )
    if settings.method not in thermometry.NEEDS_ECHO_TIMES:
        return (echo_time_s,) * n_joined
    told = header.echo_times_s
    if settings.echo_time_ms is not None:
        told = (echo_time_s,)
    if len(told) < n_joined or min(told[:n_joined]) <= 0 or len(set(told[:n_joined])) < n_joined:
        listed = ", ".join(f"{one * 1e3:g}" for one in told)
        raise HeaderError(
            f"gives {listed} ms, {settings.method} needs one above 0 for each of the {n_joined} "
            "contrasts that the limits name, each another; thermometry.echo_time_ms gives one only",
            field="sequenceParameters.TE",
        )
    return told[:n_joined]
