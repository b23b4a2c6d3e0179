"""The non-uniform FFT of FINUFFT behind a SigPy operator."""

from math import pi, sqrt
from typing import Any

import finufft
import numpy as np
import sigpy.linop
from numpy.typing import NDArray

EPS = 1e-3  # on the path; tests ask for less
# Barnett, Magland and af Klinteberg 2019, doi:10.1137/18M120885X. A grid of twice the size, the
# default, is five times slower and is needed only for more digits than this.
UPSAMPLING = 1.25
EPS_OF_UPSAMPLING = 1e-4


class NUFFT(sigpy.linop.Linop):  # type: ignore[misc]
    """Image (…, y, x) → samples (…, point), scaled as SigPy's orthonormal NUFFT.

    coord: float32 (point, 2), (y, x) in cycles per field of view, from -n / 2 to n / 2.
    The plans are made here, once: FINUFFT sorts the points when they are given.
    """

    def __init__(
        self, ishape: tuple[int, ...], coord: NDArray[np.float32], eps: float = EPS
    ) -> None:
        self.coord = coord
        self.eps = eps
        self._forward = _plan(2, ishape, coord, eps)
        super().__init__((*ishape[:-2], len(coord)), ishape)

    def _apply(self, input: NDArray[np.complex64]) -> NDArray[np.complex64]:  # noqa: A002 - SigPy's
        return _execute(self._forward, input, self.ishape, self.oshape, self.ishape)

    def _adjoint_linop(self) -> "NUFFTAdjoint":
        return NUFFTAdjoint(tuple(self.ishape), self.coord, self.eps)


class NUFFTAdjoint(sigpy.linop.Linop):  # type: ignore[misc]
    """Samples (…, point) → image (…, y, x): the adjoint of `NUFFT`."""

    def __init__(
        self, oshape: tuple[int, ...], coord: NDArray[np.float32], eps: float = EPS
    ) -> None:
        self.coord = coord
        self.eps = eps
        self._backward = _plan(1, oshape, coord, eps)
        super().__init__(oshape, (*oshape[:-2], len(coord)))

    def _apply(self, input: NDArray[np.complex64]) -> NDArray[np.complex64]:  # noqa: A002 - SigPy's
        return _execute(self._backward, input, self.ishape, self.oshape, self.oshape)

    def _adjoint_linop(self) -> NUFFT:
        return NUFFT(tuple(self.oshape), self.coord, self.eps)


def point_spread(
    shape: tuple[int, int], coord: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.complex64]:
    """Return Σ w e^{2πi k·m/n} for pixel distances m from -n to n - 1, complex64 (2y, 2x)."""
    twice = (2 * shape[0], 2 * shape[1])
    plan = _plan(1, twice, coord, EPS, scale=2)
    spread: NDArray[np.complex64] = plan.execute(weights.astype(np.complex64))
    return spread


def _plan(
    kind: int,
    shape: tuple[int, ...],
    coord: NDArray[np.float32],
    eps: float,
    scale: int = 1,
) -> Any:  # noqa: ANN401 - FINUFFT has no types
    n_y, n_x = shape[-2:]
    plan = finufft.Plan(
        kind,
        (n_y, n_x),
        n_trans=int(np.prod(shape[:-2])),
        eps=eps,
        isign=-1 if kind == 2 else 1,
        dtype="complex64",
        upsampfac=UPSAMPLING if eps >= EPS_OF_UPSAMPLING else 2.0,
        nthreads=1,
    )
    turn = np.float32(2 * pi * scale)
    plan.setpts(
        np.ascontiguousarray(coord[:, 0] * (turn / n_y)),
        np.ascontiguousarray(coord[:, 1] * (turn / n_x)),
    )
    return plan


def _execute(
    plan: Any,  # noqa: ANN401
    data: NDArray[np.complex64],
    ishape: list[int],
    oshape: list[int],
    image: list[int],
) -> NDArray[np.complex64]:
    rank = 2 if ishape is image else 1
    batch = data.reshape(-1, *ishape[-rank:]).astype(np.complex64, copy=False)
    result = plan.execute(np.ascontiguousarray(batch[0] if len(batch) == 1 else batch))
    result = result.reshape(oshape)
    result *= np.float32(1 / sqrt(image[-2] * image[-1]))
    out: NDArray[np.complex64] = result
    return out
