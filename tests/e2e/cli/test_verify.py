"""Receipts, and ``verify``, against the embedded AWS."""

import json
import random
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.stack import Client

ROOT = Path(__file__).resolve().parents[3]
MIB = 1024 * 1024
CONTENTS = {
    "report.pdf": b"a report " * 1000,
    "größe.pdf": b"umlauts",
    "日本 😀.pdf": b"beyond the first plane",
    "empty.pdf": b"",
    "copied.pdf": random.Random(1).randbytes(21 * MIB),
}


@dataclass(frozen=True)
class Download:
    """An archive and its receipt, downloaded from the links of a READY job."""

    archive: Path
    receipt: Path

    @property
    def content(self) -> dict[str, Any]:
        receipt: dict[str, Any] = json.loads(self.receipt.read_text())
        return receipt


def finished(client: Client, request: dict[str, Any]) -> dict[str, Any]:
    job = client.finished(client.post(request))
    assert job["status"] == "READY", job
    return job


def fetch(client: Client, folder: Path, archive: dict[str, Any]) -> Download:
    """Download an archive and its receipt with curl."""
    paths = []
    for part, url in (("zip", archive["downloadUrl"]), ("receipt", archive["receiptUrl"])):
        (folder / part).mkdir(parents=True)
        paths.append(client.download({"downloadUrl": url}, folder / part))
    return Download(*paths)


def verified(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zipjobs_cli", "verify", *arguments],
        cwd=ROOT,
        capture_output=True,
        check=False,
        encoding="utf-8",
    )


def assert_matches(download: Download) -> None:
    done = verified(download.archive, download.receipt)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f" {len(download.content['entries']):,} entr" in done.stdout


def assert_receipt_describes_the_objects(
    client: Client, job: dict[str, Any], archive: dict[str, Any], download: Download
) -> None:
    """Compare the receipt with the archive and its source objects in S3."""
    receipt = download.content
    assert (receipt["version"], receipt["jobId"]) == ("1", job["jobId"])
    assert receipt["createdAt"] == job["createdAt"]
    head = client.s3.head_object(Bucket=job["targetBucket"], Key=archive["key"])
    content = download.archive.read_bytes()
    assert receipt["archive"] == {
        "bucket": job["targetBucket"],
        "key": archive["key"],
        "size": head["ContentLength"],
        "crc32": f"{zlib.crc32(content):08x}",
        "etag": head["ETag"],
        "entries": archive["entries"],
    }
    with zipfile.ZipFile(download.archive) as opened:
        members = [(info.filename, info.file_size, info.CRC) for info in opened.infolist()]
    listed = [
        (entry["name"], entry["size"], int(entry["crc32"], 16)) for entry in receipt["entries"]
    ]
    assert listed == members
    for entry in receipt["entries"]:
        version = {"VersionId": entry["versionId"]} if entry["versionId"] else {}
        head = client.s3.head_object(Bucket=entry["bucket"], Key=entry["key"], **version)
        assert entry["bucket"] == client.outputs["sourceBucket"]
        assert entry["etag"] == head["ETag"]
        assert entry["versionId"] == head.get("VersionId")
        assert entry["size"] == head["ContentLength"]


@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_the_receipt_describes_objects_and_archive(
    client: Client, tmp_path: Path, compression: str
) -> None:
    prefix = client.put_sources(CONTENTS)
    keys = [prefix + key for key in CONTENTS]
    job = finished(client, {"keys": keys, "compression": compression})
    (archive,) = job["archives"]
    assert archive["receiptKey"] == f"zips/{job['jobId']}.receipt.json"
    download = fetch(client, tmp_path, archive)
    assert download.receipt.name == f"{job['jobId']}.receipt.json"
    assert [entry["key"] for entry in download.content["entries"]] == keys
    assert download.content["skipped"] == []
    assert_receipt_describes_the_objects(client, job, archive, download)
    assert_matches(download)


@pytest.fixture
def versioned(client: Client) -> Iterator[str]:
    """Enable versioning of the source bucket. Yield its name."""
    bucket: str = client.outputs["sourceBucket"]
    client.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    yield bucket
    client.s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})


