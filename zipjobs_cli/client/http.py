"""HTTP connections that use the proxy and the certificates of the environment."""

import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager, Timeout

CONNECT_SECONDS = 10
READ_SECONDS = 35
"""Longer than the timeout of API Gateway's integrations: 30 seconds."""


def pool(url: str) -> PoolManager:
    """Return a connection pool for requests to the host of ``url``. It does not retry."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy is None or is_loopback(url) or proxy_bypass(parts.netloc):
        return PoolManager(timeout=_timeout(), retries=False, ca_certs=_ca_certs())
    return ProxyManager(proxy, timeout=_timeout(), retries=False, ca_certs=_ca_certs())


def is_loopback(url: str) -> bool:
    """Return whether the host of ``url`` is this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _timeout() -> Timeout:
    return Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)


def _ca_certs() -> str | None:
    """Return the certificate file that replaces the system's, as in the AWS tools."""
    return os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or None
