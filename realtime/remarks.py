"""What a person must know once a session, not with each readout that shows it again."""

from messages import Finding
from realtime.answers import Answers


class Remarks:
    """Findings of the gateway itself that have been told already."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._told: dict[str, int] = {}

    def once(self, name: str, finding: Finding, *, of: int = 0) -> None:
        """Tell a finding unless the last one of this name was of the same thing: of the same frame.

        of: its number; numbers only rise.
        """
        if self._told.get(name) != of:
            self._told[name] = of
            self._answers.remark(finding)
