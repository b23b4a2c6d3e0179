"""What the page knows of the monitor, and whom it tells."""

from collections import deque
from itertools import islice

from messages import Alert, Heartbeat, Maps, Permit, RunStart, RunStop, Verdict
from messages.codec import Envelope, Noun
from realtime.outputs.page.course import Course
from realtime.outputs.page.outbox import Outbox
from realtime.outputs.page.picture import Picture, Stream, picture_of
from realtime.outputs.page.wire import (
    Beat,
    Hello,
    PermitWord,
    PlanWord,
    Told,
    Welcome,
    plan_of,
    write,
    write_frame,
)
from realtime.watched import Watched

STALE_MS = 500
MOST_LOGGED = 1000
_MOST_STREAMS = 64
_MOST_RUNS = 8


class News:
    """Takes the monitor's events, keeps what a newcomer needs, and fills every outbox."""

    def __init__(self) -> None:
        self.watched = Watched()
        self.n_refused = 0
        self._outboxes: set[Outbox] = set()
        self._log: deque[Told] = deque(maxlen=MOST_LOGGED)
        self._pictures: dict[Stream, Picture] = {}
        self._n_pictures = 0
        self._starts: dict[str, RunStart] = {}  # of several runs one is shown, and another next
        self._start: RunStart | None = None
        self._verdict: Verdict | None = None
        self._course = Course()
        self._permit: tuple[str, str] = ("HELD", "")

    def join(self, hello: Hello, *, now_ns: int) -> Outbox:
        """Return the outbox of a browser that has come, with what it needs to know in it."""
        outbox = Outbox()
        outbox.keep(write(self._welcome(hello)))
        outbox.keep(write(self._permit_word(now_ns)))
        outbox.recall(self._course.run_id, self._course.rows)
        for picture in self._pictures.values():
            outbox.offer(picture)
        outbox.call()
        self._outboxes.add(outbox)
        return outbox

    def leave(self, outbox: Outbox) -> None:
        """Forget a browser."""
        self._outboxes.discard(outbox)

    def hear(self, envelope: Envelope, noun: Noun, *, now_ns: int) -> None:
        """Take an event; maps come by `hear_maps`."""
        is_new_life = envelope.epoch != self.watched.epoch
        last_alert = 0 if is_new_life else self.watched.last_alert
        self.watched.hear(envelope, noun, now_ns=now_ns)
        if is_new_life:
            self._begin()
        if self.watched.last_alert > last_alert and isinstance(noun, Alert):
            self._tell(Told(self.watched.last_alert, noun))
        if isinstance(noun, RunStart) and envelope.epoch == self.watched.epoch:
            self._starts[noun.run_id] = noun
            if len(self._starts) > _MOST_RUNS:
                del self._starts[next(iter(self._starts))]
        self._follow()
        if isinstance(noun, Heartbeat):
            for outbox in self._outboxes:
                outbox.call()
        elif isinstance(noun, Verdict) and noun is self.watched.verdict:
            self._take(noun, heard_ms=(now_ns - self.watched.late_ns) / 1e6)
        if isinstance(noun, Permit | Heartbeat | RunStop):
            # what a permit's reason says of passing time is no news
            told = noun.reason if isinstance(noun, Permit) else self._permit[1]
            self._note_permit(told, now_ns)

    def hear_maps(self, maps: Maps, *, heard_ns: int) -> None:
        """Take the pictures of a frame; they are drawn when a browser takes them."""
        self._n_pictures += 1
        picture = picture_of(maps, number=self._n_pictures, now_ms=heard_ns / 1e6)
        if picture.stream not in self._pictures and len(self._pictures) >= _MOST_STREAMS:
            del self._pictures[next(iter(self._pictures))]
        self._pictures[picture.stream] = picture
        for outbox in self._outboxes:
            outbox.offer(picture)

    def seek(self, outbox: Outbox, frame: int) -> bool:
        """Return that what is live cannot be sought in."""
        del outbox, frame
        return False

    def caught_up(self, epoch: str, after: int, alerts: list[Alert]) -> None:
        """Take the answer to a resume, unless the monitor has begun anew since it was asked."""
        if epoch != self.watched.epoch or after != self.watched.last_alert:
            return
        self.watched.caught_up(alerts)
        for sequence, alert in enumerate(alerts, start=after + 1):
            self._tell(Told(sequence, alert))

    def make_beat(self, number: int, echo_ms: float | None, *, now_ns: int) -> str:
        """Return a beat of now."""
        watched, start = self.watched, self._start
        is_ours = start is not None and start.run_id == watched.run_id
        silent_ns = watched.silent_ns(now_ns)
        beat = Beat(
            number,
            echo_ms,
            now_ns / 1e6,
            None if silent_ns is None else silent_ns / 1e6,
            self._permit_word(now_ns),
            watched.run_id,
            start.protocol_name if start is not None and is_ours else "",
            start.lease_ms if start is not None and is_ours else 0.0,
            self._course.last,
            watched.misses_alerts,
            self.n_refused,
            *self._preparing(),
        )
        return write(beat)

    def _take(self, verdict: Verdict, *, heard_ms: float) -> None:
        if verdict.run_id != self._course.run_id:
            self._course = Course(verdict.run_id)  # its beginning was not heard
            if self._start is not None and self._start.run_id != verdict.run_id:
                self._start = None
        self._verdict, frame = verdict, write_frame(verdict, heard_ms=heard_ms)
        self._course.add(frame)
        for outbox in self._outboxes:
            outbox.tell(frame)

    def _follow(self) -> None:
        """Show the run that has the permit, from its beginning where that was heard."""
        run_id = self.watched.run_id
        start = self._starts.get(run_id)
        if start is None or start is self._start:
            return
        self._start = start
        if self._course.run_id != run_id:
            self._verdict, self._course = None, Course(run_id)
        self._pictures = {
            stream: one for stream, one in self._pictures.items() if stream[0] == run_id
        }
        for outbox in self._outboxes:
            outbox.forget()
        self._keep(write(PlanWord(plan_of(start))))

    def _preparing(self) -> tuple[str, float | None]:
        """Return what is done before frames can be judged, and how far that is."""
        heartbeat, verdict = self.watched.heartbeat, self._verdict
        if heartbeat is not None and heartbeat.preparing:
            return heartbeat.preparing, None
        if verdict is None or verdict.baseline_frames >= verdict.baseline_wanted:
            return "", None
        trained, wanted = verdict.baseline_frames, verdict.baseline_wanted
        return f"training: {trained} of {wanted} frames", trained / wanted

    def _tell(self, told: Told) -> None:
        self._log.append(told)
        self._keep(write(told))

    def _keep(self, message: str) -> None:
        for outbox in self._outboxes:
            outbox.keep(message)

    def _begin(self) -> None:
        """Another life of the monitor: its alerts, runs and pictures are others."""
        self._log.clear()
        self._pictures.clear()
        self._start = self._verdict = None
        self._starts.clear()
        self._course = Course()
        for outbox in self._outboxes:
            outbox.forget()
        self._keep(write(self._welcome(Hello(self.watched.epoch))))

    def _welcome(self, hello: Hello) -> Welcome:
        watched = self.watched
        is_known = hello.epoch in ("", watched.epoch)
        after = hello.after if is_known else 0
        n_missed = sum(told.sequence > after for told in self._log)
        missed = list(islice(self._log, len(self._log) - n_missed, None))
        is_whole = is_known and watched.last_alert - len(missed) <= after
        return Welcome(
            watched.epoch,
            watched.last_alert,
            list(watched.alerts.values()),
            missed,
            is_whole,
            STALE_MS,
            None if self._start is None else plan_of(self._start),
        )

    def _permit_word(self, now_ns: int) -> PermitWord:
        state, reason = self.watched.permit(now_ns)
        left_ms = self.watched.lease_left_ms(now_ns) if state == "GRANTED" else 0.0
        return PermitWord(state, "" if state == "GRANTED" else reason, left_ms)

    def _note_permit(self, told: str, now_ns: int) -> None:
        word = self._permit_word(now_ns)
        if (word.state, told) != self._permit:
            self._permit = word.state, told
            self._keep(write(word))
