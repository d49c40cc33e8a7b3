"""Where requests that are not sent by boto3 go: the same place as those of boto3."""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.utils import get_environ_proxies

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An S3 endpoint. ``url`` has no slash at the end; buckets are addressed by path.

    ``ca_bundle`` is a file of certificates, ``proxy`` the URL of a proxy.
    """

    url: str
    region: str
    ca_bundle: str | None = None
    proxy: str | None = None

    @classmethod
    def of(cls, s3: "S3Client", ca_bundle: str | None = None) -> "Endpoint":
        """Return the endpoint of a boto3 client.

        botocore's endpoint rules decide: Region, FIPS, dual-stack, ``AWS_ENDPOINT_URL_S3``. A
        presigned URL is the only public result of them. Without ``ca_bundle``, botocore's
        certificates apply. ``HTTPS_PROXY`` and ``NO_PROXY`` apply as they do to boto3.
        """
        presigned = s3.generate_presigned_url(
            "get_object", Params={"Bucket": "bucket", "Key": "key"}, ExpiresIn=1
        )
        target = urlsplit(presigned)
        host = target.netloc.removeprefix("bucket.")  # whatever the client's addressing style is
        path = target.path.removesuffix("/key").removesuffix("/bucket")
        url = f"{target.scheme}://{host}{path}"
        proxies = s3.meta.config.proxies or get_environ_proxies(url)  # type: ignore[attr-defined]
        return cls(
            url,
            s3.meta.region_name,
            ca_bundle or str(get_cert_path(True)),
            ProxyConfiguration(proxies).proxy_url_for(url),
        )

    @property
    def authority(self) -> str:
        """The host, and the port unless it is that of the scheme."""
        return urlsplit(self.url).netloc

    @property
    def path(self) -> str:
        """The path before the bucket."""
        return urlsplit(self.url).path
