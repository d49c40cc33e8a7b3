"""``docs``: the API's page, in a browser."""

import json
import threading
import webbrowser
from http import HTTPStatus
from typing import Annotated

import typer

from cli.api import Api
from cli.errors import CliError
from cli.options import JsonOption, on_a_stack
from cli.proxy import PAGE, running_proxy
from cli.screen import err
from cli.stack import Where, find_stack


@on_a_stack
def docs_command(
    where: Where,
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
    them with your credentials until Ctrl-C. Only the address that is printed lets a browser in.

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
    with running_proxy(api, port) as proxy:
        if as_json:
            typer.echo(json.dumps({"url": proxy.url, "apiUrl": api.stack.api_url}))
        elif not (browser and webbrowser.open(proxy.url)):
            typer.echo(proxy.url)
        err().print(f"{api.stack.api_url}{PAGE} is there until Ctrl-C.", soft_wrap=True)
        try:
            while not threading.Event().wait(1):  # a signal may come to another thread
                pass
        except KeyboardInterrupt:
            return
