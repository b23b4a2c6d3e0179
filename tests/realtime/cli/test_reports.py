"""Reports of finished runs are written whatever became of the others."""

import subprocess

from realtime.cli.reports import Reports


def test_a_run_that_never_ends_keeps_no_other_s_report(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: asked.append(command[-1]))
    reports = Reports()
    for name, text in (("cut", "{}"), ("whole", '{"stop": {}}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
        reports.expect(tmp_path / name)
    reports.turn()
    reports.turn()
    assert asked == [str(tmp_path / "whole")]
