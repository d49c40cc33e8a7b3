from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.config import Config

from tests.support.builders import finished_archive, ready_job
from zipjobs.jobs.download_links import DownloadLinks, content_disposition, file_name
from zipjobs.jobs.job import Trigger
from zipjobs.requests.storage import ObjectRef
from zipjobs.wiring.api import S3_CONFIG

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def links(ttl_seconds: int, region: str = "us-east-1") -> DownloadLinks:
    s3 = boto3.client(
        "s3",
        region_name=region,
        aws_access_key_id="id",
        aws_secret_access_key="secret",
        config=Config(**S3_CONFIG),
    )
    return DownloadLinks(s3, ttl_seconds, clock=lambda: NOW)


def test_a_link_is_signed_with_sigv4_and_has_a_file_name() -> None:
    (link,) = links(3600).create(ready_job())
    query = parse_qs(urlsplit(link.url).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["3600"]
    assert query["response-content-disposition"][0].startswith("attachment; filename=")
    assert link.expires_at == datetime(2026, 11, 23, 13, tzinfo=UTC)


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1", "eu-central-1"])
def test_a_link_has_the_host_of_its_region(region: str) -> None:
    """The global host would redirect, and the signature would not match the other host."""
    host = urlsplit(links(3600, region).create(ready_job())[0].url).netloc
    assert host == f"dst.s3.{region}.amazonaws.com"
    assert region in host or region == "us-east-1"


def test_a_link_has_the_version_of_its_object() -> None:
    archive = finished_archive(version_id="v1", receipt_version_id="v2")
    (link,) = links(3600).create(ready_job(archives=(archive,)))
    versions = [parse_qs(urlsplit(url).query)["versionId"] for url in link[:2]]
    assert versions == [["v1"], ["v2"]]
    (link,) = links(3600).create(ready_job())
    assert "versionId" not in link.url + link.receipt_url


def test_links_expire_within_the_limit_of_s3() -> None:
    query = parse_qs(urlsplit(links(10**9).create(ready_job())[0].url).query)
    assert query["X-Amz-Expires"] == ["604800"]


def test_each_of_several_archives_has_a_link_and_a_name() -> None:
    several = tuple(finished_archive(f"zips/job-1-00{n}") for n in (1, 2))
    created = links(3600).create(ready_job(archives=several))
    assert [urlsplit(link.url).path for link in created] == [
        "/zips/job-1-001.zip",
        "/zips/job-1-002.zip",
    ]
    assert "job-1-002.zip" in created[1].url.split("response-content-disposition")[1]


def test_the_file_name_is_from_the_manifest_or_the_key() -> None:
    by_manifest = ready_job(
        trigger=Trigger.MANIFEST, request=ObjectRef(bucket="m", key="manifests/q3 invoices.json")
    )
    assert file_name(by_manifest) == "q3 invoices.zip"
    assert file_name(ready_job()) == "job-1.zip"


def test_the_file_name_is_the_archive_name_of_the_request() -> None:
    manifest = ObjectRef(bucket="m", key="manifests/list.json")
    for job in (
        ready_job(target_key="zips/job-1/q3 für alle.v2.zip"),
        ready_job(
            target_key="zips/job-1/q3 für alle.v2.zip", trigger=Trigger.MANIFEST, request=manifest
        ),
    ):
        assert file_name(job) == "q3 für alle.v2.zip"


def test_several_archives_with_a_name_are_numbered() -> None:
    several = tuple(finished_archive(f"zips/job-1/q3-00{n}") for n in (1, 2))
    job = ready_job(target_key="zips/job-1/q3.zip", archives=several)
    link = links(3600).create(job)[1]
    assert "q3-002.zip" in link.url.split("response-content-disposition")[1]
    assert "q3-002.receipt.json" in link.receipt_url.split("response-content-disposition")[1]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.zip", "attachment; filename=\"a.zip\"; filename*=UTF-8''a.zip"),
        ("ü.zip", "attachment; filename=\"_.zip\"; filename*=UTF-8''%C3%BC.zip"),
        ('"\r\n.zip', "attachment; filename=\"___.zip\"; filename*=UTF-8''%22%0D%0A.zip"),
    ],
)
def test_a_file_name_cannot_end_its_header(name: str, header: str) -> None:
    assert content_disposition(name) == header
