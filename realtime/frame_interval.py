"""How long a frame takes to acquire, as far as a header tells."""

from messages import SessionHeader


def frame_interval_s(header: SessionHeader, readouts_per_frame: int | None = None) -> float | None:
    """Return what lies between two frames of one slice, one readout a repetition time.

    readouts_per_frame: as the protocol says. None where the header does not tell: without a TR,
    with several lines a TR, and off the grid where nobody says how many readouts make a frame.
    """
    encoding, repetition_time_s = header.encodings[0], header.repetition_time_s
    if repetition_time_s is None or encoding.n_segments > 1 or encoding.trajectory == "epi":
        return None
    if readouts_per_frame is not None:
        return repetition_time_s * readouts_per_frame
    if encoding.trajectory != "cartesian":
        return None
    _, n_lines, n_partitions = encoding.encoded_matrix
    return repetition_time_s * n_lines * n_partitions / encoding.acceleration[0]
