"""Options that several commands have. The stack options may precede the command or follow it."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any

import typer

from zipjobs_cli.client.stack import StackSelector

PANEL = "Which stack"


def _stack_option(metavar: str, help: str) -> Any:  # noqa: A002  (typer's name)
    return typer.Option(metavar=metavar, help=help, rich_help_panel=PANEL, show_default=False)


ApiUrlOption = Annotated[str | None, _stack_option("URL", "URL of the API.")]
RegionOption = Annotated[str | None, _stack_option("REGION", "AWS region.")]
StackOption = Annotated[str | None, _stack_option("NAME", "Name of the Pulumi stack.")]
ProfileOption = Annotated[str | None, _stack_option("NAME", "AWS profile that signs requests.")]
TokenOption = Annotated[
    str | None,
    _stack_option("TOKEN", "Bearer token for an API with apiAuth: jwt. Prefer ZIPJOBS_TOKEN."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
JsonLinesOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON per item.")]


def global_options(
    context: typer.Context,
    api_url: ApiUrlOption = None,
    region: RegionOption = None,
    stack: StackOption = None,
    profile: ProfileOption = None,
    token: TokenOption = None,
) -> None:
    """Create ZIP archives of S3 objects."""
    context.obj = StackSelector(api_url, region, stack, profile, token)


def with_stack_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the first parameter of a command, a StackSelector, with the stack options.

    Options after the command's name override those before it.
    """

    @functools.wraps(command)
    def wrapper(context: typer.Context, **arguments: Any) -> None:
        own = {name: arguments.pop(name) for name in names}
        general = context.obj or StackSelector()
        selector = StackSelector(**{name: own[name] or getattr(general, name) for name in names})
        command(selector, **arguments)

    names = [field.name for field in fields(StackSelector)]
    context, *stack_options = inspect.signature(global_options).parameters.values()
    _, *command_options = inspect.signature(command).parameters.values()
    parameters = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for one in (context, *command_options, *stack_options)
    ]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapper
