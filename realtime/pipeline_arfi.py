"""MR-ARFI in the fold: pairs of frames whose `set` alternates find the focus before it heats."""

from dataclasses import replace

from messages import FrameKey
from realtime.pipeline_state import Measured, Pipeline, PipelineState
from thermometry import Arfi, encoding_rad_per_um

Place = tuple[int, int, int]  # slice, contrast, phase: what both frames of a pair share


def seek_focus(pipeline: Pipeline, state: PipelineState, measured: Measured) -> PipelineState:
    """Return the state with what this frame adds to its pair; unchanged where nothing is encoded.

    The last focus that was found stays until another one is.
    """
    settings, thermometer = pipeline.protocol.thermometry, measured.slice.thermometer
    image = measured.image
    if settings is None or thermometer is None or image.key.set not in (0, 1):
        return state
    if settings.arfi_gradient_mt_per_m is None or settings.arfi_encoding_ms is None:
        return state
    rad_per_um = encoding_rad_per_um(
        settings.arfi_gradient_mt_per_m, settings.arfi_encoding_ms * 1e-3
    )
    arfi = Arfi(thermometer.plan, settings.phase_sign * rad_per_um)
    place = place_of(image.key)
    pairs, found = arfi.step(state.arfi.get(place) or arfi.start(), image)
    state = replace(state, arfi={**state.arfi, place: pairs})
    if found is None or found.focus is None:
        return state
    return replace(state, focus={**state.focus, place: found.focus})


def place_of(key: FrameKey) -> Place:
    """Return what both frames of a pair share."""
    return key.slice, key.contrast, key.phase
