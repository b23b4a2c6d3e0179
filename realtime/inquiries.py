"""What a running gateway is asked over its control port, but for missed alerts."""

from collections.abc import Sequence
from typing import Literal

from messages import MonitorError
from realtime.desk import Desk
from realtime.requests import Acknowledge, DeviceReport
from realtime.session import Session

Answer = tuple[Literal["done", "refused"], str]


def respond(
    request: Acknowledge | DeviceReport,
    sessions: Sequence[Session],
    treated: Sequence[Session],
    desk: Desk,
    *,
    now_ns: int,
) -> Answer:
    """Return the answer to a request.

    treated: the session that the therapy device heats in, or all where none has the permit.
    """
    if not isinstance(request, Acknowledge):
        return _report(request, treated, now_ns=now_ns)
    running = [session.answers for session in sessions]
    if desk.acknowledge(request.alert_id, request.who, running, now_ns=now_ns):
        return "done", ""
    return "refused", f"no open alert {request.alert_id}"


def _report(report: DeviceReport, treated: Sequence[Session], *, now_ns: int) -> Answer:
    if not treated:
        return "refused", "no treatment runs that could take the report; send it again in one"
    try:
        for session in treated:
            session.device_said(report, now_ns=now_ns)
    except MonitorError as error:
        return "refused", str(error)
    return "done", ""
