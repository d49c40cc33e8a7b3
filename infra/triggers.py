"""What invokes functions by itself: queues and the clock."""

import pulumi
import pulumi_aws as aws


def feed(
    name: str,
    function: aws.lambda_.Function,
    queue: aws.sqs.Queue,
    batch_size: int,
    max_concurrency: int,
    parent: pulumi.Resource,
) -> None:
    """Hand a queue's messages to a function, which says of each batch what is to come again."""
    aws.lambda_.EventSourceMapping(
        name,
        function_name=function.name,
        event_source_arn=queue.arn,
        batch_size=batch_size,
        function_response_types=["ReportBatchItemFailures"],
        scaling_config={"maximum_concurrency": max_concurrency},
        opts=pulumi.ResourceOptions(parent=parent),
    )


def schedule(
    name: str, function: aws.lambda_.Function, minutes: int, parent: pulumi.Resource
) -> aws.cloudwatch.EventRule:
    """Invoke a function every so many minutes. Returns the rule."""
    child = pulumi.ResourceOptions(parent=parent)
    rule = aws.cloudwatch.EventRule(
        name,
        description=f"Invokes {name}",
        schedule_expression=f"rate({minutes} {'minute' if minutes == 1 else 'minutes'})",
        opts=child,
    )
    aws.lambda_.Permission(
        name,
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=child,
    )
    aws.cloudwatch.EventTarget(name, rule=rule.name, arn=function.arn, opts=child)
    return rule
