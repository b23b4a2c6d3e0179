"""What is done on a device after the last readout: rows sent as they land, maps that stay there."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recon.coil_maps import CoilMaps
from recon.device import Device
from recon.hybrid import Hybrid
from recon.unfolding import Unfolding


class Ending:
    """The device of one reconstruction, and what lies there from frame to frame."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self._maps, self._unfolding = _Resident(device), _Resident(device)

    def send_row(self, hybrid: Hybrid, partition: int, line: int) -> None:
        """Send a row that has landed: the bus works while the scanner acquires the next."""
        hybrid.there[:, partition, line] = self.device.send(hybrid.rows[:, partition, line])

    def rows(self, aligned: NDArray[np.complex64], hybrid: Hybrid) -> NDArray[np.complex64]:
        """Return a frame's rows there; sent anew where they were aligned after they had landed."""
        rows: NDArray[np.complex64] = hybrid.there
        return rows if aligned is hybrid.rows else self.device.send(aligned)

    def maps(self, maps: CoilMaps) -> CoilMaps:
        """Return coil maps there."""
        return CoilMaps(self._maps.of(maps.weights))

    def unfolding(self, found: Unfolding) -> Unfolding:
        """Return an unfolding whose weights lie there."""
        return replace(found, weights=self._unfolding.of(found.weights))


class _Resident:
    """The last of an array that stays the same for many frames, as it lies on a device."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._host: NDArray[Any] | None = None
        self._there: Any = None

    def of(self, array: NDArray[Any]) -> Any:  # noqa: ANN401
        """Return it there; it goes over the bus where it is another one than the last."""
        if array is not self._host:
            self._host, self._there = array, self._device.send(array)
        return self._there
