"""What a person must know once a session, not with each readout that shows it again."""

from messages import Finding
from realtime.answers import Answers


class Remarks:
    """Findings of the gateway itself that have been told already."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._told: set[str] = set()

    def once(self, told: str, finding: Finding) -> None:
        """Tell a finding unless one of the same name was told before."""
        if told not in self._told:
            self._told.add(told)
            self._answers.remark(finding)
