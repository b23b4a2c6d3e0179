"""What must be true of the permit, by the events in the order in which the witness heard them."""

from collections.abc import Sequence
from typing import Any

Line = dict[str, Any]

_RESTARTED = "monitor-restarted.hold"  # of no run: it holds them all
_SLACK_S = 0.5  # how late the witness may be served on a busy machine


class _Epoch:
    """What one life of the monitor has said of the permit so far."""

    def __init__(self, lease_ms: float) -> None:
        self.wrong: list[str] = []
        self._lease_ms = lease_ms
        self._state, self._lapses_s = "HELD", 0.0
        self._run = ""
        self._due: Line | None = None  # a GRANTED whose verdict must come next
        self._newest: dict[str, int] = {}
        self._latched: dict[str, set[int]] = {}
        self._restarted: set[int] = set()

    def take(self, line: Line) -> None:
        """Judge one event."""
        judge = {
            "permit": self._permit,
            "verdict": self._verdict,
            "heartbeat": self._heartbeat,
            "alert": self._alert,
        }.get(line["topic"])
        if judge is not None:
            judge(line, line["body"])

    def acknowledged(self, alert_id: int) -> None:
        """A person has seen an alert."""
        for alerts in (*self._latched.values(), self._restarted):
            alerts.discard(alert_id)

    def _permit(self, line: Line, body: Line) -> None:
        run, frame = body["run_id"], body["frame_id"]
        if self._due is not None:
            self._say(self._due, "GRANTED without the verdict that grants")
        self._due = None
        self._state, self._run = body["state"], run
        newest = self._newest.get(run, -1)
        if body["state"] == "GRANTED":
            self._due = line
            self._lapses_s = line["at_s"] + body["lease_ms"] / 1e3
            if frame <= newest:
                self._say(line, f"GRANTED by frame {frame}, though frame {newest} came before")
            if not 0.0 < body["lease_ms"] <= self._lease_ms:
                self._say(line, f"a lease of {body['lease_ms']} ms")
            alerts = sorted(self._latched.get(run, set()) | self._restarted)
            if alerts:
                self._say(line, f"GRANTED though nobody acknowledged the alerts {alerts}")
        self._newest[run] = max(newest, frame)

    def _verdict(self, line: Line, body: Line) -> None:
        due, self._due = self._due, None
        holds = [one["rule"] for one in body["findings"] if one["severity"] == "hold"]
        is_valid = body["outcome"] == "COMPUTED" and body["decision"] == "GRANTED" and not holds
        if due is not None and (due["body"]["frame_id"] != body["frame_id"] or not is_valid):
            self._say(line, f"frame {body['frame_id']} granted, but its verdict does not")
        elif body["permit"] == "GRANTED" and due is None:
            self._say(line, f"frame {body['frame_id']} says GRANTED and no permit does")
        if body["run_id"] == self._run and body["permit"] != self._state:
            self._say(line, f"a verdict says {body['permit']}, the permit {self._state}")

    def _heartbeat(self, line: Line, body: Line) -> None:
        if body["permit_state"] != self._state:
            self._say(line, f"a heartbeat says {body['permit_state']}, the permit {self._state}")
        if body["permit_state"] == "GRANTED" and line["at_s"] > self._lapses_s + _SLACK_S:
            late_s = line["at_s"] - self._lapses_s
            self._say(line, f"a heartbeat says GRANTED {late_s:.2f} s after the lease")

    def _alert(self, line: Line, body: Line) -> None:
        is_hold = body["latched"] and body["event"].endswith(".hold")
        if body["event"] == _RESTARTED and body["state"] == "raised":
            self._restarted.add(body["alert_id"])
        elif is_hold and body["state"] == "raised":
            self._latched.setdefault(body["run_id"], set()).add(body["alert_id"])
        elif body["state"] in ("acknowledged", "withdrawn"):
            self.acknowledged(body["alert_id"])

    def _say(self, line: Line, text: str) -> None:
        self.wrong.append(f"{line['topic']} {line['sequence']} of {line['epoch']}: {text}")


def check_permit(
    log: Sequence[Line], acknowledged: Sequence[Line], *, lease_ms: float
) -> list[str]:
    """GRANTED stands only on a newer valid verdict, never beside a hold, never past its lease.

    acknowledged: when somebody acknowledged which alert of which epoch.
    """
    events = [line for line in log if line["how"] == "live"]
    in_order = sorted([*events, *acknowledged], key=lambda line: line["at_s"])
    epochs: dict[str, _Epoch] = {}
    for line in in_order:
        epoch = epochs.setdefault(line["epoch"], _Epoch(lease_ms))
        if line["how"] == "live":
            epoch.take(line)
        else:
            epoch.acknowledged(line["alert_id"])
    return [text for epoch in epochs.values() for text in epoch.wrong]
