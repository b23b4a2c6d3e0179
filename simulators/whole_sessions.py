"""Whole MRD sessions that are as small as they can be: what fuzzing and mutation begin with."""

import struct

from simulators.mrd import (
    TEXT,
    close_message,
    config_message,
    config_text_message,
    header_message,
)
from simulators.physiology import Physiology
from simulators.scan import Scan
from simulators.sequences import CATALOGUE

Session = tuple[bytes, ...]
"""The messages of a session, in order, from the configuration to CLOSE."""

_PIXELS = 8
# sequence: the protocol that it asks for, and what makes it small or takes it out of the usual
_KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "gre": ("mrgfus-demo", {"n_frames": 4}),
    "tgrappa": ("mrgfus-brain", {"n_frames": 4}),
    "partial-fourier": ("mrgfus-phantom", {}),
    "multi-slice": ("mrgfus-demo", {}),
    "multi-echo": ("mrgfus-breast", {}),
    "3d": ("imaging", {"partitions": 4}),
    "epi": ("mrgfus-liver", {}),
    "epi-segmented": ("imaging", {"n_shots": 2}),
    "radial": ("mrlinac-liver", {"spokes_per_frame": 8}),
    "spiral": ("imaging", {}),
}
_COMPRESSED = {"partial-fourier": 12, "radial": 20}  # bits
_FIRE = '{"version": "1", "parameters": {"config": "imaging"}}'


def whole_sessions(*, config: str = "") -> dict[str, Session]:
    """Return a session of each kind of sequence: noise scan, frames, waveforms, texts, CLOSE.

    config: the protocol that all of them ask for, instead of one that goes with the sequence.
    """
    return {name: _session(name, config) for name in _KINDS}


def text_message(text: str) -> bytes:
    """Return message 5: a log line, or FIRE's parameters as JSON."""
    body = text.encode()
    return struct.pack("<HI", TEXT, len(body)) + body


def _session(name: str, config: str) -> Session:
    usual, chosen = _KINDS[name]
    # what is asked for by name is a sequence's own parameter
    sequence = CATALOGUE[name](**({"matrix": (_PIXELS, _PIXELS), "n_frames": 2} | chosen))
    scan = Scan(
        sequence,
        n_coils=2,
        snr=40.0,
        n_noise_readouts=2,
        physiology=Physiology(),
        compression_bits=_COMPRESSED.get(name, 0),
    )
    played = list(scan.messages())
    opening = [config_message(config or usual), header_message(scan.header_xml())]
    if name == "spiral" and not config:
        opening = [config_text_message("<configuration/>"), *opening[1:], text_message(_FIRE)]
    middle = len(played) // 2
    said = text_message("DBG in the middle")
    return (*opening, *played[:middle], said, *played[middle:], close_message())
