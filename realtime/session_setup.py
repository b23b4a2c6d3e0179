"""What a session asks for before its first frame: memory, and a configuration for the worker."""

import hashlib
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from messages import (
    Acquisition,
    Encoding,
    MonitorError,
    RegionPlan,
    RunStart,
    RunStop,
    SessionHeader,
)
from realtime import control
from realtime.alerts.limit_lines import limit_lines
from realtime.answers import Counts
from realtime.assembler import Assembler
from realtime.echo import joined_contrasts
from realtime.frame_interval import frame_interval_s
from realtime.mailbox import Layout
from realtime.protocol import Protocol

MAX_FRAME_BYTES = 1 << 30
# 32 channels × 32768 samples: their covariance is known to half a percent. A quarter of a gigabyte,
# copied and handed over, would keep the gateway from its other clients for seconds.
ENOUGH_NOISE_BYTES = 1 << 23
_MOST_SLOTS = 32
_CHEAP_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What a run is called and where it runs."""

    run_id: str
    source: str
    started_utc: str
    machine: str
    versions: dict[str, str]


def start_of(
    run: RunIdentity, protocol: Protocol, header: SessionHeader, ready: control.Ready
) -> RunStart:
    """Return everything that is known before the first frame."""
    return RunStart(
        run_id=run.run_id,
        protocol_name=protocol.protocol.name,
        protocol_hash=protocol.hash,
        therapy=protocol.protocol.therapy,
        header_digest=hashlib.sha256(header.xml).hexdigest(),
        source=run.source,
        started_utc=run.started_utc,
        machine=run.machine,
        versions=run.versions,
        image_shape=ready.image_shape,
        fov_mm=ready.fov_mm,
        frame_deadline_ms=protocol.protocol.frame_deadline_ms,
        lease_ms=protocol.protocol.lease_ms,
        admission_ms=ready.admission_ms,
        recon_iterations=ready.iterations,
        regions=tuple(RegionPlan(region.name, region.role) for region in protocol.region),
        limits=limit_lines(protocol),
        frame_interval_s=frame_interval_s(header, protocol.recon.readouts_per_frame),
    )


def stop_of(
    run: RunIdentity, status: str, reason: str, *, ended_utc: str, counts: Counts, **readouts: int
) -> RunStop:
    """Return what only the end can tell; `readouts` are RunStop's own counts of them."""
    return RunStop(
        run.run_id,
        status,
        reason,
        ended_utc,
        n_frames=counts.n_frames,
        n_late=counts.n_late,
        n_fault=counts.n_fault,
        n_incomplete=counts.n_incomplete,
        **readouts,
    )


class NoiseReadouts:
    """The noise scan, gathered until the first imaging readout comes."""

    def __init__(self) -> None:
        self._samples: list[NDArray[np.complex64]] = []
        self._n_bytes = 0
        self._sample_time_us = 0.0

    def add(self, acquisition: Acquisition) -> None:
        """Keep a noise readout, unless there is enough of them."""
        if self._n_bytes and self._n_bytes + acquisition.samples.nbytes > ENOUGH_NOISE_BYTES:
            return
        self._n_bytes += acquisition.samples.nbytes
        self._samples.append(acquisition.samples)
        self._sample_time_us = acquisition.sample_time_us

    def take(self, *, n_coils: int, readout: int) -> tuple[NDArray[np.complex64], float]:
        """Return the scan (coil, sample) and its dwell time in µs, and forget it.

        Raises MonitorError where its channels are not those of the imaging readouts.
        """
        counts = {one.shape[0] for one in self._samples}
        if counts - {n_coils}:
            raise MonitorError(
                f"readout {readout}: {n_coils} channels, the noise scan has {sorted(counts)}"
            )
        whole = np.hstack(self._samples) if self._samples else np.zeros((0, 0), np.complex64)
        self._samples.clear()
        return whole, self._sample_time_us


def configuration(
    protocol: Protocol,
    header: SessionHeader,
    first: Acquisition,
    layout: Layout,
    noise: tuple[NDArray[np.complex64], float],
    *,
    is_deadline_enforced: bool,
    may_treat: bool,
    awaits_refinement: bool = False,
) -> control.Configuration:
    """Return what the worker is told; `first` is the first imaging readout."""
    samples, sample_time_us = noise
    folder = protocol.folder
    return control.Configuration(
        header_xml=header.xml,
        protocol_text=protocol.text,
        protocol_folder=None if folder is None else str(folder),
        layout=layout,
        pose=first.pose,
        is_deadline_enforced=is_deadline_enforced,
        may_treat=may_treat,
        awaits_refinement=awaits_refinement,
        imaging_sample_time_us=first.sample_time_us,
        iterations=protocol.iterations,
        noise=samples.tobytes(),
        noise_shape=(samples.shape[0], samples.shape[1]),
        noise_sample_time_us=sample_time_us,
    )


def assembler_for(protocol: Protocol, header: SessionHeader) -> Assembler:
    """Return what sorts a session's readouts into frames; `header` is the one in force."""
    return Assembler(
        header,
        readouts_per_frame=protocol.recon.readouts_per_frame,
        n_echoes=joined_contrasts(protocol.thermometry, header),
    )


def companion_rows(encoding: Encoding, n_imaging: int, *, n_waiting: int) -> int:
    """Return how many rows of a frame are kept for navigators and calibration lines.

    n_imaging: rows for imaging lines. n_waiting: companions that came before the first of them.
    """
    is_expected = encoding.trajectory == "epi" or (
        encoding.trajectory == "cartesian" and encoding.acceleration != (1, 1)
    )
    return max(n_imaging, n_waiting) if is_expected or n_waiting else 0


def plan_layout(
    header: SessionHeader,
    first: Acquisition,
    therapy: str,
    *,
    n_readouts: int,
    n_joined: int = 1,
) -> Layout:
    """Return how the memory is cut: a slot for each image stream, and two to wait.

    n_readouts: of a frame, which joins n_joined contrasts.
    A header may not tell of its slices, so there are more where they cost little. Raises
    MonitorError, before any memory is taken, where it is too much.
    """
    encoding = header.encodings[0]
    sizes = zip(encoding.encoded_matrix, encoding.recon_matrix, strict=True)
    n_pixels = math.prod(max(encoded, recon) for encoded, recon in sizes)
    # on a grid the counters tell the place, and what is sent as a trajectory may be anything
    n_dimensions = 0 if encoding.is_on_grid else first.trajectory.shape[1]
    one = Layout(
        1, n_readouts, first.n_coils, first.n_samples, n_pixels, n_dimensions, therapy=therapy
    )
    n_streams = max(encoding.n_slices * (encoding.n_contrasts if n_joined == 1 else 1), 1)
    n_cheap = min(_MOST_SLOTS, _CHEAP_BYTES // max(one.slot_bytes, 1))
    layout = replace(one, n_slots=max(min(n_streams, _MOST_SLOTS) + 2, n_cheap))
    if layout.slot_bytes > MAX_FRAME_BYTES or layout.total_bytes > 4 * MAX_FRAME_BYTES:
        raise MonitorError(
            f"header encodedSpace.matrixSize {encoding.encoded_matrix} with {first.n_coils} "
            f"channels needs {layout.slot_bytes >> 20} MiB a frame, "
            f"at most {MAX_FRAME_BYTES >> 20} MiB are allowed"
        )
    return layout
