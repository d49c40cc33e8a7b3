"""The API's page in Debian's Chromium."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
"""``apt-get install --no-install-recommends chromium``"""

_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""Chromium shows only local pages, sends no other requests, and needs no sandbox in a container."""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run headless Chromium while the block lasts. Raises playwright's Error if it is missing."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Response(NamedTuple):
    """A response that the page shows. ``body`` is None if it is not JSON."""

    status: int
    body: Any


class Operation:
    """An operation on the page, by operationId: its form and its last response."""

    def __init__(self, page: Page, operation_id: str) -> None:
        self.block = page.locator(f"#operations-Jobs-{operation_id}")
        self.response = self.block.locator(".live-responses-table")

    def open(self) -> None:
        """Open the form."""
        self.block.locator(".opblock-summary-control").click()
        self.block.get_by_role("button", name="Execute").wait_for()

    def close(self) -> None:
        """Close the form and its response."""
        self.block.locator(".opblock-summary-control").click()
        self.response.wait_for(state="detached")

    def fill(self, parameter: str, value: str) -> None:
        """Enter the value of a parameter."""
        self.block.locator(f"tr[data-param-name='{parameter}'] input").fill(value)

    def fill_body(self, request: Any) -> None:
        """Enter a request body as JSON."""
        self.block.locator("textarea").fill(json.dumps(request, indent=2))

    def execute(self) -> Response:
        """Click Execute, wait for the response and return it."""
        clear = self.block.get_by_role("button", name="Clear", exact=True)
        if clear.is_visible():
            clear.click()
            self.response.wait_for(state="detached")
        self.block.get_by_role("button", name="Execute").click()
        self.response.wait_for()
        status = self.response.locator(".response .response-col_status").inner_text()
        body = self.response.locator(".highlight-code code.language-json")
        return Response(
            int(status.split()[0]), json.loads(body.inner_text()) if body.count() else None
        )
