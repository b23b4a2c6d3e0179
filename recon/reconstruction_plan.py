"""What a session's header says about how its frames become images, checked once at admission."""

from dataclasses import dataclass, field
from math import isfinite

from messages import Encoding, EncodingLimit, HeaderError, SessionHeader
from messages.header import ON_A_GRID, Extent, Size
from recon.settings import EpiReference, ReconstructionSettings
from recon.whitening import Whitening

AXES = ("x", "y", "z")
OFF_THE_GRID = frozenset({"radial", "goldenangle", "spiral"})
MAX_BUFFER_BYTES = 1 << 32  # one 256³ volume of 32 coils; a header that asks for more is refused


@dataclass(frozen=True, slots=True)
class ReconstructionPlan:
    """The geometry of every frame of a session; sizes and extents are (x, y, z).

    line_offset, partition_offset: added to the counters of encoding steps 1 and 2 they give the row
        of the encoded matrix, whose k-space centre is at n // 2.
    line_center, partition_center: the counters of the k-space centre.
    n_lines, n_partitions: rows of the encoded matrix along ky and kz; one partition means 2-D.
    grid: the k-space matrix that is transformed. It spans the encoded field of view with pixels of
        the size that the reconstructed matrix has, so n = round(encoded_fov · recon_n / recon_fov):
        k-space is zero-filled or cropped about its centre from the encoded matrix to the grid, and
        the image is cropped about its centre from the grid to recon_matrix. That one rule removes
        readout and phase oversampling and does the interpolation. Where the quotient is not whole
        the image's field of view misses recon_fov_mm by less than 1 / (2n) of it.
    encoding: the header's own words, for what only some methods need.
    epi_reference: a separate scan to align odd and even lines by, where the protocol names one.

    Off the grid (radial, spiral) counters number the readouts, offsets and centres say nothing.
    """

    n_coils: int
    n_samples: int
    encoded_matrix: Size
    recon_matrix: Size
    encoded_fov_mm: Extent
    recon_fov_mm: Extent
    grid: Size
    line_offset: int
    line_center: int
    partition_offset: int
    partition_center: int
    n_lines: int
    n_partitions: int
    encoding: Encoding
    whitening: Whitening | None = None
    settings: ReconstructionSettings = field(default_factory=ReconstructionSettings)
    epi_reference: EpiReference | None = None

    @property
    def image_shape(self) -> Size:
        """Shape of the image, (z, y, x)."""
        n_x, n_y, n_z = self.recon_matrix
        return n_z, n_y, n_x

    def check_coils(self) -> None:
        """Refuse an acceleration that fewer coils than it cannot undo."""
        acceleration = self.encoding.acceleration[0]
        if self.n_coils < acceleration:
            raise HeaderError(
                f"is {acceleration}, expected at most {self.n_coils}: each alias takes a coil",
                field="encoding.parallelImaging.accelerationFactor.kspace_encoding_step_1",
            )


def plan(
    header: SessionHeader,
    *,
    n_coils: int,
    n_samples: int,
    whitening: Whitening | None = None,
    settings: ReconstructionSettings | None = None,
    epi_reference: EpiReference | None = None,
    encoding_space_ref: int = 0,
) -> ReconstructionPlan:
    """Return how the frames of one encoded space are reconstructed.

    n_coils, n_samples: of the readouts, discarded samples included.
    Raises HeaderError, naming the field, where the header cannot be reconstructed.
    """
    if n_coils < 1 or n_samples < 1:
        raise ValueError(
            f"a readout has {n_coils} coils and {n_samples} samples, expected 1 or more"
        )
    if whitening is not None and whitening.matrix.shape[0] != n_coils:
        raise ValueError(
            f"the noise scan has {whitening.matrix.shape[0]} coils, the readouts have {n_coils}"
        )
    if not 0 <= encoding_space_ref < len(header.encodings):
        raise HeaderError(
            f"holds {len(header.encodings)} encoded spaces, the readouts refer to number "
            f"{encoding_space_ref}",
            field="encoding",
        )
    encoding = header.encodings[encoding_space_ref]
    path = f"encoding[{encoding_space_ref}]"
    _check_spaces(encoding, path)
    n_partitions = _n_partitions(encoding, path)
    grid = _grid(encoding, n_partitions, path)
    _check_memory(encoding, grid, n_coils, path)
    n_lines = encoding.encoded_matrix[1]
    line_center, partition_center = _centers(encoding, n_partitions, path)
    return ReconstructionPlan(
        n_coils=n_coils,
        n_samples=n_samples,
        encoded_matrix=encoding.encoded_matrix,
        recon_matrix=encoding.recon_matrix,
        encoded_fov_mm=encoding.encoded_fov_mm,
        recon_fov_mm=encoding.recon_fov_mm,
        grid=grid,
        line_offset=n_lines // 2 - line_center,
        line_center=line_center,
        partition_offset=n_partitions // 2 - partition_center,
        partition_center=partition_center,
        n_lines=n_lines,
        n_partitions=n_partitions,
        encoding=encoding,
        whitening=whitening,
        settings=settings or ReconstructionSettings(),
        epi_reference=epi_reference,
    )


