"""Finds the stack that a command is about, and makes clients for it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zipjobs_cli.client.local_stacks import running_stack
from zipjobs_cli.client.pulumi import stack_outputs
from zipjobs_cli.errors import CliError, MissingOutput

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import Credentials

VALUES = (
    *("api_url", "api_auth", "region", "source_bucket", "target_bucket", "manifest_bucket"),
    *("manifest_prefix", "table_name", "queue_url", "dead_letter_queue_url", "event_bus_name"),
)
"""What a stack tells of itself: ``apiUrl`` among a Pulumi program's outputs, ``ZIPJOBS_API_URL`` in
the environment."""

AUTHS = ("iam", "jwt", "none")

LOCAL_KEY = "local"
"""Both halves of the access key that the embedded AWS knows."""

CONNECT_SECONDS = 5
READ_SECONDS = 60
ATTEMPTS = 5

_API_HOST = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$")


@dataclass(frozen=True)
class StackSelector:
    """Which stack is meant, as the command line says: by the address of its API, or its name.

    ``profile`` is one of the AWS configuration, ``token`` a bearer token for an API with ``jwt``.
    """

    api_url: str | None = None
    region: str | None = None
    stack: str | None = None
    profile: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Stack:
    """A stack, as far as it is known: of one that was found by its address, no more than that.

    ``api_auth`` is ``iam``, ``jwt`` or ``none``. ``endpoint_url`` is that of an embedded AWS.
    ``found`` says where the stack was found, for messages.
    """

    found: str
    api_url: str
    api_auth: str = "iam"
    region: str | None = None
    source_bucket: str | None = None
    target_bucket: str | None = None
    manifest_bucket: str | None = None
    manifest_prefix: str | None = None
    table_name: str | None = None
    queue_url: str | None = None
    dead_letter_queue_url: str | None = None
    event_bus_name: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    token: str | None = field(default=None, repr=False)

    def need(self, value: str) -> str:
        """One of ``VALUES``. Raises MissingOutput if it is not known."""
        known: str | None = getattr(self, value)
        if known is None:
            variable = "AWS_REGION" if value == "region" else _variable(value)
            raise MissingOutput(
                f"The stack (found: {self.found}) does not tell its {_output_name(value)}. "
                f"Set {variable}, or name the stack: --stack."
            )
        return known

    def client(self, service: str, connections: int = 10) -> Any:
        """A boto3 client for ``service``, which keeps so many connections. Threads may share it.

        Raises MissingOutput if the region is not known, and CliError if the profile is not.
        """
        from botocore.config import Config

        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            max_pool_connections=connections,
            signature_version="s3v4" if service == "s3" else None,
        )
        return self._session().client(  # type: ignore[call-overload]
            service,
            region_name=self.need("region"),
            endpoint_url=self.endpoint_url,
            config=config,
        )

    def credentials(self) -> "Credentials":
        """The AWS credentials that requests are signed with. Raises CliError if there are none."""
        found = self._session().get_credentials()
        if found is None:
            raise CliError(
                "There are no AWS credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "--profile, or sign in with `aws sso login`."
            )
        return found

    def _session(self) -> "boto3.Session":
        is_local = self.endpoint_url is not None and self.profile is None
        return _session(self.profile, is_local and "AWS_ACCESS_KEY_ID" not in os.environ)


def find_stack(where: StackSelector | None = None) -> Stack:
    """The stack that is meant: the first that is found of these.

    The one at ``where.api_url``; else at ``ZIPJOBS_API_URL``, unless ``where`` names a stack; one
    that runs on this machine (of several that at ``AWS_ENDPOINT_URL``), unless it or
    ``ZIPJOBS_STACK`` names one; the one of that name in Pulumi, or the one that is selected there.

    Raises CliError if there is none, or if it is not told what it is needed for.
    """
    where = where or StackSelector()
    stack = _find(where)
    if stack.api_auth not in AUTHS:
        raise CliError(f"{stack.api_auth!r} is no way to sign in: {', '.join(AUTHS)} are.")
    token = where.token or os.environ.get("ZIPJOBS_TOKEN") or None
    region = where.region or stack.region or _region(stack.api_url, where.profile)
    return replace(stack, region=region, profile=where.profile, token=token)


def _find(where: StackSelector) -> Stack:
    at = _url(os.environ.get("ZIPJOBS_API_URL"), "ZIPJOBS_API_URL")
    if where.api_url and where.stack:
        raise CliError("Give --api-url or --stack, not both.")
    if url := _url(where.api_url, "--api-url"):
        return _from_environment("--api-url", url, about=at)
    if at and not where.stack:
        return _from_environment("ZIPJOBS_API_URL", at, about=at)
    name = where.stack or os.environ.get("ZIPJOBS_STACK") or None
    if name is None and (local := running_stack()):
        found = f"the local stack that runs on this machine (process {local.pid})"
        return _from_outputs(found, local.outputs)
    outputs = stack_outputs(name)
    return _from_outputs(f"Pulumi's stack {name}" if name else "Pulumi's selected stack", outputs)


def _from_environment(found: str, url: str, about: str | None) -> Stack:
    """A stack at ``url``. The environment tells the rest, if it is ``about`` the same stack."""
    values = {value: os.environ.get(_variable(value)) for value in VALUES}
    known = {value: text for value, text in values.items() if text} if about in (None, url) else {}
    has_token = bool(os.environ.get("ZIPJOBS_TOKEN"))
    return Stack(found, **{"api_auth": "jwt" if has_token else "iam", **known, "api_url": url})


def _from_outputs(found: str, outputs: Mapping[str, Any]) -> Stack:
    values = {value: outputs.get(_output_name(value)) for value in VALUES}
    known = {value: str(output) for value, output in values.items() if output is not None}
    url = _url(known.pop("api_url", None), f"apiUrl of {found}")
    if url is None:
        raise CliError(f"This is no stack of this project, for it has no apiUrl: {found}.")
    return Stack(found, url, endpoint_url=outputs.get("awsEndpointUrl"), **known)


def _url(url: str | None, source: str) -> str | None:
    """Without a slash at its end; None if there is none. Raises CliError if it is no address."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.username or parts.query or parts.fragment:
        raise CliError(f"{source} is {url!r}: that is no address of an API, https://… or http://….")
    return url.rstrip("/")


def _region(api_url: str, profile: str | None) -> str | None:
    """As the API's address tells it, or else AWS's own settings."""
    if found := _API_HOST.search(urlsplit(api_url).hostname or ""):
        return found[1]
    region = os.environ.get("AWS_REGION") or _session(profile, False).region_name
    return region or None


def _output_name(value: str) -> str:
    first, *rest = value.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _variable(value: str) -> str:
    return f"ZIPJOBS_{value.upper()}"


@cache
def _session(profile: str | None, is_local: bool) -> "boto3.Session":
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        if is_local:
            return boto3.Session(aws_access_key_id=LOCAL_KEY, aws_secret_access_key=LOCAL_KEY)
        return boto3.Session(profile_name=profile)
    except ProfileNotFound as error:
        raise CliError(f"{error}. `aws configure list-profiles` names those there are.") from error
