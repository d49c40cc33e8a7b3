"""The API's page in Chromium, through the proxy of ``zipjobs docs``, which signs requests."""

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
from tests.e2e.stack import FINAL, Client, background, curl
from tests.support.waiting import wait_for
from tools.pictures.browser import CHROMIUM, Operation, running_browser

DOCS = (sys.executable, "-m", "zipjobs_cli", "docs")
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
    """Yield a browser context without cookies."""
    context = browser.new_context()
    yield context
    context.close()


def environment(client: Client) -> dict[str, str]:
    """Return the environment variables with which ``zipjobs docs`` finds the stack."""
    return {
        **os.environ,
        "ZIPJOBS_API_URL": client.outputs["apiUrl"],
        "AWS_REGION": client.outputs["region"],
        "AWS_ACCESS_KEY_ID": LOCAL_USER,
        "AWS_SECRET_ACCESS_KEY": LOCAL_USER,
    }


@pytest.fixture
def proxy_url(client: Client) -> Iterator[str]:
    """Run ``zipjobs docs``. Yield the URL that it prints."""
    command = [*DOCS, "--no-browser"]
    with background(command, env=environment(client), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()


def origin(url: str) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(url))


@contextmanager
def opened(context: BrowserContext, url: str) -> Iterator[Page]:
    """Open the page. Fail if it logs an error or sends a request to another origin."""
    page = context.new_page()
    page.set_default_timeout(30_000)
    messages: list[str] = []
    origins: set[str] = set()
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: origins.add(origin(request.url)))
    page.goto(url)
    page.locator(".opblock").first.wait_for()
    yield page
    assert messages == []
    assert origins == {origin(url)}


def wait_for_final_status(page: Page, job_id: str) -> dict[str, Any]:
    """Get a job on the page until it has a final status."""
    get = Operation(page, "getJob")
    get.open()
    get.fill("jobId", job_id)

    def look() -> dict[str, Any] | None:
        status, job = get.execute()
        assert status == 200, job
        return job if job["status"] in FINAL else None

    return wait_for(f"the final status of job {job_id} on the page", look)


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
        text = submit.block.inner_text()
        assert f"location: /zip-jobs/{job_id}" in text
        assert "curl" not in text, "it would not be signed"

        job = wait_for_final_status(page, job_id)
        assert (job["status"], job["entries"]) == ("READY", {"done": 1, "total": 1})
        assert curl(job["downloadUrl"])[0] == 200

        listed = Operation(page, "listJobs")
        listed.open()
        listed.fill("limit", "100")
        status, response = listed.execute()
        assert status == 200
        assert job_id in [job["jobId"] for job in response["jobs"]]


def test_file_opened_by_docs_leads_to_the_page(
    client: Client, context: BrowserContext, tmp_path: Path
) -> None:
    """The cookie reaches the proxy, although Chromium treats a file as another site."""
    opened_url = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f"#!/bin/sh\necho \"$@\" > '{opened_url}'\n")
    program.chmod(0o700)
    variables = {**environment(client), "BROWSER": f"{program} %s"}
    with background(DOCS, env=variables, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        target = next(word for word in process.stderr.readline().split() if "secret=" in word)
        url = opened_url.read_text().strip()
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


def test_page_of_an_open_api_works_without_the_proxy(
    context: BrowserContext, open_stack: Client
) -> None:
    with opened(context, open_stack.outputs["apiUrl"] + "/docs") as page:
        submit = Operation(page, "submitJob")
        submit.open()
        submit.fill_body({"keys": ["page/none.pdf"], "onMissing": "skip"})
        status, accepted = submit.execute()
        assert status == 202, accepted
        assert "curl -X 'POST'" in submit.block.inner_text()


def test_the_page_runs_under_its_content_security_policy(
    context: BrowserContext, proxy_url: str
) -> None:
    """``opened`` checks that the page complies. Injected scripts do not run."""
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.goto(proxy_url)
    page.locator(".opblock").first.wait_for()
    policy = context.request.get(page.url).headers["content-security-policy"]
    assert "unsafe" not in policy
    assert messages == []
    has_run = page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.injected = true";
            document.body.append(script);
            return window.injected === true;
        }"""
    )
    assert not has_run
    assert "Content Security Policy" in "".join(messages)


def test_proxy_refuses_another_browser(context: BrowserContext, proxy_url: str) -> None:
    response = context.new_page().goto(origin(proxy_url) + "/docs")
    assert response is not None
    assert response.status == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_proxy_refuses_requests_of_other_pages(
    client: Client, context: BrowserContext, proxy_url: str, host: str
) -> None:
    """This includes pages on other ports of this machine. The browser sends them the cookie."""
    with opened(context, proxy_url):
        pass
    other_page = context.new_page()
    other_page.goto(f"http://{host}:{urlsplit(client.outputs['apiUrl']).port}/elsewhere")
    fetch = "url => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include'})"
    with other_page.expect_response("**/zip-jobs") as sent:
        other_page.evaluate(fetch, origin(proxy_url) + "/zip-jobs")
    has_cookie = "cookie" in sent.value.request.all_headers()
    assert has_cookie == (host == "127.0.0.1")
    assert sent.value.status == 403
    assert "other sites" in sent.value.text()
