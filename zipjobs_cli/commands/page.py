"""``docs``: open the API's page in a browser."""

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
from zipjobs_cli.commands.options import JsonOption, with_stack_options
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import print_json, print_note


@with_stack_options
def docs_command(
    selector: StackSelector,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65_535, help="Port; 0 selects a free one.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the URL.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Open the API's page in a browser, to read about the API and to try it.

    Browsers cannot sign requests. This program signs them with your credentials, until Ctrl-C. The
    URL gives access to one browser, and works once.

    Exit codes:

    - 0: Ctrl-C
    - 2: wrong usage, no stack, no response, no page (the setting apiDocs is false), or the port is
      in use
    """
    api = Api(find_stack(selector))
    response = api.send("GET", PAGE)
    if response.status == HTTPStatus.NOT_FOUND:
        raise CliError("The API has no page. Deploy it with apiDocs: true.")
    if response.status != HTTPStatus.OK:
        api.parsed(response)
    with (
        suppress(KeyboardInterrupt),
        _exit_on_signals(),
        RedirectFile() as redirect,
        running_proxy(api, port, redirect.remove) as proxy,
    ):
        if as_json:
            print_json({"url": proxy.url, "apiUrl": api.stack.api_url})
        elif browser and webbrowser.open(redirect.write(proxy.url)):
            print_note(f"If your browser shows no page, open {proxy.url}")
        else:
            redirect.remove()
            typer.echo(proxy.url)
        print_note(f"Serving {api.stack.api_url}{PAGE} until Ctrl-C.")
        while not threading.Event().wait(1):  # signals may be delivered to another thread
            pass


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Exit the block with SystemExit on SIGTERM and SIGHUP, so that it cleans up."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    before = {
        number: signal.signal(number, on_signal)
        for name in ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
        if (number := getattr(signal, name, None))
        and signal.getsignal(number) is not signal.SIG_IGN  # nohup ignores SIGHUP
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
