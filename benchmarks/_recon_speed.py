"""What a CG iteration and a frame cost, on one thread, the competitors taking turns."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sigpy.mri.linop
from _bart import as_kspace, as_samples, as_trajectory, bart
from _scan_frames import Played, play
from numpy.typing import NDArray

from messages import Frame, ProtocolError
from realtime.clock import MonotonicClock
from recon import Partial, ReconstructionSettings, Reconstructor
from recon.cg_sense import SenseCalibration
from recon.device import Gpu
from recon.settings import DeviceName
from recon.toeplitz import CirculantInverse, ToeplitzKernel, ToeplitzNormal
from simulators.scan import Scan
from simulators.sequences import CATALOGUE, Radial

N_COILS = 8
_FEW, _MANY = 1, 21  # BART's iterations; the difference leaves out what it does once


@dataclass(frozen=True, slots=True)
class Iteration:
    """Median ms of one CG iteration: ours, SigPy's normal operator, BART's (least of its runs)."""

    case: str
    ours_ms: float
    sigpy_ms: float
    bart_ms: float
    kernel_ms: float


@dataclass(frozen=True, slots=True)
class Tail:
    """Median ms of a frame: while its readouts land, and after the last of them."""

    case: str
    absorb_ms: float
    finish_ms: float

    @property
    def share(self) -> float:
        """The part of the whole that is left to do after the last readout."""
        return self.finish_ms / (self.absorb_ms + self.finish_ms)


def iteration(size: int, n_spokes: int, n_samples: int, *, n_rounds: int) -> Iteration:
    """Time one iteration of CG-SENSE three ways on the same spokes and maps."""
    sequence = Radial(
        matrix=(size, size),
        n_frames=1,
        spokes_per_frame=n_spokes,
        oversampling=n_samples // size,
    )
    played = play(Scan(sequence, n_coils=N_COILS))
    method = played.method("cg-sense")
    frame = played.frames[0]
    known = method.calibrate(_absorbed(method, frame, None, None), frame)
    if not isinstance(known, SenseCalibration) or known.maps is None or frame.trajectory is None:
        raise TypeError("cg-sense gave no calibration")
    coord = frame.trajectory[..., [1, 0]].astype(np.float32)
    coord = np.ascontiguousarray(coord * (size / 2 / np.abs(coord).max()))
    maps = np.ascontiguousarray(known.maps.weights[:, 0].conj())
    flat = coord.reshape(-1, 2)
    kernel = ToeplitzKernel((size, size), flat)
    damping = method.plan.settings.regularisation * known.eigenvalue
    normal = ToeplitzNormal(kernel, maps, damping)
    preconditioner = CirculantInverse(kernel, damping)
    sense = sigpy.mri.linop.Sense(maps, flat)
    image = np.ascontiguousarray(known.maps.weights[0, 0])
    ours, sigpys, kernels = _in_turns(
        n_rounds,
        lambda: preconditioner * (normal * image),
        lambda: sense.H(sense(image)),
        lambda: ToeplitzKernel((size, size), flat),
    )
    samples = np.ascontiguousarray(frame.samples.transpose(1, 0, 2))
    bart_ms = _bart_ms(coord, samples, maps, damping)
    case = f"{n_spokes} × {n_samples}, {N_COILS} coils, {size}²"
    return Iteration(case, ours, sigpys, bart_ms, kernels)


def tails(size: int, n_spokes: int, *, n_frames: int) -> tuple[Tail, ...]:
    """Time whole frames of each method that works while readouts land, on a GPU where one is."""
    matrix = (size, size)
    radial = Radial(matrix=matrix, n_frames=n_frames, spokes_per_frame=n_spokes)
    cases = (
        ("fft", f"Cartesian {size}²", CATALOGUE["gre"](n_frames=n_frames, matrix=matrix)),
        ("grappa", f"R = 2, {size}²", CATALOGUE["grappa"](n_frames=n_frames, matrix=matrix)),
        ("sense", f"R = 2, {size}²", CATALOGUE["grappa"](n_frames=n_frames, matrix=matrix)),
        ("nufft", f"{n_spokes} golden spokes, {size}²", radial),
    )
    devices: tuple[DeviceName, ...] = ("cpu", "cuda") if _has_gpu() else ("cpu",)
    return tuple(
        _tail(
            f"{name}: {what}" + ("" if device == "cpu" else f", {device}"),
            play(Scan(sequence, n_coils=N_COILS, snr=40.0)),
            name,
            device,
        )
        for name, what, sequence in cases
        for device in (devices if name in ("fft", "sense") else devices[:1])
    )


def _has_gpu() -> bool:
    try:
        Gpu()
    except ProtocolError:
        return False
    return True


def _tail(case: str, played: Played, name: str, device: DeviceName) -> Tail:
    method = played.method(name, ReconstructionSettings(device=device))
    first = played.frames[0]
    known = method.calibrate(_absorbed(method, first, None, None), first)
    clock, absorbed, finished, recycled = MonotonicClock(), list[float](), list[float](), None
    for frame in played.frames[1:]:
        began = clock.now_ns()
        partial = _absorbed(method, frame, known, recycled)
        between = clock.now_ns()
        method.finish(partial, frame, known)
        absorbed.append((between - began) / 1e6)
        finished.append((clock.now_ns() - between) / 1e6)
        recycled = partial
    warm = slice(len(absorbed) // 4, None)
    return Tail(case, statistics.median(absorbed[warm]), statistics.median(finished[warm]))


def _absorbed(
    method: Reconstructor, frame: Frame, known: object, recycled: Partial | None
) -> Partial:
    """Fold a frame in, one readout at a time as they land."""
    partial = method.start(known, recycled)  # type: ignore[arg-type]
    for n in range(len(frame.readouts)):
        one = slice(n, n + 1)
        trajectory = None if frame.trajectory is None else frame.trajectory[one]
        partial = method.absorb(partial, frame.readouts[one], frame.samples[one], trajectory)
    return partial


def _in_turns(n_rounds: int, *what: Callable[[], object]) -> list[float]:
    """Return the median ms of each, taken in turns so that a busy moment hits all."""
    clock, took = MonotonicClock(), [list[float]() for _ in what]
    for one in what:
        one()
    for _ in range(n_rounds):
        for one, times in zip(what, took, strict=True):
            began = clock.now_ns()
            one()
            times.append((clock.now_ns() - began) / 1e6)
    return [statistics.median(times) for times in took]


def _bart_ms(
    coord: NDArray[np.float32],
    samples: NDArray[np.complex64],
    maps: NDArray[np.complex64],
    damping: float,
) -> float:
    inputs = as_trajectory(coord), as_samples(samples), as_kspace(maps)
    seconds = {
        n: min(bart(f"pics -l2 -r {damping:.9f} -i {n} -t", *inputs).seconds for _ in range(3))
        for n in (_FEW, _MANY)
    }
    return (seconds[_MANY] - seconds[_FEW]) / (_MANY - _FEW) * 1e3
