"""Play a recording to an MRD server as a scanner would, and gather what it answers.

As a process: `python -m realtime.streams.player FILE --connect tcp://host:port --speed max`, or
with `--fd N`, one end of an inherited socket pair.
"""

import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from messages import MonitorError
from realtime.clock import Clock, MonotonicClock
from realtime.streams import mrd_layout as layout
from realtime.streams.events import CloseReceived, Event, ImageReceived, Response, Text
from realtime.streams.links import Link, SocketLink, open_link
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import encode_config_file
from realtime.streams.mrd_header import parse_header
from realtime.streams.pacing import Pacer
from realtime.streams.recording import RecordedMessage, Recording
from realtime.streams.recordings import open_recording
from realtime.streams.time_stamps import TimeStampUnit

_POLL_S = 0.05
_MESSAGES_BETWEEN_READS = 16
_FINE_WAIT_S = 0.002  # a poll counts in ms; the rest is slept by the clock


# twice what a worker may take to set up, compiling for the first time on a busy machine
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class PlayerSettings:
    """How to play.

    speed: 1.0 is the scanner's own pace, 2.0 twice that, None as fast as the server takes it.
    config_name: sent first, unless the recording begins with a configuration of its own.
    timeout_s: how long the server may be silent, and take nothing, before the player gives up.
    keeps_images: keep the pictures that come back; otherwise they are counted.
    """

    speed: float | None = None
    config_name: str | None = None
    timeout_s: float = PATIENCE_S
    time_stamp_unit: TimeStampUnit = "auto"
    keeps_images: bool = False


@dataclass(slots=True)
class PlayerSummary:
    """What was sent and what came back.

    is_closed: the server ended the session with CLOSE. problem: what went wrong, or empty.
    pacing: what the pace was taken from.
    """

    n_messages: int = 0
    n_readouts: int = 0
    n_bytes: int = 0
    n_images: int = 0
    is_closed: bool = False
    problem: str = ""
    pacing: str = "as fast as the server takes it"
    texts: list[str] = field(default_factory=list)
    images: list[ImageReceived] = field(default_factory=list)


def play(
    recording: Recording,
    link: Link,
    *,
    settings: PlayerSettings | None = None,
    clock: Clock | None = None,
) -> PlayerSummary:
    """Play a recording to its end, then wait for the server's CLOSE.

    A damaged recording is played up to the damage, without a CLOSE. What the server does, and what
    is wrong with the recording, is in the summary's `problem`.
    """
    player = _Player(link, settings or PlayerSettings(), clock or MonotonicClock())
    return player.play(recording)


