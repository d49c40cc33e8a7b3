"""Turns what can go wrong into sentences."""

import sys

from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import program


def explained(error: BaseException) -> str | None:
    """What went wrong, for a person, or None if it is a mistake of this program."""
    if isinstance(error, CliError):
        return str(error)
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}."
    if "botocore" in sys.modules:
        return _of_aws(error)
    return None


def _of_aws(error: BaseException) -> str | None:
    from boto3.exceptions import Boto3Error
    from botocore import exceptions

    signing_in = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
    )
    if isinstance(error, exceptions.ClientError):
        said = error.response["Error"]
        code, message = said.get("Code", "unknown"), said.get("Message", "").rstrip(".")
        return f"AWS refused {error.operation_name}: {message or code}. ({code})"
    if isinstance(error, signing_in):
        return f"{error} No AWS credentials: `{program()} doctor` says more."
    if isinstance(error, exceptions.BotoCoreError | Boto3Error):
        return f"{error}"
    return None
