"""What tests of several rooms share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.browser import Page, browser_page, find_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """A page in a real browser."""
    browser = find_browser()
    if browser is None:
        pytest.skip("no browser is installed: Debian's package chromium is one")
    with browser_page(browser, tmp_path_factory.mktemp("browser")) as page:
        yield page
