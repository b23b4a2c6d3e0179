"""Turns planned readouts into MRD messages: noise scan, receiver noise, headers, waveforms."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.compression import compressed
from simulators.mrd import acquisition_message
from simulators.noise import Noise
from simulators.physiology import Physiology, interleaved
from simulators.readout import Readout
from simulators.sequences.base import ScanSequence
from simulators.sequences.header import scan_header_xml
from simulators.sequences.heads import Heads
from simulators.sequences.planned import PlannedReadout

Samples = NDArray[np.complex64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Player:
    """The scanner's side of a scan; the same seed gives the same bytes.

    noise: None for none, and no noise scan. compression_bits: pack the samples of every readout
    into so few bits; 0 sends them whole.
    """

    sequence: ScanSequence
    n_coils: int
    noise: Noise | None = None
    n_noise_readouts: int = 64
    physiology: Physiology | None = None
    compression_bits: int = 0
    seed: int = 20260501

    def header_xml(self) -> bytes:
        """Return the MRD header."""
        waveforms_xml = self.physiology.xml() if self.physiology else ""
        return scan_header_xml(self.sequence, n_coils=self.n_coils, waveforms_xml=waveforms_xml)

    def readouts(
        self, planned: Iterable[PlannedReadout], samples: Callable[[PlannedReadout], Samples]
    ) -> Iterator[Readout]:
        """Yield the noise scan, then every planned readout with its noiseless samples and noise."""
        rng = np.random.default_rng(self.seed)
        heads = Heads(self.sequence, n_coils=self.n_coils)
        noise = list(self._noise_readouts(heads, rng))
        yield from noise
        for counter, (each, is_last) in enumerate(_with_last(planned), start=len(noise) + 1):
            value = samples(each)
            if self.noise:
                value = value + self.noise.draw(value.shape[1], rng)
            message = self._message(
                heads.of_readout(each, scan_counter=counter), value, each.trajectory
            )
            yield Readout(message, each.t_s, each.frame, is_last_of_frame=is_last)

    def with_waveforms(self, readouts: Iterable[Readout]) -> Iterator[Readout]:
        """Yield readouts with the waveforms, where there are any, between them."""
        if self.physiology is None:
            yield from readouts
        else:
            yield from interleaved(readouts, self.physiology.readouts(self.sequence.ticks))

    def _noise_readouts(self, heads: Heads, rng: np.random.Generator) -> Iterator[Readout]:
        sequence, n = self.sequence, self.n_noise_readouts
        if self.noise is None:
            return
        for index in range(n):
            t_s = (index - n) * sequence.noise_sample_time_us * sequence.n_samples * 1e-6
            head = heads.of_noise(t_s, scan_counter=index + 1)
            samples = self.noise.draw(sequence.n_samples, rng, is_noise_scan=True)
            yield Readout(self._message(head, samples, None), t_s, frame=-1)

    def _message(
        self, head: NDArray[Any], samples: Samples, trajectory: NDArray[np.float32] | None
    ) -> bytes:
        message = acquisition_message(head, samples, trajectory)
        bits = self.compression_bits
        return compressed(message, bits=bits) if bits else message


def _with_last(readouts: Iterable[PlannedReadout]) -> Iterator[tuple[PlannedReadout, bool]]:
    """Yield each readout and whether it is the last of its frame."""
    held: PlannedReadout | None = None
    for readout in readouts:
        if held is not None:
            yield held, readout.frame != held.frame
        held = readout
    if held is not None:
        yield held, True
