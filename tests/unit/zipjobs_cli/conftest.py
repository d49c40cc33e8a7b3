"""Shared fixtures: small archives with receipts, and an environment without a stack."""

import ast
import json
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from zipjobs_cli.__main__ import main
from zipjobs_cli.client import stack as stacks

if TYPE_CHECKING:
    from zipjobs_cli.client.job import Job

ROOT = Path(__file__).parents[3]
BODIES = {
    "report.pdf": b"a report " * 40,
    "2026/größe.pdf": b"umlauts",
    "2026/日本 😀.pdf": b"beyond the first plane",
    "empty.pdf": b"",
}
KEYS_BY_LINE = ("skipped", "entries")
JOB_ID = "0f4bebbb-8ec9-5ce3-9c4a-bbb0e981fc8e"


def job(status: str = "RUNNING", **changed: object) -> "Job":
    """Return a job as the API does."""
    content: dict[str, object] = {
        "jobId": JOB_ID,
        "status": status,
        "trigger": "api",
        "manifest": None,
        "sourceBucket": "src",
        "targetBucket": "dst",
        "targetKey": f"zips/{JOB_ID}.zip",
        "entries": {"done": 3, "total": 1200},
        "bytes": {"done": 3000, "total": None},
        "archives": [],
        "archiveExpiresAt": None,
        "metadata": {},
        "skipped": 0,
        "skippedObjects": [],
        "createdAt": "2026-11-25T14:01:26.384Z",
        "updatedAt": "2026-11-25T14:01:27.384Z",
        "error": None,
    }
    return cast("Job", {**content, **changed})


def run(*arguments: object) -> int:
    """Run the command line in this process. Return the exit code."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as end:
        return cast("int", end.code)


def measured(imports: str, expression: str) -> tuple[Any, int]:
    """Return the value of an expression and its peak memory.

    A new process evaluates it, so that allocations of other threads do not count.
    """
    code = (
        f"import tracemalloc\nfrom pathlib import Path\n{imports}\ntracemalloc.start()\n"
        f"value = {expression}\nprint([value, tracemalloc.get_traced_memory()[1]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True
    )
    value, peak = ast.literal_eval(done.stdout)
    return value, peak


def receipt_text(receipt: Mapping[str, Any]) -> str:
    """Return a receipt as the service formats it: the header, then one line per entry."""
    head = {key: value for key, value in receipt.items() if key not in KEYS_BY_LINE}
    text = json.dumps(head, ensure_ascii=False).removesuffix("}")
    for key in KEYS_BY_LINE:
        lines = ",".join(f"\n{json.dumps(row, ensure_ascii=False)}" for row in receipt[key])
        text += f',\n "{key}": [{lines}]'
    return text + "}\n"


@dataclass(frozen=True)
class Pair:
    """An archive and its receipt."""

    archive: Path
    receipt: Path

    def change_receipt(self, change: Callable[[dict[str, Any]], None]) -> None:
        content = json.loads(self.receipt.read_text())
        change(content)
        self.receipt.write_text(receipt_text(content))

    def flip(self, at: int, bit: int = 0) -> None:
        """Flip one bit of the archive."""
        content = bytearray(self.archive.read_bytes())
        content[at] ^= 1 << bit
        self.archive.write_bytes(content)


Make = Callable[..., Pair]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that creates an archive of ``bodies`` and its receipt."""

    def pair(
        bodies: Mapping[str, bytes] = BODIES,
        compression: int = zipfile.ZIP_STORED,
        skipped: int = 0,
        stem: str = "job-1",
    ) -> Pair:
        archive = tmp_path / f"{stem}.zip"
        write_archive(archive, list(bodies.items()), compression)
        receipt = tmp_path / f"{stem}.receipt.json"
        receipt.write_text(receipt_text(receipt_of(archive, bodies, skipped)))
        return Pair(archive, receipt)

    return pair


def write_archive(
    path: Path, bodies: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED
) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, body in bodies:
            archive.writestr(zipfile.ZipInfo(name), body, compression)


def receipt_of(archive: Path, bodies: Mapping[str, bytes], skipped: int = 0) -> dict[str, Any]:
    content = archive.read_bytes()
    return {
        "version": "1",
        "jobId": "job-1",
        "createdAt": "2026-11-23T12:00:00.000Z",
        "archive": {
            "bucket": "dst",
            "key": "zips/job-1.zip",
            "size": len(content),
            "crc32": f"{zlib.crc32(content):08x}",
            "etag": '"e-1"',
            "entries": len(bodies),
        },
        "skipped": [
            {
                "name": f"cold-{i}",
                "bucket": "src",
                "key": f"cold-{i}",
                "versionId": None,
                "reason": "SOURCE_ARCHIVED",
            }
            for i in range(skipped)
        ],
        "entries": [
            {
                "name": name,
                "bucket": "src",
                "key": f"in/{name}",
                "versionId": None,
                "etag": '"e"',
                "size": len(body),
                "crc32": f"{zlib.crc32(body):08x}",
            }
            for name, body in bodies.items()
        ],
    }


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No stack, AWS settings or Pulumi. Return the empty folder of local stacks."""
    for name in list(os.environ):
        if name.startswith(("ZIPJOBS_", "AWS_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "stacks"
    folder.mkdir()
    monkeypatch.setenv("ZIPJOBS_LOCAL", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    stacks._session.cache_clear()
    return folder
