"""Fixtures of tests in a real browser; see browser.py. One browser serves a whole worker."""

import pytest

pytest.register_assert_rewrite("browser")

import browser  # noqa: E402
import fake_studio  # noqa: E402


def pytest_collection_modifyitems(items):
    """Mark what needs a browser, so that `-m browser` chooses it."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium():
    if browser.executable() is None:
        pytest.skip(browser.MISSING)
    with browser.launched() as running:
        yield running


@pytest.fixture
def browse(chromium):
    """Opens pages: `browse(url, **options of the context)`."""
    running, loop = chromium
    with browser.heard(loop):
        visits = browser.Visits(running)
        yield visits
        visits.close()


@pytest.fixture
def fake():
    """A studio without painting, served at `fake.address`."""
    with fake_studio.served() as studio:
        yield studio


@pytest.fixture
def visit(fake, browse):
    """Opens the page of the fake studio and waits until it is ready: `visit(**options)`."""

    def visiting(**options):
        page = browse(fake.address, **options)
        page.wait_for_selector("html[data-ready]")
        return page

    return visiting
