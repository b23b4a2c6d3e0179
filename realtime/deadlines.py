"""Each frame's deadline: every opened frame is answered exactly once, in time or as LATE."""


class Deadlines:
    """Frames that wait for their verdict.

    A frame is opened when its last readout has arrived. Frame ids are never used twice.
    n_late: frames that ran out of time; n_discarded: verdicts that came after that.
    """

    def __init__(self, deadline_ms: float) -> None:
        self._budget_ns = round(deadline_ms * 1e6)
        self._due_ns: dict[int, int] = {}
        self.n_late = 0
        self.n_discarded = 0

    def open(self, frame_id: int, now_ns: int) -> None:
        """Start a frame's time. Raises ValueError where it is running already."""
        if frame_id in self._due_ns:
            raise ValueError(f"frame {frame_id}: its deadline is already running")
        self._due_ns[frame_id] = now_ns + self._budget_ns

    def answer(self, frame_id: int) -> bool:
        """Return whether this answer is the frame's first; a later one must be thrown away."""
        if self._due_ns.pop(frame_id, None) is None:
            self.n_discarded += 1
            return False
        return True

    def expired(self, now_ns: int) -> list[int]:
        """Return the frames whose time is over, longest over first, and count them as answered."""
        late = sorted(
            (due_ns, frame_id) for frame_id, due_ns in self._due_ns.items() if due_ns <= now_ns
        )
        for _, frame_id in late:
            del self._due_ns[frame_id]
        self.n_late += len(late)
        return [frame_id for _, frame_id in late]

    def next_ns(self) -> int | None:
        """Return when the next frame runs out of time, None where none waits."""
        return min(self._due_ns.values(), default=None)
