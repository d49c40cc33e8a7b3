"""Measure systems on workloads, on the S3 simulator."""

import contextlib
import json
import os
import shutil
import ssl
import statistics
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.request_kinds import dollars
from bench.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "build" / "peers"
PEER_SOURCES = ROOT / "bench" / "peers"
"""The locks and scripts of the peers, for Python and Node."""

ROUND_SECONDS = 300.0
"""The timeout of a round."""

SLOW_SECONDS = 10.0
"""A system is measured once if a round takes longer. Its latencies are the same in each round."""


@dataclass(frozen=True)
class Result:
    """The medians of a system's rounds on a workload."""

    workload: str
    system: str
    wall_s: float
    cpu_s: float
    peak_rss_mb: float
    idle_rss_mb: float
    requests: dict[str, int]
    bytes_in: int
    bytes_out: int
    bytes_copied: int
    usd: float
    times_original: float | None = None


Certificate = tuple[Path, Path]
"""A self-signed certificate and its key, in PEM."""


def make_certificate() -> Certificate:
    """Create a certificate for the loopback address with openssl."""
    folder = ROOT / "build" / "tls"
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(  # noqa: S603
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


@contextlib.contextmanager
def running_simulator(profile: str, tls: Certificate | None = None) -> Iterator[str]:
    """Run the S3 simulator on the second core and yield its URL."""
    command = [sys.executable, "-m", "bench.s3_simulator", "--profile", profile]
    if tls:
        command += ["--certificate", str(tls[0]), "--key", str(tls[1])]
    with subprocess.Popen(  # noqa: S603  (our own module)
        [*_on_core(1), *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


def measure(
    url: str, system: str, workload: str, rounds: int, tls: Certificate | None = None
) -> Result:
    """Run ``system`` on ``workload`` and return medians. Raises subprocess.SubprocessError."""
    command = [*_on_core(0), *_command(system, url, workload, rounds)]
    if tls:
        command.append(str(tls[0]))
    measured: list[dict[str, Any]] = []
    with subprocess.Popen(  # noqa: S603  (our own modules)
        command,
        cwd=ROOT,
        env=_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(rounds):
            control(url, "_load", {"workload": workload})
            process.stdin.write("go\n")
            process.stdin.flush()
            timeout = threading.Timer(ROUND_SECONDS, process.kill)
            timeout.start()
            line = process.stdout.readline()
            timeout.cancel()
            if not line:
                raise subprocess.CalledProcessError(process.wait(), command)
            measured.append({**json.loads(line), **control(url, "_stats", {})})
            if measured[-1]["wall_s"] > SLOW_SECONDS:
                break
        process.stdin.close()

    def median(name: str) -> float:
        return float(statistics.median(one[name] for one in measured))

    last = measured[-1]
    wall = median("wall_s")
    return Result(
        workload=workload,
        system=system,
        wall_s=round(wall, 3),
        cpu_s=round(median("cpu_s"), 3),
        peak_rss_mb=round(max(one["peak_rss_mb"] for one in measured), 1),
        idle_rss_mb=round(median("idle_rss_mb"), 1),
        requests=last["requests"],
        bytes_in=last["bytes_out"],
        bytes_out=last["bytes_in"],
        bytes_copied=last["bytes_copied"],
        usd=round(dollars(last["requests"], wall), 7),
    )


def compare(results: list[Result]) -> list[Result]:
    """Add to each result its speed relative to the original on the same workload."""
    originals = {r.workload: r.wall_s for r in results if r.system == "original"}
    return [
        Result(**{**asdict(r), "times_original": round(originals[r.workload] / r.wall_s, 1)})
        if r.workload in originals
        else r
        for r in results
    ]


def control(url: str, command: str, content: Any) -> dict[str, Any]:
    """Send a command to the simulator. Return its counters."""
    data = json.dumps(content).encode()
    request = urllib.request.Request(f"{url}/{command}", data, method="POST")  # noqa: S310
    context = ssl._create_unverified_context()  # noqa: S323, SLF001  (our own process)
    with urllib.request.urlopen(request, context=context) as response:  # noqa: S310
        counted: dict[str, Any] = json.load(response)
        return counted


def _command(system: str, url: str, workload: str, rounds: int) -> list[str]:
    if system in NODE_SYSTEMS:
        count = str(len(WORKLOADS[workload]))
        return ["node", str(PEERS / NODE_SYSTEMS[system]), url, count, str(rounds)]
    return [sys.executable, "-m", "bench.rounds", system, url, workload, str(rounds)]


NODE_SYSTEMS = {"archiver + lib-storage": "archiver.mjs", "s3-zip": "s3_zip.mjs"}
OURS = ("zipjobs", "zipjobs-no-copy")
SYSTEMS = ("original", "boto3-threads", *OURS)
PEER_SYSTEMS = ("smart_open + stream-zip", *NODE_SYSTEMS)


def install_peers() -> None:
    """Install the locked peers from PyPI and npm into ``build/peers``."""
    PEERS.mkdir(parents=True, exist_ok=True)
    subprocess.run(  # noqa: S603  (fixed arguments)
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--no-deps", "--requirement", PEER_SOURCES / "requirements.txt"),
            *("--upgrade", "--target", PEERS / "python"),
        ],
        check=True,
    )
    for pattern in ("*.mjs", "package*.json"):
        for path in PEER_SOURCES.glob(pattern):
            shutil.copy(path, PEERS)
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund"],  # noqa: S607
        cwd=PEERS,
        check=True,
        stdout=sys.stderr,
    )


def _environment() -> dict[str, str]:
    paths = [str(ROOT), str(PEERS / "python")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _on_core(core: int) -> list[str]:
    """Return a prefix that pins a command to a core, if there are two cores and ``taskset``."""
    can_pin = (os.cpu_count() or 1) > 1 and shutil.which("taskset")
    return ["taskset", "-c", str(core)] if can_pin else []
