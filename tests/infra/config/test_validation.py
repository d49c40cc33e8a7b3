import re
from dataclasses import replace

import pytest

from infra.config.settings import InvalidSetting, Settings
from infra.config.validation import checked
from tests.infra.config.valid import PROJECT, VALID, snake_case

OTHER_RULES = {"logRetentionDays", "alarmOldestMessageSeconds"}
"""Whole numbers whose rule is not a range."""


JWT = replace(
    VALID,
    api_auth="jwt",
    api_jwt_issuer="https://login.example.com/",
    api_jwt_audience=("zip-jobs", "reports"),
)


@pytest.mark.parametrize(
    "good",
    [
        VALID,
        JWT,
        replace(VALID, api_auth="none"),
        replace(VALID, customer_key="create"),
        replace(VALID, customer_key="arn:aws:kms:us-east-1:111122223333:key/1234abcd"),
        replace(VALID, source_bucket="theirs", bucket_owners=("theirs=011122223333",)),
        replace(VALID, allowed_sources=("theirs/2026/",), bucket_owners=("theirs=111122223333",)),
        replace(VALID, api_cors_origins=("*",)),
        replace(VALID, api_cors_origins=("https://app.example.com", "http://localhost:3000")),
    ],
)
def test_valid_settings_are_accepted(good: Settings) -> None:
    assert checked(good) == good


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"alarm_email": "not-an-address"}, 'alarmEmail is "not-an-address".*email address'),
        ({"alarm_oldest_message_seconds": 900}, "alarmOldestMessageSeconds is 900.*more than.*900"),
        ({"alarm_oldest_message_seconds": 1_209_601}, "alarmOldestMessageSeconds.*14 days"),
        ({"zipper_pollers": 1}, "zipperPollers is 1.*0, or from 2 to 200"),
        ({"zipper_pollers": 201}, "zipperPollers is 201.*0, or from 2 to 200"),
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
def test_the_error_names_setting_value_and_rule(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        checked(replace(VALID, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, setting in PROJECT.items()
        if setting.get("type") == "integer" and name not in OTHER_RULES
    ],
)
def test_a_number_is_within_the_range_of_its_description(name: str) -> None:
    found = re.search(r"([\d,]+) (?:second )?to (7 days|[\d,]+)", PROJECT[name]["description"])
    assert found, "the description has no range"
    low = int(found[1].replace(",", ""))
    high = 604_800 if found[2] == "7 days" else int(found[2].replace(",", ""))
    for value in (low, high):
        checked(replace(VALID, **{snake_case(name): value}))  # type: ignore[arg-type]
    for value in (low - 1, high + 1):
        with pytest.raises(InvalidSetting, match=f"{name} is {value}.*{low:,} to {high:,}"):
            checked(replace(VALID, **{snake_case(name): value}))  # type: ignore[arg-type]


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
def test_jwt_requires_an_issuer_and_audiences(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidSetting, match=complaint):
        checked(replace(JWT, **change))  # type: ignore[arg-type]
