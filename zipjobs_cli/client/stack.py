"""Find the stack to use, and create AWS clients for it."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zipjobs_cli.client.local_stacks import find_local_stack
from zipjobs_cli.client.pulumi import stack_outputs
from zipjobs_cli.errors import CliError, MissingOutput

if TYPE_CHECKING:
    import boto3
    from botocore.credentials import Credentials

OUTPUTS = (
    *("api_url", "api_auth", "region", "source_bucket", "target_bucket", "manifest_bucket"),
    *("manifest_prefix", "table_name", "queue_url", "dead_letter_queue_url", "event_bus_name"),
    *("target_prefix", "archive_retention_days", "zipper_max_concurrency"),
)
"""Values that commands use. ``api_url`` is the Pulumi output ``apiUrl`` or the environment variable
``ZIPJOBS_API_URL``."""

AUTHS = ("iam", "jwt", "none")

LOCAL_KEY = "local"
"""Access key ID and secret of the embedded AWS."""

CONNECT_SECONDS = 5
READ_SECONDS = 60
ATTEMPTS = 5

_API_HOST = re.compile(r"\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$")


@dataclass(frozen=True)
class StackSelector:
    """The options that select a stack: the URL of its API, or its name in Pulumi.

    ``profile`` is an AWS profile, ``token`` a bearer token for an API with ``apiAuth: jwt``.
    """

    api_url: str | None = None
    region: str | None = None
    stack: str | None = None
    profile: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Stack:
    """A stack. Values that are not known are None.

    ``source`` says how the stack was found, for messages. ``api_auth`` is ``iam``, ``jwt`` or
    ``none``. ``endpoint_url`` is the URL of an embedded AWS.
    """

    source: str
    api_url: str
    api_auth: str = "iam"
    region: str | None = None
    source_bucket: str | None = None
    target_bucket: str | None = None
    target_prefix: str | None = None
    archive_retention_days: str | None = None
    manifest_bucket: str | None = None
    manifest_prefix: str | None = None
    table_name: str | None = None
    queue_url: str | None = None
    dead_letter_queue_url: str | None = None
    event_bus_name: str | None = None
    zipper_max_concurrency: str | None = None
    endpoint_url: str | None = None
    profile: str | None = None
    token: str | None = field(default=None, repr=False)

    def require(self, name: str) -> str:
        """Return one of ``OUTPUTS``. Raises MissingOutput if it is not known."""
        value: str | None = getattr(self, name)
        if value is None:
            variable = "AWS_REGION" if name == "region" else _variable(name)
            raise MissingOutput(
                f"The {_output_name(name)} of the stack is not known (found by: {self.source}). "
                f"Set {variable}, or name the stack with --stack."
            )
        return value

    def client(self, service: str, connections: int = 10) -> Any:
        """Return a boto3 client with a pool of ``connections``. Threads may share it.

        Raises MissingOutput if the region is not known, and CliError if the profile is unknown.
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
            region_name=self.require("region"),
            endpoint_url=self.endpoint_url,
            config=config,
        )

    def credentials(self) -> "Credentials":
        """Return the AWS credentials that sign requests. Raises CliError if there are none."""
        credentials = self._session().get_credentials()
        if credentials is None:
            raise CliError(
                "No AWS credentials found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, use "
                "--profile, or run `aws sso login`."
            )
        return credentials

    def _session(self) -> "boto3.Session":
        is_local = self.endpoint_url is not None and self.profile is None
        return _session(self.profile, is_local and "AWS_ACCESS_KEY_ID" not in os.environ)


def find_stack(selector: StackSelector | None = None) -> Stack:
    """Return the stack to use.

    The first of these is used: the selector's API URL or stack name, ``ZIPJOBS_API_URL``,
    ``ZIPJOBS_STACK``, a local stack that runs on this machine, Pulumi's selected stack.

    Raises CliError if there is no stack, or its settings are invalid.
    """
    selector = selector or StackSelector()
    stack = _find(selector)
    if stack.api_auth not in AUTHS:
        raise CliError(f"apiAuth is {stack.api_auth!r}. Valid values are {', '.join(AUTHS)}.")
    token = selector.token or os.environ.get("ZIPJOBS_TOKEN") or None
    region = selector.region or stack.region or _region(stack.api_url, selector.profile)
    return replace(stack, region=region, profile=selector.profile, token=token)


def _find(selector: StackSelector) -> Stack:
    variable_url = _checked_url(os.environ.get("ZIPJOBS_API_URL"), "ZIPJOBS_API_URL")
    if selector.api_url and selector.stack:
        raise CliError("Use --api-url or --stack, not both.")
    if url := _checked_url(selector.api_url, "--api-url"):
        # The environment may describe another stack.
        return _from_environment("--api-url", url, has_outputs=variable_url in (None, url))
    if variable_url and not selector.stack:
        return _from_environment("ZIPJOBS_API_URL", variable_url)
    name = selector.stack or os.environ.get("ZIPJOBS_STACK") or None
    if name is None and (local := find_local_stack()):
        return stack_from_outputs(f"local stack of process {local.pid}", local.outputs)
    source = f"Pulumi stack {name}" if name else "selected Pulumi stack"
    return stack_from_outputs(source, stack_outputs(name))


def _from_environment(source: str, url: str, has_outputs: bool = True) -> Stack:
    """Return the stack at ``url``. ``has_outputs`` reads other values from the environment."""
    values = {name: os.environ.get(_variable(name)) for name in OUTPUTS if has_outputs}
    known = {name: value for name, value in values.items() if value}
    has_token = bool(os.environ.get("ZIPJOBS_TOKEN"))
    return Stack(source, **{"api_auth": "jwt" if has_token else "iam", **known, "api_url": url})


def stack_from_outputs(source: str, outputs: Mapping[str, Any]) -> Stack:
    """Return the stack with these Pulumi outputs. Raises CliError if it has no valid API URL."""
    values = {name: outputs.get(_output_name(name)) for name in OUTPUTS}
    known = {name: str(value) for name, value in values.items() if value is not None}
    url = _checked_url(known.pop("api_url", None), f"apiUrl of the {source}")
    if url is None:
        raise CliError(f"The {source} is not an S3 ZIP Jobs stack: it has no output apiUrl.")
    return Stack(source, url, endpoint_url=outputs.get("awsEndpointUrl"), **known)


def _checked_url(url: str | None, source: str) -> str | None:
    """Return the URL without a trailing slash, or None. Raises CliError if it is invalid."""
    if not url:
        return None
    try:
        parts = urlsplit(url)
        is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.username or parts.query or parts.fragment:
        raise CliError(f"{source} is {url!r}, which is not an https:// or http:// URL of an API.")
    return url.rstrip("/")


def _region(api_url: str, profile: str | None) -> str | None:
    """Return the region in the API's host name, or the region of the AWS configuration."""
    if match := _API_HOST.search(urlsplit(api_url).hostname or ""):
        return match[1]
    region = os.environ.get("AWS_REGION") or _session(profile, False).region_name
    return region or None


def _output_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _variable(name: str) -> str:
    return f"ZIPJOBS_{name.upper()}"


@cache
def _session(profile: str | None, is_local: bool) -> "boto3.Session":
    import boto3
    from botocore.exceptions import ProfileNotFound

    try:
        if is_local:
            return boto3.Session(aws_access_key_id=LOCAL_KEY, aws_secret_access_key=LOCAL_KEY)
        return boto3.Session(profile_name=profile)
    except ProfileNotFound as error:
        raise CliError(f"{error}. `aws configure list-profiles` lists all profiles.") from error
