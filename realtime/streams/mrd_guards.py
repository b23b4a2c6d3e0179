"""What a peer may send now: a client in a session, a server in its answers."""

from messages import SessionHeader, StreamError
from messages.acquisition import NOISE_MEASUREMENT, is_imaging
from messages.header import ON_A_GRID
from realtime.streams import mrd_layout as layout
from realtime.streams.mrd_layout import ReadoutHead

_MEASURED = frozenset({layout.ACQUISITION, layout.IMAGE, layout.WAVEFORM})
_CONFIGS = frozenset({layout.CONFIG_FILE, layout.CONFIG_TEXT})
_SAMPLES_MARGIN = 1024  # ramps, navigators: 4 × the matrix is generous, a tiny matrix is not
_WITH_TRAJECTORY = ("radial", "goldenangle", "spiral")


class Session:
    """What a client may send now: nothing yet, config seen, header seen, closed."""

    def __init__(self) -> None:
        self.header: SessionHeader | None = None
        self.has_config = False
        self._max_samples: tuple[int | None, ...] = ()
        self._n_dimensions: dict[int, int] = {}

    def admit(self, kind: int, offset: int) -> None:
        """Raise StreamError where a message of this kind may not come now."""
        name = layout.NAMES[kind]
        problem = ""
        if kind == layout.RESPONSE:
            problem = "came from a client, only a server sends it"
        elif self.header is None:
            if kind in _MEASURED:
                problem = "came before HEADER"
            elif kind in _CONFIGS and self.has_config:
                problem = "is a second configuration, expected HEADER"
            elif kind == layout.TEXT and not self.has_config:
                problem = "came first, expected a configuration or HEADER"
        elif kind == layout.HEADER:
            problem = "is a second header, expected ACQUISITION, WAVEFORM, IMAGE, TEXT or CLOSE"
        elif kind in _CONFIGS:
            problem = "came after HEADER, expected it before"
        if problem:
            raise StreamError(f"{name} {problem}", offset=offset)

    def admit_readout(self, readout: ReadoutHead, offset: int) -> None:
        """Raise StreamError where the header rules this readout out."""
        header = self.header
        if header is None:
            return
        reference = readout.encoding_space_ref
        if reference >= len(self._max_samples):
            raise StreamError(
                f"ACQUISITION encoding_space_ref is {reference}, "
                f"expected below {len(self._max_samples)}, the header's encodings",
                offset=offset,
            )
        most = header.receiver_channels
        if most is not None and readout.active_channels > most:
            raise StreamError(
                f"ACQUISITION active_channels is {readout.active_channels}, "
                f"expected at most {most}, the header's receiverChannels",
                offset=offset,
            )
        self._admit_trajectory(header.encodings[reference].trajectory, readout, offset)
        most = self._max_samples[reference]
        if most is not None and readout.number_of_samples > most:
            if readout.flags & NOISE_MEASUREMENT:
                return
            raise StreamError(
                f"ACQUISITION number_of_samples is {readout.number_of_samples}, "
                f"expected at most {most} for the header's encodedSpace",
                offset=offset,
            )

    def _admit_trajectory(self, name: str, readout: ReadoutHead, offset: int) -> None:
        """Refuse a trajectory of another dimension than the encoding needs, or than it had.

        On a grid a trajectory is not used, and anything that can be read passes. No trajectory at
        all is one that we compute.
        """
        if name in ON_A_GRID or not is_imaging(readout.flags):
            return
        n_dimensions = readout.trajectory_dimensions
        if name in _WITH_TRAJECTORY and n_dimensions not in (0, 2, 3):
            raise StreamError(
                f"ACQUISITION trajectory_dimensions is {n_dimensions}, expected 2 or 3 "
                f"(or 0, none) for a {name} trajectory",
                offset=offset,
            )
        first = self._n_dimensions.setdefault(readout.encoding_space_ref, n_dimensions)
        if n_dimensions != first:
            raise StreamError(
                f"ACQUISITION trajectory_dimensions is {n_dimensions}, "
                f"expected {first} as in the imaging readouts before",
                offset=offset,
            )

    def open(self, header: SessionHeader) -> None:
        """Take the header as the measure of the readouts that follow.

        Only a Cartesian or EPI readout is bounded by the matrix: one spiral arm may hold it all.
        """
        self.header = header
        self._max_samples = tuple(
            4 * encoding.encoded_matrix[0] + _SAMPLES_MARGIN if encoding.is_on_grid else None
            for encoding in header.encodings
        )


class Replies:
    """What a server may send: anything but a configuration, a header or a query."""

    def admit(self, kind: int, offset: int) -> None:
        """Raise StreamError for what only a client sends."""
        if kind in _CONFIGS or kind in (layout.HEADER, layout.QUERY):
            raise StreamError(f"{layout.NAMES[kind]} came from a server", offset=offset)

    def admit_readout(self, readout: ReadoutHead, offset: int) -> None:
        """Admit every readout that its own header allows."""
