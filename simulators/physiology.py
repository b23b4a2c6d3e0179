"""Heart and breath of the patient as the scanner's sensors send them."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.readout import Readout
from simulators.waveforms import waveform_message

Real = NDArray[np.float64]

ECG, RESPIRATION = 0, 2
_CHUNK_S = 0.1
_BASELINE, _SWING = 2048.0, 1500.0  # of a 12-bit converter
_R_WAVE, _INSPIRATION = 0.3, 0.5  # place in the beat, in the breath
_WAVES = (  # height, place in the beat, width: P, Q, R, S, T
    (0.12, 0.18, 0.025),
    (-0.1, 0.27, 0.01),
    (1.0, _R_WAVE, 0.012),
    (-0.2, 0.33, 0.012),
    (0.3, 0.55, 0.05),
)


@dataclass(frozen=True, slots=True)
class Physiology:
    """An even heart beat and breath.

    Each signal has two channels: the signal about 2048, and its trigger, 1 at the R wave or at
    full inspiration, else 0.

    drive: the breath at scanner times where it is not even; breath_s then is for its triggers.
    """

    beat_s: float = 0.86
    breath_s: float = 4.0
    ecg_sample_time_us: float = 2500.0
    respiration_sample_time_us: float = 10000.0
    drive: Callable[[float], float] | None = None

    def xml(self) -> str:
        """Return the header's waveformInformation."""
        return "".join(
            f"<waveformInformation><waveformName>{name}</waveformName><waveformType>{kind}"
            "</waveformType><userParameters/></waveformInformation>"
            for name, kind in (("ECG", "ecg"), ("RESP", "respiratory"))
        )

    def ecg(self, t_s: Real) -> Real:
        """Return the ECG at scanner times, its R wave 1."""
        phase = np.mod(t_s / self.beat_s, 1)
        return np.asarray(sum(h * np.exp(-(((phase - at) / w) ** 2)) for h, at, w in _WAVES))

    def respiration(self, t_s: Real) -> Real:
        """Return the breath at scanner times, 1 at full inspiration (Lujan et al. 1999)."""
        if self.drive is not None:
            return np.array([self.drive(float(t)) for t in t_s], np.float64)
        return np.asarray(1 - np.cos(np.pi * t_s / self.breath_s) ** 4)

    def readouts(self, ticks: Callable[[float], int]) -> Iterator[Readout]:
        """Yield messages of both signals from time 0 on, without end; t_s is when each is whole.

        ticks: the time stamp of a moment.
        """
        for index in itertools.count():
            start_s, end_s = index * _CHUNK_S, (index + 1) * _CHUNK_S
            for kind in (ECG, RESPIRATION):
                message = self._message(kind, index, ticks(start_s))
                yield Readout(message, end_s, frame=-1)

    def _message(self, kind: int, counter: int, stamp: int) -> bytes:
        is_ecg = kind == ECG
        sample_time_us = self.ecg_sample_time_us if is_ecg else self.respiration_sample_time_us
        step_s = sample_time_us * 1e-6
        n = round(_CHUNK_S / step_s)
        t_s = np.arange(counter * n - 1, (counter + 1) * n, dtype=np.float64) * step_s
        signal = self.ecg(t_s) if is_ecg else self.respiration(t_s)
        period_s, place = (self.beat_s, _R_WAVE) if is_ecg else (self.breath_s, _INSPIRATION)
        # a step of the count, so that rounding neither loses a trigger nor doubles it
        triggered = np.diff(np.floor(t_s / period_s - place))
        return waveform_message(
            np.stack([np.rint(_BASELINE + _SWING * signal[1:]), triggered]).astype(np.uint32),
            waveform_id=kind,
            sample_time_us=sample_time_us,
            time_stamp=stamp,
            scan_counter=counter,
        )


def interleaved(readouts: Iterable[Readout], waveforms: Iterator[Readout]) -> Iterator[Readout]:
    """Yield readouts, and before each the waveforms that are whole by then."""
    waiting = next(waveforms)
    for readout in readouts:
        while waiting.t_s <= readout.t_s:
            yield waiting
            waiting = next(waveforms)
        yield readout
