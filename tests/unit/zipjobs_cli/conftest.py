"""Small archives, with receipts laid out as the service writes them."""

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
from typing import Any

import pytest

from zipjobs_cli.client import stack as stacks

ROOT = Path(__file__).parents[3]
BODIES = {
    "report.pdf": b"a report " * 40,
    "2026/größe.pdf": b"umlauts",
    "2026/日本 😀.pdf": b"beyond the first plane",
    "empty.pdf": b"",
}
KEYS_BY_LINE = ("skipped", "entries")


def measured(imports: str, expression: str) -> tuple[Any, int]:
    """What an expression comes to, and the most bytes that it takes, in a process of its own:

    what other threads allocate meanwhile would count too.
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
    """A receipt with its head in a line, and a line for each entry."""
    head = {key: value for key, value in receipt.items() if key not in KEYS_BY_LINE}
    text = json.dumps(head, ensure_ascii=False).removesuffix("}")
    for key in KEYS_BY_LINE:
        lines = ",".join(f"\n{json.dumps(row, ensure_ascii=False)}" for row in receipt[key])
        text += f',\n "{key}": [{lines}]'
    return text + "}\n"


@dataclass(frozen=True)
class Pair:
    """An archive and its receipt, in a folder."""

    archive: Path
    receipt: Path

    def change_receipt(self, change: Callable[[dict[str, Any]], None]) -> None:
        content = json.loads(self.receipt.read_text())
        change(content)
        self.receipt.write_text(receipt_text(content))

    def flip(self, at: int, bit: int = 0) -> None:
        """Change one bit of the archive's byte ``at``."""
        content = bytearray(self.archive.read_bytes())
        content[at] ^= 1 << bit
        self.archive.write_bytes(content)


Make = Callable[..., Pair]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes an archive of ``bodies``, and its receipt, in a folder of the test's own."""

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
            {"name": f"gone-{i}", "bucket": "src", "key": f"gone-{i}", "versionId": None}
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
    """No stack, no AWS settings, no Pulumi, and an empty folder for words of local stacks."""
    for name in list(os.environ):
        if name.startswith(("ZIPJOBS_", "AWS_")):
            monkeypatch.delenv(name)
    folder = tmp_path / "words"
    folder.mkdir()
    monkeypatch.setenv("ZIPJOBS_LOCAL", str(folder))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    stacks._session.cache_clear()
    return folder
