"""Creates declared resources on a moto server, one method per resource type.

Each method takes the logical name and the inputs of the Pulumi program (camelCase, numbers as
floats). It returns the resource's ID and the outputs that the AWS provider adds.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

from local.deployment.api_resources import ApiResources
from local.deployment.bucket_resources import BucketResources
from local.deployment.declarations import (
    Declarations,
    DeclaredFunction,
    DeclaredMapping,
    DeclaredSchedule,
)
from local.deployment.inputs import (
    Created,
    Inputs,
    capital,
    index_parameters,
    table_encryption,
)
from local.deployment.monitoring_resources import MonitoringResources
from local.errors import LocalError
from local.names import ACCOUNT_ID, physical_name
from local.runtime.schedules import period_seconds
from local.server import aws_client

DEFAULT_BUS = "default"


class Resources:
    """``creators`` maps each supported resource type to the method that creates it."""

    def __init__(
        self, endpoint_url: str, region: str, api_url: str, declarations: Declarations
    ) -> None:
        self._region = region
        self._declarations = declarations
        self._schedules: dict[str, tuple[str, float]] = {}
        """ARN and period in seconds of each scheduled rule, by name."""

        def client(service: str) -> Any:
            return aws_client(service, endpoint_url, region)

        self._sqs = client("sqs")
        self._events = client("events")
        self._dynamodb = client("dynamodb")
        self._iam = client("iam")
        self._kms = client("kms")
        self._logs = client("logs")
        self._lambda = client("lambda")
        api = ApiResources(region, api_url, declarations)
        buckets = BucketResources(client("s3"), region)
        self.bucket_region = buckets.region_of
        monitoring = MonitoringResources(client("cloudwatch"), client("sns"))
        self.creators: Mapping[str, Callable[[str, Inputs], Created]] = {
            "aws:dynamodb/table:Table": self._table,
            "aws:sqs/queue:Queue": self._queue,
            "aws:sqs/queuePolicy:QueuePolicy": self._queue_policy,
            "aws:cloudwatch/eventBus:EventBus": self._event_bus,
            "aws:cloudwatch/eventRule:EventRule": self._event_rule,
            "aws:cloudwatch/eventTarget:EventTarget": self._event_target,
            "aws:cloudwatch/logGroup:LogGroup": self._log_group,
            "aws:kms/key:Key": self._key,
            "aws:kms/alias:Alias": self._key_alias,
            "aws:iam/role:Role": self._role,
            "aws:iam/rolePolicy:RolePolicy": self._role_policy,
            "aws:lambda/function:Function": self._function,
            "aws:lambda/eventSourceMapping:EventSourceMapping": self._event_source_mapping,
            "aws:lambda/permission:Permission": self._permission,
            **api.creators,
            **buckets.creators,
            **monitoring.creators,
        }

    # DynamoDB

    def _table(self, name: str, inputs: Inputs) -> Created:
        table = physical_name(name)
        indexes = [index_parameters(index) for index in inputs.get("globalSecondaryIndexes", [])]
        response = self._dynamodb.create_table(
            TableName=table,
            BillingMode=inputs["billingMode"],
            KeySchema=[{"AttributeName": inputs["hashKey"], "KeyType": "HASH"}],
            AttributeDefinitions=[
                {"AttributeName": attribute["name"], "AttributeType": attribute["type"]}
                for attribute in inputs["attributes"]
            ],
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
            DeletionProtectionEnabled=inputs.get("deletionProtectionEnabled", False),
            **table_encryption(inputs.get("serverSideEncryption")),
        )
        if inputs.get("pointInTimeRecovery", {}).get("enabled"):
            self._dynamodb.update_continuous_backups(
                TableName=table,
                PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
            )
        if ttl := inputs.get("ttl"):
            self._dynamodb.update_time_to_live(
                TableName=table,
                TimeToLiveSpecification={
                    "Enabled": ttl["enabled"],
                    "AttributeName": ttl["attributeName"],
                },
            )
        return table, {"name": table, "arn": response["TableDescription"]["TableArn"]}

    # SQS

    def _queue(self, name: str, inputs: Inputs) -> Created:
        queue = physical_name(name)
        attributes = {
            "MessageRetentionPeriod": inputs.get("messageRetentionSeconds"),
            "VisibilityTimeout": inputs.get("visibilityTimeoutSeconds"),
        }
        key = inputs.get("kmsMasterKeyId")
        url = self._sqs.create_queue(
            QueueName=queue,
            Attributes={
                **{k: str(int(v)) for k, v in attributes.items() if v is not None},
                **({"KmsMasterKeyId": key} if key else {}),
                # On by default: "Amazon SQS server-side encryption".
                "SqsManagedSseEnabled": str(
                    inputs.get("sqsManagedSseEnabled", key is None)
                ).lower(),
            },
        )["QueueUrl"]
        if redrive := inputs.get("redrivePolicy"):
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": redrive})
        arn = f"arn:aws:sqs:{self._region}:{ACCOUNT_ID}:{queue}"
        return url, {"name": queue, "url": url, "arn": arn}

    def _queue_policy(self, name: str, inputs: Inputs) -> Created:
        self._sqs.set_queue_attributes(
            QueueUrl=inputs["queueUrl"], Attributes={"Policy": inputs["policy"]}
        )
        return inputs["queueUrl"], {}

    # EventBridge

    def _event_bus(self, name: str, inputs: Inputs) -> Created:
        bus = physical_name(name)
        arn = self._events.create_event_bus(Name=bus)["EventBusArn"]
        return bus, {"name": bus, "arn": arn}

    def _event_rule(self, name: str, inputs: Inputs) -> Created:
        rule = physical_name(name)
        when = {"eventPattern", "scheduleExpression"} & inputs.keys()
        arn = self._events.put_rule(
            Name=rule,
            EventBusName=inputs.get("eventBusName", DEFAULT_BUS),
            **{capital(key): inputs[key] for key in when},
        )["RuleArn"]
        if schedule := inputs.get("scheduleExpression"):
            self._schedules[rule] = (arn, period_seconds(name, schedule))
        return rule, {"name": rule, "arn": arn}

    def _event_target(self, name: str, inputs: Inputs) -> Created:
        target: dict[str, Any] = {"Id": physical_name(name), "Arn": inputs["arn"]}
        is_function, is_scheduled = ":function:" in inputs["arn"], inputs["rule"] in self._schedules
        if is_function != is_scheduled:
            raise LocalError(
                f"Target {name}: the embedded AWS supports functions only as targets of schedules, "
                "and nothing else as such a target."
            )
        if is_scheduled:
            rule_arn, period = self._schedules[inputs["rule"]]
            function_name = inputs["arn"].rpartition(":")[2]
            self._declarations.schedules.append(
                DeclaredSchedule(rule_arn, function_name, period, inputs.get("input"))
            )
        if dead_letters := inputs.get("deadLetterConfig"):
            target["DeadLetterConfig"] = {"Arn": dead_letters["arn"]}
        self._events.put_targets(
            Rule=inputs["rule"],
            EventBusName=inputs.get("eventBusName", DEFAULT_BUS),
            Targets=[target],
        )
        return target["Id"], {}

    # CloudWatch Logs

    def _log_group(self, name: str, inputs: Inputs) -> Created:
        group = physical_name(name)
        key = inputs.get("kmsKeyId")
        self._logs.create_log_group(logGroupName=group, **({"kmsKeyId": key} if key else {}))
        self._logs.put_retention_policy(
            logGroupName=group, retentionInDays=int(inputs["retentionInDays"])
        )
        arn = f"arn:aws:logs:{self._region}:{ACCOUNT_ID}:log-group:{group}"
        return group, {"name": group, "arn": arn}

    # KMS

    def _key(self, name: str, inputs: Inputs) -> Created:
        key = self._kms.create_key(Policy=inputs["policy"], Description=inputs["description"])
        metadata = key["KeyMetadata"]
        if inputs.get("enableKeyRotation"):
            self._kms.enable_key_rotation(KeyId=metadata["KeyId"])
        return metadata["KeyId"], {"keyId": metadata["KeyId"], "arn": metadata["Arn"]}

    def _key_alias(self, name: str, inputs: Inputs) -> Created:
        self._kms.create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        return inputs["name"], {}

    # IAM

    def _role(self, name: str, inputs: Inputs) -> Created:
        role = physical_name(name)
        response = self._iam.create_role(
            RoleName=role, AssumeRolePolicyDocument=inputs["assumeRolePolicy"]
        )
        return role, {"name": role, "arn": response["Role"]["Arn"]}

    def _role_policy(self, name: str, inputs: Inputs) -> Created:
        policy = physical_name(name)
        self._iam.put_role_policy(
            RoleName=inputs["role"], PolicyName=policy, PolicyDocument=inputs["policy"]
        )
        return f"{inputs['role']}:{policy}", {"name": policy}

    # Lambda

    def _function(self, name: str, inputs: Inputs) -> Created:
        function = physical_name(name)
        environment = inputs.get("environment", {}).get("variables", {})
        response = self._lambda.create_function(
            FunctionName=function,
            Runtime=inputs["runtime"],
            Role=inputs["role"],
            Handler=inputs["handler"],
            Code={"ZipFile": _placeholder_zip()},
            Timeout=int(inputs["timeout"]),
            MemorySize=int(inputs["memorySize"]),
            Environment={"Variables": environment},
        )
        self._declarations.functions[function] = DeclaredFunction(
            name=function,
            handler=inputs["handler"],
            role_arn=inputs["role"],
            timeout_seconds=int(inputs["timeout"]),
            memory_mb=int(inputs["memorySize"]),
            environment=environment,
            log_group=inputs["loggingConfig"]["logGroup"],
            log_format=inputs["loggingConfig"]["logFormat"],
        )
        arn = response["FunctionArn"]
        invoke_arn = f"arn:aws:apigateway:{self._region}:lambda:path/2015-03-31/functions/{arn}"
        return function, {"name": function, "arn": arn, "invokeArn": f"{invoke_arn}/invocations"}

    def _event_source_mapping(self, name: str, inputs: Inputs) -> Created:
        self._declarations.mappings.append(
            DeclaredMapping(
                function_name=inputs["functionName"],
                queue_arn=inputs["eventSourceArn"],
                batch_size=int(inputs["batchSize"]),
                maximum_concurrency=int(inputs["scalingConfig"]["maximumConcurrency"]),
                reports_item_failures="ReportBatchItemFailures"
                in inputs.get("functionResponseTypes", []),
            )
        )
        return physical_name(name), {}

    def _permission(self, name: str, inputs: Inputs) -> Created:
        self._lambda.add_permission(
            FunctionName=inputs["function"],
            StatementId=physical_name(name),
            Action=inputs["action"],
            Principal=inputs["principal"],
            SourceArn=inputs["sourceArn"],
        )
        return physical_name(name), {}


def _placeholder_zip() -> bytes:
    """Return some code for moto to store. The functions run from the source tree."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        package.writestr("README", json.dumps("runs from the source tree"))
    return buffer.getvalue()
