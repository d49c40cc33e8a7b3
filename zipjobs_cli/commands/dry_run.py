"""``submit --dry-run``: what would be in the archive, found by the code that workers use."""

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from zipjobs_cli.client.request import Request
from zipjobs_cli.client.stack import Stack
from zipjobs_cli.errors import CliError
from zipjobs_cli.output.render import SKIP_REASONS
from zipjobs_cli.output.screen import counted, print_error, print_json, print_note, print_result

if TYPE_CHECKING:
    from zipjobs.s3.http.client import HttpClient

WOULD_FAIL = 1


def print_dry_run(stack: Stack, request: Request, as_json: bool) -> None:
    """Print the names and sizes of the archive's files, and the objects that cannot be read.

    Objects are read with the caller's permissions. Raises typer.Exit with ``WOULD_FAIL`` if the job
    would fail, and CliError if S3 does not respond.
    """
    from zipjobs.errors import PermanentError, TransientError
    from zipjobs.requests.schema import parse_request
    from zipjobs.requests.sources import SourceReader
    from zipjobs.s3.object_reader import ObjectReader
    from zipjobs.s3.source import SkippedEntry
    from zipjobs.worker.preview import preview

    entries: list[tuple[str, int]] = []
    unreadable: list[SkippedEntry] = []
    try:
        parsed = parse_request(json.dumps(request).encode())
        source_bucket = parsed.source_bucket or stack.require("source_bucket")
        reader = ObjectReader(_client(stack), lambda region: _client(replace(stack, region=region)))
        sources = SourceReader(stack.client("s3"), _Anything())
        for one in preview(parsed, source_bucket, sources, reader):
            if isinstance(one, SkippedEntry):
                unreadable.append(one)
            else:
                entries.append((one.name, one.size or 0))
                if not as_json:
                    print_result(f"{one.size:>15,}  {one.name}")
    except PermanentError as error:
        if as_json:
            print_json({"error": {"code": error.code, "message": str(error)}})
        else:
            print_error(f"The job would fail: {error.code}: {error}")
        raise typer.Exit(WOULD_FAIL) from error
    except TransientError as error:
        raise CliError(str(error)) from error
    fatal = [one for one in unreadable if one.code not in parsed.skipped_codes]
    total = sum(size for _, size in entries)
    if as_json:
        print_json(
            {
                "entries": [{"name": name, "size": size} for name, size in entries],
                "bytes": total,
                "unreadable": [
                    {"object": str(one.entry.source), "reason": one.code} for one in unreadable
                ],
                "wouldFail": bool(fatal) or not entries,
            }
        )
    else:
        for one in unreadable:
            reason = SKIP_REASONS.get(one.code, "")
            print_result(f"{'':>15}  {one.entry.source}  ({one.code}: {reason})", "yellow")
        print_note(f"{counted(len(entries), 'entry', 'entries')}, {total:,} bytes.")
        if fatal:
            print_error(
                f"The job would fail: {counted(len(fatal), 'object', 'objects')} cannot be read. "
                "See --on-missing and --on-unreadable."
            )
        elif not entries:
            print_error("The job would fail: nothing is left to zip.")
    if fatal or not entries:
        raise typer.Exit(WOULD_FAIL)


def _client(stack: Stack) -> "HttpClient":
    from zipjobs.s3.http.client import HttpClient
    from zipjobs.s3.http.endpoint import Endpoint
    from zipjobs.s3.probe_objects import WINDOW

    endpoint = Endpoint.of(stack.client("s3"), os.environ.get("AWS_CA_BUNDLE"))
    return HttpClient(endpoint, stack.credentials().get_frozen_credentials, WINDOW)


class _Anything:
    """Allows all sources: the permissions of the caller decide."""

    def require_source(self, bucket: str, key: str, field: str) -> None:
        """Do nothing."""
