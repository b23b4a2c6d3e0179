"""Whether a protocol and a scanner's header suit each other, before any data flows."""

from messages import Pose, SessionHeader
from realtime.echo import echo_time_and_frequency
from realtime.protocol import Protocol
from realtime.regions import region_masks


def check_header(protocol: Protocol, header: SessionHeader) -> None:
    """Raise HeaderError or ProtocolError where a session with this header would be refused.

    Regions given in mm are left to the session: only readouts tell where the slice lies.
    """
    settings = protocol.thermometry
    if settings is None:
        return
    echo_time_and_frequency(settings, header)
    if any(region.center_mm is not None for region in protocol.region):
        return
    x, y, z = header.encodings[0].recon_matrix
    region_masks(protocol, shape=(z, y, x), fov_mm=header.encodings[0].recon_fov_mm, pose=Pose())
