"""What ``python -m local up`` tells a person to type next."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from local.gateway.identities import LOCAL_USER

CREDENTIALS = f"AWS_ACCESS_KEY_ID={LOCAL_USER} AWS_SECRET_ACCESS_KEY={LOCAL_USER}"

WHO_MAY_CALL = {
    "iam": "The API takes requests that are signed by an IAM user or role (apiAuth: iam).",
    "jwt": "The API takes requests that bear a token of its issuer (apiAuth: jwt).",
    "none": "The API takes requests from everybody (apiAuth: none).",
}


def welcome(console: Console, outputs: Mapping[str, Any]) -> None:
    """Print the running stack's names, and commands that work as they stand."""
    source, manifests = outputs["sourceBucket"], outputs["manifestBucket"]
    body = json.dumps({"keys": ["uploads/one.pdf", "uploads/two.pdf"]})
    steps = [
        ("Let any AWS client use this stack", _exports(outputs)),
        (
            "Put something to zip into the source bucket",
            f"aws s3 cp some.pdf s3://{source}/uploads/one.pdf\n"
            f"aws s3 cp some.pdf s3://{source}/uploads/two.pdf",
        ),
        (
            "Start a job by dropping a manifest",
            f"echo '{body}' > my-files.json\n"
            f"aws s3 cp my-files.json s3://{manifests}/{outputs['manifestPrefix']}",
        ),
        (
            "Or start one over HTTP, then ask how it is",
            f"curl -s{_credentials(outputs)} {outputs['apiUrl']}/zip-jobs -d '{body}'\n"
            f"curl -s{_credentials(outputs)} {outputs['apiUrl']}/zip-jobs/JOB_ID",
        ),
        (
            "See the completion events",
            # The AWS CLI 1 takes SQS's endpoint from its command line only.
            f"aws sqs receive-message --endpoint-url {outputs['awsEndpointUrl']} "
            f"--queue-url {outputs['eventsQueueUrl']}",
        ),
    ]
    console.print("\n[bold green]The embedded AWS is up.[/] Ctrl-C ends it.")
    console.print(f"{escape(WHO_MAY_CALL[outputs['apiAuth']])}\n", soft_wrap=True)
    for title, commands in steps:
        console.print(f"[bold]{escape(title)}[/]")
        for line in commands.splitlines():
            console.print(f"  {escape(line)}", soft_wrap=True, highlight=False, style="cyan")
        console.print()


def _credentials(outputs: Mapping[str, Any]) -> str:
    """What curl needs to say who calls."""
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
