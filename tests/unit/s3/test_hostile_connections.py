"""Reads over connections that die, addresses that do not respond, TLS and proxies."""

import os
import socket
import ssl
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pycurl
import pytest
from botocore.credentials import ReadOnlyCredentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.http_server import (
    Certificate,
    Exchange,
    Handler,
    ScriptedServer,
    error,
    make_certificate,
    reply,
    response,
)
from tests.support.waiting import WAIT_SECONDS
from tests.unit.s3.loopback import Loopback, an_object, noise, read, sha
from zipjobs.errors import (
    ServiceUnavailable,
    ZipJobsError,
)
from zipjobs.s3 import retry
from zipjobs.s3.http import transfer
from zipjobs.s3.object_reader import ObjectReader

OBJECT = noise(50_000)
FINE = an_object(OBJECT)
HEADERS = {
    "ETag": '"e"',
    "Last-Modified": "Sun, 01 Nov 2026 12:00:00 GMT",
    "Content-Range": f"bytes 0-{len(OBJECT) - 1}/{len(OBJECT)}",
}


@pytest.fixture(autouse=True)
def few_attempts(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 3)


# Connections.


@pytest.mark.parametrize("end", ["FIN", "RST"])
def test_idle_connections_that_died_are_replaced_at_once(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """More than libcurl tries by itself. No attempt is counted."""
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    barrier = threading.Barrier(16)

    def together(exchange: Exchange) -> None:
        barrier.wait()
        FINE(exchange)

    server = loopback.serve(*[together] * 16, FINE)
    reader = ObjectReader(loopback.connect(server.url, connections=16))
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda _: read(reader), range(16)))
    assert server.connections == 16
    server.hang_up() if end == "FIN" else server.reset()
    assert [sha(read(reader, flows=True)) for _ in range(20)] == [sha(OBJECT)] * 20


@pytest.mark.parametrize("end", [Exchange.hang_up, Exchange.reset], ids=["FIN", "RST"])
def test_a_connection_that_dies_on_reuse_is_replaced_at_once(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, end: Handler
) -> None:
    monkeypatch.setattr(retry, "ATTEMPTS", 1)
    server = loopback.serve(FINE, end, FINE)
    reader = ObjectReader(loopback.connect(server.url, connections=1))
    assert [sha(read(reader, flows=True)) for _ in range(3)] == [sha(OBJECT)] * 3


def test_expired_credentials_are_fetched_again(loopback: Loopback) -> None:
    fetched: list[ReadOnlyCredentials] = []

    def credentials() -> ReadOnlyCredentials:
        fetched.append(ReadOnlyCredentials(f"id-{len(fetched)}", "key", None))
        return fetched[-1]

    server = loopback.serve(reply(error(400, "ExpiredToken")), FINE)
    read(ObjectReader(loopback.connect(server.url, credentials=credentials)), flows=True)
    used = [request.headers["authorization"].split("/")[0] for request in server.requests]
    assert used == ["AWS4-HMAC-SHA256 Credential=id-0", "AWS4-HMAC-SHA256 Credential=id-1"]


@pytest.mark.parametrize("addresses", ["127.0.0.1,127.0.0.2,127.0.0.3", "127.0.0.3,127.0.0.1"])
def test_dead_addresses_are_passed_over(
    loopback: Loopback, monkeypatch: pytest.MonkeyPatch, addresses: str
) -> None:
    server = loopback.serve(FINE)
    resolve = (pycurl.RESOLVE, [f"s3.example:{server.port}:{addresses}"])
    monkeypatch.setattr(transfer, "OPTIONS", [*transfer.OPTIONS, resolve])
    reader = ObjectReader(loopback.connect(f"http://s3.example:{server.port}"))
    assert sha(read(reader, flows=True)) == sha(OBJECT)


def test_an_address_of_version_6_is_used(loopback: Loopback) -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        url = f"http://[::1]:{listener.getsockname()[1]}"

        def answer() -> None:
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(65536)
                accepted.sendall(response(OBJECT, 206, HEADERS))

        thread = threading.Thread(target=answer)
        thread.start()
        assert sha(read(ObjectReader(loopback.connect(url)), flows=True)) == sha(OBJECT)
        thread.join()


def test_a_host_without_an_address_does_not_stop_other_transfers(loopback: Loopback) -> None:
    missing = ObjectReader(loopback.connect("http://s3.invalid"))
    with pytest.raises(ServiceUnavailable):
        read(missing, flows=True)
    assert sha(read(ObjectReader(loopback.to(FINE)), flows=True)) == sha(OBJECT)


