"""DICOM to a PACS or a folder, beside a gateway."""

from pathlib import Path

import click

from messages import MonitorError
from realtime.cli.companion import Companion, Place
from realtime.outputs.dicom.address import parse_peer
from realtime.outputs.dicom.extra import require_extra


class Frames(click.ParamType[int]):
    """`all`, `last`, or a number n for every n-th frame and the last: read as an n, 0 for last."""

    name = "all|last|N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Return n. Fails as click's own types do."""
        words = {"all": 1, "last": 0}
        text = str(value)
        if text in words:
            return words[text]
        if not text.isdecimal():
            self.fail(f"{text!r}, expected all, last or a number", param, ctx)
        return int(text)


class DicomProcess(Companion):
    """Starts it where a peer or a folder was named."""

    def __init__(self, peer: str | None, folder: Path | None, every: int, place: Place) -> None:
        """Start it."""
        super().__init__(
            "DICOM",
            "realtime.outputs.dicom",
            place,
            [str(every), peer or "-", "-" if folder is None else str(folder)],
            where=" and ".join(str(one) for one in (peer, folder) if one is not None),
        )


def refuse_bad_peer(peer: str | None, folder: Path | None) -> None:
    """Raise MonitorError where DICOM was asked for that cannot be: before anything is started."""
    if peer is None and folder is None:
        return
    require_extra()
    if peer is not None:
        parse_peer(peer)
    if str(folder) == "-":
        raise MonitorError("--dicom-folder -: a folder is wanted, standard output is none")
