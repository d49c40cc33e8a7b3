"""The endpoint of the data plane is that of boto3."""

import boto3
import pytest

from tests.support.environment import FUNCTIONS_ENVIRONMENT
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.http.endpoint import Endpoint
from zipjobs.wiring.api import s3_client


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # it keeps what it has read
    for name, value in FUNCTIONS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


def endpoint(region: str) -> Endpoint:
    return Endpoint.of(s3_client(BucketOwners("123456789012"), region=region))


@pytest.mark.parametrize(
    ("region", "url"),
    [
        ("us-east-1", "https://s3.us-east-1.amazonaws.com"),
        ("eu-central-1", "https://s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", "https://s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "https://s3.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_host_is_that_of_the_region(region: str, url: str) -> None:
    assert (endpoint(region).url, endpoint(region).region) == (url, region)


@pytest.mark.parametrize(
    ("variable", "value", "url"),
    [
        ("AWS_USE_FIPS_ENDPOINT", "true", "https://s3-fips.us-west-2.amazonaws.com"),
        ("AWS_USE_DUALSTACK_ENDPOINT", "true", "https://s3.dualstack.us-west-2.amazonaws.com"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9000/s3/", "http://127.0.0.1:9000/s3"),
        ("AWS_ENDPOINT_URL_S3", "https://minio.example:9000", "https://minio.example:9000"),
    ],
)
def test_variables_change_it(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, url: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert endpoint("us-west-2").url == url


@pytest.mark.parametrize(
    ("no_proxy", "proxy"),
    [
        ("", "http://proxy.example:3128"),
        ("amazonaws.com", None),
        ("example.com", "http://proxy.example:3128"),
    ],
)
def test_the_proxy_is_that_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, no_proxy: str, proxy: str | None
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert endpoint("us-west-2").proxy == proxy


def test_certificates_are_those_of_botocore_unless_there_is_a_bundle() -> None:
    s3 = boto3.client("s3", region_name="us-west-2")
    assert (Endpoint.of(s3).ca_bundle or "").endswith("cacert.pem")
    assert Endpoint.of(s3, "/etc/ssl/own.pem").ca_bundle == "/etc/ssl/own.pem"
