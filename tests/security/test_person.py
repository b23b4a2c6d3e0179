"""What a scanner tells of a person is in nothing that the monitor publishes, prints or writes."""

import re
import select
import subprocess
import sys
import urllib.request

import numpy as np
import pytest
import zmq

from realtime.outputs.report import write_report
from realtime.streams.mrd_encoder import encode_text
from realtime.streams.mrd_layout import IMAGE, IMAGE_HEADER, MESSAGE_ID
from realtime.streams.recordings import open_recording
from simulators.mrd import config_message, header_message
from tests.harness import PATIENCE_S, Client, Scan, close_message, small_protocol

MARK = "Zzyzx"  # in every text
DATE, TIME, WEIGHT = "1987-06-05", "11:22:33.445566", "77.7731"
TOLD = [one.encode() for one in (MARK, DATE, TIME, WEIGHT)]
SCAN = Scan()


def texts(*names):
    return "".join(f"<{name}>{MARK} {name}</{name}>" for name in names)


PERSON = f"""
<subjectInformation>{texts("patientName")}<patientWeight_kg>{WEIGHT}</patientWeight_kg>
<patientHeight_m>{WEIGHT}</patientHeight_m>{texts("patientID")}
<patientBirthdate>{DATE}</patientBirthdate>{texts("patientGender")}</subjectInformation>
<studyInformation><studyDate>{DATE}</studyDate><studyTime>{TIME}</studyTime>{texts("studyID")}
{texts("accessionNumber", "referringPhysicianName", "studyDescription", "studyInstanceUID")}
{texts("bodyPartExamined")}</studyInformation>
<measurementInformation>{texts("measurementID")}<seriesDate>{DATE}</seriesDate>
<seriesTime>{TIME}</seriesTime><patientPosition>HFS</patientPosition>
{texts("protocolName", "sequenceName", "seriesDescription", "seriesInstanceUIDRoot")}
{texts("frameOfReferenceUID", "referencedImageSequence")}
<measurementDependency>{texts("dependencyType", "measurementID")}</measurementDependency>
</measurementInformation>
"""
SYSTEM = texts("systemModel", "institutionName", "stationName", "deviceID", "deviceSerialNumber")
PARAMETERS = "".join(
    f"<{kind}><name>{MARK}</name><value>{value}</value></{kind}>"
    for kind, value in (
        ("userParameterString", MARK), ("userParameterBase64", "Wnp5eng="),
        ("userParameterDouble", WEIGHT),
    )
)  # fmt: skip


def opening() -> bytes:
    """A header with the mark wherever a person, a place, a day or a site's own words may stand."""
    xml = SCAN.header(systemVendor=f"SIEMENS {MARK}").decode()
    xml = xml.replace("<acquisitionSystemInformation>", f"{PERSON}<acquisitionSystemInformation>")
    coil = f"<coilLabel><coilNumber>0</coilNumber><coilName>{MARK}</coilName></coilLabel>"
    xml = xml.replace("<receiverChannels>", f"{SYSTEM}{coil}<receiverChannels>")
    end = f"<userParameters>{PARAMETERS}</userParameters><!-- {MARK} --></ismrmrdHeader>"
    return header_message(xml.replace("</ismrmrdHeader>", end).encode())


def image() -> bytes:
    """An image of one pixel, with the mark in its attributes."""
    head = np.zeros((), IMAGE_HEADER)
    head["version"], head["data_type"], head["channels"], head["matrix_size"] = 1, 5, 1, 1
    attributes = f"<ismrmrdMeta><meta><name>{MARK}</name></meta></ismrmrdMeta>".encode()
    head["attribute_string_len"] = len(attributes)
    length = len(attributes).to_bytes(8, "little")
    return MESSAGE_ID.pack(IMAGE) + head.tobytes() + length + attributes + bytes(4)


@pytest.fixture
def serving(tmp_path):
    """`mrmonitor serve` as a process; its ports, and what it has printed at the end."""
    (tmp_path / "protocol.toml").write_text(small_protocol().text)
    log = (tmp_path / "log").open("wb")
    process = subprocess.Popen(
        [
            sys.executable, "-m", "realtime.cli", "serve", "--out", str(tmp_path / "runs"),
            "--protocol", str(tmp_path / "protocol.toml"), "--no-report",
            *(f"--{one}port=0" for one in ("", "zmq-", "events-", "control-", "page-", "metrics-")),
            "--log", str(tmp_path / "log.jsonl"),
        ],
        stdout=subprocess.PIPE, stderr=log,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        log.close()


def announced(process):
    """Return what the process says up to the line of its run folders."""
    told = b""
    while b"run folders" not in told:
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], told
        told += process.stdout.read1()
    return told.decode()


def play(port):
    """Play a session that tells of a person wherever it can."""
    client = Client.to(port)
    client.send(config_message(f"{MARK}.xml"), opening())
    client.send(encode_text(f'{{"parameters": {{"config": "{MARK}", "name": "{MARK}"}}}}'))
    for n in range(3):
        client.send_frame(SCAN, n)
        client.send(encode_text(MARK), image())
    client.send_frame(SCAN, 3, rise_c=40.0)  # alerts tell of it
    client.send(close_message())
    client.read_to_end()
    assert client.is_closed
    client.hang_up()
    # one whose header is refused, in words
    bad = Client.to(port)
    bad.send(opening().replace(b"cartesian", b"cartesian<x", 1))
    bad.read_to_end()
    bad.hang_up()
    return client.results + bad.results


def test_nothing_tells_of_the_person(serving, tmp_path):
    said = announced(serving)
    port = int(re.search(r"MRD over TCP +tcp://127.0.0.1:(\d+)", said)[1])
    context = zmq.Context()
    try:
        subscriber = context.socket(zmq.SUB)
        subscriber.subscribe("")
        subscriber.connect(re.search(r"events +(tcp://\S+)", said)[1])
        assert subscriber.poll(PATIENCE_S * 1000)  # it hears
        results = play(port)
        published, n_maps = b"", 0
        while b"run.stop" not in published:
            assert subscriber.poll(PATIENCE_S * 1000)
            parts = subscriber.recv_multipart()
            n_maps += parts[0] == b"map"
            published += b"\n".join(parts)
    finally:
        context.destroy(linger=0)
    told = urllib.request.urlopen(re.search(r"metrics +(http://\S+)", said)[1], timeout=PATIENCE_S)
    with told:
        metrics = told.read()
    serving.terminate()
    rest, _ = serving.communicate(timeout=PATIENCE_S)
    (folder,) = {path.parent for path in (tmp_path / "runs").rglob("verdicts.csv")}
    write_report(folder)
    assert n_maps >= 4
    assert b"temperature-max.hold" in published
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"raw.mrd", "report.html", "maps.h5", "journal.sqlite"} <= {one.name for one in written}
    assert b"temperature-max.hold" in metrics
    assert b"run-stop" in (tmp_path / "log.jsonl").read_bytes()
    everything = {"metrics": metrics, "events": published, "stdout": said.encode() + rest}
    everything |= {"sent back": repr(results).encode()}
    everything |= {str(path): path.read_bytes() for path in written}
    everything |= {"file names": "\n".join(map(str, tmp_path.rglob("*"))).encode()}
    for where, content in everything.items():
        assert not [mark for mark in TOLD if mark.lower() in content.lower()], where
    kept = open_recording(folder / "raw.mrd")
    assert sum(message.acquisition_time_stamp is not None for message in kept.messages()) == 4 * 32
