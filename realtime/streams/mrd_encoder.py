"""Our own MRD messages as bytes, each whole: it is one ZeroMQ message, or the next bytes on TCP."""

import numpy as np

from messages import Acquisition, Waveform
from realtime.streams import mrd_layout as layout


def encode_config_file(name: str) -> bytes:
    """Name a configuration; at most 1023 bytes of UTF-8."""
    raw = name.encode("utf-8")
    if len(raw) >= layout.CONFIG_FILE_BYTES:
        raise ValueError(f"config name has {len(raw)} bytes, expected at most 1023")
    return layout.MESSAGE_ID.pack(layout.CONFIG_FILE) + raw.ljust(layout.CONFIG_FILE_BYTES, b"\0")


def encode_config_text(text: str) -> bytes:
    """Send a configuration in full."""
    return _text(layout.CONFIG_TEXT, text.encode("utf-8"))


def encode_header(xml: bytes) -> bytes:
    """Send a session header, byte for byte."""
    return _text(layout.HEADER, xml)


def encode_text(text: str) -> bytes:
    """Send words to the peer, closed by a NUL as FIRE expects."""
    return _text(layout.TEXT, text.encode("utf-8") + b"\0")


def encode_query(correlation_id: int, text: str) -> bytes:
    """Ask the server; it answers with the same correlation id."""
    raw = text.encode("utf-8")
    head = layout.QUERY_HEAD.pack(0, correlation_id, len(raw))
    return layout.MESSAGE_ID.pack(layout.QUERY) + head + raw


def encode_response(correlation_id: int, text: str) -> bytes:
    """Answer a query."""
    raw = text.encode("utf-8")
    head = layout.RESPONSE_HEAD.pack(correlation_id, len(raw))
    return layout.MESSAGE_ID.pack(layout.RESPONSE) + head + raw


def encode_close() -> bytes:
    """Say that all has been sent."""
    return layout.MESSAGE_ID.pack(layout.CLOSE)


def encode_acquisition(acquisition: Acquisition) -> bytes:
    """Send one readout."""
    pose, idx = acquisition.pose, acquisition.idx
    head = np.zeros((), layout.ACQUISITION_HEADER)
    head["version"] = 1
    for name in (
        "flags",
        "measurement_uid",
        "scan_counter",
        "acquisition_time_stamp",
        "physiology_time_stamp",
        "discard_pre",
        "discard_post",
        "center_sample",
        "encoding_space_ref",
        "sample_time_us",
    ):
        head[name] = getattr(acquisition, name)
    head["number_of_samples"] = acquisition.n_samples
    head["active_channels"] = head["available_channels"] = acquisition.n_coils
    head["trajectory_dimensions"] = acquisition.trajectory.shape[1]
    head["position"] = pose.position_mm
    for name in ("read_dir", "phase_dir", "slice_dir", "patient_table_position"):
        head[name] = getattr(pose, name)
    counters = head["idx"]
    for name in layout.ENCODING_COUNTERS.names or ():
        if name != "user":
            counters[name] = getattr(idx, name)
    return b"".join(
        (
            layout.MESSAGE_ID.pack(layout.ACQUISITION),
            head.tobytes(),
            acquisition.trajectory.astype("<f4", copy=False).tobytes(),
            acquisition.samples.astype("<c8", copy=False).tobytes(),
        )
    )


def encode_waveform(waveform: Waveform) -> bytes:
    """Send a stretch of a physiological signal."""
    n_channels, n_samples = waveform.samples.shape
    head = layout.WAVEFORM_HEAD.pack(
        1,
        waveform.flags,
        waveform.measurement_uid,
        waveform.scan_counter,
        waveform.time_stamp,
        n_samples,
        n_channels,
        waveform.sample_time_us,
        waveform.waveform_id,
    )
    body = waveform.samples.astype("<u4", copy=False).tobytes()
    return layout.MESSAGE_ID.pack(layout.WAVEFORM) + head + body


def _text(kind: int, raw: bytes) -> bytes:
    # libismrmrd reads the last byte of a text without asking whether there is one.
    if not raw:
        raise ValueError(f"{layout.NAMES[kind]} is empty, expected at least one byte")
    return layout.MESSAGE_ID.pack(kind) + layout.TEXT_LENGTH.pack(len(raw)) + raw
