"""What the therapy device reports, of its power and of its beams."""

from pathlib import Path
from typing import Any

from realtime.device_beam import DeviceBeam
from realtime.device_power import DevicePower
from realtime.requests import DeviceReport, PowerReport


class DeviceReports:
    """All that a session knows from the therapy device."""

    def __init__(self) -> None:
        self.power = DevicePower()
        self.beam = DeviceBeam()

    def open(self, folder: Path | None, *, recording: Path | None = None) -> None:
        """Write what is said into a folder; take what was said in a recording (see `DeviceLog`)."""
        for log in (self.power, self.beam):
            log.open(folder, recording=recording)

    def take(self, report: DeviceReport, *, now_s: float) -> None:
        """Take a report. now_s: scanner time. Raises MonitorError where it cannot be."""
        if isinstance(report, PowerReport):
            self.power.take(report, now_s=now_s)
        else:
            self.beam.take(report, now_s=now_s)

    def write(self, row: Any) -> None:  # noqa: ANN401 - a structured row of the mailbox
        """Write all into a slot's row, which has its frame's number and time."""
        self.power.write(row)
        self.beam.write(row)

    def close(self) -> None:
        """Write no more."""
        self.power.close()
        self.beam.close()
