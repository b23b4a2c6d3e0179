"""The frames of one run so far, for browsers that come later."""

import msgspec

MOST_ROWS = 1200


class Course:
    """FrameWords as JSON, the newest whole; of a long run ever fewer of the older ones."""

    def __init__(self, run_id: str = "") -> None:
        self.run_id = run_id
        self.rows: list[msgspec.Raw] = []

    @property
    def last(self) -> msgspec.Raw | None:
        """The newest."""
        return self.rows[-1] if self.rows else None

    def add(self, frame: msgspec.Raw) -> None:
        """Take a frame's word; where there are too many, every second of the older half goes."""
        if len(self.rows) >= MOST_ROWS:
            half = MOST_ROWS // 2
            self.rows = self.rows[:half:2] + self.rows[half:]
        self.rows.append(frame)
