"""Devices to reconstruct on: a stand-in whose memory the host cannot see, and a GPU where one is.

The stand-in computes with numpy, but refuses what CuPy refuses: an array there never turns into one
here by itself, and arrays here and there never meet in one operation.
"""

import numpy as np

from messages import ProtocolError
from recon.device import Gpu


class There(np.lib.mixins.NDArrayOperatorsMixin):
    """An array in another memory."""

    def __init__(self, array):
        self._array = array

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)

    def __array__(self, *_, **__):
        raise TypeError("an array on the device was taken for one on the host")

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **how):
        how |= {"out": tuple(_inside(one) for one in out)} if out else {}
        return _there(getattr(ufunc, method)(*map(_inside, inputs), **how))

    def __array_function__(self, function, types, arguments, how):
        if function in (np.asarray, np.ascontiguousarray):  # with like=: that is a copy to there
            one = arguments[0]
            return There(function(one._array if isinstance(one, There) else one, **how))
        return _there(function(*map(_inside, arguments), **how))

    def __len__(self):
        return len(self._array)

    def __getitem__(self, key):
        return _there(self._array[_key(key)])

    def __setitem__(self, key, value):
        self._array[_key(key)] = _inside(value)

    def swapaxes(self, one, other):
        return There(self._array.swapaxes(one, other))

    def conj(self):
        return There(self._array.conj())

    def astype(self, dtype, *, copy=True):
        return There(self._array.astype(dtype, copy=copy))

    def fill(self, value):
        self._array.fill(value)


class StandIn:
    """A device; n_sent, n_fetched: arrays that crossed the bus."""

    def __init__(self):
        self.n_sent = self.n_fetched = 0

    def zeros(self, shape):
        return There(np.zeros(shape, np.complex64))

    def send(self, array):
        assert type(array) is np.ndarray
        self.n_sent += 1
        return There(array.copy())

    def fetch(self, array):
        assert type(array) is There
        self.n_fetched += 1
        return array._array.copy()


def _inside(value):
    if isinstance(value, There):
        return value._array
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("an array on the host met one on the device")
    return value


def _key(key):
    for one in key if isinstance(key, tuple) else (key,):
        if isinstance(one, np.ndarray):
            raise TypeError("an array on the host is no index of one on the device")
    return key


def _there(value):
    return There(value) if isinstance(value, np.ndarray) else value


def _gpu_at_hand():
    try:
        Gpu()
    except ProtocolError:
        return False
    return True


AT_HAND = {"stand-in": StandIn, **({"cuda": Gpu} if _gpu_at_hand() else {})}
METHODS_THERE = ("fft", "sense")
