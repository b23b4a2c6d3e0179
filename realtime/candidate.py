"""A scan and a protocol that may be admitted together, and what either could be instead."""

from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

import recon
from messages import Encoding, EncodingLimit, Pose, SessionHeader
from motion.dose import DosePlan
from realtime import pipeline
from realtime.pipeline_setup import reconstruction_method
from realtime.protocol import Protocol


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """All that a pipeline is built of. n_coils, n_samples: of a readout."""

    protocol: Protocol
    header: SessionHeader
    n_coils: int
    n_samples: int
    pose: Pose
    noise: pipeline.NoiseScan | None = None
    imaging_sample_time_us: float = float("nan")
    dose_plan: DosePlan | None = None

    @property
    def most_iterations(self) -> int:
        """Iterations that its protocol asks for, or the most of those that may be chosen."""
        return self.protocol.recon.most_iterations

    def build(self) -> pipeline.Pipeline:
        """Return the pipeline. Raises HeaderError or ProtocolError where there can be none."""
        return pipeline.build(
            self.protocol,
            self.header,
            n_coils=self.n_coils,
            n_samples=self.n_samples,
            noise=self.noise,
            imaging_sample_time_us=self.imaging_sample_time_us,
            dose_plan=self.dose_plan,
        )

    def method(self, built: pipeline.Pipeline) -> str:
        """Return the name of its method of reconstruction."""
        return reconstruction_method(self.protocol, built.reconstructor.plan)

    def iterates(self, built: pipeline.Pipeline) -> bool:
        """Whether its method of reconstruction iterates."""
        return self.method(built) in recon.ITERATIVE

    def with_recon(self, **settings: object) -> "Candidate":
        """Return it with other values in [recon]."""
        changed = structs.replace(self.protocol.recon, **settings)
        return self.with_document(recon=changed)

    def with_half_the_matrix(self) -> "Candidate":
        """Return it with half as many pixels along x and y, its regions where they were."""
        encodings = (_halved(self.header.encodings[0]), *self.header.encodings[1:])
        half: dict[str, Any] = {
            name: None if size is None else (size[0] // 2, size[1] // 2, size[2])
            for name in ("encoded_matrix", "recon_matrix")
            for size in (getattr(self.protocol.recon, name),)
        }
        regions = tuple(
            structs.replace(
                one,
                center_px=None if one.center_px is None else _half(one.center_px),
                # small ones would fall between the pixels
                radii_px=None if one.radii_px is None else _half(one.radii_px, least=1.0),
            )
            for one in self.protocol.region
        )
        return replace(
            self.with_recon(**half).with_document(region=regions),
            header=replace(self.header, encodings=encodings),
            n_samples=self.n_samples // 2,
        )

    def with_half_the_coils(self) -> "Candidate":
        """Return it with every second coil left out."""
        n_coils = self.n_coils // 2
        noise = self.noise
        if noise is not None:
            noise = replace(noise, samples=noise.samples[:n_coils])
        return replace(self, n_coils=n_coils, noise=noise)

    def with_document(self, **sections: object) -> "Candidate":
        """Return it with other sections in its protocol."""
        document = structs.replace(self.protocol.document, **sections)
        return replace(self, protocol=replace(self.protocol, document=document))


def _halved(encoding: Encoding) -> Encoding:
    x, y, z = encoding.encoded_matrix
    to_x, to_y, to_z = encoding.recon_matrix
    limit = encoding.kspace_encoding_step_1
    if limit is not None and encoding.is_on_grid:
        limit = EncodingLimit(limit.minimum // 2, limit.maximum // 2, limit.center // 2)
    return replace(
        encoding,
        encoded_matrix=(x // 2, y // 2, z),
        recon_matrix=(to_x // 2, to_y // 2, to_z),
        kspace_encoding_step_1=limit,
    )


def _half(pair: tuple[float, float], *, least: float = 0.0) -> tuple[float, float]:
    return max(pair[0] / 2, least), max(pair[1] / 2, least)
