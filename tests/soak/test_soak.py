"""A short soak; `make soak` is the long one."""

from pathlib import Path

import pytest

from tests.soak.run import soak


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_dozen_random_faults_lose_no_alert_and_grant_nothing_wrongly(tmp_path: Path):
    told: list[str] = []
    report = soak(tmp_path, 12, seed=2, limit_s=90.0, tell=told.append)
    assert not report.wrong, "\n".join([*report.wrong, *told])
    assert sum(report.n_faults.values()) >= 10
