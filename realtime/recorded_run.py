"""What the run folder in which a recording lies tells of how it was computed."""

import json
from dataclasses import replace
from pathlib import Path

from realtime.protocol import Protocol


def as_recorded(protocol: Protocol, file: Path) -> Protocol:
    """Return the protocol with the number of iterations that the recording's run was given.

    Only where it leaves a choice, and run.json beside the recording tells of this very protocol;
    otherwise it is returned as it is.
    """
    if not isinstance(protocol.recon.iterations, tuple):
        return protocol
    try:
        start = json.loads((file.parent / "run.json").read_text(encoding="utf-8"))["start"]
        same = start["protocol_hash"] == protocol.hash
        iterations = start["recon_iterations"] if same else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return protocol
    return replace(protocol, iterations=iterations) if isinstance(iterations, int) else protocol
