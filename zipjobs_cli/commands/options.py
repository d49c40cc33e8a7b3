"""The options that say which stack is meant: the same before a command's name and behind it."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any

import typer

from zipjobs_cli.client.stack import StackSelector

PANEL = "Which stack"

ApiUrlOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="The address of its API.", rich_help_panel=PANEL, show_default=False
    ),
]
RegionOption = Annotated[
    str | None,
    typer.Option(
        metavar="REGION", help="Its AWS region.", rich_help_panel=PANEL, show_default=False
    ),
]
StackOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Its name in Pulumi.", rich_help_panel=PANEL, show_default=False
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The profile of the AWS configuration to sign with.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        help="The bearer token for an API with jwt; better set ZIPJOBS_TOKEN.",
        rich_help_panel=PANEL,
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")]


def remember_where(
    context: typer.Context,
    api_url: ApiUrlOption = None,
    region: RegionOption = None,
    stack: StackOption = None,
    profile: ProfileOption = None,
    token: TokenOption = None,
) -> None:
    """ZIP archives of objects in S3."""
    context.obj = StackSelector(api_url, region, stack, profile, token)


def on_a_stack(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter, ``where``, comes of these options.

    What stands behind its name counts more than what stands before it.
    """

    @functools.wraps(command)
    def called(context: typer.Context, **arguments: Any) -> None:
        behind = {name: arguments.pop(name) for name in names}
        before = context.obj or StackSelector()
        where = StackSelector(**{name: behind[name] or getattr(before, name) for name in names})
        command(where, **arguments)

    names = [field.name for field in fields(StackSelector)]
    context, *options = inspect.signature(remember_where).parameters.values()
    _, *own = inspect.signature(command).parameters.values()
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (context, *own, *options)
    ]
    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called
