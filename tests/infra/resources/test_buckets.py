"""The buckets: access, lifecycle rules, and the events of manifests."""

import json
from typing import Any

import pytest

from tests.infra.conftest import Declared, denies_plain_http
from tests.infra.registered import Stack
from tools.declared import declared
from zipjobs.requests.fields import EXPIRY_TAG
from zipjobs.requests.schema import JobRequest

BUCKET = "s3/bucket:Bucket"
ENCRYPTION = "s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
LIFECYCLE = "s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
NOTIFICATION = "s3/bucketNotification:BucketNotification"
OWNERSHIP = "s3/bucketOwnershipControls:BucketOwnershipControls"
PUBLIC_ACCESS = "s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
VERSIONING = "s3/bucketVersioning:BucketVersioning"

ROLES = ("source", "target", "manifests")

UPLOADS: dict[str, Any] = {
    "id": "abort-incomplete-uploads",
    "status": "Enabled",
    "filter": {"prefix": ""},
    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 15},
}
"""An upload lives as long as its job, whose message is kept for 14 days."""

OF_MANIFESTS: list[dict[str, Any]] = [
    {
        # As long as the records that point at them: jobRetentionDays.
        "id": "expire-requests",
        "status": "Enabled",
        "filter": {"prefix": "requests/"},
        "expiration": {"days": 30},
        "noncurrentVersionExpiration": {"noncurrentDays": 1},
    },
    {
        # Longer than a message, which may be the first to ask for them after 14 days.
        "id": "expire-work",
        "status": "Enabled",
        "filter": {"prefix": "work/"},
        "expiration": {"days": 15},
        "noncurrentVersionExpiration": {"noncurrentDays": 1},
    },
    {
        # The current versions of manifests belong to the users and do not expire.
        "id": "expire-replaced-versions",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrentVersionExpiration": {"noncurrentDays": 90},
    },
]


def marks(program: Declared) -> set[str]:
    return {program.mark(BUCKET, role) for role in ROLES}


def test_the_program_declares_three_buckets(program: Declared) -> None:
    assert set(program.of(BUCKET)) == set(ROLES)


# Access


def test_every_bucket_is_private(program: Declared) -> None:
    blocks = {
        one.inputs["bucket"]: {name for name, value in one.inputs.items() if value is True}
        for one in program.of(PUBLIC_ACCESS).values()
    }
    all_four = {
        "blockPublicAcls",
        "blockPublicPolicy",
        "ignorePublicAcls",
        "restrictPublicBuckets",
    }
    assert blocks == dict.fromkeys(marks(program), all_four)


def test_buckets_are_encrypted_without_acls_and_require_tls(program: Declared) -> None:
    encrypted = {
        one.inputs["bucket"]: rule["applyServerSideEncryptionByDefault"]
        for one in program.of(ENCRYPTION).values()
        for rule in one.inputs["rules"]
    }
    own_keys = {"sseAlgorithm": "AES256"}
    assert encrypted == dict.fromkeys(marks(program), own_keys)
    owned = {one.inputs["bucket"]: one.inputs["rule"] for one in program.of(OWNERSHIP).values()}
    no_acls = {"objectOwnership": "BucketOwnerEnforced"}
    assert owned == dict.fromkeys(marks(program), no_acls)
    policies = program.of("s3/bucketPolicy:BucketPolicy").values()
    refusing = {one.inputs["bucket"] for one in policies if denies_plain_http(one)}
    assert refusing == marks(program)


@pytest.mark.parametrize("role", ROLES)
def test_access_settings_of_a_bucket_are_applied_in_order(stack: Stack, role: str) -> None:
    """S3 returns 409 (OperationAborted) to concurrent changes."""
    name = f"s3-zip-jobs-dev-{role}"
    owned = stack.options[f"BucketOwnershipControls {name}-owned"]
    assert f"BucketPublicAccessBlock {name}-private" in owned.after
    over_tls = stack.options[f"BucketPolicy {name}-tls"]
    assert f"BucketOwnershipControls {name}-owned" in over_tls.after


# Lifecycle


