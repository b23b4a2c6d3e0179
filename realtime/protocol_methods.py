"""What a method cannot do with the settings beside it, told before any header comes."""

import thermometry
from messages import ProtocolError
from realtime.protocol_sections import Recon, Thermometry

FOR_FOLDED_IMAGES = "kspace-hybrid"
_FOR_FOLDED_FROM = ("auto", "fft")


def refuse_unfit(settings: Thermometry, *, recon_method: str) -> None:
    """Raise ProtocolError, with the key at fault, where a method cannot work as it is asked to."""
    method, n_baseline = settings.method, settings.baseline_frames
    most = thermometry.MOST_LIBRARY_IMAGES
    if method in thermometry.KEEPS_LIBRARY and n_baseline > most:
        _refuse(
            "baseline_frames",
            f"is {n_baseline}, expected at most {most} for {method}, which keeps every one of them",
        )
    if method == "pca" and settings.pca_components >= n_baseline:
        _refuse(
            "pca_components",
            f"is {settings.pca_components}, expected fewer than baseline_frames {n_baseline}",
        )
    if method == "t1" and not settings.t1_change_percent_per_c > 0:
        _refuse("t1_change_percent_per_c", "is missing, expected above 0 for t1")
    if method == FOR_FOLDED_IMAGES and recon_method not in _FOR_FOLDED_FROM:
        text = f'is "{recon_method}", which fills the lines that {method} does without'
        raise ProtocolError(f'{text}, expected "fft"', key="recon.method")
    if settings.dose_integration == "model" and not settings.heat_model:
        _refuse("dose_integration", 'is "model", which needs heat_model = true')


def refuse_unfit_window(settings: Recon) -> None:
    """Raise ProtocolError where no window of spokes can slide as [recon] asks."""
    window, hop = settings.window_readouts, settings.readouts_per_frame
    if window is None:
        return
    if hop is not None and window <= hop:
        raise ProtocolError(
            f"is {window}, expected more than readouts_per_frame {hop}, by which the window moves",
            key="recon.window_readouts",
        )
    if settings.trajectory not in ("header", "golden-angle"):
        raise ProtocolError(
            f'is "{settings.trajectory}", which gives each hop of a sliding window the same spokes;'
            ' expected "golden-angle", or "header" where the readouts bring their positions',
            key="recon.trajectory",
        )


def _refuse(key: str, text: str) -> None:
    raise ProtocolError(text, key=f"thermometry.{key}")
