"""What the monitor has said that clients are to know; the caller brings both times."""

import re

from messages import Alert, Maps, RunStop, Verdict
from messages.codec import Envelope, Noun
from realtime.outputs.openigtlink import devices
from realtime.outputs.openigtlink.devices import Key, Message
from realtime.outputs.openigtlink.encoder import Code
from realtime.watched import LATE_NS, SILENCE_NS, Watched

REPEAT_NS = 1_000_000_000
_MOST_PICTURES = 256
_NUMBER = re.compile(r"[\d.]+")


class News:
    """Takes the monitor's events; gives what is new, and keeps what a newcomer needs.

    current: the newest message of each key that is still so. When the monitor falls silent, or the
        run ends, pictures and target leave it: nobody is given an old picture as if it were live.
    """

    def __init__(self) -> None:
        self.watched = Watched()
        self.current: dict[Key, Message] = {}
        self._fresh: dict[Key, Message] = {}
        self._permit: tuple[str, str] | None = None
        self._said_ns = 0
        self._alerts = ""
        self._doubt: str | None = None
        self._life = ("", "")

    def hear(self, envelope: Envelope, noun: Noun, *, now_ns: int, utc_s: float) -> None:
        """Take an event."""
        watched = self.watched
        watched.hear(envelope, noun, now_ns=now_ns)
        if (watched.epoch, watched.run_id) != self._life:
            self._life = watched.epoch, watched.run_id
            self._end("another run", utc_s)
        said_s = utc_s - watched.late_ns / 1e9
        if envelope.epoch != watched.epoch:
            return
        if isinstance(noun, Maps) and (noun.run_id == watched.run_id or not watched.run_id):
            for picture in devices.pictures(noun, utc_s=said_s):
                self._tell(picture)
        elif isinstance(noun, Verdict) and noun is watched.verdict:
            self._follow(noun, said_s)
        elif isinstance(noun, RunStop) and (noun.run_id == watched.run_id or not watched.run_id):
            self._end("the run is over", utc_s)
        elif isinstance(noun, Alert):
            self.note_alerts(utc_s)

    def note_alerts(self, utc_s: float) -> None:
        """Tell which alerts stand, where that has changed."""
        told = devices.alert_list(self.watched.alerts.values())
        if told != self._alerts:
            self._alerts = told
            self._tell(devices.text(devices.ALERTS, told, utc_s=utc_s))

    def look(self, *, now_ns: int, utc_s: float) -> None:
        """Tell the permit where it has changed, and once a second; forget what is no longer so."""
        watched = self.watched
        state, reason = watched.permit(now_ns)
        silent_ns = watched.silent_ns(now_ns)
        code = Code.OK if state == "GRANTED" else Code.DISABLED
        if silent_ns is None:
            code = Code.NOT_READY
        elif silent_ns > SILENCE_NS or watched.late_ns > LATE_NS:
            code = Code.CONNECTION_LOST
            self._end(reason, utc_s)
        # numbers that pass are no news
        told = state, "" if state == "GRANTED" else _NUMBER.sub("", reason)
        is_new = told != self._permit
        if is_new or now_ns - self._said_ns >= REPEAT_NS:
            self._said_ns = now_ns
            left_ms = watched.lease_left_ms(now_ns) if state == "GRANTED" else 0.0
            self._tell(
                devices.permit_status(state, reason, code=code, lease_left_ms=left_ms, utc_s=utc_s)
            )
        if is_new:
            self._permit = told
            words = state if state == "GRANTED" else f"{state}: {reason}"
            self._tell(devices.text(devices.PERMIT, words, utc_s=utc_s))
        self.note_alerts(utc_s)

    def take(self) -> list[Message]:
        """Return what is new since the last call, of each key the newest."""
        fresh, self._fresh = self._fresh, {}
        return list(fresh.values())

    def _follow(self, verdict: Verdict, utc_s: float) -> None:
        """Tell where the target is, or that it is not known."""
        motion = verdict.motion
        if motion is None and self._doubt is None:
            return
        doubt = f"frame {verdict.frame_id} is {verdict.outcome}"
        if motion is not None:
            shift = devices.displacement(motion, utc_s=utc_s)
            doubt = "" if shift else ", ".join(motion.doubts) or "not followed yet"
            if shift is not None:
                self._tell(shift)
        if doubt:
            self._forget({("TRANSFORM", devices.DISPLACEMENT)})
        if doubt != self._doubt:
            self._doubt = doubt
            self._tell(devices.displacement_status(doubt, utc_s=utc_s))

    def _tell(self, message: Message) -> None:
        if message.key not in self.current and len(self.current) >= _MOST_PICTURES:
            self._forget({next(key for key in self.current if key[0] == "IMAGE")})
        self._fresh[message.key] = self.current[message.key] = message

    def _end(self, why: str, utc_s: float) -> None:
        """Forget pictures and target: they are of the past."""
        self._forget({key for key in self.current if key[0] in ("IMAGE", "TRANSFORM")})
        if self._doubt is not None:
            self._doubt = None
            self._tell(devices.displacement_status(why, utc_s=utc_s))

    def _forget(self, keys: set[Key]) -> None:
        for key in keys:
            self.current.pop(key, None)
            self._fresh.pop(key, None)
