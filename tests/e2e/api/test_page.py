"""The API's page in a browser: Chromium, with the proxy that signs for it between the two."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from local.gateway.identities import LOCAL_USER
from tests.e2e.stack import FINAL, Client, curl, local_up
from tests.support.waiting import wait_for
from tools.pictures.browser import CHROMIUM, Operation, running_browser

ROOT = Path(__file__).resolve().parents[3]
OPERATIONS = ["submitJob", "listJobs", "getJob", "cancelJob"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is not installed"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; CI must have it")
        pytest.skip(reason)
    with running_browser() as browser:
        yield browser


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has no cookies yet."""
    context = browser.new_context()
    yield context
    context.close()


def environment(client: Client) -> dict[str, str]:
    """Where ``docs`` finds the stack."""
    return {
        **os.environ,
        "ZIPJOBS_API_URL": client.outputs["apiUrl"],
        "AWS_REGION": client.outputs["region"],
        "AWS_ACCESS_KEY_ID": LOCAL_USER,
        "AWS_SECRET_ACCESS_KEY": LOCAL_USER,
    }


@pytest.fixture
def proxy_url(client: Client) -> Iterator[str]:
    """The address that ``docs`` prints."""
    with subprocess.Popen(
        [sys.executable, "-m", "zipjobs_cli", "docs", "--no-browser"],
        cwd=ROOT,
        env=environment(client),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))


@contextmanager
def opened(context: BrowserContext, url: str) -> Iterator[Page]:
    """The page. Nothing may go wrong in it, and it may ask nobody else, while the block lasts."""
    page = context.new_page()
    page.set_default_timeout(30_000)
    said: list[str] = []
    asked: set[str] = set()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.add(origin(request.url)))
    page.goto(url)
    page.locator(".opblock").first.wait_for()
    yield page
    assert said == []
    assert asked == {origin(url)}


def follow_to_its_end(page: Page, job_id: str) -> dict[str, Any]:
    """Ask for a job on the page until it has its end."""
    get = Operation(page, "getJob")
    get.open()
    get.fill("jobId", job_id)

    def look() -> dict[str, Any] | None:
        status, job = get.execute()
        assert status == 200, job
        return job if job["status"] in FINAL else None

    return wait_for(f"the end of job {job_id} on the page", look)


def test_page_submits_a_job_and_shows_its_status(
    client: Client, context: BrowserContext, proxy_url: str
) -> None:
    key = client.put_sources({"one.pdf": b"one"}) + "one.pdf"
    with opened(context, proxy_url) as page:
        assert page.title() == "S3 ZIP Jobs"
        shown = [block.get_attribute("id") for block in page.locator(".opblock").all()]
        assert shown == [f"operations-Jobs-{name}" for name in OPERATIONS]

        submit = Operation(page, "submitJob")
        submit.open()
        submit.fill_body({"keys": [key]})
        status, accepted = submit.execute()
        assert (status, accepted["status"]) == (202, "PENDING")
        job_id = accepted["jobId"]
        shown_of_it = submit.block.inner_text()
        assert f"location: /zip-jobs/{job_id}" in shown_of_it
        assert "curl" not in shown_of_it, "it would not be signed, and so refused"

        job = follow_to_its_end(page, job_id)
        assert (job["status"], job["entries"]) == ("READY", {"done": 1, "total": 1})
        assert curl(job["downloadUrl"])[0] == 200

        listed = Operation(page, "listJobs")
        listed.open()
        listed.fill("limit", "100")
        status, answer = listed.execute()
        assert status == 200
        assert job_id in [job["jobId"] for job in answer["jobs"]]


def test_file_opened_by_docs_leads_to_the_page(
    client: Client, context: BrowserContext, tmp_path: Path
) -> None:
    """Chromium counts the file as another site: the cookie must reach the proxy all the same."""
    handed = tmp_path / "handed"
    program = tmp_path / "browser"
    program.write_text(f"#!/bin/sh\necho \"$@\" > '{handed}'\n")
    program.chmod(0o700)
    with subprocess.Popen(
        [sys.executable, "-m", "zipjobs_cli", "docs"],
        cwd=ROOT,
        env={**environment(client), "BROWSER": f"{program} %s"},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        try:
            target = next(word for word in process.stderr.readline().split() if "secret=" in word)
            url = handed.read_text().strip()
            assert url.startswith("file:///")
            assert target.partition("secret=")[2] not in url
            page = context.new_page()
            page.goto(url)
            page.locator(".opblock").first.wait_for()
            assert page.url == f"{origin(target)}/docs"
            listed = Operation(page, "listJobs")
            listed.open()
            assert listed.execute()[0] == 200
            assert not Path(urlsplit(url).path).parent.exists()

            (cookie,) = context.cookies()
            assert (cookie["sameSite"], cookie["httpOnly"]) == ("Strict", True)
            assert cookie["value"] not in target
            page.reload()
            page.locator(".opblock").first.wait_for()
            again = context.new_page().goto(target)
            assert again is not None
            assert again.status == 403
            assert "Run `python -m zipjobs_cli docs` again." in again.text()
        finally:
            process.terminate()


def test_a_page_without_authorization_works_without_the_proxy(context: BrowserContext) -> None:
    with (
        local_up("apiAuth=none") as (outputs, _),
        opened(context, outputs["apiUrl"] + "/docs") as page,
    ):
        submit = Operation(page, "submitJob")
        submit.open()
        submit.fill_body({"keys": ["page/none.pdf"], "onMissing": "skip"})
        status, accepted = submit.execute()
        assert status == 202, accepted
        assert "curl -X 'POST'" in submit.block.inner_text()


def test_the_page_runs_under_its_content_security_policy(
    context: BrowserContext, proxy_url: str
) -> None:
    """``opened`` shows that the page itself violates nothing. Nothing else may run in it."""
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(proxy_url)
    page.locator(".opblock").first.wait_for()
    policy = context.request.get(page.url).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert said == []
    is_run = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.injected = true";
            document.body.append(script);
            return window.injected === true;
        }"""
    )
    assert not is_run
    assert "Content Security Policy" in "".join(said)


def test_proxy_refuses_another_browser(context: BrowserContext, proxy_url: str) -> None:
    answer = context.new_page().goto(origin(proxy_url) + "/docs")
    assert answer is not None
    assert answer.status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_proxy_refuses_requests_of_other_pages(
    client: Client, context: BrowserContext, proxy_url: str, host: str
) -> None:
    """Not even one from another port of this machine, to which the browser adds the cookie."""
    with opened(context, proxy_url):
        pass
    elsewhere = context.new_page()
    elsewhere.goto(f"http://{host}:{urlsplit(client.outputs['apiUrl']).port}/elsewhere")
    fetch = "url => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include'})"
    with elsewhere.expect_response("**/zip-jobs") as sent:
        elsewhere.evaluate(fetch, origin(proxy_url) + "/zip-jobs")
    has_cookie = "cookie" in sent.value.request.all_headers()
    assert has_cookie == (host == "127.0.0.1")
    assert sent.value.status == 403
    assert "other sites" in sent.value.text()
