"""How long a worker may have something whole in hand before it counts as hung."""

HUNG_FRAME_NS = 10_000_000_000
HUNG_ADMISSION_NS = 60_000_000_000


class WorkerWatch:
    """Since when the worker has had a whole frame, or a configuration, in hand.

    is_patient: a frame may take as long as an admission, since the source waits.
    """

    def __init__(self, *, is_patient: bool) -> None:
        self._is_patient = is_patient
        self._since_ns: int | None = None

    @property
    def is_busy(self) -> bool:
        """Whether the worker owes an answer."""
        return self._since_ns is not None

    def begin(self, now_ns: int) -> None:
        """Note that the worker has all that it needs to answer."""
        self._since_ns = now_ns

    def end(self) -> None:
        """Note that it has answered."""
        self._since_ns = None

    def is_hung(self, now_ns: int, *, is_setting_up: bool) -> bool:
        """Whether it has owed an answer for so long that it is killed and replaced."""
        if self._since_ns is None:
            return False
        limit_ns = HUNG_ADMISSION_NS if is_setting_up or self._is_patient else HUNG_FRAME_NS
        return now_ns - self._since_ns > limit_ns
