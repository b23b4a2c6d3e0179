"""What may be asked over the control port, and how it is read. Ranges are strict."""

from typing import Annotated

import msgspec

_MAX_SEQUENCE = (1 << 63) - 1  # the journal's integers have 64 bits
_MOST_WATTS = 1e5  # fifty times what a transducer or an applicator takes
_MAX_BEAM_NUMBER = (1 << 31) - 1  # DICOM PS3.5 6.2: an integer string has 32 bits
_MOST_MU = 1e5  # ten times the largest fraction

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
"""Of a person: it is told to everybody and kept."""

_Time = Annotated[float, msgspec.Meta(ge=0.0, le=1e9)]


class Resume(msgspec.Struct, tag="resume", frozen=True, forbid_unknown_fields=True):
    """Send me the alerts of this epoch that came after this sequence number."""

    epoch: str
    after: Annotated[int, msgspec.Meta(ge=0, le=_MAX_SEQUENCE)] = 0


class Acknowledge(msgspec.Struct, tag="acknowledge", frozen=True, forbid_unknown_fields=True):
    """A person has seen this alert; `epoch`, where it is given, must be the one that runs."""

    alert_id: Annotated[int, msgspec.Meta(ge=-_MAX_SEQUENCE, le=_MAX_SEQUENCE)]
    who: Name
    epoch: str = ""


class PowerReport(msgspec.Struct, tag="power", frozen=True, forbid_unknown_fields=True):
    """The therapy device's power from now on, or from a scanner time (s) that it knows better."""

    watts: Annotated[float, msgspec.Meta(ge=0.0, le=_MOST_WATTS)]
    time_s: _Time | None = None


class BeamReport(msgspec.Struct, tag="beam", frozen=True, forbid_unknown_fields=True):
    """A beam of the plan now, or at a scanner time (s): on or off, and its monitor units so far."""

    number: Annotated[int, msgspec.Meta(ge=0, le=_MAX_BEAM_NUMBER)]
    is_on: bool
    mu: Annotated[float, msgspec.Meta(ge=0.0, le=_MOST_MU)]
    time_s: _Time | None = None


DeviceReport = PowerReport | BeamReport
Request = Resume | Acknowledge | DeviceReport

_requests: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)


def read_request(text: bytes) -> Request:
    """Return what is asked. Raises ValueError, msgspec's among them, where it is no request."""
    try:
        return _requests.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
