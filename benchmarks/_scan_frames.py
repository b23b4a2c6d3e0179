"""A simulated scan as the reconstruction gets it: header, noise and frames, without a gateway."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import recon
from messages import READOUT, Acquisition, Frame, FrameKey, Image, SessionHeader
from messages.acquisition import NOISE_MEASUREMENT
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_header import parse_header
from recon import METHODS, Calibration, ReconstructionSettings, Reconstructor
from simulators.linac import LinacScan
from simulators.mrd import header_message
from simulators.scan import Scan
from simulators.tissue_scan import TissueScan

_SAME_NAME = ("center_sample", "n_samples", "discard_pre", "discard_post", "flags")
_COUNTED = (
    "kspace_encode_step_1",
    "kspace_encode_step_2",
    "segment",
    "average",
    "repetition",
    "contrast",
)


@dataclass(frozen=True, slots=True)
class Played:
    """frames: of each dynamic, in order; of several slices the first, of echoes as asked for."""

    header: SessionHeader
    noise: NDArray[np.complex64]
    frames: tuple[Frame, ...]

    def method(self, name: str, settings: ReconstructionSettings | None = None) -> Reconstructor:
        """Return a reconstruction method for this scan."""
        _, n_coils, n_samples = self.frames[0].samples.shape
        plan = recon.plan(self.header, n_coils=n_coils, n_samples=n_samples, settings=settings)
        return METHODS[name](plan)


def play(scan: Scan | TissueScan | LinacScan, *, joins_echoes: bool = False) -> Played:
    """Return the frames of a scan; each holds the first echo, or the whole train."""
    xml = scan.header_xml()
    decoder = Decoder()
    decoder.feed(header_message(xml))
    groups: dict[int, list[Acquisition]] = {}
    for readout in scan.readouts():
        decoder.feed(readout.message)
        for event in decoder.events():
            if not isinstance(event, Acquisition) or event.idx.slice:
                continue
            if joins_echoes or not event.idx.contrast:
                groups.setdefault(readout.frame, []).append(event)
    noise = [one.samples for one in groups.pop(-1, []) if one.flags & NOISE_MEASUREMENT]
    frames = [_frame(number, groups[number]) for number in sorted(groups)]
    empty = np.zeros((scan.n_coils, 0), np.complex64)
    return Played(parse_header(xml), np.hstack(noise) if noise else empty, tuple(frames))


def _frame(number: int, acquisitions: list[Acquisition]) -> Frame:
    rows = np.zeros(len(acquisitions), READOUT)
    for row, one in zip(rows, acquisitions, strict=True):
        for name in _SAME_NAME:
            row[name] = getattr(one, name)
        for name in _COUNTED:
            row[name] = getattr(one.idx, name)
    samples = np.stack([one.samples for one in acquisitions])
    first = acquisitions[0]
    has_trajectory = first.trajectory.shape[1] > 0
    trajectory = np.stack([one.trajectory for one in acquisitions]) if has_trajectory else None
    key = FrameKey(repetition=first.idx.repetition)
    return Frame(number, key, rows, samples, 0.0, first.pose, True, trajectory)


def reconstruct(
    method: Reconstructor, frame: Frame, calibration: Calibration | None = None
) -> tuple[Image, Calibration | None]:
    """Return a frame's image and the calibration that it was made with."""
    partial = method.absorb(
        method.start(calibration), frame.readouts, frame.samples, frame.trajectory
    )
    if calibration is None:
        calibration = method.calibrate(partial, frame)
    return method.finish(partial, frame, calibration), calibration
