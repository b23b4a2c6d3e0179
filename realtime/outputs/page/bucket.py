"""How much somebody may do in a time: a token bucket."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """Holds at most `burst` tokens and gains `per_s` of them a second; the caller brings the time.

    It begins full.
    """

    burst: float
    per_s: float
    _level: float = -1.0
    _since_ns: int = 0

    def take(self, n_tokens: float, now_ns: int) -> bool:
        """Take so many; False, and nothing taken, where there are not as many."""
        if self._level < 0:
            self._level, self._since_ns = self.burst, now_ns
        gained = (now_ns - self._since_ns) / 1e9 * self.per_s
        self._level, self._since_ns = min(self.burst, self._level + gained), now_ns
        if n_tokens > self._level:
            return False
        self._level -= n_tokens
        return True
