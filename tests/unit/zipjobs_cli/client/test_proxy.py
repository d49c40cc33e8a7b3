"""The signing proxy: accepted, rejected and forwarded requests."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse, PoolManager

from tests.support.http_server import ScriptedServer, closed_port, reply, response
from zipjobs_cli.client.api import Api
from zipjobs_cli.client.proxy import Proxy, running_proxy
from zipjobs_cli.client.stack import Stack
from zipjobs_cli.errors import CliError

HTML = response(b"<html>", 200, {"Content-Type": "text/html", "Set-Cookie": "a=b", "X-Other": "1"})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer(reply(HTML))
    yield server
    server.close()


@pytest.fixture
def proxy(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with running_proxy(Api(Stack("a test", server.url, region="eu-west-1"))) as proxy:
        yield proxy


class Browser:
    """A browser that follows no redirects, and keeps only the cookie of ``opened``."""

    def __init__(self, proxy: Proxy) -> None:
        self.origin = f"http://127.0.0.1:{proxy.port}"
        self.proxy = proxy
        self.cookie = ""
        self._pool = PoolManager()

    @property
    def opening_path(self) -> str:
        return self.proxy.url.removeprefix(self.origin)

    def opened(self, **headers: str) -> "Browser":
        response = self.ask(self.opening_path, headers=headers)
        assert response.status == 200
        assert b'<meta http-equiv="refresh" content="0; url=/docs">' in response.data
        assert response.headers["cache-control"] == "no-store"
        self.cookie, _, attributes = response.headers["set-cookie"].partition("; ")
        assert "HttpOnly" in attributes
        assert "SameSite=Strict" in attributes
        return self

    def ask(self, path: str, method: str = "GET", **options: Any) -> BaseHTTPResponse:
        headers = {**({"cookie": self.cookie} if self.cookie else {}), **options.pop("headers", {})}
        url = self.origin + path
        return self._pool.request(method, url, headers=headers, redirect=False, **options)


def test_a_browser_with_the_url_gets_access(proxy: Proxy, server: ScriptedServer) -> None:
    browser = Browser(proxy).opened()
    response = browser.ask("/docs")
    assert (response.status, response.data) == (200, b"<html>")
    assert response.headers["content-type"] == "text/html"
    assert "set-cookie" not in response.headers
    assert "x-other" not in response.headers
    (request,) = server.requests
    assert request.target == "/docs"
    assert "/eu-west-1/execute-api/aws4_request" in request.headers["authorization"]
    assert "cookie" not in request.headers


def test_requests_are_forwarded_and_signed(proxy: Proxy, server: ScriptedServer) -> None:
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
def test_requests_of_other_sites_are_rejected(
    proxy: Proxy, server: ScriptedServer, headers: dict[str, str]
) -> None:
    browser = Browser(proxy).opened()
    for path in ("/docs", browser.opening_path):
        assert browser.ask(path, headers=headers).status == 403
    assert server.requests == []


def test_the_secret_works_once(proxy: Proxy, server: ScriptedServer) -> None:
    first, second = Browser(proxy).opened(), Browser(proxy)
    for browser in (second, first):
        response = browser.ask(browser.opening_path)
        assert response.status == 403
        assert b"Run `python -m zipjobs_cli docs` again." in response.data
        assert "set-cookie" not in response.headers
    assert server.requests == []
    assert first.ask("/docs").status == 200


def test_only_one_of_many_simultaneous_browsers_gets_access(proxy: Proxy) -> None:
    browsers = [Browser(proxy) for _ in range(16)]
    barrier = Barrier(len(browsers))

    def opening(browser: Browser) -> BaseHTTPResponse:
        barrier.wait()
        return browser.ask(browser.opening_path)

    with ThreadPoolExecutor(len(browsers)) as pool:
        responses = list(pool.map(opening, browsers))
    assert sorted(response.status for response in responses) == [200, *[403] * 15]
    assert sum("set-cookie" in response.headers for response in responses) == 1


def test_a_rejected_request_does_not_use_up_the_secret(proxy: Proxy) -> None:
    browser = Browser(proxy)
    path = browser.opening_path
    assert browser.ask("/open?secret=guess").status == 403
    assert browser.ask(path, headers={"origin": "https://evil.example"}).status == 403
    assert browser.ask(path, headers={"host": "evil.example:80"}).status == 403
    assert browser.ask(path, headers={"sec-fetch-site": "cross-site"}).status == 403
    assert browser.ask(path, "POST").status == 403
    browser.opened()


def test_the_cookie_is_another_secret_than_the_address(
    proxy: Proxy, server: ScriptedServer
) -> None:
    browser = Browser(proxy)
    secret = proxy.url.partition("secret=")[2]
    browser.cookie = f"zipjobs-{proxy.port}={secret}"
    assert browser.ask("/docs").status == 403
    browser.opened()
    name, _, value = browser.cookie.partition("=")
    assert name == f"zipjobs-{proxy.port}"
    assert len(value) == len(secret) == 43
    assert value != secret
    browser.cookie = f"{name}={secret}"
    assert browser.ask("/docs").status == 403
    assert browser.ask(f"/open?secret={value}").status == 403
    assert server.requests == []


TAB = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def test_a_file_can_open_only_the_first_url(proxy: Proxy, server: ScriptedServer) -> None:
    browser = Browser(proxy)
    assert (
        browser.ask(browser.opening_path, headers={**TAB, "sec-fetch-dest": "iframe"}).status == 403
    )
    assert (
        browser.ask(browser.opening_path, headers={**TAB, "sec-fetch-mode": "cors"}).status == 403
    )
    assert browser.ask("/open?secret=guess", headers=TAB).status == 403
    browser.opened(**TAB)
    assert browser.ask("/docs", headers=TAB).status == 403
    assert server.requests == []
    assert browser.ask("/docs", headers={**TAB, "sec-fetch-site": "same-origin"}).status == 200


def test_on_opened_is_called_once(server: ScriptedServer) -> None:
    opened: list[bool] = []
    api = Api(Stack("a test", server.url, api_auth="none"))
    with running_proxy(api, on_opened=lambda: opened.append(True)) as proxy:
        browser = Browser(proxy)
        browser.ask("/open?secret=guess")
        assert opened == []
        browser.opened()
        assert opened == [True]
        browser.ask(browser.opening_path)
    assert opened == [True]


def test_programs_without_secret_or_cookie_are_rejected(
    proxy: Proxy, server: ScriptedServer
) -> None:
    browser = Browser(proxy)
    for path in ("/docs", "/open?secret=guess", "/open", "/open?secret="):
        response = browser.ask(path)
        assert response.status == 403
        assert b"Run `python -m zipjobs_cli docs` again." in response.data
    browser.cookie = f"zipjobs-{proxy.port}=guess"
    assert browser.ask("/zip-jobs", "POST", body=b"{}").status == 403
    assert server.requests == []


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "/zip-jobs/1/2", "/zip-jobsx", "/docs/x"])
def test_other_paths_are_not_found(proxy: Proxy, server: ScriptedServer, path: str) -> None:
    assert Browser(proxy).opened().ask(path).status == 404
    assert server.requests == []


def test_an_api_that_does_not_respond_is_a_bad_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as port:
        api = Api(Stack("a test", f"http://127.0.0.1:{port}", api_auth="none"), ())
        with running_proxy(api) as proxy:
            response = Browser(proxy).opened().ask("/docs")
    assert response.status == 502
    assert b"does not respond" in response.data


def test_a_port_in_use_is_an_error(proxy: Proxy, server: ScriptedServer) -> None:
    with (
        pytest.raises(CliError, match=f"Cannot listen on 127.0.0.1:{server.port}"),
        running_proxy(Api(Stack("a test", server.url, api_auth="none")), server.port),
    ):
        pass


def test_submissions_get_an_idempotency_key(proxy: Proxy, server: ScriptedServer) -> None:
    browser = Browser(proxy).opened()
    browser.ask("/zip-jobs", "POST", body=b"{}", headers={"idempotency-key": "mine"})
    browser.ask("/zip-jobs", "POST", body=b"{}")
    mine, made = (request.headers["idempotency-key"] for request in server.requests)
    assert mine == "mine"
    assert len(made) == 36
