"""Requests over HTTP: through the proxy that the environment names, and with its certificates."""

import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import PoolManager, ProxyManager, Timeout

CONNECT_SECONDS = 10
READ_SECONDS = 35
"""Longer than API Gateway lets a function take: 30 seconds."""


def pool(url: str) -> PoolManager:
    """For requests to the host of ``url``. Nothing is tried again."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if proxy is None or is_loopback(url) or proxy_bypass(parts.netloc):
        return PoolManager(timeout=_timeout(), retries=False, ca_certs=_ca_certs())
    return ProxyManager(proxy, timeout=_timeout(), retries=False, ca_certs=_ca_certs())


def is_loopback(url: str) -> bool:
    """Whether it leads to this machine."""
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")


def _timeout() -> Timeout:
    return Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)


def _ca_certs() -> str | None:
    """A file that replaces the system's, as AWS's own tools have it."""
    return os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE") or None
