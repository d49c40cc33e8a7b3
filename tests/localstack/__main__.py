"""Run the S3 integration tests on LocalStack: ``make test-s3``, ``python -m tests.localstack``.

Arguments are passed to pytest. The exit code is pytest's, or 1 if LocalStack does not start.
"""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from tests.support.http_server import make_certificate
from tests.support.other_s3 import URL_VARIABLE
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "localstack"
PYTHON = FOLDER / ".venv" / "bin" / "python"
LOG = FOLDER / "localstack.log"
LOG_LINES = 20

TESTS = ("tests/integration", "tests/unit/local/s3")
"""The second folder leaves locked objects, so it is the last one."""

SETTINGS = {
    "SERVICES": "s3",
    "EAGER_SERVICE_LOADING": "1",
    "DISABLE_EVENTS": "1",  # no telemetry
    "SKIP_SSL_CERT_DOWNLOAD": "1",
    "SKIP_INFRA_DOWNLOADS": "1",
    "DNS_ADDRESS": "0",  # no DNS server
    "LS_LOG": "warning",
}
"""LocalStack's configuration: one service, no access to the network."""


@contextmanager
def localstack() -> Iterator[str]:
    """Run LocalStack on a free port of the loopback interface while the block runs.

    Yields its URL. Raises AssertionError if LocalStack ends before it is ready.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with TemporaryDirectory(prefix="localstack-") as folder, LOG.open("wb") as log:
        # LocalStack cannot create a certificate with the pyOpenSSL that it allows.
        made, certificate = make_certificate(Path(folder)), Path(folder, "localstack.pem")
        certificate.write_bytes(made.key.read_bytes() + made.file.read_bytes())
        environment = {
            **SETTINGS,
            "CUSTOM_SSL_CERT_PATH": str(certificate),
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "TMPDIR": folder,
            "FILESYSTEM_ROOT": folder,
            "GATEWAY_LISTEN": address,
        }
        process = subprocess.Popen(
            [PYTHON, "-m", "localstack.runtime.main"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

        def is_ready() -> bool | None:
            assert process.poll() is None, f"LocalStack ended with exit code {process.returncode}"
            try:
                with urllib.request.urlopen(f"http://{address}/_localstack/health") as health:
                    return b'"s3": "running"' in health.read() or None
            except OSError:
                return None

        try:
            wait_for("LocalStack", is_ready)
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait()


def main() -> int:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    started = time.monotonic()
    try:
        with localstack() as url:
            ready = time.monotonic()
            console.print(f"LocalStack was ready after {ready - started:.0f} s: {url}")
            command = [sys.executable, "-m", "pytest", "-m", "s3", *TESTS]
            done = subprocess.run(
                [*command, *sys.argv[1:]],
                cwd=ROOT,
                env={**os.environ, URL_VARIABLE: url},
                check=False,
            )
            tested = time.monotonic()
    except AssertionError as error:
        console.print(f"{error}. The end of {LOG}:")
        console.print(*LOG.read_text().splitlines()[-LOG_LINES:], sep="\n", markup=False)
        return 1
    result = "passed" if done.returncode == 0 else f"failed with exit code {done.returncode}"
    seconds = tested - ready
    console.print(f"The S3 integration tests on LocalStack {result} after {seconds:.0f} s.")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
