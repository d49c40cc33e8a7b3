"""Debian's Chromium, and the API's page in it as a person uses it."""

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
"""It shows our own pages only, and asks nobody else for anything. A container has no sandbox."""


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Run Chromium, unseen, while the block lasts. Raises playwright's Error if there is none."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class Answer(NamedTuple):
    """What the page shows of an answer; ``body`` is None if it is no JSON."""

    status: int
    body: Any


class Operation:
    """One operation on the page, by its operationId: its form, and the last answer."""

    def __init__(self, page: Page, operation_id: str) -> None:
        self.block = page.locator(f"#operations-Jobs-{operation_id}")
        self.answer = self.block.locator(".live-responses-table")

    def open(self) -> None:
        """Unfold the form."""
        self.block.locator(".opblock-summary-control").click()
        self.block.get_by_role("button", name="Execute").wait_for()

    def fold(self) -> None:
        """Fold the form, and the answer with it."""
        self.block.locator(".opblock-summary-control").click()
        self.answer.wait_for(state="detached")

    def fill(self, parameter: str, value: str) -> None:
        """Type a parameter's value."""
        self.block.locator(f"tr[data-param-name='{parameter}'] input").fill(value)

    def fill_body(self, request: Any) -> None:
        """Type a request as JSON in place of the example."""
        self.block.locator("textarea").fill(json.dumps(request, indent=2))

    def execute(self) -> Answer:
        """Press Execute; wait for the answer to be shown, and read it there."""
        clear = self.block.get_by_role("button", name="Clear", exact=True)
        if clear.is_visible():
            clear.click()
            self.answer.wait_for(state="detached")
        self.block.get_by_role("button", name="Execute").click()
        self.answer.wait_for()
        status = self.answer.locator(".response .response-col_status").inner_text()
        body = self.answer.locator(".highlight-code code.language-json")
        return Answer(
            int(status.split()[0]), json.loads(body.inner_text()) if body.count() else None
        )
