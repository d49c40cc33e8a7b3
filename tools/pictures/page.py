"""Screenshots of the API's page in Chromium, with a local stack behind the signing proxy."""

import io
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tools.pictures.browser import Operation, running_browser
from tools.pictures.stack import PICTURES, ZIPJOBS, PictureStack, picture_stack

WIDTH, HEIGHT = 1000, 560
MARGIN = 8
COLORS = 256
DOCUMENTS = 12
PREFIX = "invoices/2026/"
NAME = "invoices-2026"


def write_page() -> list[Path]:
    """Write the screenshots and return their paths. Raises playwright's Error."""
    with (
        tempfile.TemporaryDirectory(prefix="zip-jobs-pictures-") as folder,
        picture_stack(Path(folder)) as stack,
        _proxy(stack) as url,
        running_browser() as browser,
    ):
        generate = ("--generate", str(DOCUMENTS), "--out", str(stack.folder))
        stack.run("bulk-upload", *generate, "--prefix", PREFIX)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(url)
        page.locator(".opblock").first.wait_for()
        overview, submitted, ready = (
            PICTURES / f"{name}.png" for name in ("page", "page-submitted", "page-ready")
        )
        overview.write_bytes(_small(page.screenshot()))
        job_id = _submit(page, submitted)
        stack.run("watch", job_id)
        _show(page, job_id, ready)
    return [overview, submitted, ready]


@contextmanager
def _proxy(stack: PictureStack) -> Iterator[str]:
    """Run the signing proxy and yield its address."""
    command = [str(ZIPJOBS), "docs", "--no-browser"]
    with subprocess.Popen(  # noqa: S603  (our own command)
        command, env=stack.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def _submit(page: Page, path: Path) -> str:
    """Submit a job, take a screenshot of the form and its response, and return the job ID."""
    submit = Operation(page, "submitJob")
    submit.open()
    submit.fill_body({"prefix": PREFIX, "include": ["**/*.pdf"], "archiveName": NAME})
    accepted = submit.execute()
    _take(page, submit, path)
    submit.close()
    job_id: str = accepted.body["jobId"]
    return job_id


def _show(page: Page, job_id: str, path: Path) -> None:
    """Get a job and take a screenshot of the response."""
    get = Operation(page, "getJob")
    get.open()
    get.fill("jobId", job_id)
    get.execute()
    _take(page, get, path)


def _take(page: Page, operation: Operation, path: Path) -> None:
    """Take a screenshot of an operation, down to the end of its response."""
    top, bottom = operation.block.bounding_box(), operation.response.bounding_box()
    assert top is not None
    assert bottom is not None
    page.mouse.move(0, 0)
    picture = page.screenshot(
        full_page=True,
        animations="disabled",
        clip={
            "x": 0,
            "y": top["y"] + page.evaluate("window.scrollY") - MARGIN,
            "width": WIDTH,
            "height": bottom["y"] + bottom["height"] - top["y"] + 2 * MARGIN,
        },
    )
    path.write_bytes(_small(picture))


def _small(picture: bytes) -> bytes:
    """Return the PNG with a palette of 256 colours."""
    small = io.BytesIO()
    colors = (
        Image.open(io.BytesIO(picture)).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
    )
    colors.save(small, "PNG", optimize=True)
    return small.getvalue()
