import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from infra.config.settings import InvalidSetting, Settings
from infra.config.validation import checked

ROOT = Path(__file__).resolve().parents[2]

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
    allow_source_overlap=False,
    bucket_owners=(),
    presign_ttl_seconds=86_400,
    job_retention_days=30,
    log_retention_days=1,
    zipper_memory_mb=1024,
    zipper_timeout_seconds=900,
    zipper_max_concurrency=10,
    segment_mib=1024,
    max_receive_count=5,
    reconcile_minutes=15,
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
    assert checked(good) == good


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"alarm_email": "somebody"}, 'alarmEmail is "somebody".*email address'),
        ({"alarm_oldest_message_seconds": 900}, "alarmOldestMessageSeconds is 900.*more than.*900"),
        ({"alarm_oldest_message_seconds": 1_209_601}, "alarmOldestMessageSeconds.*14 days"),
        ({"log_retention_days": 2}, "logRetentionDays is 2.*1, 3, 5"),
        ({"api_auth": "open"}, 'apiAuth is "open".*iam, jwt or none'),
        ({"api_auth": ""}, 'apiAuth is "".*iam, jwt or none'),
        (
            {"api_jwt_issuer": "https://x"},
            "apiJwtIssuer.*only allowed with apiAuth jwt, and apiAuth is iam",
        ),
        (
            {"api_jwt_audience": ("a",)},
            'apiJwtAudience is \\["a"\\].*only allowed with apiAuth jwt',
        ),
        ({"api_cors_origins": ("https://a.example/",)}, "apiCorsOrigins.*origins such as"),
        ({"api_cors_origins": ("app.example.com",)}, "apiCorsOrigins.*origins such as"),
        ({"api_cors_origins": ("*", "https://a.example")}, "apiCorsOrigins.*or only \\*"),
        (
            {"force_destroy": True, "protect_data": True},
            "forceDestroy is true.*it must be false if protectData is true",
        ),
        (
            {"source_kms_key_arns": ("arn:aws:kms:us-east-1:111122223333:alias/a",)},
            "sourceKmsKeyArns.*alias/a.*ARNs of keys .not aliases",
        ),
        ({"customer_key": "yes"}, 'customerKey is "yes".*none, create, or the ARN of a key'),
        ({"customer_key": ""}, 'customerKey is "".*none, create'),
        (
            {"customer_key": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd"},
            "customerKey.*eu-west-1.*the ARN of a key .not an alias. in us-east-1",
        ),
        ({"target_kms_key_arns": ("*",)}, "targetKmsKeyArns.*ARNs of keys"),
        ({"bucket_owners": ("theirs",)}, 'bucketOwners is \\["theirs"\\].*as their-documents=1111'),
        ({"bucket_owners": ("theirs=11122223333",)}, "bucketOwners.*=11122223333.*account IDs"),
        (
            {"bucket_owners": ("theirs/2026/=111122223333",)},
            "no setting names the bucket theirs/2026/",
        ),
        (
            {"bucket_owners": ("theirs=111122223333",)},
            'bucketOwners is \\["theirs=111122223333"\\].*no setting names the bucket theirs',
        ),
        (
            {"source_bucket": "abc", "bucket_owners": ("abc=111122223333", "abc=444455556666")},
            "bucketOwners.*each bucket once",
        ),
        ({"alarm_email": "a b@c d"}, "alarmEmail.*email address"),
        ({"region": "cn-north-1"}, "aws:region.*China and GovCloud are not supported"),
        ({"region": "us-gov-west-1"}, "aws:region.*such as us-east-1"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_was_and_may_be(
    change: dict[str, object], complaint: str
) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        checked(replace(GOOD, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "name", "low", "high"),
    [
        ("presign_ttl_seconds", "presignTtlSeconds", 1, 604_800),
        ("job_retention_days", "jobRetentionDays", 15, 3650),
        ("zipper_memory_mb", "zipperMemoryMb", 512, 10_240),
        ("zipper_timeout_seconds", "zipperTimeoutSeconds", 60, 900),
        ("zipper_max_concurrency", "zipperMaxConcurrency", 2, 1000),
        ("segment_mib", "segmentMib", 8, 16_384),
        ("max_receive_count", "maxReceiveCount", 1, 1000),
        ("reconcile_minutes", "reconcileMinutes", 1, 1440),
        ("alarm_error_percent", "alarmErrorPercent", 1, 100),
        ("api_burst", "apiBurst", 1, 5000),
        ("api_rate", "apiRate", 1, 10_000),
    ],
)
def test_a_number_is_within_its_bounds(field: str, name: str, low: int, high: int) -> None:
    """Which Pulumi.yaml says, too."""
    text = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"][name]["description"]
    assert re.search(rf"\b{low:,} (second )?to (7 days|{high:,})", text)
    for value in (low, high):
        checked(replace(GOOD, **{field: value}))  # type: ignore[arg-type]
    for value in (low - 1, high + 1):
        with pytest.raises(InvalidSetting, match=f"{name} is {value}.*{low:,} to {high:,}"):
            checked(replace(GOOD, **{field: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"api_jwt_issuer": ""}, 'apiJwtIssuer is "".*https URL'),
        ({"api_jwt_issuer": "http://login.example.com"}, "apiJwtIssuer.*https URL"),
        ({"api_jwt_issuer": "https:///login"}, "apiJwtIssuer.*https URL"),
        ({"api_jwt_issuer": "https://["}, "apiJwtIssuer.*https URL"),
        ({"api_jwt_issuer": "https://login.example.com/?a=b"}, "apiJwtIssuer.*https URL"),
        ({"api_jwt_issuer": "https://login.example.com/#a"}, "apiJwtIssuer.*https URL"),
        ({"api_jwt_audience": ()}, "apiJwtAudience is \\[\\].*1 to 50"),
        ({"api_jwt_audience": ("",)}, "apiJwtAudience.*1 to 50"),
        ({"api_jwt_audience": tuple(map(str, range(51)))}, "apiJwtAudience.*1 to 50"),
    ],
)
def test_tokens_need_an_issuer_and_an_audience(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        checked(replace(JWT, **change))  # type: ignore[arg-type]
