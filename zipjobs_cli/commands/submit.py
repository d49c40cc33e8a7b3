"""``submit``: a job from what is on the command line."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from zipjobs_cli.client.api import Api
from zipjobs_cli.client.manifest import Dropped, drop
from zipjobs_cli.client.poll import EVENT_SECONDS
from zipjobs_cli.client.request import STDIN, Request, of_keys, read, with_options
from zipjobs_cli.client.stack import Stack, StackSelector, find_stack
from zipjobs_cli.commands.options import JsonOption, on_a_stack
from zipjobs_cli.commands.watch import end_with, followed
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import err, line, program

ZIP = "What to zip"
HOW = "How"
WAYS = "KEY, --from, --prefix or --entries-from"

Naming = Literal["basename", "path", "relative"]
Compression = Literal["store", "deflate"]
OnMissing = Literal["fail", "skip"]
OnDuplicate = Literal["suffix", "fail"]


@on_a_stack
def submit_command(
    where: StackSelector,
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY",
            help="Keys in the source bucket, or s3://bucket/key. - reads them from standard input.",
            show_default=False,
        ),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A file with a key in each line, or an entry as JSON; or a whole request as JSON.",
            rich_help_panel=ZIP,
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            help="All keys that begin so.",
            rich_help_panel=ZIP,
            show_default=False,
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Of those, the ones that match, such as **/*.pdf; may be repeated.",
            rich_help_panel=ZIP,
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Not the ones that match; may be repeated.",
            rich_help_panel=ZIP,
            show_default=False,
        ),
    ] = None,
    entries_from: Annotated[
        str | None,
        typer.Option(
            metavar="S3URL",
            help="A list in S3, of any length: JSON Lines, CSV, or an S3 Inventory.",
            rich_help_panel=ZIP,
            show_default=False,
        ),
    ] = None,
    source_bucket: Annotated[
        str | None,
        typer.Option(
            metavar="BUCKET",
            help="Another bucket than the stack's, to read from.",
            rich_help_panel=ZIP,
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The archive's name, in place of the job's id.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    naming: Annotated[
        Naming | None,
        typer.Option(
            help="Members are called by the last part of their keys, by the whole, or by what is "
            "below the prefix.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    strip_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            help="With --naming path: what to take off the front.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    on_duplicate: Annotated[
        OnDuplicate | None,
        typer.Option(
            help="Of two members of the same name, number the second, or fail.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    on_missing: Annotated[
        OnMissing | None,
        typer.Option(
            help="What becomes of the job if an object does not exist.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    compression: Annotated[
        Compression | None,
        typer.Option(
            help="Store what is packed already, deflate text.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    max_archive_bytes: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Make several archives, each no larger.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    target_bucket: Annotated[
        str | None,
        typer.Option(
            metavar="BUCKET",
            help="Another bucket than the stack's, to write to.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    target_prefix: Annotated[
        str | None,
        typer.Option(
            metavar="PREFIX",
            help="Where in the target bucket the archive goes.",
            rich_help_panel=HOW,
            show_default=False,
        ),
    ] = None,
    manifest: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Drop the request in S3 as a manifest of this name, and do not use the API.",
            show_default=False,
        ),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            help="The same key with the same request is the same job.",
            show_default=False,
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job to its end.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job: zip keys, a list, or all that is below a prefix.

    Prints the job's id; with --wait the job, once it has its end.

    Exit codes:

    - 0: the job is accepted; with --wait: it is READY
    - 1: with --wait: the job FAILED, or was CANCELLED
    - 2: wrong usage, or it is not accepted: the request is wrong or not allowed, or there is no
      stack, or no answer
    - 130: interrupted; a job that was accepted goes on
    """
    request = _what_to_zip(keys or [], from_file, prefix, entries_from)
    request = with_options(
        request,
        {
            "include": include,
            "exclude": exclude,
            "sourceBucket": source_bucket,
            "archiveName": name,
            "naming": naming,
            "stripPrefix": strip_prefix,
            "onDuplicate": on_duplicate,
            "onMissing": on_missing,
            "compression": compression,
            "maxArchiveBytes": max_archive_bytes,
            "targetBucket": target_bucket,
            "targetPrefix": target_prefix,
        },
    )
    if manifest is not None and idempotency_key is not None:
        raise typer.BadParameter("it goes with the API only.", param_hint="--idempotency-key")
    stack = find_stack(where)
    if manifest is not None:
        _drop(stack, manifest, request, wait, as_json)
    else:
        _post(Api(stack), request, idempotency_key, wait, as_json)


def _what_to_zip(
    keys: list[str], from_file: Path | None, prefix: str | None, entries_from: str | None
) -> Request:
    """Raises typer.BadParameter unless it is said in exactly one way."""
    ways = [bool(keys), from_file is not None, prefix is not None, entries_from is not None]
    if sum(ways) != 1:
        raise typer.BadParameter(f"say what to zip in one way: by {WAYS}.")
    if keys == [STDIN]:
        return read(Path(STDIN))
    if keys:
        return of_keys(keys)
    if from_file is not None:
        return read(from_file)
    return {"prefix": prefix} if entries_from is None else {"entriesFrom": entries_from}


def _post(api: Api, request: Request, key: str | None, wait: bool, as_json: bool) -> None:
    accepted = api.submit(request, key)
    job_id = accepted["jobId"]
    if wait:
        end_with(followed(api, job_id, as_json), as_json)
    if as_json:
        typer.echo(json.dumps(accepted))
    else:
        typer.echo(job_id)
        err().print(f"Accepted. `{program()} watch {job_id}` follows it.", soft_wrap=True)


def _drop(stack: Stack, name: str, request: Request, wait: bool, as_json: bool) -> None:
    dropped = drop(stack, name, request)
    job_id = dropped.job_id
    if wait and job_id is None:
        raise CliError(f"{_said(dropped)} {_unknown()}")
    if wait and job_id is not None:
        end_with(followed(Api(stack), job_id, as_json, EVENT_SECONDS), as_json)
    if as_json:
        manifest = {
            "bucket": dropped.bucket,
            "key": dropped.key,
            "versionId": dropped.version_id,
        }
        typer.echo(json.dumps({"jobId": job_id, "manifest": manifest}))
        return
    if job_id is not None:
        typer.echo(job_id)
    hint = f"`{program()} watch {job_id}` follows it." if job_id else _unknown()
    err().print(line(f"{_said(dropped)} {hint}"), soft_wrap=True)


def _said(dropped: Dropped) -> str:
    return f"Dropped s3://{dropped.bucket}/{dropped.key}."


def _unknown() -> str:
    return (
        "Its job cannot be followed, for its id comes of the manifest's version, and the bucket "
        f"keeps no versions. `{program()} list` shows it; versioning would make it known."
    )
