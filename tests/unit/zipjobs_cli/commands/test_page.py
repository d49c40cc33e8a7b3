"""``docs``: starting a browser without showing the secret to other users."""

import html
import json
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import urllib3

from tests.support.http_server import ScriptedServer, reply, response
from tests.support.waiting import WAIT_SECONDS, wait_for
from tests.unit.zipjobs_cli.conftest import ROOT, run
from zipjobs_cli.client.redirect import RedirectFile

PAGE = response(b"<html>", 200, {"Content-Type": "text/html"})
REFRESH = re.compile(r'<meta http-equiv="refresh" content="0; url=([^"]+)">')


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    server = ScriptedServer(reply(PAGE))
    yield server
    server.close()


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The parent of temporary folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def stack(server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A stack in the environment, without authorization."""
    monkeypatch.setenv("ZIPJOBS_API_URL", server.url)
    monkeypatch.setenv("ZIPJOBS_API_AUTH", "none")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    return server


def file_at(url: str) -> Path:
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("file", "", "", "")
    return Path(unquote(parts.path))


def target_of(redirect: Path) -> str:
    """Return the URL in a redirect file."""
    found = REFRESH.search(redirect.read_text())
    assert found is not None
    return html.unescape(found[1])


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def run_docs(
    monkeypatch: pytest.MonkeyPatch,
    browser: Callable[[str], bool],
    before_exit: Callable[[], object] = lambda: None,
) -> int:
    """Run the command with ``browser``. Send Ctrl-C shortly after the browser returns."""

    def end() -> None:
        before_exit()
        os.kill(os.getpid(), signal.SIGINT)

    def opened(url: str) -> bool:
        is_opened = browser(url)
        threading.Timer(0.2, end).start()
        return is_opened

    monkeypatch.setattr(webbrowser, "open", opened)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:  # SIGINT is ignored if the tests run in the background of a shell
        return run("docs")
    finally:
        signal.signal(signal.SIGINT, before)


def start_docs(*options: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "zipjobs_cli", "docs", *options],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_only_the_owner_can_read_a_redirect_file(temporary: Path) -> None:
    before = os.umask(0)
    try:
        with RedirectFile() as redirect:
            file = file_at(redirect.write("http://127.0.0.1:1/open?a=b&c=<\"'>"))
            assert file.parent.parent == temporary
            assert (mode(file.parent), mode(file)) == (0o700, 0o600)
            assert target_of(file) == "http://127.0.0.1:1/open?a=b&c=<\"'>"
    finally:
        os.umask(before)
    assert list(temporary.iterdir()) == []


def test_a_redirect_file_can_be_removed_repeatedly(temporary: Path) -> None:
    with RedirectFile() as redirect:
        redirect.remove()
        redirect.write("http://127.0.0.1:1/")
        redirect.remove()
        redirect.remove()
        assert list(temporary.iterdir()) == []


def test_the_browser_is_started_on_a_file_without_the_secret(
    stack: ScriptedServer,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened_urls: list[tuple[str, str]] = []

    def browser(url: str) -> bool:
        file = file_at(url)
        assert (mode(file.parent), mode(file)) == (0o700, 0o600)
        opened_urls.append((url, target_of(file)))
        return True

    assert run_docs(monkeypatch, browser) == 0
    ((url, target),) = opened_urls
    secret = target.partition("/open?secret=")[2]
    assert len(secret) == 43
    assert secret not in url
    assert list(temporary.iterdir()) == [], "the file is removed although no browser opened it"
    out, err = capsys.readouterr()
    assert out == ""
    assert f"open {target}\n" in err


def test_the_file_is_deleted_when_the_page_is_open(
    stack: ScriptedServer, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[object] = []

    def browser(url: str) -> bool:
        """Behave like a browser in the terminal, which returns when it exits."""
        file = file_at(url)
        target = target_of(file)
        wrong = urllib3.request("GET", target.replace("secret=", "secret=x"))
        found.append((wrong.status, file.exists()))
        right = urllib3.request("GET", target)
        found.append((right.status, file.exists(), file.parent.exists()))
        found.append(urllib3.request("GET", target).status)
        return True

    assert run_docs(monkeypatch, browser) == 0
    assert found == [(403, True), (200, False, False), 403]
    assert list(temporary.iterdir()) == []


def test_the_url_is_printed_without_a_browser(
    stack: ScriptedServer,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    left: list[list[Path]] = []
    code = run_docs(monkeypatch, lambda url: False, lambda: left.append(list(temporary.iterdir())))
    assert code == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/open\?secret=[\w-]{43}\n", out)
    assert "If your browser" not in err
    assert left == [[]]


def test_json_has_the_url(stack: ScriptedServer) -> None:
    with start_docs("--json") as process:
        assert process.stdout is not None
        result = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0
    assert result["apiUrl"] == stack.url
    assert result["url"].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_delete_the_file_and_no_process_shows_the_secret(
    stack: ScriptedServer, tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    """The browser is a process that runs as long as the command."""
    if signal.getsignal(number) is signal.SIG_IGN:
        pytest.skip(f"{number.name} is ignored, as under nohup")
    arguments = tmp_path / "arguments.json"
    browser = tmp_path / "browser"
    browser.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, sys, time\n"
        f"part = pathlib.Path({str(arguments)!r} + '.part')\n"
        "part.write_text(json.dumps(sys.argv[1:]))\n"
        f"part.rename({str(arguments)!r})\n"
        "parent = os.getppid()\n"
        "while os.getppid() == parent: time.sleep(0.05)\n"
    )
    browser.chmod(0o700)
    variables = {"BROWSER": f"{browser} %s &", "TMPDIR": str(temporary)}
    with start_docs(**variables) as process:
        assert process.stderr is not None
        hint = process.stderr.readline()
        wait_for("the browser", lambda: arguments.exists() or None)
        (url,) = json.loads(arguments.read_text())
        target = target_of(file_at(url))
        assert target in hint
        secret = target.partition("/open?secret=")[2]
        assert len(secret) == 43
        lines = process_lines()
        assert any(url.encode() in line for line in lines)
        assert not any(secret.encode() in line for line in lines)
        process.send_signal(number)
        out, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == (0 if number == signal.SIGINT else 128 + number)
    assert (out, "Traceback" in err) == ("", False)
    assert list(temporary.iterdir()) == []


def process_lines() -> list[bytes]:
    """Return the command lines of all processes, which any user can read."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("no /proc")
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes())
        except OSError:
            continue  # the process has ended
    return lines


def test_an_api_without_the_page_is_an_error(
    stack: ScriptedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.follow(reply(response(b"", HTTPStatus.NOT_FOUND)))
    assert run("docs") == 2
    assert "The API has no page" in capsys.readouterr().err
