"""Whether a protocol and a scanner's header suit each other, before any data flows."""

from messages import Pose, SessionHeader
from realtime.alerts.blur import hidden_share
from realtime.alerts.limits import BlurGuard
from realtime.echo import doubtful_overrides, echo_time_and_frequency
from realtime.frame_interval import frame_interval_s
from realtime.protocol import Protocol
from realtime.regions import region_masks


def check_header(protocol: Protocol, header: SessionHeader) -> str:
    """Say what of this header suits the protocol, or raise HeaderError or ProtocolError.

    Regions given in mm are left to the session: only readouts tell where the slice lies.
    """
    settings = protocol.thermometry
    if settings is None:
        return f"the header reads well; {_regions_suit(protocol, header)}"
    echo_time_and_frequency(settings, header)
    doubts = doubtful_overrides(settings, header)
    regions = _regions_suit(protocol, header)
    return f"echo time and field strength suit; {regions}{'; but ' if doubts else ''}{doubts}"


def _regions_suit(protocol: Protocol, header: SessionHeader) -> str:
    if not protocol.region:
        return "this protocol has no region"
    if any(region.center_px is None and region.mask is None for region in protocol.region):
        return "regions in mm are checked when readouts come"
    x, y, z = header.encodings[0].recon_matrix
    region_masks(protocol, shape=(z, y, x), fov_mm=header.encodings[0].recon_fov_mm, pose=Pose())
    return "regions suit"


def check_blur(protocol: Protocol, header: SessionHeader) -> tuple[str, ...]:
    """Say for each blur-guard how much of the peak's rise this scan hides, by size alone."""
    encoding = header.encodings[0]
    (width_mm, height_mm, depth_mm), (nx, ny, nz) = encoding.recon_fov_mm, encoding.recon_matrix
    voxel_mm = (depth_mm / nz, height_mm / ny, width_mm / nx)
    frame_time_s = frame_interval_s(header)
    said = []
    for limit in protocol.limit:
        if not isinstance(limit, BlurGuard):
            continue
        by_voxel = hidden_share(limit.focus_fwhm_mm, voxel_mm)
        share = hidden_share(limit.focus_fwhm_mm, voxel_mm, frame_time_s=frame_time_s or 0.0)
        size = " x ".join(f"{one:.2g}" for one in voxel_mm)
        text = (
            f"voxels of {size} mm (z, y, x) hide {by_voxel.least:.0%} to {by_voxel.most:.0%} of "
            f"the peak's rise in {limit.region} by where they lie"
        )
        if frame_time_s is not None:
            text += f", {share.expected:.0%} on average with {frame_time_s:.1f} s a frame"
        verdict = "over" if 100.0 * share.expected >= limit.max_hidden_percent else "within"
        said.append(f"{text}: {verdict} the limit of {limit.max_hidden_percent:g} %")
    return tuple(said)