def test_only_incomplete_uploads_of_sources_expire(program: Declared) -> None:
    lifecycle = program.of(LIFECYCLE)["source-lifecycle"].inputs
    assert lifecycle == {"bucket": program.mark(BUCKET, "source"), "rules": [UPLOADS]}


def test_archives_expire_on_request(program: Declared) -> None:
    """There is a rule for each value of ``expiresInDays`` in a request."""
    lifecycle = program.of(LIFECYCLE)["target-lifecycle"].inputs
    days = JobRequest.model_json_schema()["properties"]["expiresInDays"]["anyOf"][0]["enum"]
    assert lifecycle["rules"] == [
        UPLOADS,
        *(
            {
                "id": f"expire-after-{one}-days",
                "status": "Enabled",
                "filter": {"tag": {"key": "zipjobs-expires-in-days", "value": str(one)}},
                "expiration": {"days": one},
            }
            for one in days
        ),
    ]
    assert EXPIRY_TAG == "zipjobs-expires-in-days"


def test_archives_expire_after_the_retention_time() -> None:
    program = Declared(declared("dev", {"archiveRetentionDays": 400, "targetPrefix": "out/"}))
    assert program.of(LIFECYCLE)["target-lifecycle"].inputs["rules"][5:] == [
        {
            "id": "expire-archives",
            "status": "Enabled",
            "filter": {"prefix": "out/"},
            "expiration": {"days": 400},
        }
    ]


def test_requests_segments_and_old_manifests_expire(
    program: Declared,
) -> None:
    lifecycle = program.of(LIFECYCLE)["manifests-lifecycle"].inputs
    assert lifecycle == {
        "bucket": program.mark(BUCKET, "manifests"),
        "rules": [UPLOADS, *OF_MANIFESTS],
    }


def test_objects_outlive_the_messages_that_need_them(program: Declared) -> None:
    queue = program.of("sqs/queue:Queue")["jobs"].inputs
    waits_days = queue["messageRetentionSeconds"] / 86_400
    for name, lifecycle in program.of(LIFECYCLE).items():
        for rule in lifecycle.inputs["rules"]:
            if name == "target-lifecycle" and rule != UPLOADS:
                continue  # a finished archive
            days = [
                rule.get("abortIncompleteMultipartUpload", {}).get("daysAfterInitiation"),
                rule.get("expiration", {}).get("days"),
            ]
            assert all(one > waits_days for one in days if one is not None), rule["id"]


def test_only_the_services_own_objects_expire(program: Declared) -> None:
    """A rule without a prefix would delete the users' manifests."""
    expiring = {
        (name, rule["filter"].get("prefix") or rule["filter"]["tag"]["key"])
        for name, one in program.of(LIFECYCLE).items()
        for rule in one.inputs["rules"]
        if "expiration" in rule
    }
    assert expiring == {
        ("manifests-lifecycle", "requests/"),
        ("manifests-lifecycle", "work/"),
        ("target-lifecycle", EXPIRY_TAG),
    }


# Events


def test_the_manifest_bucket_has_versions_and_sends_events(program: Declared) -> None:
    """A job reads the uploaded version, even if the manifest is replaced later."""
    bucket = program.mark(BUCKET, "manifests")
    (versioning,) = program.of(VERSIONING).values()
    assert versioning.inputs == {
        "bucket": bucket,
        "versioningConfiguration": {"status": "Enabled"},
    }
    (notification,) = program.of(NOTIFICATION).values()
    assert notification.inputs == {"bucket": bucket, "eventbridge": True}


def test_events_start_after_versioning_is_enabled(stack: Stack) -> None:
    """The event of an earlier upload would have no version ID."""
    events = stack.options["BucketNotification s3-zip-jobs-dev-manifests-events"]
    assert "BucketVersioning s3-zip-jobs-dev-manifests-versions" in events.after


def test_the_rule_matches_only_new_manifests(program: Declared) -> None:
    """The default bus has the events of all buckets of the account, including deletions."""
    rule = program.of("cloudwatch/eventRule:EventRule")["manifest-uploads"].inputs
    assert "eventBusName" not in rule, "S3 writes to the default bus alone"
    assert json.loads(rule["eventPattern"]) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [program.mark(BUCKET, "manifests")]},
            "object": {"key": [{"wildcard": "manifests/*.json"}]},
        },
    }
