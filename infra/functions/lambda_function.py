"""Makes Lambda functions, each with its own role, log group and environment."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.config.settings import Settings
from infra.config.size_limits import fitting_environment, fitting_policy
from infra.encryption import Key, KeyUse
from infra.functions.runtime import ARCHITECTURE, PACKAGE_ZIP, RUNTIME
from infra.monitoring.metrics import WatchedFunction
from infra.policies import Statement

Environment = Mapping[str, pulumi.Input[str]]


class FunctionMaker:
    """Makes the functions of a stack, all from one package. ``watched`` are those that it made."""

    def __init__(
        self,
        settings: Settings,
        account_id: pulumi.Output[str],
        key: Key,
        parent: pulumi.Resource,
    ) -> None:
        self._settings = settings
        self._account_id = account_id
        self._key = key
        self._parent = parent
        self._traces = [policies.send_traces()] if settings.tracing else []
        self.watched: dict[str, WatchedFunction] = {}

    def make(
        self,
        name: str,
        *,
        handler: str,
        memory_mb: int,
        timeout_seconds: int,
        environment: Environment,
        statements: pulumi.Output[Sequence[Statement]],
        key_use: KeyUse | None = None,
        disk_mb: int = 512,
    ) -> aws.lambda_.Function:
        """A function that may do what ``statements`` say, write its log, and use the customer key
        as ``key_use`` says.
        """
        settings = self._settings
        full_name = f"{settings.prefix}-{name}"
        child = pulumi.ResourceOptions(parent=self._parent)
        logs = aws.cloudwatch.LogGroup(
            full_name,
            retention_in_days=settings.log_retention_days,
            kms_key_id=self._key,
            opts=child,
        )
        role = aws.iam.Role(
            full_name,
            assume_role_policy=self._account_id.apply(policies.assumable_by_lambda),
            opts=child,
        )
        permissions = aws.iam.RolePolicy(
            full_name,
            role=role.name,
            policy=pulumi.Output.all(statements, self._use_of_key(key_use), logs.arn).apply(
                lambda a: fitting_policy(
                    settings,
                    policies.document(*a[0], *a[1], policies.write_logs(a[2]), *self._traces),
                )
            ),
            opts=child,
        )
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
            # JSON, as the functions' own lines are: so are Lambda's then, even that of a crash.
            logging_config={"log_format": "JSON", "log_group": logs.name},
            tracing_config={"mode": "Active" if settings.tracing else "PassThrough"},
            opts=pulumi.ResourceOptions(parent=self._parent, depends_on=[permissions]),
        )
        self.watched[name] = WatchedFunction(function.name, memory_mb)
        return function

    def _use_of_key(self, use: KeyUse | None) -> pulumi.Output[list[Statement]]:
        if self._key is None or use is None:
            return pulumi.Output.from_input([])
        region = self._settings.region
        return self._key.apply(
            lambda arn: [policies.use_key(use.actions, arn, region, use.services)]
        )
