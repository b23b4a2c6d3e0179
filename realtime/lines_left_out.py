"""Who may be given images whose missing lines of k-space nobody has filled, and what first."""

from messages import HeaderError, ProtocolError
from realtime.protocol_methods import FOR_FOLDED_IMAGES
from realtime.protocol_sections import Thermometry
from recon import ReconstructionPlan

_ACCELERATION = "encoding.parallelImaging.accelerationFactor"


def whole_frames(settings: Thermometry) -> int:
    """Return how many whole frames have to come before any that leaves lines out."""
    return settings.baseline_frames if settings.method == FOR_FOLDED_IMAGES else 0


def require_lines(settings: Thermometry, plan: ReconstructionPlan, *, recon_method: str) -> None:
    """Raise HeaderError or ProtocolError where images would stay folded and be taken for whole."""
    along_y, along_z = plan.encoding.acceleration
    if recon_method != "fft" or max(along_y, along_z) == 1:
        return
    if settings.method != FOR_FOLDED_IMAGES:
        raise ProtocolError(
            f'is "fft", which leaves images folded that are accelerated {along_y} times, expected '
            f'"auto", "grappa" or "sense", or thermometry.method = "{FOR_FOLDED_IMAGES}"',
            key="recon.method",
        )
    if along_z > 1:
        raise HeaderError(
            f"is {along_z}, thermometry.method {FOR_FOLDED_IMAGES} expects 1: lines along ky only",
            field=f"{_ACCELERATION}.kspace_encoding_step_2",
        )
    if plan.grid[1] != plan.recon_matrix[1]:
        raise HeaderError(
            f"gives {plan.grid[1]} lines for {plan.recon_matrix[1]} pixels along y, "
            f"thermometry.method {FOR_FOLDED_IMAGES} expects no oversampling there: cropped "
            "images do not tell what was folded",
            field="encoding[0].encodedSpace.fieldOfView_mm.y",
        )