def _check_spaces(encoding: Encoding, path: str) -> None:
    known = sorted(ON_A_GRID | OFF_THE_GRID)
    if encoding.trajectory not in known:
        raise HeaderError(
            f"is {encoding.trajectory!r}, expected one of {', '.join(known)}",
            field=f"{path}.trajectory",
        )
    spaces = (
        ("encodedSpace", encoding.encoded_matrix, encoding.encoded_fov_mm),
        ("reconSpace", encoding.recon_matrix, encoding.recon_fov_mm),
    )
    for space, matrix, fov_mm in spaces:
        for axis, size, extent_mm in zip(AXES, matrix, fov_mm, strict=True):
            if size < 1:
                raise HeaderError(
                    f"is {size}, expected 1 or more", field=f"{path}.{space}.matrixSize.{axis}"
                )
            if not (isfinite(extent_mm) and extent_mm > 0):
                raise HeaderError(
                    f"is {extent_mm:g} mm, expected more than 0",
                    field=f"{path}.{space}.fieldOfView_mm.{axis}",
                )
    if encoding.recon_matrix[0] > encoding.encoded_matrix[0]:
        raise HeaderError(
            f"is {encoding.recon_matrix[0]}, expected at most the {encoding.encoded_matrix[0]} of "
            "encodedSpace",
            field=f"{path}.reconSpace.matrixSize.x",
        )


def _n_partitions(encoding: Encoding, path: str) -> int:
    """Real conversions give a 2-D scan an encoded z of 2, so the limits decide, then reconSpace."""
    step_2 = encoding.kspace_encoding_step_2
    n_recon = encoding.recon_matrix[2]
    if step_2 is None:
        return encoding.encoded_matrix[2] if n_recon > 1 else 1
    if step_2.maximum > 0:
        return encoding.encoded_matrix[2]
    if n_recon > 1:
        raise HeaderError(
            f"is {step_2.maximum}, which means 2-D, but reconSpace.matrixSize.z is {n_recon}",
            field=f"{path}.encodingLimits.kspace_encoding_step_2.maximum",
        )
    return 1


def _grid(encoding: Encoding, n_partitions: int, path: str) -> Size:
    sizes = []
    for axis, encoded_mm, recon_mm, n_recon in zip(
        AXES, encoding.encoded_fov_mm, encoding.recon_fov_mm, encoding.recon_matrix, strict=True
    ):
        # A single partition has no field of view along z but a slice thickness.
        is_slice = axis == "z" and n_partitions == 1
        size = 1 if is_slice else round(encoded_mm * n_recon / recon_mm)
        if size < n_recon:
            raise HeaderError(
                f"is {recon_mm:g} mm for {n_recon} pixels, more than encodedSpace covers",
                field=f"{path}.reconSpace.fieldOfView_mm.{axis}",
            )
        sizes.append(size)
    return sizes[0], sizes[1], sizes[2]


def _check_memory(encoding: Encoding, grid: Size, n_coils: int, path: str) -> None:
    n_bytes = 8 * n_coils * max(grid[0], encoding.encoded_matrix[0]) * grid[1] * grid[2]
    if n_bytes > MAX_BUFFER_BYTES:
        raise HeaderError(
            f"gives a frame of {n_bytes >> 20} MiB with {n_coils} coils, expected at most "
            f"{MAX_BUFFER_BYTES >> 20} MiB",
            field=f"{path}.encodedSpace.matrixSize",
        )


def _centers(encoding: Encoding, n_partitions: int, path: str) -> tuple[int, int]:
    """Return the counters of the k-space centre along ky and kz."""
    n_lines = encoding.encoded_matrix[1]
    line, partition = n_lines // 2, n_partitions // 2
    limits = f"{path}.encodingLimits"
    if encoding.is_on_grid:
        step_1 = encoding.kspace_encoding_step_1
        line = _center(step_1, n_lines, f"{limits}.kspace_encoding_step_1")
    if encoding.is_on_grid and n_partitions > 1:
        step_2 = encoding.kspace_encoding_step_2
        partition = _center(step_2, n_partitions, f"{limits}.kspace_encoding_step_2")
    return line, partition


def _center(limit: EncodingLimit | None, size: int, path: str) -> int:
    """Return the counter of the k-space centre; size // 2 where the header gives no limits."""
    if limit is None:
        return size // 2
    if not 0 <= limit.center < size:
        raise HeaderError(f"is {limit.center}, expected 0 to {size - 1}", field=f"{path}.center")
    # A maximum of 0 is a gap in the header, not a limit: real counters run on.
    offset = size // 2 - limit.center
    if limit.maximum > 0 and not 0 <= limit.minimum + offset <= limit.maximum + offset < size:
        raise HeaderError(
            f"is {limit.maximum} (minimum {limit.minimum}, centre {limit.center}), outside the "
            f"encoded matrix of {size}, expected at most {size - 1 - offset}",
            field=f"{path}.maximum",
        )
    return limit.center
