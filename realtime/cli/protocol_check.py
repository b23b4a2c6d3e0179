"""Whether a protocol and a scanner's header suit each other, before any data flows."""

from messages import Pose, SessionHeader
from realtime.echo import echo_time_and_frequency
from realtime.protocol import Protocol
from realtime.regions import region_masks


def check_header(protocol: Protocol, header: SessionHeader) -> str:
    """Say what of this header suits the protocol, or raise HeaderError or ProtocolError.

    Regions given in mm are left to the session: only readouts tell where the slice lies.
    """
    settings = protocol.thermometry
    if settings is None:
        return (
            "the header reads well; this protocol asks for no echo time, field strength or region"
        )
    echo_time_and_frequency(settings, header)
    if any(region.center_mm is not None for region in protocol.region):
        return "echo time and field strength suit; regions in mm are checked when readouts come"
    x, y, z = header.encodings[0].recon_matrix
    region_masks(protocol, shape=(z, y, x), fov_mm=header.encodings[0].recon_fov_mm, pose=Pose())
    return "echo time, field strength and regions suit"
