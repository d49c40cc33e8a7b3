"""Requests need the right expected bucket owner, and those of functions need one."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from local.names import ACCOUNT_ID
from tests.unit.local.iam.world import World, allow, denied, living_world
from zipjobs.s3.bucket_owners import BucketOwners

BUCKET = "owners-bucket"
OWN = f"arn:aws:s3:::{BUCKET}"
OTHERS = "999999999999"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with living_world("owners") as world:
        yield world


@pytest.fixture(autouse=True)
def everything_is_allowed(world: World) -> None:
    world.denials.clear()
    world.allow(allow("s3:*", OWN), allow("s3:*", f"{OWN}/*"))
    world.admin("s3").put_object(Bucket=BUCKET, Key="owned", Body=b"abc")


def remove(name: str) -> Callable[..., None]:
    """Return a handler that removes a parameter."""

    def handler(params: dict[str, Any], **_: Any) -> None:
        params.pop(name)

    return handler


@pytest.mark.parametrize(
    ("method", "parameters", "code"),
    [
        ("get_object", {"Key": "owned"}, "AccessDenied"),
        ("head_object", {"Key": "owned"}, "403"),
        ("put_object", {"Key": "owned", "Body": b"x"}, "AccessDenied"),
        ("delete_object", {"Key": "owned"}, "AccessDenied"),
        ("delete_objects", {"Delete": {"Objects": [{"Key": "owned"}]}}, "AccessDenied"),
        ("list_objects_v2", {}, "AccessDenied"),
        ("create_multipart_upload", {"Key": "owned"}, "AccessDenied"),
    ],
)
def test_wrong_expected_bucket_owner_is_denied(
    world: World, method: str, parameters: dict[str, Any], code: str
) -> None:
    client = world.role("s3")
    BucketOwners(OTHERS).watch(client)
    error = denied(lambda: getattr(client, method)(Bucket=BUCKET, **parameters))
    assert (error["Code"], error["HTTPStatusCode"]) == (code, 403)
    expected = {**parameters, "ExpectedBucketOwner": OTHERS}
    error = denied(lambda: getattr(world.admin("s3"), method)(Bucket=BUCKET, **expected))
    assert (error["Code"], error["HTTPStatusCode"]) == (code, 403)
    found = world.admin("s3").get_object(Bucket=BUCKET, Key="owned")["Body"]
    assert found.read() == b"abc"


@pytest.mark.parametrize(("to", "of"), [(ACCOUNT_ID, OTHERS), (OTHERS, ACCOUNT_ID)])
def test_copy_checks_both_expected_owners(world: World, to: str, of: str) -> None:
    copy = world.admin("s3").copy_object
    address = {"Bucket": BUCKET, "Key": "copy", "CopySource": f"{BUCKET}/owned"}
    owners = {"ExpectedBucketOwner": to, "ExpectedSourceBucketOwner": of}
    assert denied(lambda: copy(**address, **owners))["Code"] == "AccessDenied"
    copy(**address, **dict.fromkeys(owners, ACCOUNT_ID))


def test_function_request_without_expected_owner_is_denied(world: World) -> None:
    client = world.role("s3")
    client.meta.events.register_last("before-parameter-build.s3", remove("ExpectedBucketOwner"))
    error = denied(lambda: client.get_object(Bucket=BUCKET, Key="owned"))
    assert error["Code"] == "AccessDenied"
    assert "s3 GetObject, which has no expected bucket owner" in world.denials[0]


def test_function_copy_without_expected_source_owner_is_denied(world: World) -> None:
    client, source = world.role("s3"), {"Bucket": BUCKET, "Key": "owned"}
    client.meta.events.register_last(
        "before-parameter-build.s3", remove("ExpectedSourceBucketOwner")
    )
    address = {"Bucket": BUCKET, "Key": "copy", "CopySource": source}
    assert denied(lambda: client.copy_object(**address))["Code"] == "AccessDenied"
    assert "s3 CopyObject, which has no expected bucket owner" in world.denials[0]
    world.role("s3").copy_object(**address)


def test_presigned_link_needs_no_expected_owner(world: World) -> None:
    address = {"Bucket": BUCKET, "Key": "owned"}
    link = world.role("s3").generate_presigned_url("get_object", Params=address)
    assert urllib3.request("GET", link).data == b"abc"
