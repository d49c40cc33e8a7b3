"""What ``doctor`` looks at: each part of a stack, and of what is needed to use it."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from zipjobs_cli.client.api import Api
from zipjobs_cli.client.dead_letters import waiting
from zipjobs_cli.client.stack import Stack, StackSelector, find_stack
from zipjobs_cli.errors import CliError, MissingOutput
from zipjobs_cli.output.failures import explained

NEEDS_PYTHON = (3, 11)

SIGNATURE_SECONDS = 240
"""AWS refuses signatures that are five minutes off ("Troubleshoot SigV4", IAM User Guide)."""

FORBIDDEN = frozenset({"403", "AccessDenied", "AccessDeniedException"})
MISSING = frozenset({"404", "NoSuchBucket", "ResourceNotFoundException", "QueueDoesNotExist"})


class Health(StrEnum):
    """How something is. ``WARN``: it need not matter, or cannot be told."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing, and what to do about it, if anything."""

    what: str
    health: Health
    found: str
    advice: str = ""


Look = Callable[[Stack], Iterator[Finding]]


def examine(where: StackSelector) -> Iterator[Finding]:
    """Look at everything, each thing by itself. Yields what is found as it is found."""
    yield _python()
    yield _pulumi()
    try:
        stack = find_stack(where)
    except CliError as error:
        yield Finding("stack", Health.FAIL, "not found", str(error))
        return
    place = f"{stack.api_url} in {stack.region or 'no region'}, auth {stack.api_auth}"
    yield Finding("stack", Health.OK, f"{place}; found: {stack.found}")
    yield from _looked_at("api", _api, stack)
    (credentials,) = _looked_at("credentials", _credentials, stack)
    if credentials.health is not Health.OK and stack.api_auth != "iam":
        advice = "The API does without. Only with AWS credentials can the rest be looked at."
        yield Finding("credentials", Health.WARN, credentials.found, advice)
        return
    yield credentials
    if credentials.health is Health.OK:
        for what, look in _LOOKS:
            yield from _looked_at(what, look, stack)


def _looked_at(what: str, look: Look, stack: Stack) -> Iterator[Finding]:
    """What ``look`` finds, or why it could not."""
    try:
        yield from look(stack)
    except MissingOutput as error:
        yield Finding(what, Health.WARN, "not known", str(error))
    except Exception as error:
        told = explained(error)
        if told is None:
            raise
        code = _code(error)
        health = Health.WARN if code in FORBIDDEN else Health.FAIL
        yield Finding(what, health, told, _advice(code))


def _code(error: Exception) -> str:
    """Of an answer of AWS."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code", "")).rpartition(".")[2]


def _advice(code: str) -> str:
    if code in FORBIDDEN:
        return "These credentials may not look. It matters only if they are to use it."
    if code in MISSING:
        return "It is not there: was it deleted, or is this another account or region?"
    return ""


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info[:2] < NEEDS_PYTHON:
        wanted = ".".join(map(str, NEEDS_PYTHON))
        return Finding("python", Health.FAIL, version, f"Python {wanted} or newer is needed.")
    return Finding("python", Health.OK, version)


def _pulumi() -> Finding:
    found = shutil.which("pulumi")
    if found is None:
        advice = "Only `pulumi up`, and finding stacks by their names, need it: pulumi.com/docs."
        return Finding("pulumi", Health.WARN, "not installed", advice)
    return Finding("pulumi", Health.OK, found)


def _credentials(stack: Stack) -> Iterator[Finding]:
    who = stack.client("sts").get_caller_identity()
    yield Finding("credentials", Health.OK, who["Arn"])


def _api(stack: Stack) -> Iterator[Finding]:
    api = Api(stack, pauses_seconds=())
    answer = api.send("GET", "/zip-jobs?limit=1")
    off = _seconds_off(answer.headers.get("date"))
    if abs(off) > SIGNATURE_SECONDS:
        found = f"{abs(off):,.0f} seconds {'ahead' if off > 0 else 'behind'}"
        advice = "Set it: AWS refuses what is signed more than five minutes ago, or ahead."
        yield Finding("clock", Health.FAIL, found, advice)
    api.parsed(answer)
    yield Finding("api", Health.OK, "it answers, and knows who asks")


def _seconds_off(date: str | None) -> float:
    """By how much this machine's clock is ahead of a Date header's; 0 if there is none."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - theirs).total_seconds()


def _bucket(value: str) -> Look:
    def look(stack: Stack) -> Iterator[Finding]:
        name = stack.need(value)
        stack.client("s3").head_bucket(Bucket=name)
        yield Finding(value.replace("_", " "), Health.OK, name)

    return look


def _manifests(stack: Stack) -> Iterator[Finding]:
    s3, bucket = stack.client("s3"), stack.need("manifest_bucket")
    told = s3.get_bucket_notification_configuration(Bucket=bucket)
    if "EventBridgeConfiguration" in told:
        yield Finding("manifest events", Health.OK, "the bucket sends them to EventBridge")
    else:
        advice = "Turn on Amazon EventBridge in the bucket's properties."
        yield Finding("manifest events", Health.FAIL, "no manifest would start a job", advice)
    if s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled":
        yield Finding("manifest versions", Health.OK, "kept")
    else:
        advice = "Turn on versioning, and `submit --manifest` knows its job's id."
        yield Finding("manifest versions", Health.WARN, "not kept", advice)


def _table(stack: Stack) -> Iterator[Finding]:
    name = stack.need("table_name")
    status = stack.client("dynamodb").describe_table(TableName=name)["Table"]["TableStatus"]
    health = Health.OK if status in ("ACTIVE", "UPDATING") else Health.FAIL
    yield Finding("table", health, f"{name}: {status}")


def _queue(stack: Stack) -> Iterator[Finding]:
    ready, held = waiting(stack.client("sqs"), stack.need("queue_url"))
    yield Finding("job queue", Health.OK, f"{ready:,} waiting, {held:,} under way")


def _dead_letters(stack: Stack) -> Iterator[Finding]:
    ready, held = waiting(stack.client("sqs"), stack.need("dead_letter_queue_url"))
    if ready or held:
        advice = "Look into the dead-letter function's log; `redrive` puts them back."
        yield Finding("dead letters", Health.WARN, f"{ready + held:,}", advice)
    else:
        yield Finding("dead letters", Health.OK, "none")


def _bus(stack: Stack) -> Iterator[Finding]:
    name = stack.need("event_bus_name")
    stack.client("events").describe_event_bus(Name=name)
    yield Finding("event bus", Health.OK, name)


_LOOKS: tuple[tuple[str, Look], ...] = (
    ("source bucket", _bucket("source_bucket")),
    ("target bucket", _bucket("target_bucket")),
    ("manifest bucket", _bucket("manifest_bucket")),
    ("manifest events", _manifests),
    ("table", _table),
    ("job queue", _queue),
    ("dead letters", _dead_letters),
    ("event bus", _bus),
)
