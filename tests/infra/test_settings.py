from dataclasses import replace

import pytest

from infra.settings import InvalidSetting, Settings

GOOD = Settings(
    stack="dev",
    region="us-east-1",
    resource_prefix="s3-zip-jobs",
    source_bucket="",
    target_bucket="",
    target_prefix="zips/",
    manifest_bucket="",
    manifest_prefix="manifests/",
    allowed_sources=(),
    allowed_targets=(),
    bucket_owners=(),
    presign_ttl_seconds=86_400,
    job_retention_days=30,
    log_retention_days=1,
    zipper_memory_mb=1024,
    zipper_timeout_seconds=900,
    zipper_max_concurrency=10,
    segment_mib=1024,
    max_receive_count=5,
    sweep_minutes=15,
    alarm_email="",
    alarm_oldest_message_seconds=1800,
    alarm_error_percent=5,
    api_auth="iam",
    api_jwt_issuer="",
    api_jwt_audience=(),
    api_docs=True,
    api_cors_origins=(),
    api_burst=50,
    api_rate=25,
    completion_events_queue=False,
    tracing=False,
    customer_key="none",
    source_kms_key_arns=(),
    target_kms_key_arns=(),
    point_in_time_recovery=False,
    protect_data=False,
    force_destroy=False,
)

JWT = replace(
    GOOD,
    api_auth="jwt",
    api_jwt_issuer="https://login.example.com/",
    api_jwt_audience=("zip-jobs", "reports"),
)


@pytest.mark.parametrize(
    "good",
    [
        GOOD,
        JWT,
        replace(GOOD, api_auth="none"),
        replace(GOOD, customer_key="create"),
        replace(GOOD, customer_key="arn:aws:kms:us-east-1:111122223333:key/1234abcd"),
        replace(GOOD, source_bucket="theirs", bucket_owners=("theirs=011122223333",)),
        replace(GOOD, allowed_sources=("theirs/2026/",), bucket_owners=("theirs=111122223333",)),
        replace(GOOD, api_cors_origins=("*",)),
        replace(GOOD, api_cors_origins=("https://app.example.com", "http://localhost:3000")),
    ],
)
def test_good_settings_pass(good: Settings) -> None:
    good.check()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"presign_ttl_seconds": 700_000}, "presignTtlSeconds is 700000.*604,800"),
        ({"zipper_max_concurrency": 1}, "zipperMaxConcurrency is 1.*from 2"),
        ({"zipper_timeout_seconds": 901}, "zipperTimeoutSeconds"),
        ({"alarm_email": "somebody"}, 'alarmEmail is "somebody".*e-mail address'),
        ({"alarm_error_percent": 0}, "alarmErrorPercent is 0.*from 1 to 100"),
        ({"alarm_oldest_message_seconds": 900}, "alarmOldestMessageSeconds is 900.*more than.*900"),
        ({"log_retention_days": 2}, "logRetentionDays is 2.*1, 3, 5"),
        ({"api_auth": "open"}, 'apiAuth is "open".*iam, jwt or none'),
        ({"api_auth": ""}, 'apiAuth is "".*iam, jwt or none'),
        ({"api_jwt_issuer": "https://x"}, "apiJwtIssuer.*apiAuth jwt only, and apiAuth is iam"),
        ({"api_jwt_audience": ("a",)}, 'apiJwtAudience is \\["a"\\].*jwt only'),
        ({"api_cors_origins": ("https://a.example/",)}, "apiCorsOrigins.*origins such as"),
        ({"api_cors_origins": ("app.example.com",)}, "apiCorsOrigins.*origins such as"),
        ({"api_cors_origins": ("*", "https://a.example")}, "apiCorsOrigins.*or of \\* alone"),
        (
            {"force_destroy": True, "protect_data": True},
            "forceDestroy is true.*with protectData it must be false",
        ),
        (
            {"source_kms_key_arns": ("arn:aws:kms:us-east-1:111122223333:alias/a",)},
            "sourceKmsKeyArns.*alias/a.*ARNs of keys, not of aliases",
        ),
        ({"customer_key": "yes"}, 'customerKey is "yes".*none, create, or the ARN of a key'),
        ({"customer_key": ""}, 'customerKey is "".*none, create'),
        (
            {"customer_key": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"},
            "customerKey.*eu-west-1.*the ARN of a key, not of an alias, in us-east-1",
        ),
        ({"target_kms_key_arns": ("*",)}, "targetKmsKeyArns.*ARNs of keys"),
        ({"bucket_owners": ("theirs",)}, 'bucketOwners is \\["theirs"\\].*as their-documents=1111'),
        ({"bucket_owners": ("theirs=11122223333",)}, "bucketOwners.*=11122223333.*account IDs"),
        ({"bucket_owners": ("theirs/2026/=111122223333",)}, "theirs/2026/ must be sourceBucket"),
        (
            {"bucket_owners": ("theirs=111122223333",)},
            'bucketOwners is \\["theirs=111122223333"\\].*theirs must be sourceBucket',
        ),
        (
            {"source_bucket": "a", "bucket_owners": ("a=111122223333", "a=444455556666")},
            "bucketOwners.*each bucket once",
        ),
        ({"target_prefix": "zips"}, "targetPrefix.*slash"),
        ({"manifest_prefix": ""}, "manifestPrefix.*slash"),
        ({"manifest_prefix": "requests/"}, "manifestPrefix.*requests/"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_was_and_may_be(
    change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        replace(GOOD, **change).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"api_jwt_issuer": ""}, 'apiJwtIssuer is "".*https URL'),
        ({"api_jwt_issuer": "http://login.example.com"}, "apiJwtIssuer.*https URL"),
        ({"api_jwt_issuer": "https:///login"}, "apiJwtIssuer.*https URL"),
        ({"api_jwt_audience": ()}, "apiJwtAudience is \\[\\].*1 to 50"),
        ({"api_jwt_audience": ("",)}, "apiJwtAudience.*1 to 50"),
    ],
)
def test_tokens_need_an_issuer_and_an_audience(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        replace(JWT, **change).check()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"manifest_prefix": "zips/"},
        {"manifest_prefix": "zips/manifests/"},
        {"target_prefix": "manifests/zips/"},
        {"allowed_targets": ("shared/other/", "shared/manifests/")},
        {"allowed_targets": ("shared",)},
    ],
)
def test_manifests_and_targets_must_not_overlap(change: dict[str, object]) -> None:
    shared = replace(GOOD, manifest_bucket="shared", target_bucket="shared")
    shared.check()
    with pytest.raises(InvalidSetting, match="must never start a job"):
        replace(shared, **change).check()  # type: ignore[arg-type]