SLOW_RESOLVER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
  int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
      dlsym(RTLD_NEXT, "getaddrinfo");
  if (node && !strcmp(node, "s3.slow.example")) {
    usleep(atoi(getenv("SLOW_MS")) * 1000);
    node = "127.0.0.1";
  }
  return real(node, service, hints, found);
}
"""
"""Replaces the C library's resolver, which libcurl calls: one name takes ``SLOW_MS``."""


@pytest.fixture(scope="module")
def slow_resolver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("resolver") / "slow.so"
    command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library), "-ldl"]
    subprocess.run(command, input=SLOW_RESOLVER, text=True, check=True)
    return library


@pytest.mark.parametrize(
    ("slow_ms", "slow_answer"), [(500, "the object"), (3_600_000, "ServiceUnavailable")]
)
def test_a_slow_name_server_delays_only_requests_to_its_names(
    slow_resolver: Path, slow_ms: int, slow_answer: str
) -> None:
    """Nor does it delay the end of the process."""
    printed = subprocess.run(
        [sys.executable, "-m", "tests.unit.s3.slow_names"],
        env={**os.environ, "LD_PRELOAD": str(slow_resolver), "SLOW_MS": str(slow_ms)},
        check=True,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
    ).stdout
    assert printed == f"other: the object\nslow: {slow_answer}\n"


# TLS and proxies.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def expired_certificate(folder: Path) -> Certificate:
    certificate = Certificate(folder / "expired.pem", folder / "expired-key.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    names = [x509.IPAddress(ip_address("127.0.0.1"))]
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2020, 1, 2, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate.file.write_bytes(built.public_bytes(Encoding.PEM))
    certificate.key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return certificate


def test_an_expired_certificate_is_refused(loopback: Loopback, tmp_path: Path) -> None:
    certificate = expired_certificate(tmp_path)
    server = loopback.serve(FINE, tls=certificate)
    reader = ObjectReader(loopback.connect(server.url, ca_bundle=str(certificate.file)))
    with pytest.raises(ServiceUnavailable, match="certificate"):
        read(reader, flows=True)
    assert server.requests == []


def test_a_certificate_of_another_host_is_refused(
    loopback: Loopback, certificate: Certificate
) -> None:
    server = loopback.serve(FINE, tls=certificate)
    url = f"https://localhost:{server.port}"
    reader = ObjectReader(loopback.connect(url, ca_bundle=str(certificate.file)))
    with pytest.raises(ServiceUnavailable, match="certificate"):
        read(reader, flows=True)
    assert server.requests == []


def test_tls_1_2_is_enough(loopback: Loopback, certificate: Certificate) -> None:
    context = certificate.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = ScriptedServer(FINE, tls=context)
    reader = ObjectReader(loopback.connect(server.url, ca_bundle=str(certificate.file)))
    assert sha(read(reader, flows=True)) == sha(OBJECT)
    server.close()


def tunnel(port: int) -> Handler:
    """Return a handler that connects a CONNECT request to a port on loopback."""

    def connect(exchange: Exchange) -> None:
        with socket.create_connection(("127.0.0.1", port)) as target:
            exchange.send(b"HTTP/1.1 200 Connection established\r\nx-proxy: yes\r\n\r\n")
            back = threading.Thread(target=pump, args=(target, exchange.socket))
            back.start()
            pump(exchange.socket, target)
            back.join()

    return connect


def pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


def test_a_proxy_carries_tls(loopback: Loopback, certificate: Certificate) -> None:
    server = loopback.serve(FINE, tls=certificate)
    proxy = loopback.serve(tunnel(server.port))
    client = loopback.connect(server.url, ca_bundle=str(certificate.file), proxy=proxy.url)
    assert sha(read(ObjectReader(client), flows=True)) == sha(OBJECT)
    assert proxy.requests[0].method == "CONNECT"
    client.close()


def test_a_proxy_is_asked_for_plain_http(loopback: Loopback) -> None:
    proxy = loopback.serve(FINE)
    client = loopback.connect("http://s3.example", proxy=proxy.url)
    assert sha(read(ObjectReader(client), flows=True)) == sha(OBJECT)
    assert proxy.requests[0].target == "http://s3.example/src/a"


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_is_an_error(
    loopback: Loopback, certificate: Certificate, status: int
) -> None:
    proxy = loopback.serve(reply(response(b"<html></html>", status)))
    client = loopback.connect("https://s3.example", proxy=proxy.url)
    with pytest.raises(ZipJobsError, match="CONNECT"):
        read(ObjectReader(client), flows=True)
