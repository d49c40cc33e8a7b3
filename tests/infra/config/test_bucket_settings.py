"""Checks of names, buckets, prefixes and overlapping places."""

from dataclasses import replace
from typing import Any

import pytest

from infra.config.settings import InvalidSetting
from infra.config.validation import MAX_NAME_CHARS, checked
from infra.queues import manifest_pattern
from local.deployment.program import configuration, run_program
from local.errors import LocalError
from tests.infra.config.valid import VALID
from tests.infra.conftest import ALARM_EMAIL
from tests.infra.recorder import Recorder
from tools.declared import declared

SUFFIX_CHARS = len("-0123abc")
"""The suffix that Pulumi adds to names."""

MAX_CHARS = {
    "aws:apigatewayv2/api:Api": 128,
    "aws:cloudwatch/eventBus:EventBus": 256,
    "aws:cloudwatch/eventRule:EventRule": 64,
    "aws:dynamodb/table:Table": 255,
    "aws:iam/role:Role": 64,
    "aws:iam/rolePolicy:RolePolicy": 128,
    "aws:lambda/function:Function": 64,
    "aws:cloudwatch/logGroup:LogGroup": 512,
    "aws:cloudwatch/metricAlarm:MetricAlarm": 255,
    "aws:s3/bucket:Bucket": 63,
    "aws:sns/topic:Topic": 256,
    "aws:sqs/queue:Queue": 80,
}
"""From the API References of the services."""

LONGEST = {"resourcePrefix": "p" * (MAX_NAME_CHARS - len("-dev"))}


def complaint_of(**change: object) -> str:
    with pytest.raises(InvalidSetting) as complaint:
        checked(replace(VALID, **change))  # type: ignore[arg-type]
    return str(complaint.value)


def test_the_longest_prefix_still_makes_valid_names() -> None:
    """A longer prefix is refused, so no name can be too long."""
    everything = {**LONGEST, "alarmEmail": ALARM_EMAIL, "customerKey": "create"}
    left = {
        one.key: MAX_CHARS[one.type] - len(one.name) - SUFFIX_CHARS
        for one in declared("dev", everything).values()
        if one.type in MAX_CHARS
    }
    assert min(left.values()) == 0, sorted(left.items(), key=lambda item: item[1])[:3]


@pytest.mark.parametrize("prefix", ["p" * 36, "", "My Stack!", "9lives", "-zips", "zips.eu"])
def test_an_invalid_resource_prefix_is_refused(prefix: str) -> None:
    text = complaint_of(resource_prefix=prefix)
    assert f'resourcePrefix is "{prefix}"' in text
    assert f"with the stack's name it makes {prefix}-dev" in text
    assert "at most 39 characters, only lower-case letters" in text


@pytest.mark.parametrize("prefix", ["xn--zips", "sthree-zips", "amzn-s3-demo-zips"])
def test_a_resource_prefix_that_s3_reserves_is_refused(prefix: str) -> None:
    assert "not with xn--" in complaint_of(resource_prefix=prefix)


@pytest.mark.parametrize(
    "stack", ["Prod", "feature_x", "feature.x", "a-stack-with-a-very-long-name"]
)
def test_the_stacks_name_is_checked_with_the_prefix(stack: str) -> None:
    assert f"with the stack's name it makes s3-zip-jobs-{stack}" in complaint_of(stack=stack)


@pytest.mark.parametrize(
    "region",
    ["", "us-east", "US-EAST-1", "us-east-1a", "cn-north-1", "us-gov-west-1", "us-iso-east-1"],
)
def test_an_unknown_or_unsupported_region_is_refused(region: str) -> None:
    assert complaint_of(region=region).startswith(f'Setting aws:region is "{region}", but it must')


@pytest.mark.parametrize(
    "bucket",
    [
        *("ab", "b" * 64, "UPPER_case", "under_score", "-documents", "documents.", "a..b"),
        *("arn:aws:s3:::documents", "s3://documents/", " documents"),
        *("192.168.5.4", "xn--documents", "sthree-documents", "amzn-s3-demo-documents"),
        *("an-alias-s3alias", "a--ol-s3", "a--use1-az4--x-s3", "a--table-s3", "a.mrap"),
    ],
)
@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("source_bucket", "sourceBucket"),
        ("target_bucket", "targetBucket"),
        ("manifest_bucket", "manifestBucket"),
        ("allowed_sources", "allowedSources"),
        ("allowed_targets", "allowedTargets"),
    ],
)
def test_an_invalid_bucket_name_is_refused(bucket: str, field: str, name: str) -> None:
    text = complaint_of(**{field: (bucket,) if field.startswith("allowed") else bucket})
    assert text.startswith(f"Setting {name} is ")
    assert "bucket" in text.partition(", but ")[2]


@pytest.mark.parametrize("field", ["source_bucket", "target_bucket", "manifest_bucket"])
def test_a_bucket_setting_refuses_a_prefix(field: str) -> None:
    assert "it must be a valid bucket name" in complaint_of(**{field: "documents/2026"})


@pytest.mark.parametrize("bucket", ["abc", "b" * 63, "0-9.a", "2026.documents", "1.2.3.4.5"])
def test_valid_bucket_names_are_accepted(bucket: str) -> None:
    checked(replace(VALID, source_bucket=bucket))
    checked(replace(VALID, allowed_targets=(bucket, f"{bucket}/zips/")))


