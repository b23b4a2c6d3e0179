import pytest

from tests.realtime.outputs.page import chromium as debians
from tests.realtime.outputs.page.monitor import Browser, Monitor, page_for


@pytest.fixture(scope="module")
def monitor():
    it = Monitor()
    yield it
    it.close()


@pytest.fixture(scope="module")
def page(monitor):
    with page_for(monitor) as process:
        yield process


@pytest.fixture
def browsers(page):
    """Opens browsers, and closes them after the test."""
    opened = []

    def open_one(**options):
        opened.append(Browser(page.where, **options))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def chromium():
    with debians.browser() as it:
        yield it


@pytest.fixture
def tab(chromium):
    with debians.open_tab(chromium) as it:
        yield it


@pytest.fixture
def live(tab, page, monitor):
    """The page, open and live."""
    monitor.is_beating = True
    tab.goto(page.where)
    tab.wait_for_selector(debians.LIVE)
    return tab