class _Player:
    def __init__(self, link: Link, settings: PlayerSettings, clock: Clock) -> None:
        self._link = link
        self._settings = settings
        self._clock = clock
        self._decoder = Decoder(reads_replies=True)
        self._summary = PlayerSummary()
        self._is_over = False
        self._heard_ns = clock.now_ns()

    def play(self, recording: Recording) -> PlayerSummary:
        damage = ""
        try:
            self._send_all(recording)
        except MonitorError as error:
            damage = str(error)
        self._link.end_sending()
        while not self._is_over:
            self._listen(_POLL_S)
            self._give_up_on_silence()
        self._summary.problem = damage or self._summary.problem
        return self._summary

    def _send_all(self, recording: Recording) -> None:
        name = self._settings.config_name
        if name is not None and not recording.has_config:
            self._send(encode_config_file(name))
        start_ns = self._clock.now_ns()
        for due_s, message in self._schedule(recording):
            if self._settings.speed is not None:
                self._wait_until(start_ns + round(due_s / self._settings.speed * 1e9))
            if self._is_over:
                return
            self._send(message.data)
            self._summary.n_readouts += message.kind == layout.ACQUISITION

    def _schedule(self, recording: Recording) -> Iterator[tuple[float, RecordedMessage]]:
        if self._settings.speed is None:
            return ((0.0, message) for message in recording.messages())
        header = parse_header(recording.header_xml)
        pacer = Pacer(
            recording.messages(),
            setting=self._settings.time_stamp_unit,
            vendor=header.system_vendor,
            tr_s=header.repetition_time_s,
            readouts_per_tr=None if header.encodings[0].trajectory == "epi" else 1,
        )
        self._summary.pacing = pacer.reason
        return pacer.due()

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        self._heard_ns = self._clock.now_ns()
        while view and not self._is_over:
            try:
                n_sent = self._link.send(view)
            except ConnectionError as error:
                self._drain()
                self._end(f"the server closed the connection: {error.strerror}")
                return
            view = view[n_sent:]
            if n_sent == 0:
                self._link.wait(_POLL_S, for_sending=True)
                self._drain()
                self._give_up_on_silence()
            else:
                self._heard_ns = self._clock.now_ns()
        self._summary.n_messages += 1
        self._summary.n_bytes += len(data)
        if self._summary.n_messages % _MESSAGES_BETWEEN_READS == 0:
            self._drain()

    def _wait_until(self, due_ns: int) -> None:
        while not self._is_over:
            remaining_s = (due_ns - self._clock.now_ns()) / 1e9
            if remaining_s <= _FINE_WAIT_S:
                self._clock.sleep_until_ns(due_ns)
                return
            self._listen(min(_POLL_S, remaining_s - _FINE_WAIT_S))

    def _listen(self, timeout_s: float) -> None:
        self._link.wait(timeout_s, for_sending=False)
        self._drain()

    def _drain(self) -> None:
        while not self._is_over:
            try:
                data = self._link.receive()
            except ConnectionError as error:
                self._end(f"the server closed the connection: {error.strerror}")
                return
            if data is None:
                return
            if not data:
                self._end("the server ended the stream without CLOSE")
                return
            self._heard_ns = self._clock.now_ns()
            self._decoder.feed(data)
            self._take_events()

    def _take_events(self) -> None:
        try:
            for event in self._decoder.events():
                self._take(event)
        except MonitorError as error:
            self._end(f"the server's answer cannot be read: {error}")

    def _take(self, event: Event) -> None:
        summary = self._summary
        if isinstance(event, Text | Response):
            summary.texts.append(event.text)
        elif isinstance(event, ImageReceived):
            summary.n_images += 1
            if self._settings.keeps_images:
                summary.images.append(event)
        elif isinstance(event, CloseReceived):
            summary.is_closed = True
            self._end("")

    def _give_up_on_silence(self) -> None:
        silent_s = (self._clock.now_ns() - self._heard_ns) / 1e9
        if not self._is_over and silent_s > self._settings.timeout_s:
            self._end(f"the server has been silent for {self._settings.timeout_s:g} s")

    def _end(self, problem: str) -> None:
        self._is_over = True
        self._summary.problem = problem


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--fd", type=int, help="An inherited socket to play into.")
@click.option("--connect", "url", help="tcp://host:port or zmq://host:port.")
@click.option("--speed", default="max", help="max, or a multiple of the scanner's pace.")
@click.option("--config", "config_name", help="Configuration to ask the server for.")
@click.option("--timeout-s", default=PATIENCE_S, help="How long the server may be silent.")
def main(
    file: Path,
    fd: int | None,
    url: str | None,
    speed: str,
    config_name: str | None,
    timeout_s: float,
) -> None:
    """Play FILE to an MRD server and print a summary as one line of JSON."""
    try:
        settings = PlayerSettings(
            speed=parse_speed(speed), config_name=config_name, timeout_s=timeout_s
        )
        recording = open_recording(file)
        if (fd is None) == (url is None):
            raise MonitorError("expected either --fd or --connect")
        link: Link = SocketLink(socket.socket(fileno=fd)) if url is None else open_link(url)
        try:
            summary = play(recording, link, settings=settings)
        finally:
            link.close()
    except MonitorError as error:
        raise click.ClickException(str(error)) from error
    report = {
        "n_readouts": summary.n_readouts,
        "n_bytes": summary.n_bytes,
        "n_images": summary.n_images,
        "is_closed": summary.is_closed,
        "problem": summary.problem,
        "pacing": summary.pacing,
        "texts": summary.texts,
    }
    click.echo(json.dumps(report, ensure_ascii=False))
    sys.exit(0 if summary.is_closed and not summary.problem else 1)


def parse_speed(text: str) -> float | None:
    """Return None for `max`, else a factor above 0."""
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < float("inf"):
        raise MonitorError(f"speed {text!r}, expected max or a number above 0")
    return speed


if __name__ == "__main__":
    main()
