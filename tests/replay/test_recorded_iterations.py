"""A replay takes as many iterations as its recording's run did; without a record, the most."""

import json

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from realtime.cli import main
from realtime.protocol import load_protocol, parse_protocol
from simulators import Scan
from simulators.mrd import close_message, config_message, header_message
from simulators.sequences import Radial

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """Three small radial frames as a monitor records them, beside a protocol with a choice."""
    folder = tmp_path_factory.mktemp("recorded")
    sequence = Radial(matrix=(32, 32), n_frames=3, spokes_per_frame=21, repetition_time_s=0.02)
    scan = Scan(sequence, n_coils=3, snr=40.0)
    parts = [config_message("imaging"), header_message(scan.header_xml()), *scan.messages()]
    (folder / "raw.mrd").write_bytes(b"".join([*parts, close_message()]))
    chosen = 'method = "cg-sense"\niterations = [2, 9]'
    text = load_protocol("imaging").text.replace('method = "auto"', chosen)
    (folder / "choice.toml").write_text(text)
    return folder


def replayed(recording, out):
    arguments = ["replay", str(recording / "raw.mrd"), "--no-report", "--no-record"]
    arguments += [f"--protocol={recording / 'choice.toml'}", f"--out={out}"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    start = json.loads((out / "run.json").read_text())["start"]
    with h5py.File(out / "maps.h5") as maps:
        return result.output, start["recon_iterations"], maps["magnitude"][:]


def test_a_replay_takes_the_number_that_the_recording_was_made_with(recording, tmp_path):
    told, most, images = replayed(recording, tmp_path / "most")
    assert most == 9
    assert "the most, 9" in told
    digest = parse_protocol((recording / "choice.toml").read_text(), folder=recording).hash
    record = {"start": {"protocol_hash": digest, "recon_iterations": 4}}
    (recording / "run.json").write_text(json.dumps(record))
    told, taken, fewer = replayed(recording, tmp_path / "four")
    assert taken == 4
    assert "4, as the recording's run.json tells" in told
    assert not np.array_equal(images, fewer)
    assert np.array_equal(fewer, replayed(recording, tmp_path / "again")[2])
    record["start"]["protocol_hash"] = "another protocol"
    (recording / "run.json").write_text(json.dumps(record))
    assert replayed(recording, tmp_path / "other")[1] == 9
