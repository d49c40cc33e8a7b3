"""Creates a Lambda function with its role, log group and environment, and what invokes it."""

import itertools
from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.config.settings import Settings
from infra.config.size_limits import fitting_environment, fitting_policy
from infra.functions.capabilities import Capability
from infra.functions.roles import Roles
from infra.functions.runtime import ARCHITECTURE, PACKAGE_ZIP, RUNTIME
from infra.monitoring.metrics import FunctionMetrics
from infra.policies import Statement


class FunctionFactory:
    """Creates the functions of a stack, all from one package.

    ``metrics`` has the metrics of each function that was created, by the function's name.
    """

    def __init__(self, settings: Settings, roles: Roles, parent: pulumi.Resource) -> None:
        self._settings = settings
        self._roles = roles
        self._parent = parent
        self.metrics: dict[str, FunctionMetrics] = {}

    def create(
        self,
        name: str,
        *,
        handler: str,
        timeout_seconds: int,
        capabilities: Sequence[Capability],
        memory_mb: int = 512,
        disk_mb: int = 512,
    ) -> aws.lambda_.Function:
        """Create a function that has these capabilities and writes its own log."""
        settings = self._settings
        full_name = f"{settings.prefix}-{name}"
        child = pulumi.ResourceOptions(parent=self._parent)
        logs = aws.cloudwatch.LogGroup(
            full_name,
            retention_in_days=settings.log_retention_days,
            kms_key_id=self._roles.key,
            opts=child,
        )
        role = self._roles.by_function[name]
        permissions = aws.iam.RolePolicy(
            full_name,
            role=role.name,
            policy=pulumi.Output.all(
                capabilities=[capability.statements for capability in capabilities],
                logs=logs.arn,
                key_policy=self._roles.key_policies.get(name, ""),
            ).apply(lambda found: self._role_policy(**found)),
            opts=child,
        )
        environment: dict[str, pulumi.Input[str]] = {}
        for capability in capabilities:
            environment |= capability.environment
        function = aws.lambda_.Function(
            full_name,
            runtime=RUNTIME,
            architectures=[ARCHITECTURE],
            code=pulumi.FileArchive(str(PACKAGE_ZIP)),
            handler=handler,
            role=role.arn,
            memory_size=memory_mb,
            timeout=timeout_seconds,
            ephemeral_storage={"size": disk_mb},
            environment={
                "variables": pulumi.Output.all(**environment).apply(
                    lambda variables: fitting_environment(settings, variables)
                )
            },
            # Lambda then writes its own messages as JSON too, including those about crashes.
            logging_config={"log_format": "JSON", "log_group": logs.name},
            tracing_config={"mode": "Active" if settings.tracing else "PassThrough"},
            # Otherwise the first invocations would be denied access.
            opts=pulumi.ResourceOptions(parent=self._parent, depends_on=[permissions]),
        )
        self.metrics[name] = FunctionMetrics(function.name, memory_mb)
        return function

    def _role_policy(
        self, *, capabilities: Sequence[Sequence[Statement]], logs: str, key_policy: str
    ) -> str:
        statements = [*itertools.chain.from_iterable(capabilities), policies.write_logs(logs)]
        if self._settings.tracing:
            statements.append(policies.send_traces())
        return fitting_policy(self._settings, policies.document(*statements), key_policy)


def invoke_with_messages(
    name: str,
    function: aws.lambda_.Function,
    queue: aws.sqs.Queue,
    *,
    batch_size: int,
    max_concurrency: int,
    pollers: int = 0,
    parent: pulumi.Resource,
) -> None:
    """Invoke a function with a queue's messages. The function reports the failed ones.

    ``pollers`` are always ready; with any, ``max_concurrency`` does not apply: Lambda refuses both.
    """
    mode: dict[str, Any] = (
        {"provisioned_poller_config": {"minimum_pollers": pollers, "maximum_pollers": pollers}}
        if pollers
        else {"scaling_config": {"maximum_concurrency": max_concurrency}}
    )
    aws.lambda_.EventSourceMapping(
        name,
        function_name=function.name,
        event_source_arn=queue.arn,
        batch_size=batch_size,
        function_response_types=["ReportBatchItemFailures"],
        **mode,
        opts=pulumi.ResourceOptions(parent=parent),
    )


def invoke_on_schedule(
    name: str, function: aws.lambda_.Function, *, minutes: int, parent: pulumi.Resource
) -> aws.cloudwatch.EventRule:
    """Invoke a function at this interval. Return the rule."""
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
