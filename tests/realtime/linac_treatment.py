"""A patient in the MR-linac through decoder, assembler and fold: what verdicts come out."""

from benchmarks._treatment import Monitor
from messages import Acquisition
from realtime.protocol import load_protocol, parse_protocol
from realtime.streams.mrd_decoder import Decoder
from simulators.mrd import header_message


def protocol_with(name="mrlinac-lung", *, swap=(), **motion):
    """A shipped protocol with other numbers: quicker to learn than a patient is."""
    text = load_protocol(name).text
    for key, value in motion.items():
        lines = text.splitlines()
        at = next(n for n, line in enumerate(lines) if line.startswith(f"{key} = "))
        lines[at] = f"{key} = {value}"
        text = "\n".join(lines)
    for before, after in swap:
        assert before in text
        text = text.replace(before, after)
    return parse_protocol(text)


def treated(scan, protocol, *, spoil=None, between=None, monitor=None):
    """The monitor after a scan, and the maps of its frames.

    spoil: (acquisition, readout) → acquisition or None. between: (monitor, frames so far), called
    after each frame.
    """
    monitor = monitor or Monitor(protocol, scan.header_xml())
    decoder, maps = Decoder(), []
    decoder.feed(header_message(scan.header_xml()))
    for readout in scan.readouts():
        decoder.feed(readout.message)
        for event in decoder.events():
            if not isinstance(event, Acquisition):
                continue
            found = monitor.take(event if spoil is None else spoil(event, readout))
            maps += found
            if found and between is not None:
                between(monitor, len(maps))
    return monitor, maps
