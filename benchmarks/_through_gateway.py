"""The same bytes through gateway and worker, against the fold in this process."""

import socket
import threading

import h5py
import numpy as np
from _monitor_process import MonitorProcess
from _table import MeasurementError
from _treatment import Played, Seen, with_noise

from simulators.mrd import close_message, config_message


def differs_through_gateway(played: Played, direct: Seen, *, snr: float, seed: int) -> int:
    """Return how many values of the maps differ when gateway and worker compute them."""
    with MonitorProcess(is_lossless=True) as monitor:
        with socket.create_connection(("127.0.0.1", monitor.ports.mrd), 10.0) as link:
            link.settimeout(60.0)
            drain = threading.Thread(target=_drain, args=(link,), daemon=True)
            drain.start()
            link.sendall(config_message("mrgfus-demo"))
            for message in with_noise(played, snr=snr, seed=seed):
                link.sendall(message)
            link.sendall(close_message())
            drain.join(60.0)
        with h5py.File(monitor.finish() / "maps.h5", "r") as file:
            n_different = 0
            for name in ("temperature_c", "temperature_std_c", "dose_cem43_min"):
                mine, theirs = getattr(direct, name), file[name][:, 0]
                if mine.shape != theirs.shape:
                    raise MeasurementError(f"maps.h5 has {len(theirs)} frames of {len(mine)}")
                n_different += int(
                    np.sum(~((mine == theirs) | (np.isnan(mine) & np.isnan(theirs))))
                )
    return n_different


def _drain(link: socket.socket) -> None:
    while link.recv(1 << 20):
        pass
