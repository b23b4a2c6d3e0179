"""The header as a protocol lets it stand: headers lie, and a site knows how its own one does."""

from dataclasses import replace

from messages import SessionHeader
from realtime.protocol import Protocol


def header_in_force(header: SessionHeader, protocol: Protocol) -> SessionHeader:
    """Return the header with what [recon] overrides; its own bytes stay as they came.

    With another encoded matrix the header's limits are forgotten: they belong to the matrix that is
    wrong, and without them the k-space centre is taken at n // 2.
    """
    settings, encoding = protocol.recon, header.encodings[0]
    if settings.sampling is not None:
        encoding = replace(encoding, trajectory=settings.sampling)
    if settings.encoded_matrix is not None:
        encoding = replace(
            encoding,
            encoded_matrix=settings.encoded_matrix,
            kspace_encoding_step_1=None,
            kspace_encoding_step_2=None,
        )
    if settings.recon_matrix is not None:
        encoding = replace(encoding, recon_matrix=settings.recon_matrix)
    return replace(header, encodings=(encoding, *header.encodings[1:]))
