"""Real Chromium, for pages that a person opens as files."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window; tests are skipped where it is not installed, but never in continuous integration."""
    program = shutil.which("chromium")
    if program is None:
        message = "chromium is not installed: make test-programs"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, page_file: Path, *, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """The page at `page_file`; afterwards it must have asked for files beside it only, and logged nothing."""
    said: list[str] = []
    asked: list[str] = []
    page = browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri())
    yield page
    page.close()
    assert said == []
    beside = page_file.parent.as_uri()
    assert [url for url in asked if not url.startswith((beside, "data:", "blob:"))] == []
