"""``docs``: the API's page, in a browser."""

import json
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from types import FrameType
from typing import Annotated

import typer

from zipjobs_cli.client.api import Api
from zipjobs_cli.client.proxy import PAGE, running_proxy
from zipjobs_cli.client.redirect import RedirectFile
from zipjobs_cli.client.stack import StackSelector, find_stack
from zipjobs_cli.commands.options import JsonOption, on_a_stack
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import err, line


@on_a_stack
def docs_command(
    where: StackSelector,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65_535, help="Listen there; 0 picks a free one.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the address.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Open the API's page in a browser, to read it and to try the API.

    A browser cannot sign requests. So they go through this program, on this machine, which signs
    them with your credentials until Ctrl-C. The address lets in one browser, and works once.

    Exit codes:

    - 0: Ctrl-C
    - 2: wrong usage, or it cannot be done: no stack, no answer, the API has no page (apiDocs is
      off), or the port is taken
    """
    api = Api(find_stack(where))
    answer = api.send("GET", PAGE)
    if answer.status == HTTPStatus.NOT_FOUND:
        raise CliError("The API has no page: it was deployed with apiDocs off.")
    if answer.status != HTTPStatus.OK:
        api.parsed(answer)
    with (
        suppress(KeyboardInterrupt),
        _ended_by_signals(),
        RedirectFile() as redirect,
        running_proxy(api, port, redirect.remove) as proxy,
    ):
        if as_json:
            typer.echo(json.dumps({"url": proxy.url, "apiUrl": api.stack.api_url}))
        elif browser and webbrowser.open(redirect.write(proxy.url)):
            text = f"If your browser shows no page, open {proxy.url} in it."
            err().print(line(text), soft_wrap=True)
        else:
            redirect.remove()
            typer.echo(proxy.url)
        err().print(f"{api.stack.api_url}{PAGE} is there until Ctrl-C.", soft_wrap=True)
        while not threading.Event().wait(1):  # a signal may come to another thread
            pass


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End the block as an exception does if the process is told to end, or its terminal closes."""

    def end(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {
        number: signal.signal(number, end)
        for name in ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
        if (number := getattr(signal, name, None))
        and signal.getsignal(number) is not signal.SIG_IGN  # as nohup does
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
