"""What is left in the embedded AWS."""

from local.stack import EmbeddedAws


def left_over(aws: EmbeddedAws) -> dict[str, list[str]]:
    """Return the names of all resources, by kind. Kinds without resources are left out."""
    client = aws.client
    s3, sqs, iam, events = client("s3"), client("sqs"), client("iam"), client("events")
    cloudwatch, logs, kms = client("cloudwatch"), client("logs"), client("kms")
    keys = [key["KeyId"] for key in kms.list_keys()["Keys"]]
    described = [kms.describe_key(KeyId=key)["KeyMetadata"] for key in keys]
    aliases = [alias["AliasName"] for alias in kms.list_aliases()["Aliases"]]
    buses = [bus["Name"] for bus in events.list_event_buses()["EventBuses"]]
    declared = aws.resources.declarations
    functions = client("lambda").list_functions()["Functions"]
    found = {
        "buckets": [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
        "queues": sqs.list_queues().get("QueueUrls", []),
        "tables": client("dynamodb").list_tables()["TableNames"],
        "roles": [role["RoleName"] for role in iam.list_roles()["Roles"]],
        "functions": [one["FunctionName"] for one in functions],
        "buses": [bus for bus in buses if bus != "default"],
        "rules": [
            rule["Name"] for bus in buses for rule in events.list_rules(EventBusName=bus)["Rules"]
        ],
        "alarms": [one["AlarmName"] for one in cloudwatch.describe_alarms()["MetricAlarms"]],
        "dashboards": [
            one["DashboardName"] for one in cloudwatch.list_dashboards()["DashboardEntries"]
        ],
        "log groups": [one["logGroupName"] for one in logs.describe_log_groups()["logGroups"]],
        "topics": [one["TopicArn"] for one in client("sns").list_topics()["Topics"]],
        "keys": [key["KeyId"] for key in described if key["KeyState"] == "Enabled"],
        "aliases": [alias for alias in aliases if not alias.startswith("alias/aws/")],
        "mappings": list(declared.mappings),
        "schedules": list(declared.schedules),
        "routes": [*declared.routes, *declared.integrations, *declared.authorizers],
        "APIs": [arn for arn in [declared.execution_arn] if arn],
    }
    return {kind: names for kind, names in found.items() if names}
