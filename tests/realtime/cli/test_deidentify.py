"""`mrmonitor deidentify` as a user runs it."""

import numpy as np
import pytest
from click.testing import CliRunner

from realtime.cli import main
from realtime.streams.mrd_decoder import Decoder
from realtime.streams.mrd_encoder import encode_config_file
from realtime.streams.recordings import open_recording


def run(*arguments):
    return CliRunner().invoke(main, ["deidentify", *map(str, arguments)])


@pytest.fixture
def stream(tmp_path):
    path = tmp_path / "raw.mrd"
    made = CliRunner().invoke(
        main, f"simulate --to {path} --frames 1 --matrix 16 --coils 1 --speed max".split()
    )
    assert made.exit_code == 0, made.output
    path.write_bytes(encode_config_file("Secret") + path.read_bytes())
    return path


def decoded(path):
    decoder = Decoder()
    for message in open_recording(path).messages():
        decoder.feed(message.data)
    return list(decoder.events())


def test_a_stream_becomes_a_stream(stream, tmp_path):
    result = run(stream, tmp_path / "out.mrd")
    assert result.exit_code == 0, result.output
    assert "readouts, " in result.stdout
    before, after = decoded(stream), decoded(tmp_path / "out.mrd")
    assert len(after) == len(before) - 1  # the configuration that names nothing of ours
    for ours, theirs in zip(after[1:-1], before[2:-1], strict=True):
        assert np.array_equal(ours.samples, theirs.samples)
    assert b"Secret" not in (tmp_path / "out.mrd").read_bytes()


@pytest.mark.parametrize("what", ["exists", "same", "absent", "damaged", "version 2"])
def test_what_cannot_be_is_one_line_and_status_1(stream, tmp_path, what):
    source, target = stream, tmp_path / "out.mrd"
    if what == "exists":
        target.write_text("mine")
    elif what == "same":
        target = source
    elif what == "absent":
        source = tmp_path / "nosuch.mrd"
    elif what == "damaged":
        source.write_bytes(source.read_bytes()[:-20])
    else:
        source.write_bytes(b"yardl")
    before = target.read_bytes() if target.exists() else None
    result = run(source, target)
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert (target.read_bytes() if target.exists() else None) == before
