"""A real scan, repeated with heat and drift written into its phase."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from simulators.mrd import (
    ACQUISITION_HEAD,
    FIRST_IN_REPETITION,
    FIRST_IN_SLICE,
    LAST_IN_MEASUREMENT,
    LAST_IN_REPETITION,
    LAST_IN_SLICE,
    NOISE_MEASUREMENT,
    acquisition_message,
)
from simulators.readout import Readout

Real = NDArray[np.float64]
Rise = Callable[[int], Real]

_EDGES = FIRST_IN_SLICE | LAST_IN_SLICE | FIRST_IN_REPETITION | LAST_IN_REPETITION


@dataclass(frozen=True, slots=True, eq=False)
class Carrier:
    """One frame of a real Cartesian scan of one slice.

    xml: its header. heads: rows of `ACQUISITION_HEAD` (readout,). kspace: complex64
    (readout, coil, sample). lines: the k-space row of each readout. n_rows: rows of the matrix.
    noise: the messages of its noise scan.
    """

    xml: bytes
    heads: NDArray[Any]
    kspace: NDArray[np.complex64]
    lines: NDArray[np.int64]
    n_rows: int
    noise: tuple[bytes, ...] = ()


def load(path: Path) -> Carrier:
    """Read the first repetition of an ISMRMRD HDF5 file."""
    with h5py.File(path) as file:
        xml = bytes(file["dataset/xml"][0])
        rows = file["dataset/data"][:]
    heads = rows["head"].astype(ACQUISITION_HEAD)
    is_noise = (heads["flags"] & NOISE_MEASUREMENT) != 0
    noise = tuple(
        acquisition_message(head, _samples(head, flat))
        for head, flat in zip(heads[is_noise], rows["data"][is_noise], strict=True)
    )
    keep = ~is_noise & (heads["idx"]["repetition"] == heads["idx"]["repetition"][~is_noise][0])
    kept = zip(heads[keep], rows["data"][keep], strict=True)
    kspace = np.stack([_samples(head, flat) for head, flat in kept])
    n_rows = int(_number(xml, r"<encodedSpace>.*?<y>(\d+)</y>"))
    center = int(_number(xml, r"<kspace_encoding_step_1>.*?<center>(\d+)</center>"))
    lines = heads["idx"]["kspace_encode_step_1"][keep].astype(np.int64) + n_rows // 2 - center
    return Carrier(xml, heads[keep], kspace, lines, n_rows, noise)


def rad_per_c(
    *, alpha_ppm_per_c: float, h1_frequency_hz: float, echo_time_s: float, phase_sign: int = 1
) -> float:
    """Phase per °C: sign · 2π γ̄ α B0 TE."""
    return phase_sign * 2 * np.pi * alpha_ppm_per_c * 1e-6 * h1_frequency_hz * echo_time_s


def repeat(
    carrier: Carrier,
    *,
    n_frames: int,
    rise_c: Rise,
    rad_per_c: float,
    drift_rad: Rise | None = None,
    noise_std: float = 0.0,
    frame_time_s: float | None = None,
    tick_s: float = 0.0025,
    seed: int = 0,
) -> Iterator[Readout]:
    """Yield the scan n times, its coil images turned by heat and drift.

    rise_c: frame → temperature rise (row, sample) in °C on the encoded grid, readout oversampling
        included; drift_rad: likewise a phase. noise_std: of the real part of each added sample.
    frame_time_s: from frame to frame; by default the scan's own duration plus one line.
    Lines that the scan did not acquire stay missing; the phase ramps at their edge are its own.
    """
    rng = np.random.default_rng(seed)
    images = _to_image(_on_grid(carrier))
    stamps = carrier.heads["acquisition_time_stamp"].astype(np.int64)
    n_readouts = len(stamps)
    step = (int(stamps[-1]) - int(stamps[0])) * n_readouts // max(n_readouts - 1, 1)
    if frame_time_s is not None:
        step = round(frame_time_s / tick_s)
    for frame in range(n_frames):
        phase = rad_per_c * rise_c(frame) + (drift_rad(frame) if drift_rad else 0.0)
        grid = _to_kspace(images * np.exp(1j * phase))
        for index in range(n_readouts):
            samples = grid[:, carrier.lines[index]].astype(np.complex64)
            if noise_std:
                pairs = rng.standard_normal((*samples.shape, 2), dtype=np.float32)
                samples = samples + np.float32(noise_std) * pairs.view(np.complex64)[..., 0]
            head = carrier.heads[index].copy()
            head["flags"] = _flags(int(head["flags"]), index, n_readouts, frame == n_frames - 1)
            head["idx"]["repetition"] = frame
            head["scan_counter"] = len(carrier.noise) + 1 + frame * n_readouts + index
            head["acquisition_time_stamp"] = (int(stamps[index]) + frame * step) % 2**32
            t_s = (int(stamps[index]) - int(stamps[0]) + frame * step) * tick_s
            is_last = index == n_readouts - 1
            yield Readout(acquisition_message(head, samples), t_s, frame, is_last)


def repeated_header(carrier: Carrier, *, n_frames: int) -> bytes:
    """Return the scan's header with its repetition limit raised to what is played."""
    limit = (
        f"<repetition><minimum>0</minimum><maximum>{n_frames - 1}</maximum>"
        "<center>0</center></repetition>"
    ).encode()
    return re.sub(rb"<repetition>.*?</repetition>", limit, carrier.xml, count=1, flags=re.S)


def with_echo_time(carrier: Carrier, echo_time_s: float) -> Carrier:
    """Return the carrier whose header claims another echo time."""
    value = f"<TE>{echo_time_s * 1e3:g}</TE>".encode()
    return replace(carrier, xml=re.sub(rb"<TE>[^<]*</TE>", value, carrier.xml, count=1))


def _samples(head: NDArray[Any], flat: NDArray[np.float32]) -> NDArray[np.complex64]:
    shape = int(head["active_channels"]), int(head["number_of_samples"])
    return np.ascontiguousarray(flat, np.float32).view(np.complex64).reshape(shape)


def _on_grid(carrier: Carrier) -> NDArray[np.complex64]:
    _, n_coils, n_samples = carrier.kspace.shape
    grid = np.zeros((n_coils, carrier.n_rows, n_samples), np.complex64)
    grid[:, carrier.lines] = carrier.kspace.transpose(1, 0, 2)
    return grid


def _to_image(kspace: NDArray[Any]) -> NDArray[np.complex128]:
    centred = np.fft.ifftshift(kspace, axes=(1, 2))
    return np.asarray(np.fft.fftshift(np.fft.ifft2(centred), axes=(1, 2)), np.complex128)


def _to_kspace(images: NDArray[Any]) -> NDArray[np.complex128]:
    centred = np.fft.ifftshift(images, axes=(1, 2))
    return np.asarray(np.fft.fftshift(np.fft.fft2(centred), axes=(1, 2)), np.complex128)


def _flags(flags: int, index: int, n_readouts: int, is_last_frame: bool) -> int:
    flags &= ~(_EDGES | LAST_IN_MEASUREMENT)
    if index == 0:
        flags |= FIRST_IN_SLICE | FIRST_IN_REPETITION
    if index == n_readouts - 1:
        flags |= LAST_IN_SLICE | LAST_IN_REPETITION
        if is_last_frame:
            flags |= LAST_IN_MEASUREMENT
    return flags


def _number(xml: bytes, pattern: str) -> str:
    found = re.search(pattern, xml.decode(errors="replace"), re.S)
    if found is None:
        raise ValueError(f"header has no {pattern}")
    return found.group(1)
