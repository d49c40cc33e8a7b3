"""What ``python -m local up`` tells a person to type next."""

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

CREDENTIALS = "AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local"


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
            f"curl -s {outputs['apiUrl']}/zip-jobs -d '{body}'\n"
            f"curl -s {outputs['apiUrl']}/zip-jobs/JOB_ID",
        ),
        (
            "See the completion events",
            # The AWS CLI 1 takes SQS's endpoint from its command line only.
            f"aws sqs receive-message --endpoint-url {outputs['awsEndpointUrl']} "
            f"--queue-url {outputs['eventsQueueUrl']}",
        ),
    ]
    console.print("\n[bold green]The embedded AWS is up.[/] Ctrl-C ends it.\n")
    for title, commands in steps:
        console.print(f"[bold]{escape(title)}[/]")
        for line in commands.splitlines():
            console.print(f"  {escape(line)}", soft_wrap=True, highlight=False, style="cyan")
        console.print()


def _exports(outputs: Mapping[str, Any]) -> str:
    return (
        f"export AWS_ENDPOINT_URL={outputs['awsEndpointUrl']}\n"
        f"export AWS_DEFAULT_REGION={outputs['region']} {CREDENTIALS}"
    )
