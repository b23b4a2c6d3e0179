"""The MRD decoder under atheris: any bytes are events or a MonitorError, in bounded memory.

`make fuzz SECONDS=600`, or `python tests/fuzz/fuzz_mrd_decoder.py 600`; a finding is written beside
the corpus and its path printed. `python tests/fuzz/fuzz_mrd_decoder.py FILE` tries one finding.
"""

import sys
import tempfile
import tracemalloc
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    import atheris

    with atheris.instrument_imports(include=["realtime", "messages"]):
        from realtime.streams.mrd_decoder import Decoder
else:
    from realtime.streams.mrd_decoder import Decoder

from messages import MonitorError
from realtime.streams.mrd_framing import Limits
from simulators.whole_sessions import whole_sessions

LIMITS = Limits(max_text_bytes=1 << 16, max_readout_bytes=1 << 16, max_image_bytes=1 << 16)
# A message may take what it may claim, an input what it is long; Python needs something around it.
MOST_BYTES, TIMES_INPUT = 2_000_000, 8
MOST_INPUT_BYTES = 20_000
_CHUNKS = (1 << 20, 4096, 61, 7)


class TooMuchMemoryError(Exception):
    """An input made the decoder take more than its limits and its length allow."""


def try_one(data: bytes) -> int:
    """Decode an input; return how many events it gave. The first byte says how it is fed.

    Raises TooMuchMemoryError, or whatever escapes from the decoder that is no MonitorError.
    """
    how, data = (data[0], data[1:]) if data else (0, data)
    size = _CHUNKS[how & 3]
    decoder = Decoder(limits=LIMITS, reads_replies=bool(how & 4))
    tracemalloc.start()
    try:
        n_events = _n_events(decoder, data, size)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    if peak > MOST_BYTES + TIMES_INPUT * len(data):
        raise TooMuchMemoryError(f"{peak} bytes for an input of {len(data)}")
    return n_events


def corpus() -> dict[str, bytes]:
    """Return inputs to begin with: whole sessions, and each kind of message alone."""
    found: dict[str, bytes] = {}
    for name, messages in whole_sessions().items():
        found[name] = b"\0" + b"".join(messages)
        # without most of its readouts: short inputs are tried more often
        found[f"{name}-short"] = b"\1" + b"".join([*messages[:6], *messages[-3:]])
    for message in whole_sessions()["gre"][-8:]:
        found[f"reply-{message[:2].hex()}"] = b"\4" + message
    return found


def _n_events(decoder: Decoder, data: bytes, size: int) -> int:
    n_events = 0
    try:
        for start in range(0, len(data), size):
            decoder.feed(data[start : start + size])
            for _ in decoder.events():
                n_events += 1
        decoder.end()
    except MonitorError as error:
        if "\n" in str(error):
            raise ValueError(f"not one line: {error}") from error
    return n_events


def main(asked: str) -> None:
    """Fuzz for so many seconds, or try the input in a file."""
    if not asked.isdigit():
        print(f"{try_one(Path(asked).read_bytes())} events")  # noqa: T201 - a tool of ours
        return
    folder = Path(tempfile.mkdtemp(prefix="fuzz-mrd-"))
    for name, data in corpus().items():
        (folder / name).write_bytes(data)
    options = [f"-max_total_time={asked}", f"-max_len={MOST_INPUT_BYTES}", "-rss_limit_mb=1024"]
    options += ["-timeout=20", f"-artifact_prefix={folder}/finding-", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(folder)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "60")