def test_the_receipt_has_versions_of_a_versioned_bucket(
    client: Client, tmp_path: Path, versioned: str
) -> None:
    prefix = client.put_sources({})
    old, new, other = (
        client.s3.put_object(Bucket=versioned, Key=f"{prefix}{key}", Body=body)["VersionId"]
        for key, body in (("a.pdf", b"old"), ("a.pdf", b"newer"), ("b.pdf", b"other"))
    )
    entries = [
        {"key": f"{prefix}a.pdf", "versionId": old},
        {"key": f"{prefix}a.pdf"},
        {"key": f"{prefix}b.pdf"},
    ]
    job = finished(client, {"entries": entries})
    (archive,) = job["archives"]
    download = fetch(client, tmp_path, archive)
    listed = [(entry["name"], entry["versionId"]) for entry in download.content["entries"]]
    assert listed == [("a.pdf", old), ("a (2).pdf", new), ("b.pdf", other)]
    assert_receipt_describes_the_objects(client, job, archive, download)
    assert_matches(download)


def test_the_receipt_lists_skipped_objects(client: Client, tmp_path: Path) -> None:
    prefix = client.put_sources(CONTENTS)
    keys = [f"{prefix}report.pdf", f"{prefix}gone.pdf", f"{prefix}größe.pdf"]
    job = finished(client, {"keys": keys, "onMissing": "skip"})
    assert job["skipped"] == 1
    (archive,) = job["archives"]
    download = fetch(client, tmp_path, archive)
    bucket = client.outputs["sourceBucket"]
    assert download.content["skipped"] == [
        {
            "name": "gone.pdf",
            "bucket": bucket,
            "key": f"{prefix}gone.pdf",
            "versionId": None,
            "reason": "SOURCE_NOT_FOUND",
        }
    ]
    assert_receipt_describes_the_objects(client, job, archive, download)
    assert_matches(download)
    done = verified(download.archive, download.receipt)
    assert "1 object skipped: 1 SOURCE_NOT_FOUND." in done.stdout


def test_each_archive_of_a_job_has_its_own_receipt(client: Client, tmp_path: Path) -> None:
    chance = random.Random(2)
    prefix = client.put_sources({f"{i}.bin": chance.randbytes(20 * MIB) for i in range(5)})
    keys = [f"{prefix}{i}.bin" for i in range(5)] + [f"{prefix}gone.bin"]
    job = finished(client, {"keys": keys, "onMissing": "skip", "maxArchiveBytes": 64 * MIB})
    downloads = [
        fetch(client, tmp_path / str(number), archive)
        for number, archive in enumerate(job["archives"], 1)
    ]
    assert len(downloads) == 2
    for archive, download in zip(job["archives"], downloads, strict=True):
        assert_receipt_describes_the_objects(client, job, archive, download)
        assert_matches(download)
    listed = [entry["key"] for download in downloads for entry in download.content["entries"]]
    assert listed == keys[:-1]
    skipped = [entry["key"] for download in downloads for entry in download.content["skipped"]]
    assert skipped == keys[-1:]
    swapped = verified(downloads[0].archive, downloads[1].receipt)
    assert swapped.returncode == 1
    assert "missing" in swapped.stdout


def test_a_flipped_byte_is_found_and_its_entry_named(client: Client, tmp_path: Path) -> None:
    prefix = client.put_sources(CONTENTS)
    job = finished(client, {"keys": [prefix + key for key in CONTENTS]})
    download = fetch(client, tmp_path, job["archives"][0])
    content = bytearray(download.archive.read_bytes())
    content[content.index(b"beyond the first plane")] ^= 1
    download.archive.write_bytes(content)

    done = verified(download.archive, download.receipt)
    assert done.returncode == 1
    assert "日本 😀.pdf" in done.stdout
    result = json.loads(verified("--json", download.archive, download.receipt).stdout)
    assert [(found["kind"], found["name"]) for found in result["differences"]] == [
        ("archiveCrc32", None),
        ("crc32", "日本 😀.pdf"),
    ]
