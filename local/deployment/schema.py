"""The properties of each supported resource type, and what a change of them does.

What replaces a resource is ``ForceNew`` in the Terraform AWS provider (internal/service), which
pulumi-aws is made from. The automatic names are those of pulumi-aws (provider/resources.go).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ANY = "*"
"""Stands for any key of a map."""


SIGNATURE = "4dabf18193072939515e22adb298388d"
"""The key of assets, archives and secrets in Pulumi's protocol ("Property values")."""


@dataclass(frozen=True)
class Schema:
    """The properties of a type, as paths: ``rule.objectOwnership``. Lists have no index.

    ``replaces`` are the top-level properties whose change replaces the resource. All others are
    updated in place. ``named`` is the property that Pulumi fills with a unique name.
    """

    paths: frozenset[str]
    replaces: frozenset[str]
    named: str = ""

    def unknown(self, inputs: Mapping[str, Any]) -> list[str]:
        """Return the paths in ``inputs`` that the type does not have."""
        return sorted(path for path in set(_paths(inputs)) if not self._has(path))

    def _has(self, path: str) -> bool:
        """Return whether the type has a path, or others below it: the value is empty or unknown."""
        return path in self.paths or any(known.startswith(f"{path}.") for known in self.paths)

    def replaced_by(self, changed: set[str]) -> list[str]:
        """Return the properties in ``changed`` that replace the resource."""
        return sorted(changed & self.replaces)


def _schema(updates: str = "", *, replaces: str = "", named: str = "") -> Schema:
    """Return a schema from paths separated by spaces."""
    paths = frozenset([*updates.split(), *replaces.split()])
    return Schema(paths, frozenset(path.partition(".")[0] for path in replaces.split()), named)


