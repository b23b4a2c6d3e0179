"""A batch is so many replays, whatever some of its recordings are like."""

import json
import shutil
import stat

import pytest

from tests.realtime.batch.small_archive import PERSON, assert_same_run, command, recorded, table

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def archive(tmp_path_factory, protocol):
    """Two whole recordings, one in a run folder of its own; a copy; a cut one; one that is none."""
    folder = tmp_path_factory.mktemp("archive")
    person = folder / PERSON
    first = recorded(person / "one.h5", 4, seed=1)
    second = recorded(folder / "two.mrd", 4, seed=2)
    status, said = command(
        "replay", first, f"--protocol={protocol}", f"--out={person / 'run'}", "--no-report"
    )
    assert status == 0, said
    shutil.copyfile(first, folder / "copy.h5")
    (folder / "cut.mrd").write_bytes(second.read_bytes()[:-20_000])
    (person / f"{PERSON}.mrd").write_text(f"{PERSON} was here")
    return folder


@pytest.fixture(scope="module")
def done(archive, protocol, tmp_path_factory):
    out = tmp_path_factory.mktemp("batch") / "out"
    status, said = command("batch", archive, f"--protocol={protocol}", f"--out={out}", "--jobs=1")
    return out, status, said


def by_path(out):
    """The rows of batch.csv by the paths of recordings.csv; a recording has all its copies."""
    rows = {row["recording"]: row for row in table(out)}
    lines = (out / "recordings.csv").read_text().splitlines()[1:]
    return {path.strip('"'): rows[name] for name, _, path in (one.partition(",") for one in lines)}


def test_each_run_is_bit_for_bit_that_of_a_replay(archive, done, protocol, tmp_path):
    out, _, _ = done
    run = out / by_path(out)[f"{PERSON}/one.h5"]["run"]
    assert_same_run(archive / PERSON / "run", run)  # which a replay made


def test_a_copy_is_the_same_recording(done):
    rows = by_path(done[0])
    assert rows["copy.h5"] is rows[f"{PERSON}/one.h5"]


def test_what_fails_stops_no_other_and_is_told(done):
    out, status, said = done
    rows = by_path(out)
    states = {path: row["state"] for path, row in rows.items()}
    assert states.pop("cut.mrd") == states.pop(f"{PERSON}/{PERSON}.mrd") == "failed"
    assert set(states.values()) == {"done"}
    assert rows["cut.mrd"]["why"].startswith("run cut: ")
    assert (rows["cut.mrd"]["computed"], rows["cut.mrd"]["incomplete"]) == ("4", "1")
    assert "is neither ISMRMRD HDF5 nor an MRD stream" in rows[f"{PERSON}/{PERSON}.mrd"]["why"]
    assert status == 1
    assert "2 of 6 jobs failed" in said
    assert rows["cut.mrd"]["why"] in said


def test_the_figures_stand_beside_those_of_the_archives_own_run(done):
    row = by_path(done[0])[f"{PERSON}/run/raw.mrd"]
    assert row["frames"] == row["computed"] == row["earlier_frames"] == "4"
    assert float(row["peak_c"]) > 37.0
    assert float(row["peak_std_c"]) > 0
    for name in ("peak_c", "peak_std_c", "dose_cem43_min", "lesion_mm3"):
        assert row[f"earlier_{name}"] == row[name] != "", name
    low, dose, high = (float(row[f"dose_{part}cem43_min"]) for part in ("low_", "", "high_"))
    assert low <= dose <= high


def test_no_name_of_a_person_leaves_the_owners_files(done):
    out, _, said = done
    assert PERSON not in said.replace(str(out), "")
    told = [path for path in out.rglob("*") if PERSON in path.name or PERSON in str(_text(path))]
    assert sorted(path.name for path in told) == ["batch.sqlite", "recordings.csv"]
    for path in told:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_picture_is_drawn(done):
    assert (done[0] / "batch.png").read_bytes().startswith(b"\x89PNG")


def test_resuming_computes_again_what_failed_and_nothing_else(archive, done, protocol):
    out, _, _ = done
    runs = {path.parent: path.read_bytes() for path in out.glob("runs/*/run.json")}
    before = {row["recording"]: row["state"] for row in table(out)}
    again = ("batch", archive, f"--protocol={protocol}", f"--out={out}", "--jobs=1")
    assert command(*again)[1].count("holds a batch already; --resume goes on with it") == 1
    status, _ = command(*again, "--resume")
    assert status == 1
    assert {row["recording"]: row["state"] for row in table(out)} == before
    changed = {one for one in runs if runs[one] != (one / "run.json").read_bytes()}
    assert changed == {out / by_path(out)["cut.mrd"]["run"]}


def test_without_a_protocol_each_run_has_its_own(archive, tmp_path):
    own = tmp_path / "archive"
    shutil.copytree(archive / PERSON / "run", own / "run")
    shutil.copyfile(archive / "two.mrd", own / "alone.mrd")
    status, _ = command("batch", own, f"--out={tmp_path / 'out'}", "--jobs=1")
    rows = by_path(tmp_path / "out")
    assert status == 1
    assert rows["alone.mrd"]["why"] == (
        "no protocol.toml lies beside it; name a protocol by --protocol"
    )
    assert rows["run/raw.mrd"]["state"] == "done"
    start = json.loads((own / "run" / "run.json").read_text())["start"]
    assert rows["run/raw.mrd"]["protocol_hash"] == start["protocol_hash"]


def _text(path):
    return path.read_bytes().decode(errors="replace") if path.is_file() else ""
