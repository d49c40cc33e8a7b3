"""``submit``: submit a job."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from zipjobs_cli.client.api import Api
from zipjobs_cli.client.manifest import upload_manifest
from zipjobs_cli.client.poll import EVENT_SECONDS
from zipjobs_cli.client.request import STDIN, Request, from_keys, read_request, with_options
from zipjobs_cli.client.stack import Stack, StackSelector, find_stack
from zipjobs_cli.commands.dry_run import print_dry_run
from zipjobs_cli.commands.jobs import wait_and_exit
from zipjobs_cli.commands.options import JsonOption, with_stack_options
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import print_json, print_note, program

Naming = Literal["basename", "path", "relative"]
Compression = Literal["store", "deflate"]
OnMissing = Literal["fail", "skip"]
OnUnreadable = Literal["fail", "skip"]
OnDuplicate = Literal["suffix", "fail"]
EmptyFolders = Literal["drop", "keep"]
StorageClass = Literal["STANDARD", "INTELLIGENT_TIERING", "STANDARD_IA", "ONEZONE_IA", "GLACIER_IR"]


def _option(panel: str | None, help: str, param_decls: Sequence[str] = (), **options: Any) -> Any:  # noqa: A002  (typer's name)
    return typer.Option(
        *param_decls, help=help, rich_help_panel=panel, show_default=False, **options
    )


def _objects(help: str, **options: Any) -> Any:  # noqa: A002
    return _option("Objects", help, **options)


def _archive(help: str, **options: Any) -> Any:  # noqa: A002
    return _option("Archive", help, **options)


@with_stack_options
def submit_command(
    selector: StackSelector,
    keys: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY",
            help="Keys in the source bucket, or s3://bucket/key URLs. - reads them from stdin.",
            show_default=False,
        ),
    ] = None,
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="File with one key or JSON entry per line, or with a whole JSON request.",
            rich_help_panel="Objects",
            show_default=False,
        ),
    ] = None,
    prefix: Annotated[str | None, _objects("All keys with this prefix.", metavar="PREFIX")] = None,
    include: Annotated[
        list[str] | None,
        _objects("Only keys that match, such as **/*.pdf. Repeatable.", metavar="GLOB"),
    ] = None,
    exclude: Annotated[
        list[str] | None, _objects("No keys that match. Repeatable.", metavar="GLOB")
    ] = None,
    modified_after: Annotated[
        str | None,
        _objects("Only objects modified at this date or time or later.", metavar="TIME"),
    ] = None,
    modified_before: Annotated[
        str | None, _objects("Only objects modified before this date or time.", metavar="TIME")
    ] = None,
    min_bytes: Annotated[
        int | None, _objects("Only objects of at least N bytes.", metavar="N")
    ] = None,
    max_bytes: Annotated[
        int | None, _objects("Only objects of at most N bytes.", metavar="N")
    ] = None,
    entries_from: Annotated[
        str | None,
        _objects("List in S3: JSON Lines, CSV, or an S3 Inventory.", metavar="S3URL"),
    ] = None,
    keys_url_encoded: Annotated[
        bool, _objects("The keys in the list are URL-encoded.", param_decls=["--keys-url-encoded"])
    ] = False,
    request_payer: Annotated[
        Literal["requester"] | None,
        _objects("Pay for reading objects in Requester Pays buckets."),
    ] = None,
    source_bucket: Annotated[
        str | None, _objects("Bucket. Default: the source bucket.", metavar="BUCKET")
    ] = None,
    name: Annotated[
        str | None, _archive("Name of the archive. Default: the job ID.", metavar="NAME")
    ] = None,
    naming: Annotated[
        Naming | None,
        _archive("Member names: last part of the key, whole key, or key after the prefix."),
    ] = None,
    strip_prefix: Annotated[
        str | None,
        _archive("With --naming path: remove this from the start of keys.", metavar="PREFIX"),
    ] = None,
    on_duplicate: Annotated[
        OnDuplicate | None, _archive("Number duplicate member names, or fail.")
    ] = None,
    on_missing: Annotated[OnMissing | None, _archive("Fail, or skip missing objects.")] = None,
    on_unreadable: Annotated[
        OnUnreadable | None,
        _archive("Fail, or skip archived, forbidden and encrypted objects."),
    ] = None,
    compression: Annotated[
        Compression | None,
        _archive("Store (for files that are compressed already) or deflate (for text)."),
    ] = None,
    max_archive_bytes: Annotated[
        int | None, _archive("Create several archives of at most N bytes each.", metavar="N")
    ] = None,
    empty_folders: Annotated[
        EmptyFolders | None,
        _archive("Drop, or keep folders without files. Requires --naming path or relative."),
    ] = None,
    max_path_length: Annotated[
        int | None,
        _archive("Cut longer paths in the archive. 180 suits Windows Explorer.", metavar="N"),
    ] = None,
    storage_class: Annotated[
        StorageClass | None, _archive("Storage class of the archive. Default: STANDARD.")
    ] = None,
    tags: Annotated[
        list[str] | None,
        _archive("Tag of the archive. Repeatable.", metavar="KEY=VALUE", param_decls=["--tag"]),
    ] = None,
    metadata: Annotated[
        list[str] | None,
        _archive("Value of your own for the job. Repeatable.", metavar="KEY=VALUE"),
    ] = None,
    expires_in_days: Annotated[
        int | None,
        _archive("Delete the archive after 1, 7, 30 or 90 days.", metavar="DAYS"),
    ] = None,
    target_bucket: Annotated[
        str | None,
        _archive("Bucket of the archive. Default: the target bucket.", metavar="BUCKET"),
    ] = None,
    target_prefix: Annotated[
        str | None, _archive("Prefix of the archive's key.", metavar="PREFIX")
    ] = None,
    manifest: Annotated[
        str | None,
        _option(None, "Upload the request to S3 as this manifest; no API call.", metavar="NAME"),
    ] = None,
    idempotency_key: Annotated[
        str | None,
        _option(None, "Requests with the same key create one job.", metavar="KEY"),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show what would be in the archive. Starts no job."),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the job is finished.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Submit a job to zip keys, a list of keys, or all keys with a prefix.

    Prints the job ID, or with --wait, the job when it is finished. With --dry-run, prints the files
    of the archive instead, and starts no job.

    Exit codes:

    - 0: the job was accepted; with --wait: the job is READY; with --dry-run: it would be
    - 1: with --wait: the job is FAILED or CANCELLED; with --dry-run: it would be FAILED
    - 2: wrong usage, the request is invalid or not allowed, no stack, or no response
    - 130: interrupted; an accepted job continues
    """
    request = with_options(
        _base_request(keys or [], from_file, prefix, entries_from),
        {
            "include": include,
            "exclude": exclude,
            "modifiedAfter": modified_after,
            "modifiedBefore": modified_before,
            "minBytes": min_bytes,
            "maxBytes": max_bytes,
            "sourceBucket": source_bucket,
            "archiveName": name,
            "naming": naming,
            "stripPrefix": strip_prefix,
            "onDuplicate": on_duplicate,
            "onMissing": on_missing,
            "onUnreadable": on_unreadable,
            "compression": compression,
            "maxArchiveBytes": max_archive_bytes,
            "targetBucket": target_bucket,
            "targetPrefix": target_prefix,
            "keysUrlEncoded": keys_url_encoded,
            "requestPayer": request_payer,
            "emptyFolders": empty_folders,
            "maxPathLength": max_path_length,
            "storageClass": storage_class,
            "tags": _pairs(tags, "--tag"),
            "metadata": _pairs(metadata, "--metadata"),
            "expiresInDays": expires_in_days,
        },
    )
    if manifest is not None and idempotency_key is not None:
        raise typer.BadParameter(
            "it cannot be combined with --manifest.", param_hint="--idempotency-key"
        )
    stack = find_stack(selector)
    if dry_run:
        print_dry_run(stack, request, as_json)
    elif manifest is not None:
        _submit_manifest(stack, manifest, request, wait, as_json)
    else:
        _submit_to_api(Api(stack), request, idempotency_key, wait, as_json)


