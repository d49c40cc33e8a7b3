"""The proxy for the browser: who may use it, and what it passes on."""

from collections.abc import Iterator
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse, PoolManager

from cli.api import Api
from cli.errors import CliError
from cli.proxy import Proxy, running_proxy
from cli.stack import Stack
from tests.http_server import ScriptedServer, nobody_listens, response, say

HTML = response(b"<html>", 200, {"Content-Type": "text/html", "Set-Cookie": "a=b", "X-Other": "1"})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer(say(HTML))
    yield server
    server.close()


@pytest.fixture
def proxy(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with running_proxy(Api(Stack("a test", server.url, region="eu-west-1"))) as proxy:
        yield proxy


class Browser:
    """Follows no redirects, and keeps cookies only if it is told to."""

    def __init__(self, proxy: Proxy) -> None:
        self.origin = f"http://127.0.0.1:{proxy.port}"
        self.proxy = proxy
        self.cookie = ""
        self._pool = PoolManager()

    def opened(self) -> "Browser":
        answer = self.ask(self.proxy.url.removeprefix(self.origin))
        assert (answer.status, answer.headers["location"]) == (303, "/docs")
        self.cookie, _, attributes = answer.headers["set-cookie"].partition("; ")
        assert "HttpOnly" in attributes
        assert "SameSite=Strict" in attributes
        return self

    def ask(self, path: str, method: str = "GET", **options: Any) -> BaseHTTPResponse:
        headers = {**({"cookie": self.cookie} if self.cookie else {}), **options.pop("headers", {})}
        url = self.origin + path
        return self._pool.request(method, url, headers=headers, redirect=False, **options)


def test_the_browser_that_has_the_address_is_let_in(proxy: Proxy, server: ScriptedServer) -> None:
    browser = Browser(proxy).opened()
    answer = browser.ask("/docs")
    assert (answer.status, answer.data) == (200, b"<html>")
    assert answer.headers["content-type"] == "text/html"
    assert "set-cookie" not in answer.headers
    assert "x-other" not in answer.headers
    (request,) = server.requests
    assert request.target == "/docs"
    assert "/eu-west-1/execute-api/aws4_request" in request.headers["authorization"]
    assert "cookie" not in request.headers


def test_requests_are_passed_on_with_what_they_say(proxy: Proxy, server: ScriptedServer) -> None:
    browser = Browser(proxy).opened()
    own = {"idempotency-key": "k", "content-type": "application/json", "authorization": "Basic x"}
    browser.ask(
        "/zip-jobs", "POST", body=b'{"keys": ["a"]}', headers={**own, "origin": browser.origin}
    )
    browser.ask("/zip-jobs/1?x=%2F", "DELETE", headers={"sec-fetch-site": "same-origin"})
    post, delete = server.requests
    assert (post.method, post.headers["idempotency-key"]) == ("POST", "k")
    assert post.headers["content-length"] == "15"
    assert post.headers["authorization"].startswith("AWS4-HMAC-SHA256")
    assert (delete.method, delete.target) == ("DELETE", "/zip-jobs/1?x=%2F")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:80"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_what_comes_from_elsewhere_is_refused(
    proxy: Proxy, server: ScriptedServer, headers: dict[str, str]
) -> None:
    browser = Browser(proxy).opened()
    for path in ("/docs", proxy.url.removeprefix(browser.origin)):
        answer = browser.ask(path, headers=headers)
        assert (answer.status, answer.data) == (403, b"Not from this page.\n")
    assert server.requests == []


def test_another_program_of_this_machine_is_refused(proxy: Proxy, server: ScriptedServer) -> None:
    browser = Browser(proxy)
    assert browser.ask("/docs").status == 403
    assert browser.ask("/open?secret=guess").status == 403
    assert browser.ask("/open").status == 403
    browser.cookie = f"zipjobs-{proxy.port}=guess"
    assert browser.ask("/zip-jobs", "POST", body=b"{}").status == 403
    assert server.requests == []


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/zip-jobs/1/2", "/zip-jobsx", "/docs/x"])
def test_other_paths_lead_nowhere(proxy: Proxy, server: ScriptedServer, path: str) -> None:
    assert Browser(proxy).opened().ask(path).status == 404
    assert server.requests == []


def test_an_api_that_does_not_answer_is_a_bad_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody_listens() as port:
        api = Api(Stack("a test", f"http://127.0.0.1:{port}", api_auth="none"), ())
        with running_proxy(api) as proxy:
            answer = Browser(proxy).opened().ask("/docs")
    assert answer.status == 502
    assert b"does not answer" in answer.data


def test_a_port_that_is_taken_is_a_sentence(proxy: Proxy, server: ScriptedServer) -> None:
    with (
        pytest.raises(CliError, match=f"Port {server.port} on 127.0.0.1 cannot be had"),
        running_proxy(Api(Stack("a test", server.url, api_auth="none")), server.port),
    ):
        pass


def test_a_job_that_is_submitted_on_the_page_may_be_sent_again(
    proxy: Proxy, server: ScriptedServer
) -> None:
    browser = Browser(proxy).opened()
    browser.ask("/zip-jobs", "POST", body=b"{}", headers={"idempotency-key": "mine"})
    browser.ask("/zip-jobs", "POST", body=b"{}")
    mine, made = (request.headers["idempotency-key"] for request in server.requests)
    assert mine == "mine"
    assert len(made) == 36
