"""A whole treatment in a real browser: scanner and patient simulated, the rest as shipped."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import pytest

from realtime.protocol import load_protocol
from tests.harness import Running
from tests.realtime.outputs.page.chromium import LIVE, is_hot, middle, open_tab, pixels, wait_frame
from tests.realtime.outputs.page.monitor import page_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PROGRAM = [sys.executable, "-m", "realtime.cli"]
N_FRAMES = 16
STOP = "#alerts li.high"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """One that has the source wait, so that every frame is computed however busy the machine is."""
    protocol = load_protocol("mrgfus-demo")
    it = Running(tmp_path_factory.mktemp("treatment"), protocol, is_lossless=True)
    yield it.gateway
    it.stop()


@pytest.fixture(scope="module")
def treated(chromium, gateway, tmp_path_factory):
    """The page behind a whole treatment, and what was true."""
    folder = tmp_path_factory.mktemp("truth")
    simulate = [
        *PROGRAM, "simulate", f"--to=tcp://127.0.0.1:{gateway.tcp_port}",
        f"--frames={N_FRAMES}", "--coils=2", "--speed=max", "--truth", folder / "truth.h5",
    ]  # fmt: skip
    with (
        page_for(SimpleNamespace(endpoints=gateway.publisher.endpoints)) as page,
        open_tab(chromium) as tab,
    ):
        tab.goto(page.where)
        tab.wait_for_selector(LIVE)
        done = subprocess.run(simulate, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        wait_frame(tab, N_FRAMES - 1)
        with h5py.File(folder / "truth.h5") as truth:
            true_c = truth["temperature_bandlimited_c"][()]
        yield SimpleNamespace(tab=tab, true_c=true_c)


def test_the_focus_is_hot_where_the_simulator_heated_it(treated):
    shown, true = is_hot(pixels(treated.tab)), treated.true_c[-1]
    y, x = middle(shown)
    true_y, true_x = middle(true > 45.0)
    n = len(true)
    assert abs(y - true_y) * n < 1.0
    assert abs(x - true_x) * n < 1.0
    assert shown.mean() == pytest.approx((true > 40.0).mean(), rel=0.5)


def test_the_permit_is_held_and_the_alert_says_why(treated):
    tab = treated.tab
    tab.wait_for_selector("#permit.held")
    assert "60" in " ".join(tab.locator(STOP).all_inner_texts())
    assert tab.locator("#regions tbody tr").count() >= 2
    hottest = float(tab.inner_text("#regions tbody tr:has-text('focus') td >> nth=0"))
    assert hottest == pytest.approx(treated.true_c[-1].max(), abs=2.5)
    assert tab.errors == []


def test_the_courses_are_drawn(treated):
    tab = treated.tab
    for n in range(tab.locator("#plots canvas").count()):
        shown = pixels(tab, f"#plots figure:nth-of-type({n + 1}) canvas")
        assert (shown[..., 3] > 0).any()
    assert tab.locator("#plots canvas").count() >= 3


@pytest.fixture(scope="module")
def reviewed(chromium, treated, gateway):
    """The page of `mrmonitor review` on that treatment's run folder."""
    run = gateway.folders[0]
    with subprocess.Popen(
        [*PROGRAM, "review", str(run), "--port", "0"], stdout=subprocess.PIPE, text=True
    ) as process:
        where = re.search(r"http://\S+", process.stdout.readline())[0]
        with open_tab(chromium) as tab:
            tab.goto(where)
            tab.wait_for_selector("#review:visible")
            yield tab
        process.terminate()


def seek(tab, frame):
    tab.locator("#seek").fill(str(frame))
    wait_frame(tab, frame)
    return pixels(tab)


def test_a_finished_run_is_scrubbed_and_says_that_it_is_recorded(reviewed, treated):
    assert reviewed.inner_text("#permit-state") == "RECORDED"
    reviewed.wait_for_selector("#live:text-is('RECORDED')")
    assert reviewed.get_attribute("#seek", "max") == str(N_FRAMES - 1)
    cold, hot = seek(reviewed, 2), seek(reviewed, N_FRAMES - 2)
    assert is_hot(cold).mean() < 0.001
    y, x = middle(is_hot(hot))
    true_y, true_x = middle(treated.true_c[-2] > 45.0)
    assert max(abs(y - true_y), abs(x - true_x)) * len(treated.true_c[0]) < 1.0
    reviewed.locator("body").press("ArrowLeft")
    wait_frame(reviewed, N_FRAMES - 3)
    assert not reviewed.is_visible("#permit.granted")
    assert reviewed.errors == []


def serve(folder, page_port=0):
    ports = [f"--{one}port=0" for one in ("", "zmq-", "events-", "control-", "metrics-")]
    command = [*PROGRAM, "serve", "--out", str(folder), f"--page-port={page_port}", *ports]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return process, next((one for one in process.stdout if "live page" in one), "")


def test_a_monitor_that_is_stopped_or_killed_is_not_live_and_the_next_one_is(tab, tmp_path):
    served = [serve(tmp_path)]
    try:
        (first, said), *_ = served
        where = said.split()[-1]
        tab.goto(where)
        tab.wait_for_selector(LIVE)
        first.send_signal(signal.SIGSTOP)
        tab.wait_for_selector("body.stale")
        assert tab.is_visible("#permit.held")
        first.send_signal(signal.SIGCONT)
        tab.wait_for_selector(LIVE)
        first.kill()
        tab.wait_for_selector("body.stale")
        first.wait(20)
        served.append(serve(tmp_path, int(where.rstrip("/").rsplit(":", 1)[1])))
        tab.wait_for_selector(LIVE)  # by itself, without a hand on it
    finally:
        for process, _ in served:
            process.kill()
            process.wait(20)
            process.stdout.close()


PICTURES = os.environ.get("MRMONITOR_PICTURES")
LOOKED_AT = {  # what the demo has reached when its picture is taken
    "mrgfus": ("page.png", "#regions tbody tr:first-child td:text-matches('^5[6-9][.]')"),
    "mrlinac": ("page-linac.png", "#frame-id:text-matches('^2[0-9][0-9] ')"),
}


@pytest.mark.skipif(not PICTURES, reason="README's pictures: MRMONITOR_PICTURES=docs/images")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("therapy", LOOKED_AT)
def test_the_pictures_of_readme(chromium, tmp_path, therapy):
    name, reached = LOOKED_AT[therapy]
    command = [*PROGRAM, "demo", therapy, "--no-browser", "--out", str(tmp_path / "demo")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as demo:
        where = demo.stdout.readline().split()[-1]
        size = {"width": 1440, "height": 960}
        with open_tab(chromium, viewport=size, device_scale_factor=1) as tab:
            tab.goto(where)
            tab.wait_for_selector(reached, timeout=200_000)
            tab.wait_for_selector(LIVE)
            tab.screenshot(path=Path(PICTURES) / name)
            assert tab.errors == []
        demo.terminate()