def _pairs(options: list[str] | None, name: str) -> dict[str, str]:
    """Return the options ``KEY=VALUE`` as a dict. Raises typer.BadParameter."""
    pairs: dict[str, str] = {}
    for option in options or []:
        key, equals, value = option.partition("=")
        if not equals or key in pairs:
            problem = "is given twice" if equals else "is not KEY=VALUE"
            raise typer.BadParameter(f"{option!r} {problem}.", param_hint=name)
        pairs[key] = value
    return pairs


def _base_request(
    keys: list[str], from_file: Path | None, prefix: str | None, entries_from: str | None
) -> Request:
    """Return the request for the objects. Raises typer.BadParameter unless exactly one is given."""
    given = [bool(keys), from_file is not None, prefix is not None, entries_from is not None]
    if sum(given) != 1:
        raise typer.BadParameter("use exactly one of KEY, --from, --prefix and --entries-from.")
    if keys == [STDIN]:
        return read_request(Path(STDIN))
    if keys:
        return from_keys(keys)
    if from_file is not None:
        return read_request(from_file)
    return {"prefix": prefix} if entries_from is None else {"entriesFrom": entries_from}


def _submit_to_api(api: Api, request: Request, key: str | None, wait: bool, as_json: bool) -> None:
    accepted = api.submit(request, key)
    job_id = accepted["jobId"]
    if wait:
        wait_and_exit(api, job_id, as_json)
    if as_json:
        print_json(accepted)
    else:
        typer.echo(job_id)
        print_note(f"Accepted. {_wait_hint(job_id)}")


def _submit_manifest(stack: Stack, name: str, request: Request, wait: bool, as_json: bool) -> None:
    uploaded = upload_manifest(stack, name, request)
    job_id = uploaded.job_id
    message = f"Uploaded s3://{uploaded.bucket}/{uploaded.key}."
    if job_id is None:
        message += (
            " The ID of its job is unknown because the bucket keeps no versions, so you cannot "
            f"wait for it. Run `{program()} list` to find the job, or turn on versioning."
        )
        if wait:
            raise CliError(message)
    elif wait:
        wait_and_exit(Api(stack), job_id, as_json, EVENT_SECONDS)
    else:
        message += f" {_wait_hint(job_id)}"
    if as_json:
        manifest = {
            "bucket": uploaded.bucket,
            "key": uploaded.key,
            "versionId": uploaded.version_id,
        }
        print_json({"jobId": job_id, "manifest": manifest})
        return
    if job_id is not None:
        typer.echo(job_id)
    print_note(message)


def _wait_hint(job_id: str) -> str:
    return f"Run `{program()} watch {job_id}` to wait for it."
