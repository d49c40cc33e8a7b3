"""Error messages for exceptions that users can cause."""

import sys

from zipjobs_cli.errors import CliError
from zipjobs_cli.output.screen import program


def error_message(error: BaseException) -> str | None:
    """Return a message for the user, or None if the exception is a defect of this program."""
    if isinstance(error, CliError):
        return str(error)
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}."
    if "botocore" in sys.modules:
        return _aws_message(error)
    return None


def _aws_message(error: BaseException) -> str | None:
    from boto3.exceptions import Boto3Error
    from botocore import exceptions

    credential_errors = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
        exceptions.TokenRetrievalError,
        exceptions.SSOError,
    )
    if isinstance(error, exceptions.ClientError):
        details = error.response["Error"]
        code, message = details.get("Code", "unknown"), details.get("Message", "").rstrip(".")
        return f"AWS refused {error.operation_name}: {message or code}. ({code})"
    if isinstance(error, credential_errors):
        return f"No AWS credentials: {error} Run `{program()} doctor` for details."
    if isinstance(error, exceptions.BotoCoreError | Boto3Error):
        return f"{error}"
    return None
