"""Small recordings, a command run in this process, and what a batch left."""

import csv
from pathlib import Path

import h5py
from click.testing import CliRunner

from realtime.cli import main
from realtime.cli.open_loop import OpenLoop, write_recording
from simulators import GradientEcho, Treatment, TreatmentSimulator

PERSON = "Doe, Jane"


def recorded(path: Path, n_frames: int, *, seed: int = 0) -> Path:
    """A heated scan of 32 x 32 pixels in two coils."""
    sequence = GradientEcho(matrix=(32, 32))
    treatment = Treatment(sequence=sequence, n_coils=2, n_frames=n_frames, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_recording(path, OpenLoop(TreatmentSimulator(treatment), heat=True))
    return path


def command(*arguments: object) -> tuple[int, str]:
    """Exit status and all that a command of ours says."""
    result = CliRunner().invoke(main, [str(one) for one in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def table(out: Path) -> list[dict[str, str]]:
    """The rows of batch.csv."""
    with (out / "batch.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_same_run(one: Path, two: Path) -> None:
    """Maps bit for bit, and what was decided, reading by reading; times and names apart."""
    with h5py.File(one / "maps.h5") as left, h5py.File(two / "maps.h5") as right:
        assert set(left) == set(right)
        assert left["frame"].shape[0] > 0
        for name in left:
            assert left[name][:].tobytes() == right[name][:].tobytes(), name
    tables = sorted(path.name for path in one.glob("*.csv"))
    assert "verdicts.csv" in tables
    assert tables == sorted(path.name for path in two.glob("*.csv"))
    for name in tables:
        assert _rows(one / name) == _rows(two / name), name


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if not name.endswith("_ms")}
            for row in csv.DictReader(file)
        ]
