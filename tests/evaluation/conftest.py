from collections.abc import Iterator

import pytest
from browser import chromium
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for the tests of a module; no longer, since an event loop runs as long as it does."""
    with chromium() as started:
        yield started
