"""The monitor speaks to nobody by itself: in a network that holds this machine alone.

A name-space of its own has no way out, and its kernel counts each packet that found none, whoever
sent it: Python, ZeroMQ, a library of a library.
"""

import subprocess
import sys

import pytest

INSIDE = """
import fcntl, socket, struct, sys, tempfile
from pathlib import Path

def up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0x49))  # SIOCSIFFLAGS, up

def lost():
    v4 = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines()]
    names, values = [line for line in v4 if line[0] == "Ip:"]
    n = int(values[names.index("OutNoRoutes")])
    v6 = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    return n + int(v6["Ip6OutNoRoutes"])

up()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    before = lost()
    try:
        probe.sendto(b"x", ("192.0.2.1", 53))
    except OSError:
        pass
    if lost() != before + 1:
        sys.exit("the kernel does not count")

from realtime.outputs.report import write_report
from tests.harness import Scan, running

before = lost()
with tempfile.TemporaryDirectory() as folder:
    with running(Path(folder), keeps_spare=True) as gateway:
        gateway.serves(Scan(), n_frames=4)
        gateway.events.topic("run.stop")
        (run,) = gateway.gateway.folders
    write_report(run)
print("session done, lost", lost() - before)
"""


def test_gateway_worker_run_folder_and_report_send_nothing_out():
    able = subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False)
    if able.returncode:
        pytest.skip(f"no network name-space of our own: {able.stderr.decode().strip()}")
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-W", "ignore", "-c", INSIDE],
        capture_output=True, timeout=50, check=False,
    )  # fmt: skip
    if b"does not count" in done.stderr:
        pytest.skip("this kernel does not count packets without a route")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().strip().endswith("session done, lost 0")
