"""Whoever sees a screen, a page, a report or the README is told what this is not."""

import pytest

PLACES = (
    "README.md",
    "docs/guarantees.md",
    "docs/safety.md",
    "realtime/cli/serve.py",
    "realtime/outputs/report.py",
    "realtime/outputs/page/web/index.html",
)


@pytest.mark.parametrize("place", PLACES)
def test_it_says_that_it_is_for_research_and_no_interlock(root, place):
    text = (root / place).read_text(encoding="utf-8").lower()
    assert "research use" in text or "research software" in text
    assert "interlock" in text