@pytest.mark.parametrize(
    "prefix",
    [
        "*/",
        "a*/",
        "a/../b/",
        "./",
        "\u2028/",
        "a?/",
        "${aws:username}/",
        "/",
        "/zips/",
        "zi\nps/",
        "p" * 900 + "/",
        "é" * 451,
    ],
)
def test_a_prefix_with_a_meaning_in_iam_is_refused(prefix: str) -> None:
    """These characters would allow other places than the ones named."""
    for field, name in (("target_prefix", "targetPrefix"), ("manifest_prefix", "manifestPrefix")):
        assert f"Setting {name} is " in complaint_of(**{field: prefix})
    for field, name in (
        ("allowed_sources", "allowedSources"),
        ("allowed_targets", "allowedTargets"),
    ):
        text = complaint_of(**{field: ("documents", f"documents/{prefix}")})
        assert f"Setting {name} is " in text
        assert "a prefix must not contain *, ?, ${, control characters" in text


@pytest.mark.parametrize("prefix", ["", "zips", "zips/q3"])
def test_target_and_manifest_prefixes_must_end_with_a_slash(prefix: str) -> None:
    """``zips`` would also be a prefix of ``zips-of-others/``."""
    assert "targetPrefix" in complaint_of(target_prefix=prefix)
    assert "it must end with a slash" in complaint_of(manifest_prefix=prefix)


def test_long_and_non_ascii_prefixes_are_accepted() -> None:
    longest = "é" * 449 + "a/"
    checked(replace(VALID, target_prefix=longest, allowed_sources=(f"documents/{longest}",)))
    checked(replace(VALID, manifest_prefix=longest))
    assert len(manifest_pattern("b" * 63, longest)) <= 2048, "EventBridge takes no more"
    checked(replace(VALID, target_prefix="$x/a b/", allowed_sources=("documents/$x/a b/",)))


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
    shared = replace(VALID, manifest_bucket="shared", target_bucket="shared")
    checked(shared)
    with pytest.raises(InvalidSetting, match="must not start jobs"):
        checked(replace(shared, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["shared/requests/", "shared/work/zips/", "shared/req"])
def test_targets_must_not_overlap_the_services_own_objects(place: str) -> None:
    with pytest.raises(InvalidSetting, match="manifestBucket.*objects that expire"):
        checked(replace(VALID, manifest_bucket="shared", allowed_targets=(place,)))
    checked(replace(VALID, manifest_bucket="shared", allowed_targets=("shared/other/",)))
    checked(replace(VALID, manifest_bucket="shared", allowed_targets=(place.replace("sh", "ch"),)))


@pytest.mark.parametrize("prefix", ["requests/", "requests/manifests/", "work/"])
def test_manifests_must_not_overlap_the_services_own_objects(prefix: str) -> None:
    assert "it must not overlap" in complaint_of(manifest_prefix=prefix)


@pytest.mark.parametrize("prefix", ["work/", "requests/zips/"])
def test_targets_in_the_stacks_manifest_bucket_are_checked(prefix: str) -> None:
    """Its name is only known after its creation, so the check runs then."""
    made = {"targetBucket": "s3-zip-jobs-dev-manifests", "targetPrefix": prefix}
    with pytest.raises(LocalError, match="it must not overlap .*objects that expire"):
        run_program(Recorder(), "dev", configuration("dev", made))


ONE_BUCKET = {"source_bucket": "one", "target_bucket": "one"}


@pytest.mark.parametrize(
    ("changes", "setting", "overlap"),
    [
        (ONE_BUCKET, "sourceBucket", "the target one/zips/"),
        ({"source_bucket": "one", "manifest_bucket": "one"}, "sourceBucket", "one/requests/"),
        ({"target_bucket": "one", "allowed_sources": ("one",)}, "allowedSources", "one/zips/"),
        ({"target_bucket": "one", "allowed_sources": ("one/z",)}, "allowedSources", "one/zips/"),
        (
            {"target_bucket": "one", "allowed_sources": ("one/zips/a/",)},
            "allowedSources",
            "one/zips/",
        ),
        (
            {"allowed_sources": ("one/x/",), "allowed_targets": ("one/x/y/",)},
            "allowedSources",
            "one/x/y/",
        ),
        (
            {"manifest_bucket": "one", "allowed_sources": ("one/manifests/q3/",)},
            "allowedSources",
            "one/manifests/",
        ),
    ],
)
def test_sources_must_not_overlap_targets_or_manifests(
    changes: dict[str, Any], setting: str, overlap: str
) -> None:
    text = complaint_of(**changes)
    assert text.startswith(f"Setting {setting} is ")
    assert overlap in text


@pytest.mark.parametrize(
    "changes",
    [
        ONE_BUCKET,
        {"target_bucket": "one", "allowed_sources": ("one/zips/a/",)},
        {"manifest_bucket": "one", "allowed_sources": ("one/manifests/",)},
    ],
)
def test_allow_source_overlap_accepts_overlapping_sources(changes: dict[str, Any]) -> None:
    checked(replace(VALID, allow_source_overlap=True, **changes))


@pytest.mark.parametrize("prefix", ["", "/", "/r", "/requests/", "/requests/abc", "/work/x/"])
def test_sources_must_not_overlap_the_services_own_objects(prefix: str) -> None:
    text = complaint_of(
        manifest_bucket="one", allowed_sources=(f"one{prefix}",), allow_source_overlap=True
    )
    assert "stores the requests of all callers" in text


def test_separate_prefixes_do_not_overlap() -> None:
    checked(
        replace(
            VALID,
            manifest_bucket="one",
            target_bucket="one",
            allowed_sources=("one/documents/", "other/zips/"),
        )
    )
