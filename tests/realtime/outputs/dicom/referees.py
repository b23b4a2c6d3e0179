"""Debian's DICOM programs, which share no code with ours: a validator and an archive."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import urllib.request
from contextlib import contextmanager

import pydicom
import pytest

PATIENCE_S = 20.0
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"


def complaints(path):
    """Return what dciodvfy calls an error in a file; skips the test where it is not installed."""
    program = shutil.which("dciodvfy", path=PATH)
    if program is None:
        pytest.skip("no dciodvfy: apt-get install dicom3tools")
    done = subprocess.run(
        [program, "-new", str(path)], capture_output=True, timeout=30, check=False
    )
    said = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    assert any(re.fullmatch(r"MRImage|ParametricMap|Segmentation|RTDose", one) for one in said), (
        said
    )
    return [one for one in said if one.startswith(("Error", "Abort")) or "no match" in one.lower()]


def complaints_of_dose(path, copy):
    """Return the same of an RT Dose, whose pixels are first cut to 16 bits.

    dciodvfy itself ends with a failed assertion on every object of 32 bits a pixel.
    """
    dose = pydicom.dcmread(path)
    counts = dose.pixel_array >> 16
    dose.PixelData = counts.astype("<u2").tobytes()
    dose.BitsAllocated = dose.BitsStored = 16
    dose.HighBit = 15
    dose.save_as(copy)
    return complaints(copy)


class Orthanc:
    """An archive on ports of this machine alone, with a store of its own."""

    def __init__(self, port, http):
        self.port, self._http = port, http

    def get(self, path):
        """Return what REST answers, bytes."""
        url = f"http://127.0.0.1:{self._http}{path}"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return answer.read()

    def files(self):
        """Return the stored objects as files, by SOP instance UID."""
        found = {}
        for one in json.loads(self.get("/instances")):
            uid = json.loads(self.get(f"/instances/{one}/simplified-tags"))["SOPInstanceUID"]
            found[uid] = self.get(f"/instances/{one}/file")
        return found


@contextmanager
def orthanc(folder):
    """Run an Orthanc; skips the test where it is not installed."""
    program = shutil.which("Orthanc", path=PATH)
    if program is None:
        pytest.skip("no Orthanc: apt-get install orthanc")
    port, http = _free_ports(2)
    settings = {
        "Name": "referee", "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"), "Plugins": [], "HttpPort": http,
        "DicomPort": port, "DicomAet": "ORTHANC", "DicomCheckCalledAet": True,
        "RemoteAccessAllowed": False, "DicomModalities": {},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen(
        [program, str(folder / "orthanc.json")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    started = threading.Event()
    lines = []

    def read():
        for line in process.stderr:
            lines.append(line)
            if "Orthanc has started" in line:
                started.set()
        started.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert started.wait(PATIENCE_S), lines
        assert process.poll() is None, lines
        yield Orthanc(port, http)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
        reader.join(PATIENCE_S)
        process.stderr.close()


def _free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    try:
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
