"""Where the end of a reconstruction is computed: on the host, or on a GPU through CuPy.

A line is read out, whitened and transformed along x on the host, which waits for the scanner
anyway, and goes to the device as it lands. What remains after the last one is done there, by code
that follows the array module of its input, and the image comes back.
"""

from typing import Any, Protocol

import numpy as np
import scipy.fft
import sigpy
from numpy.typing import NDArray

from messages import ProtocolError
from recon.settings import DeviceName

KEY = "recon.device"


class Device(Protocol):
    """Memory of its own, and arrays in it that compute there."""

    def zeros(self, shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - of another array module
        """Return an array of complex64 zeros there."""

    def send(self, array: NDArray[Any]) -> Any:  # noqa: ANN401
        """Return a copy there."""

    def fetch(self, array: Any) -> NDArray[Any]:  # noqa: ANN401
        """Return a copy on the host, once it is computed."""


class Gpu:
    """The first CUDA device, by SigPy's back end. Raises ProtocolError where there is none."""

    def __init__(self) -> None:
        if not sigpy.config.cupy_enabled:
            raise ProtocolError(
                "is 'cuda', but CuPy is not installed here; install the extra `gpu`, or say 'cpu'",
                key=KEY,
            )
        try:
            self._device = sigpy.Device(0)
            self._device.use()
            self.zeros((1,))
        except (RuntimeError, OSError, ValueError) as error:
            raise ProtocolError(
                f"is 'cuda', but no CUDA device answers ({error}); say 'cpu'", key=KEY
            ) from error

    def zeros(self, shape: tuple[int, ...]) -> Any:  # noqa: ANN401
        """Return an array of complex64 zeros there."""
        return self._device.xp.zeros(shape, np.complex64)

    def send(self, array: NDArray[Any]) -> Any:  # noqa: ANN401
        """Return a copy there."""
        return sigpy.to_device(array, self._device)

    def fetch(self, array: Any) -> NDArray[Any]:  # noqa: ANN401
        """Return a copy on the host, once it is computed."""
        host: NDArray[Any] = sigpy.to_device(array, sigpy.cpu_device)
        return host


def device_of(name: DeviceName, *, is_known: bool) -> Device | None:
    """Return the device of a name, None for the host.

    is_known: whether the method knows of devices. Raises ProtocolError where it does not, and where
    there is none.
    """
    if name == "cpu":
        return None
    if not is_known:
        raise ProtocolError(
            f"is {name!r}, with this recon.method everything is computed on the host; say 'cpu', "
            "or recon.method fft or sense",
            key=KEY,
        )
    return Gpu()


def inverse_fft(data: NDArray[np.complex64], *, axis: int) -> NDArray[np.complex64]:
    """Return the orthonormal inverse FFT along an axis, made where the data lie."""
    if isinstance(data, np.ndarray):
        found: NDArray[np.complex64] = scipy.fft.ifft(data, axis=axis, norm="ortho")
        return found
    return np.fft.ifft(data, axis=axis, norm="ortho").astype(np.complex64, copy=False)
