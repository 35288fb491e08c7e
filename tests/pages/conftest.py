"""A real browser, where there is one."""

from collections.abc import Iterator

import pytest
from support import browser
from support.browser import Browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = browser.find()
    if program is None:
        pytest.skip(f"no Chromium here (none of {', '.join(browser.NAMES)})")
    opened = Browser(program, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Browser]:
    """A wide window; the page may not complain, nor ask for anything from elsewhere."""
    chromium.size(1280, 900)
    chromium.open("about:blank")  # what the last test's page still waits for is let go
    chromium.complaints.clear()
    yield chromium
    assert chromium.complaints == []
