"""The checks of ``doctor``: all parts of a stack, and the tools and credentials to use it."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

from zipjobs_cli.client.api import Api
from zipjobs_cli.client.dead_letters import count_messages
from zipjobs_cli.client.stack import Stack, StackSelector, find_stack
from zipjobs_cli.errors import CliError, MissingOutput
from zipjobs_cli.output.failures import error_message

MIN_PYTHON = (3, 11)

MAX_CLOCK_SECONDS = 240
"""AWS rejects signatures that differ by five minutes ("Troubleshoot SigV4", IAM User Guide)."""

OTHER_EXECUTIONS = 7
"""Concurrent executions for everything but the zipper: 2 of the dead-letter function, and 5 for the
API and the reconciler."""

FORBIDDEN = frozenset({"403", "AccessDenied", "AccessDeniedException"})
MISSING = frozenset({"404", "NoSuchBucket", "ResourceNotFoundException", "QueueDoesNotExist"})


class Health(StrEnum):
    """Result of a check. ``WARN``: it may not matter, or could not be checked."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """The result of the check ``what``, with advice if something is wrong."""

    what: str
    health: Health
    found: str
    advice: str = ""


Check = Callable[[Stack], Iterator[Finding]]


def examine(selector: StackSelector) -> Iterator[Finding]:
    """Run all checks, and yield each result when it is known."""
    yield _python()
    yield _pulumi()
    try:
        stack = find_stack(selector)
    except CliError as error:
        yield Finding("stack", Health.FAIL, "not found", str(error))
        return
    place = f"{stack.api_url} in {stack.region or 'an unknown region'}, auth {stack.api_auth}"
    yield Finding("stack", Health.OK, f"{place}; found by: {stack.source}")
    yield from _run("api", _api, stack)
    (credentials,) = _run("credentials", _credentials, stack)
    if credentials.health is not Health.OK and stack.api_auth != "iam":
        advice = "The API does not require them, but the other checks do."
        yield Finding("credentials", Health.WARN, credentials.found, advice)
        return
    yield credentials
    if credentials.health is Health.OK:
        for what, check in _CHECKS:
            yield from _run(what, check, stack)


def _run(what: str, check: Check, stack: Stack) -> Iterator[Finding]:
    """Run a check. An expected exception is a finding."""
    try:
        yield from check(stack)
    except MissingOutput as error:
        yield Finding(what, Health.WARN, "not known", str(error))
    except Exception as error:
        message = error_message(error)
        if message is None:
            raise
        code = _error_code(error)
        health = Health.WARN if code in FORBIDDEN else Health.FAIL
        yield Finding(what, health, message, _advice(code))


def _error_code(error: Exception) -> str:
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", "")).rpartition(".")[2]


def _advice(code: str) -> str:
    if code in FORBIDDEN:
        return "Your credentials do not allow this check. Ignore this if you do not use it."
    if code in MISSING:
        return "It does not exist. Check the account and the region, and whether it was deleted."
    return ""


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info[:2] < MIN_PYTHON:
        required = ".".join(map(str, MIN_PYTHON))
        return Finding("python", Health.FAIL, version, f"Install Python {required} or newer.")
    return Finding("python", Health.OK, version)


def _pulumi() -> Finding:
    path = shutil.which("pulumi")
    if path is None:
        advice = "It is required only for `pulumi up` and to find stacks by name: pulumi.com/docs."
        return Finding("pulumi", Health.WARN, "not installed", advice)
    return Finding("pulumi", Health.OK, path)


def _credentials(stack: Stack) -> Iterator[Finding]:
    identity = stack.client("sts").get_caller_identity()
    yield Finding("credentials", Health.OK, identity["Arn"])


def _api(stack: Stack) -> Iterator[Finding]:
    api = Api(stack, pauses_seconds=())
    response = api.send("GET", "/zip-jobs?limit=1")
    offset = _clock_offset(response.headers.get("date"))
    if abs(offset) > MAX_CLOCK_SECONDS:
        found = f"{abs(offset):,.0f} seconds {'ahead' if offset > 0 else 'behind'}"
        advice = "Set the clock. AWS rejects signatures that are off by more than five minutes."
        yield Finding("clock", Health.FAIL, found, advice)
    api.parsed(response)
    yield Finding("api", Health.OK, "it accepts your requests")


def _clock_offset(date: str | None) -> float:
    """Return how many seconds this clock is ahead of a Date header; 0 if there is none."""
    try:
        server_time = parsedate_to_datetime(date or "")
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - server_time).total_seconds()


def _bucket(output: str) -> Check:
    def check(stack: Stack) -> Iterator[Finding]:
        name = stack.require(output)
        stack.client("s3").head_bucket(Bucket=name)
        yield Finding(output.replace("_", " "), Health.OK, name)

    return check


def _manifests(stack: Stack) -> Iterator[Finding]:
    s3, bucket = stack.client("s3"), stack.require("manifest_bucket")
    notifications = s3.get_bucket_notification_configuration(Bucket=bucket)
    if "EventBridgeConfiguration" in notifications:
        yield Finding("manifest events", Health.OK, "sent to EventBridge")
    else:
        advice = "Turn on Amazon EventBridge in the bucket's properties."
        yield Finding("manifest events", Health.FAIL, "off: manifests do not start jobs", advice)
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
        yield Finding("manifest versions", Health.OK, "kept")
    else:
        advice = "Turn on versioning, so that `submit --manifest` can return the job ID."
        yield Finding("manifest versions", Health.WARN, "not kept", advice)


def _manifest_names(stack: Stack) -> Iterator[Finding]:
    """Find objects below the manifest prefix that start no job because of their names."""
    bucket, prefix = stack.require("manifest_bucket"), stack.require("manifest_prefix")
    page = stack.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
    keys = [item["Key"] for item in page.get("Contents", [])]
    others = [key for key in keys if not key.endswith((".json", "/"))]
    if others:
        found = f"{len(others):,} of {len(keys):,} keys do not end with .json, such as {others[0]}"
        advice = "They start no job. The end of a key is case-sensitive: .JSON is not .json."
        yield Finding("manifest names", Health.WARN, found, advice)
    else:
        yield Finding("manifest names", Health.OK, "all end with .json")


def _concurrency(stack: Stack) -> Iterator[Finding]:
    """Compare the account's quota with what the workers can use."""
    workers = int(stack.require("zipper_max_concurrency"))
    limits = stack.client("lambda").get_account_settings()["AccountLimit"]
    available: int = limits["UnreservedConcurrentExecutions"]
    found = f"{available:,} concurrent executions, and zipperMaxConcurrency is {workers:,}"
    if workers + OTHER_EXECUTIONS <= available:
        yield Finding("lambda quota", Health.OK, found)
        return
    advice = (
        "The workers can use all of them, and then the API returns 503. Request a higher quota of "
        f"concurrent executions for Lambda: at least {workers + OTHER_EXECUTIONS:,}."
    )
    if available - OTHER_EXECUTIONS > 1:
        advice += f" Or set zipperMaxConcurrency to {available - OTHER_EXECUTIONS:,}."
    yield Finding("lambda quota", Health.WARN, found, advice)


