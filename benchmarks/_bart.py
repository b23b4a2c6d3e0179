"""BART's command line (Debian package `bart`) as a referee: arrays in, arrays out.

BART keeps arrays in column-major order: the reverse of ours, so that its first dimension is our
last. k-space (coil, ky, kx) is its (kx, ky, 1, coil).
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.clock import MonotonicClock

Complex = NDArray[np.complex64]


def is_installed() -> bool:
    """Whether `bart` can be called."""
    return shutil.which("bart") is not None


def version() -> str:
    """Return what BART says that it is."""
    return subprocess.run(["bart", "version"], capture_output=True, text=True).stdout.strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave, in our order of axes, and how long it ran as a process."""

    array: Complex
    seconds: float


def bart(command: str, *inputs: Complex) -> Answer:
    """Run one command on one thread; `inputs` become its input files, in order.

    Raises RuntimeError with what BART said where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for index, array in enumerate(inputs):
            names.append(str(Path(folder) / f"in{index}"))
            _write(names[-1], array)
        out = str(Path(folder) / "out")
        clock = MonotonicClock()
        began_ns = clock.now_ns()
        done = subprocess.run(
            ["bart", *command.split(), *names, out],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        seconds = (clock.now_ns() - began_ns) * 1e-9
        if done.returncode:
            raise RuntimeError(f"bart {command}: {done.stderr.strip() or done.stdout.strip()}")
        return Answer(_read(out), seconds)


def as_kspace(coils: NDArray[np.complexfloating]) -> Complex:
    """Return (coil, ky, kx) as BART takes it, (coil, 1, ky, kx)."""
    return np.ascontiguousarray(coils[:, np.newaxis], np.complex64)


def as_samples(samples: NDArray[np.complexfloating]) -> Complex:
    """Return (coil, spoke, sample) as BART takes non-Cartesian data, (coil, spoke, sample, 1)."""
    return np.ascontiguousarray(samples[..., np.newaxis], np.complex64)


def as_trajectory(coord: NDArray[np.floating]) -> Complex:
    """Return SigPy's (spoke, sample, (y, x)) as BART's (spoke, sample, (x, y, z))."""
    x, y = coord[..., 1], coord[..., 0]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.complex64)


def scaled_error(found: NDArray[np.complexfloating], truth: NDArray[np.complexfloating]) -> float:
    """Return the NRMSE after the one complex factor that fits best."""
    found, truth = found.ravel(), truth.ravel()
    factor = np.vdot(found, truth) / np.vdot(found, found)
    return float(np.linalg.norm(factor * found - truth) / np.linalg.norm(truth))


def _write(name: str, array: Complex) -> None:
    sizes = " ".join(str(n) for n in reversed(array.shape))
    Path(f"{name}.hdr").write_text(f"# Dimensions\n{sizes}\n", encoding="ascii")
    np.ascontiguousarray(array, np.complex64).tofile(f"{name}.cfl")


def _read(name: str) -> Complex:
    lines = Path(f"{name}.hdr").read_text(encoding="ascii").splitlines()
    sizes = [int(n) for n in lines[1].split()]
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes.pop()
    return np.fromfile(f"{name}.cfl", np.complex64).reshape(sizes[::-1])
