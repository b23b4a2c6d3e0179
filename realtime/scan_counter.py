"""Readouts that the scanner counted and that never came."""

_MAX_GAP = 1 << 16  # a longer jump is another numbering, not a loss
_MAX_AHEAD = 1 << 12


class ScanCounter:
    """Finds gaps in `scan_counter`, which numbers the readouts of a measurement from 0 or 1.

    Every readout is noted, whatever it is for; so are waveforms, which share the numbers on some
    scanners and may come before or after the readouts around them.
    """

    def __init__(self) -> None:
        self._measurement: int | None = None
        self._latest: int | None = None
        self._missing: set[int] = set()
        self._ahead: set[int] = set()
        self._n_steps = 0
        self._n_gaps = 0
        self._n_lost_before = 0

    @property
    def n_lost(self) -> int:
        """How many are missing; 0 where the counter does not count readout by readout.

        Scanners that leave a number out at every other readout number something else.
        """
        return self._n_lost_before + self._lost_now()

    def note(self, counter: int, *, measurement: int) -> None:
        """Note a readout."""
        if measurement != self._measurement:
            self._n_lost_before += self._lost_now()
            if self._measurement is not None:
                self._ahead.clear()
            self._measurement, self._latest = measurement, None
            self._missing.clear()
        latest, self._latest = self._latest, counter
        if latest is None:
            return
        if counter <= latest:
            self._latest = latest if latest - counter < _MAX_GAP else counter
            self._missing.discard(counter)
            return
        self._n_steps += 1
        if 1 < counter - latest <= _MAX_GAP and len(self._missing) < _MAX_GAP:
            unseen = set(range(latest + 1, counter)) - self._ahead
            self._missing |= unseen
            self._n_gaps += bool(unseen)

    def note_waveform(self, counter: int) -> None:
        """Note a number that a waveform has."""
        if self._latest is None or counter > self._latest:
            if len(self._ahead) >= _MAX_AHEAD:
                self._ahead = {one for one in self._ahead if one > (self._latest or 0)}
            if len(self._ahead) < _MAX_AHEAD:
                self._ahead.add(counter)
        else:
            self._missing.discard(counter)

    def _lost_now(self) -> int:
        return len(self._missing) if 2 * self._n_gaps <= self._n_steps else 0