def _paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping) and not _is_archive(value):
        is_map = path.rpartition(".")[2] in ("dimensions", "tags", "variables")
        for key, item in value.items():
            name = ANY if is_map else key
            yield from _paths(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for item in value:
            yield from _paths(item, path)
    else:
        yield path


def _is_archive(value: Mapping[str, Any]) -> bool:
    return SIGNATURE in value


SCHEMAS: Mapping[str, Schema] = {
    "aws:apigatewayv2/api:Api": _schema(
        "corsConfiguration.allowHeaders corsConfiguration.allowMethods "
        "corsConfiguration.allowOrigins corsConfiguration.exposeHeaders corsConfiguration.maxAge "
        "name tags.*",
        replaces="protocolType",
        named="name",
    ),
    "aws:apigatewayv2/authorizer:Authorizer": _schema(
        "authorizerType identitySources jwtConfiguration.audiences jwtConfiguration.issuer name",
        replaces="apiId",
        named="name",
    ),
    "aws:apigatewayv2/integration:Integration": _schema(
        "integrationUri payloadFormatVersion", replaces="apiId integrationType"
    ),
    "aws:apigatewayv2/route:Route": _schema(
        "authorizationType authorizerId routeKey target", replaces="apiId"
    ),
    "aws:apigatewayv2/stage:Stage": _schema(
        "autoDeploy defaultRouteSettings.throttlingBurstLimit "
        "defaultRouteSettings.throttlingRateLimit tags.*",
        replaces="apiId name",
        named="name",
    ),
    "aws:cloudwatch/dashboard:Dashboard": _schema("dashboardBody", replaces="dashboardName"),
    "aws:cloudwatch/eventBus:EventBus": _schema("tags.*", replaces="name", named="name"),
    "aws:cloudwatch/eventRule:EventRule": _schema(
        "description eventPattern scheduleExpression tags.*",
        replaces="eventBusName name",
        named="name",
    ),
    "aws:cloudwatch/eventTarget:EventTarget": _schema(
        "arn deadLetterConfig.arn input",
        replaces="eventBusName rule targetId",
        named="targetId",
    ),
    "aws:cloudwatch/logGroup:LogGroup": _schema(
        "kmsKeyId retentionInDays tags.*", replaces="name", named="name"
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": _schema(
        "alarmActions alarmDescription comparisonOperator datapointsToAlarm evaluationPeriods "
        "metricQueries.expression metricQueries.id metricQueries.label "
        "metricQueries.metric.dimensions.* metricQueries.metric.metricName "
        "metricQueries.metric.namespace metricQueries.metric.period metricQueries.metric.stat "
        "metricQueries.returnData okActions tags.* threshold treatMissingData",
        replaces="name",
        named="name",
    ),
    "aws:dynamodb/table:Table": _schema(
        "attributes.name attributes.type billingMode deletionProtectionEnabled "
        "globalSecondaryIndexes.keySchemas.attributeName globalSecondaryIndexes.keySchemas.keyType "
        "globalSecondaryIndexes.name globalSecondaryIndexes.nonKeyAttributes "
        "globalSecondaryIndexes.projectionType pointInTimeRecovery.enabled "
        "serverSideEncryption.enabled serverSideEncryption.kmsKeyArn tags.* "
        "ttl.attributeName ttl.enabled",
        replaces="hashKey name",
        named="name",
    ),
    "aws:iam/role:Role": _schema("assumeRolePolicy tags.*", replaces="name", named="name"),
    "aws:iam/rolePolicy:RolePolicy": _schema("policy", replaces="name role", named="name"),
    "aws:kms/alias:Alias": _schema("targetKeyId", replaces="name", named="name"),
    "aws:kms/key:Key": _schema("deletionWindowInDays description enableKeyRotation policy tags.*"),
    "aws:lambda/eventSourceMapping:EventSourceMapping": _schema(
        "batchSize functionName functionResponseTypes provisionedPollerConfig.maximumPollers "
        "provisionedPollerConfig.minimumPollers scalingConfig.maximumConcurrency tags.*",
        replaces="eventSourceArn",
    ),
    "aws:lambda/function:Function": _schema(
        "architectures code environment.variables.* ephemeralStorage.size handler "
        "loggingConfig.logFormat loggingConfig.logGroup memorySize role runtime tags.* timeout "
        "tracingConfig.mode",
        replaces="name",
        named="name",
    ),
    "aws:lambda/permission:Permission": _schema(
        replaces="action function principal sourceArn statementId", named="statementId"
    ),
    "aws:s3/bucket:Bucket": _schema("forceDestroy tags.*", replaces="bucket", named="bucket"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _schema(
        "rules.abortIncompleteMultipartUpload.daysAfterInitiation rules.expiration.days "
        "rules.filter.prefix rules.filter.tag.key rules.filter.tag.value rules.id "
        "rules.noncurrentVersionExpiration.noncurrentDays rules.status",
        replaces="bucket",
    ),
    "aws:s3/bucketNotification:BucketNotification": _schema("eventbridge", replaces="bucket"),
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _schema(
        "rule.objectOwnership", replaces="bucket"
    ),
    "aws:s3/bucketPolicy:BucketPolicy": _schema("policy", replaces="bucket"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _schema(
        "blockPublicAcls blockPublicPolicy ignorePublicAcls restrictPublicBuckets",
        replaces="bucket",
    ),
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        _schema(
            "rules.applyServerSideEncryptionByDefault.kmsMasterKeyId "
            "rules.applyServerSideEncryptionByDefault.sseAlgorithm rules.bucketKeyEnabled",
            replaces="bucket",
        )
    ),
    "aws:s3/bucketVersioning:BucketVersioning": _schema(
        "versioningConfiguration.status", replaces="bucket"
    ),
    "aws:sns/topic:Topic": _schema("kmsMasterKeyId tags.*", replaces="name", named="name"),
    "aws:sns/topicPolicy:TopicPolicy": _schema("policy", replaces="arn"),
    "aws:sns/topicSubscription:TopicSubscription": _schema(replaces="endpoint protocol topic"),
    "aws:sqs/queue:Queue": _schema(
        "kmsMasterKeyId messageRetentionSeconds redrivePolicy sqsManagedSseEnabled tags.* "
        "visibilityTimeoutSeconds",
        replaces="name",
        named="name",
    ),
    "aws:sqs/queuePolicy:QueuePolicy": _schema("policy", replaces="queueUrl"),
}
