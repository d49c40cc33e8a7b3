"""The instructions that ``python -m local up`` prints."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from local.gateway.identities import LOCAL_USER

CREDENTIALS = f"AWS_ACCESS_KEY_ID={LOCAL_USER} AWS_SECRET_ACCESS_KEY={LOCAL_USER}"

API_AUTH = {
    "iam": "The API requires requests signed by an IAM user or role (apiAuth: iam).",
    "jwt": "The API requires a token of its issuer (apiAuth: jwt).",
    "none": "The API accepts requests without authentication (apiAuth: none).",
}


def print_instructions(
    console: Console, outputs: Mapping[str, Any], exports: Sequence[str] = ()
) -> None:
    """Print commands that work with the running stack.

    ``exports`` are shell commands for the use of ``pulumi``, if it has deployed the stack.
    """
    source, manifests = outputs["sourceBucket"], outputs["manifestBucket"]
    body = json.dumps({"keys": ["uploads/one.pdf", "uploads/two.pdf"]})
    steps = [
        ("Use this stack with any AWS client", _exports(outputs)),
        (
            "Upload objects to the source bucket",
            f"aws s3 cp some.pdf s3://{source}/uploads/one.pdf\n"
            f"aws s3 cp some.pdf s3://{source}/uploads/two.pdf",
        ),
        (
            "Start a job with a manifest",
            f"echo '{body}' > my-files.json\n"
            f"aws s3 cp my-files.json s3://{manifests}/{outputs['manifestPrefix']}",
        ),
        (
            "Or start a job with the API, and get its status",
            f"curl -s{_curl_options(outputs)} {outputs['apiUrl']}/zip-jobs -d '{body}'\n"
            f"curl -s{_curl_options(outputs)} {outputs['apiUrl']}/zip-jobs/JOB_ID",
        ),
        (
            "Read the completion events",
            # Version 1 of the AWS CLI ignores AWS_ENDPOINT_URL for SQS.
            f"aws sqs receive-message --endpoint-url {outputs['awsEndpointUrl']} "
            f"--queue-url {outputs['eventsQueueUrl']}",
        ),
    ]
    if exports:
        commands = "\n".join([*exports, "pulumi preview --stack local"])
        steps.append(("Use pulumi on this stack", commands))
    console.print("\n[bold green]The embedded AWS is running.[/] Press Ctrl-C to stop it.")
    console.print(f"{escape(API_AUTH[outputs['apiAuth']])}\n", soft_wrap=True)
    for title, commands in steps:
        console.print(f"[bold]{escape(title)}[/]")
        for line in commands.splitlines():
            console.print(f"  {escape(line)}", soft_wrap=True, highlight=False, style="cyan")
        console.print()


def _curl_options(outputs: Mapping[str, Any]) -> str:
    """Return curl's options for authentication."""
    match outputs["apiAuth"]:
        case "iam":
            scope = f"aws:amz:{outputs['region']}:execute-api"
            return f' --aws-sigv4 "{scope}" --user {LOCAL_USER}:{LOCAL_USER}'
        case "jwt":
            return ' -H "Authorization: Bearer $TOKEN"'
        case _:
            return ""


def _exports(outputs: Mapping[str, Any]) -> str:
    return (
        f"export AWS_ENDPOINT_URL={outputs['awsEndpointUrl']}\n"
        f"export AWS_DEFAULT_REGION={outputs['region']} {CREDENTIALS}"
    )
