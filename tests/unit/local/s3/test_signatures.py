"""S3 refuses signatures for another region and of another time."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.local.s3.conftest import S3

ELSEWHERE = "eu-west-1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/a"),
        ("HEAD", "/a"),
        ("GET", "?list-type=2"),
        ("HEAD", ""),
        ("PUT", "/a"),
        ("DELETE", "/a"),
        ("POST", "/a?uploads"),
        ("PUT", "/a?uploadId=1&partNumber=1"),
        ("POST", "/a?uploadId=1"),
    ],
)
def test_a_request_to_another_region_is_redirected(s3: S3, method: str, path: str) -> None:
    bucket = s3.bucket(ELSEWHERE)
    body = b"x" * 100_000 if method == "PUT" else b""
    response = s3.send(method, f"/{bucket}{path}", body=body)
    assert response.status == 301
    assert response.headers["x-amz-bucket-region"] == ELSEWHERE
    assert "location" not in response.headers
    if method != "HEAD":
        assert "<Code>PermanentRedirect</Code>" in response.text
        assert f"<Endpoint>s3.{ELSEWHERE}.amazonaws.com</Endpoint>" in response.text


def test_boto3_follows_the_redirect(s3: S3) -> None:
    bucket, client = s3.bucket(ELSEWHERE), s3.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"a")
    assert client.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"
    upload = client.create_multipart_upload(Bucket=bucket, Key="b")
    assert s3.client(region=ELSEWHERE).list_parts(
        Bucket=bucket, Key="b", UploadId=upload["UploadId"]
    )


def test_a_bucket_tells_its_region_in_each_region(s3: S3) -> None:
    bucket = s3.bucket(ELSEWHERE)
    assert s3.client().get_bucket_location(Bucket=bucket)["LocationConstraint"] == ELSEWHERE


@pytest.mark.parametrize(("minutes", "status"), [(-16, 403), (-14, 200), (14, 200), (16, 403)])
def test_a_clock_may_differ_by_a_quarter_of_an_hour(s3: S3, minutes: int, status: int) -> None:
    bucket = s3.bucket()
    sent = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = {"X-Amz-Date": sent.strftime("%Y%m%dT%H%M%SZ")}
    response = s3.send("PUT", f"/{bucket}/a", headers, b"a")
    assert response.status == status
    if status == 403:
        assert "<Code>RequestTimeTooSkewed</Code>" in response.text
        assert "<MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds>" in response.text
