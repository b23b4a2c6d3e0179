"""Runs a treatment with heat against a monitor: obeys the permit, measures the outcome."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

from simulators.device_line import DeviceLine, Monitor
from simulators.faults import Fault
from simulators.lease import Lease, PowerOff
from simulators.monitor_loop import Conversation, MonitorLoop
from simulators.overshoot import FrameTimes, Overshoot, split_overshoot
from simulators.readout import Readout
from simulators.simulator import TreatmentSimulator


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedLoopResult(Conversation):
    """What came of a treatment."""

    overshoot: Overshoot
    heated_s: float
    frames: tuple[FrameTimes, ...]
    power_offs: tuple[PowerOff, ...]


class ClosedLoop:
    """One treatment against one monitor; for `speed` see `MonitorLoop`."""

    def __init__(
        self,
        simulator: TreatmentSimulator,
        monitor: Monitor,
        *,
        speed: float = math.inf,
        limit_c: float = 60.0,
        config: str = "mrgfus-brain",
        faults: tuple[Fault, ...] = (),
        frame_wait_s: float = 5.0,
    ) -> None:
        self._simulator, self._monitor, self._limit_c = simulator, monitor, limit_c
        self._loop = MonitorLoop(
            monitor, speed=speed, config=config, faults=faults, frame_wait_s=frame_wait_s
        )

    def run(self) -> ClosedLoopResult:
        """Play the whole treatment; the power is off when this returns."""
        simulator = self._simulator
        with DeviceLine(self._monitor, zero_s=simulator.treatment.sequence.echo_s(0)) as line:
            device = _HeatingDevice(simulator, line)
            talk = self._loop.run(device)
        overshoot = split_overshoot(
            simulator.truth, device.frames, limit_c=self._limit_c, offs=device.offs
        )
        return ClosedLoopResult(
            **{one.name: getattr(talk, one.name) for one in fields(talk)},
            overshoot=overshoot,
            heated_s=simulator.heated_s,
            frames=tuple(device.frames),
            power_offs=tuple(device.offs),
        )


class _HeatingDevice:
    """The scanner and the transducer: heats as planned while it is permitted."""

    def __init__(self, simulator: TreatmentSimulator, line: DeviceLine) -> None:
        self.offs: list[PowerOff] = []
        self.frames: list[FrameTimes] = []
        self._simulator, self._line = simulator, line
        self._watts = math.nan  # the first word counts, of no power too
        self._is_on = False

    @property
    def time_s(self) -> float:
        """Scanner time of the last readout."""
        return self._simulator.time_s

    @property
    def next_s(self) -> float | None:
        """Scanner time of the readout to come; None where every one was played."""
        return None if self._simulator.is_finished else self._simulator.next_echo_s

    def header(self) -> bytes:
        """Return the MRD header, XML."""
        return self._simulator.header()

    def opening(self) -> Iterator[Readout]:
        """Yield the noise scan."""
        yield from self._simulator.noise_readouts()

    def play(self, lease: Lease) -> Readout:
        """Play the next readout, with power before it where plan and lease say so."""
        simulator = self._simulator
        start_s, end_s = simulator.time_s, simulator.next_echo_s
        permitted = lease.granted_until(start_s, end_s)
        if permitted is None or not simulator.wants_heat:
            self._end_power(lease.why_held(start_s) if permitted is None else None)
            self._report(start_s, is_on=False)
            return self._noted(simulator.next_readout(sonicating=False))
        self._is_on = True
        self._report(start_s, is_on=True)
        readout = simulator.next_readout(sonicating=True, until_s=permitted.t_s)
        if permitted.cause != "plan":
            self._end_power(permitted)
        return self._noted(readout)

    def stop(self) -> None:
        """End the power, and say so."""
        self._end_power(PowerOff(self._simulator.time_s, "end"))

    def _noted(self, readout: Readout) -> Readout:
        sequence = self._simulator.treatment.sequence
        if readout.is_last_of_frame:
            n_rows = sequence.matrix[1]
            center_s = sequence.echo_s(readout.frame * n_rows + n_rows // 2)
            self.frames.append(FrameTimes(center_s, readout.t_s))
        return readout

    def _end_power(self, off: PowerOff | None) -> None:
        """Note why the power goes off; None means that the plan is fulfilled."""
        if self._is_on:
            self.offs.append(off or PowerOff(self._simulator.time_s, "plan"))
        self._is_on = False
        self._report(self._simulator.time_s if off is None else off.t_s, is_on=False)

    def _report(self, t_s: float, *, is_on: bool) -> None:
        """Say the power where it changed; where nobody listens, again at the next readout."""
        watts = self._simulator.treatment.power_w if is_on else 0.0
        if watts != self._watts:
            self._watts = watts if self._line.report("power", t_s, watts=watts) else math.nan