def _expiry(stack: Stack) -> Iterator[Finding]:
    """Find the lifecycle rules of the target bucket that delete archives."""
    from zipjobs.requests.fields import EXPIRY_DAYS, EXPIRY_TAG

    days = int(stack.require("archive_retention_days"))
    bucket, prefix = stack.require("target_bucket"), stack.require("target_prefix")
    missing = list(EXPIRY_DAYS)
    is_covered = not days
    for rule in _lifecycle_rules(stack, bucket):
        expires_after = rule.get("Expiration", {}).get("Days")
        if rule["Status"] != "Enabled" or expires_after is None:
            continue
        selects = rule.get("Filter", {"Prefix": rule.get("Prefix", "")})
        tag = selects.get("Tag", {})
        if tag == {"Key": EXPIRY_TAG, "Value": str(expires_after)} and expires_after in missing:
            missing.remove(expires_after)
        elif set(selects) <= {"Prefix"} and prefix.startswith(selects.get("Prefix", "")):
            is_covered |= expires_after == days
    advice = "Add the lifecycle rules of docs/configuration.md to the bucket."
    if not is_covered:
        found = f"no rule deletes {bucket}/{prefix} after archiveRetentionDays ({days:,} days)"
        yield Finding("archive expiry", Health.FAIL, found, advice)
    elif missing:
        found = f"{bucket} has no rule for expiresInDays {', '.join(map(str, missing))}"
        yield Finding("archive expiry", Health.WARN, found, advice)
    else:
        kept = f"archives are deleted after {days:,} days" if days else "archives are kept"
        yield Finding("archive expiry", Health.OK, f"{kept}; expiresInDays works")


def _lifecycle_rules(stack: Stack, bucket: str) -> Sequence[Mapping[str, Any]]:
    from botocore.exceptions import ClientError

    try:
        response = stack.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)
    except ClientError as error:
        if _error_code(error) != "NoSuchLifecycleConfiguration":
            raise
        return ()
    rules: Sequence[Mapping[str, Any]] = response["Rules"]
    return rules


def _table(stack: Stack) -> Iterator[Finding]:
    name = stack.require("table_name")
    status = stack.client("dynamodb").describe_table(TableName=name)["Table"]["TableStatus"]
    health = Health.OK if status in ("ACTIVE", "UPDATING") else Health.FAIL
    yield Finding("table", health, f"{name}: {status}")


def _queue(stack: Stack) -> Iterator[Finding]:
    available, in_flight = count_messages(stack.client("sqs"), stack.require("queue_url"))
    yield Finding("job queue", Health.OK, f"{available:,} waiting, {in_flight:,} in flight")


def _dead_letters(stack: Stack) -> Iterator[Finding]:
    total = sum(count_messages(stack.client("sqs"), stack.require("dead_letter_queue_url")))
    if total:
        advice = "Read the log of the dead-letter function. `redrive` moves the messages back."
        yield Finding("dead letters", Health.WARN, f"{total:,}", advice)
    else:
        yield Finding("dead letters", Health.OK, "none")


def _event_bus(stack: Stack) -> Iterator[Finding]:
    name = stack.require("event_bus_name")
    stack.client("events").describe_event_bus(Name=name)
    yield Finding("event bus", Health.OK, name)


_CHECKS: tuple[tuple[str, Check], ...] = (
    ("source bucket", _bucket("source_bucket")),
    ("target bucket", _bucket("target_bucket")),
    ("manifest bucket", _bucket("manifest_bucket")),
    ("manifest events", _manifests),
    ("manifest names", _manifest_names),
    ("archive expiry", _expiry),
    ("table", _table),
    ("job queue", _queue),
    ("dead letters", _dead_letters),
    ("event bus", _event_bus),
    ("lambda quota", _concurrency),
)
