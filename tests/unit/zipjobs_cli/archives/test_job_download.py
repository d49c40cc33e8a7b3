"""Downloads of archives: resumed, checked, and never mixed."""

import json
import os
import random
import resource
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import pytest

from tests.support.http_server import Exchange, Handler, ScriptedServer, error, reply, response
from zipjobs_cli.archives import resumable_download
from zipjobs_cli.archives.job_download import ChecksumMismatch, JobDownload, file_name
from zipjobs_cli.archives.receipt import receipt_path
from zipjobs_cli.archives.resumable_download import ObjectReplaced, part_path
from zipjobs_cli.errors import CliError

if TYPE_CHECKING:
    from zipjobs_cli.client.api import Api
    from zipjobs_cli.client.job import Job

CONTENT = random.Random(1).randbytes(300_000)
CRC = f"{zlib.crc32(CONTENT):08x}"
ETAG = '"one-1"'
JOB = "0f4bebbb-8ec9-5ce3-9c4a-bbb0e981fc8e"


def serve(exchange: Exchange, content: bytes = CONTENT, etag: str = ETAG) -> None:
    """Respond as S3 does."""
    headers = exchange.request.headers
    if headers.get("if-match", etag) != etag:
        exchange.send(error(412, "PreconditionFailed"))
        return
    first = int(headers["range"].removeprefix("bytes=").rstrip("-")) if "range" in headers else 0
    if first >= len(content):
        exchange.send(error(416, "InvalidRange"))
        return
    sent_headers = {"ETag": etag}
    if first:
        sent_headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
    exchange.send(response(content[first:], 206 if first else 200, sent_headers))


def cut_off(after: int) -> Handler:
    """Send the first bytes of the requested range, then close the connection."""

    def send_part(exchange: Exchange) -> None:
        first = int(exchange.request.headers.get("range", "bytes=0-")[6:-1])
        rest = CONTENT[first:]
        sent_headers = {"ETag": ETAG}
        if first:
            sent_headers["Content-Range"] = f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"
        status = 206 if first else 200
        exchange.send(response(rest[:after], status, sent_headers, length=len(rest)))
        exchange.hang_up()

    return send_part


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setattr(resumable_download, "PAUSES_SECONDS", (0.0,) * 3)
    server = ScriptedServer(serve)
    yield server
    server.close()


@dataclass
class FakeApi:
    """Returns the job with new links."""

    job: "Job"
    renewals: list[str] = field(default_factory=list)

    def get(self, job_id: str) -> "Job":
        assert job_id == JOB
        self.renewals.append(job_id)
        (archive,) = self.job["archives"]
        url = archive["downloadUrl"].partition("#")[0]
        return cast("Job", {**self.job, "archives": [{**archive, "downloadUrl": f"{url}&new=1"}]})


MakeDownload = Callable[..., JobDownload]


@pytest.fixture
def make_download(server: ScriptedServer) -> MakeDownload:
    """Return a function that makes the download of a job with one archive."""

    def make(api: Any = None, is_forced: bool = False, **changed: object) -> JobDownload:
        named = "response-content-disposition=attachment%3B%20filename%2A%3DUTF-8%27%27q3.zip"
        archive = {
            "key": f"zips/{JOB}.zip",
            "size": len(CONTENT),
            "crc32": CRC,
            "etag": ETAG,
            "downloadUrl": f"{server.url}/{JOB}.zip?{named}",
            "receiptUrl": f"{server.url}/receipt",
        }
        job = {"jobId": JOB, "status": "READY", "archives": [{**archive, **changed}]}
        api = api or FakeApi(cast("Job", job))
        return JobDownload(cast("Api", api), cast("Job", job), is_forced)

    return make


def fetch(download: JobDownload, folder: Path, **options: bool) -> Path:
    """Download the archive. Check its content and the reported progress."""
    progress: list[int] = []
    download.on_bytes = progress.append
    (one,) = download.fetch(download.paths(f"{folder}/"), **options)
    assert one.path.read_bytes() == CONTENT
    assert sum(progress) == len(CONTENT)
    assert list(folder.glob("*.part")) == []
    return one.path


def test_the_link_names_the_file(make_download: MakeDownload, tmp_path: Path) -> None:
    assert fetch(make_download(), tmp_path / "new") == tmp_path / "new" / "q3.zip"


def test_an_interrupted_download_is_resumed(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), cut_off(2000), reply(error(503, "SlowDown")), serve)
    fetch(make_download(), tmp_path)
    ranges = [request.headers.get("range") for request in server.requests]
    assert ranges == [None, "bytes=1000-", "bytes=3000-", "bytes=3000-"]
    assert {request.headers["if-match"] for request in server.requests} == {ETAG}


def test_an_existing_part_is_resumed(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    part_path(tmp_path / "q3.zip", CRC).write_bytes(CONTENT[:123_456])
    fetch(make_download(), tmp_path)
    (request,) = server.requests
    assert request.headers["range"] == "bytes=123456-"


def test_a_complete_part_is_only_checked(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    part_path(tmp_path / "q3.zip", CRC).write_bytes(CONTENT)
    fetch(make_download(), tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("damaged", [b"x" * 100, CONTENT + b"more", b"y" * len(CONTENT)])
def test_a_damaged_part_is_downloaded_again(
    make_download: MakeDownload, tmp_path: Path, damaged: bytes
) -> None:
    part_path(tmp_path / "q3.zip", CRC).write_bytes(damaged)
    fetch(make_download(), tmp_path)


def test_a_replaced_archive_is_an_error(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), lambda exchange: serve(exchange, bytes(300_000), '"two-1"'))
    with pytest.raises(ObjectReplaced, match="replaced"):
        fetch(make_download(), tmp_path)
    assert not (tmp_path / "q3.zip").exists()


def test_a_server_without_ranges_sends_the_whole_archive(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), reply(response(CONTENT, 200, {"ETag": ETAG})))
    fetch(make_download(), tmp_path)


def test_an_expired_link_is_renewed(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), reply(error(403, "AccessDenied")), serve)
    download = make_download()
    fetch(download, tmp_path)
    assert cast("FakeApi", download.api).renewals == [JOB]
    assert [request.target.endswith("&new=1") for request in server.requests] == [
        False,
        False,
        True,
    ]


def test_a_new_link_that_is_refused_is_an_error(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(reply(error(403, "AccessDenied")))
    with pytest.raises(CliError, match=r"AccessDenied \(HTTP 403\)"):
        fetch(make_download(), tmp_path)
    assert len(server.requests) == 2


def test_a_deleted_archive_is_an_error(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(reply(error(404, "NoSuchKey")))
    with pytest.raises(CliError, match="no longer exists"):
        fetch(make_download(), tmp_path)


def test_the_part_is_kept_when_retries_are_exhausted(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), lambda exchange: exchange.reset())
    with pytest.raises(CliError, match="interrupted"):
        fetch(make_download(), tmp_path)
    assert part_path(tmp_path / "q3.zip", CRC).read_bytes() == CONTENT[:1000]


def test_an_archive_with_a_wrong_checksum_is_deleted(
    make_download: MakeDownload, tmp_path: Path
) -> None:
    with pytest.raises(ChecksumMismatch, match=f"q3.zip: received 300,000 bytes with CRC-32 {CRC}"):
        fetch(make_download(crc32="00000000"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_archive_is_not_downloaded(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    fetch(make_download(), tmp_path)
    server.follow(reply(error(404, "NoSuchKey")))
    fetch(make_download(), tmp_path)


def test_a_different_file_is_overwritten_only_with_force(
    make_download: MakeDownload, tmp_path: Path
) -> None:
    (tmp_path / "q3.zip").write_text("mine")
    with pytest.raises(CliError, match=r"q3\.zip already exists.*--force"):
        fetch(make_download(), tmp_path)
    assert (tmp_path / "q3.zip").read_text() == "mine"
    fetch(make_download(is_forced=True), tmp_path)


def receipt(crc32: str = CRC) -> bytes:
    archive = {"size": len(CONTENT), "crc32": crc32, "entries": 0}
    return json.dumps({"version": "1", "archive": archive, "entries": []}).encode()


def test_the_receipt_is_downloaded(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(serve, lambda exchange: serve(exchange, receipt(), '"r"'))
    fetch(make_download(), tmp_path, has_receipts=True)
    assert (tmp_path / "q3.receipt.json").read_bytes() == receipt()


def test_a_different_receipt_is_overwritten_only_with_force(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    there = tmp_path / "q3.receipt.json"
    there.write_bytes(b"of another archive")
    server.follow(serve, *[lambda exchange: serve(exchange, receipt(), '"r"')] * 2)
    with pytest.raises(CliError, match="--force"):
        fetch(make_download(), tmp_path, has_receipts=True)
    assert there.read_bytes() == b"of another archive"
    fetch(make_download(is_forced=True), tmp_path, has_receipts=True)
    assert there.read_bytes() == receipt()


def test_the_receipt_of_another_archive_is_rejected(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(serve, lambda exchange: serve(exchange, receipt("00000000"), '"r"'))
    with pytest.raises(ChecksumMismatch, match="not the receipt of q3.zip"):
        fetch(make_download(), tmp_path, has_receipts=True)
    assert not (tmp_path / "q3.receipt.json").exists()


def test_free_disk_space_is_checked_before_the_download(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    with pytest.raises(CliError, match="needs 1,000,000,000,000,000,000 bytes"):
        fetch(make_download(size=10**18), tmp_path)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_an_existing_part_is_kept_if_the_disk_is_full(
    make_download: MakeDownload, tmp_path: Path
) -> None:
    part = part_path(tmp_path / "q3.zip", CRC)
    part.write_bytes(CONTENT[:1000])
    with pytest.raises(CliError, match=f"needs {10**18 - 1000:,} bytes"):
        fetch(make_download(size=10**18), tmp_path)
    assert part.read_bytes() == CONTENT[:1000]


OTHER = b"a file of another user"
OBSTACLES = ("link", "dangling link", "FIFO", "hard link", "folder")


def obstruct(path: Path, how: str, other: Path) -> None:
    """Create something other than a regular file with one hard link."""
    if how == "link":
        path.symlink_to(other)
    elif how == "dangling link":
        path.symlink_to(other.with_name("missing"))
    elif how == "FIFO":
        os.mkfifo(path)
    elif how == "hard link":
        path.hardlink_to(other)
    else:
        path.mkdir()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """A file that must not change, in a folder that must not change."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    other = folder / "other"
    other.write_bytes(OTHER)
    yield other
    assert other.read_bytes() == OTHER
    assert list(folder.iterdir()) == [other]


def refusal(path: Path, how: str) -> str:
    what = "has more than one hard link" if how == "hard link" else "is not a regular file"
    return f"{path} {what}. Delete it and try again."


@pytest.mark.parametrize("how", OBSTACLES)
def test_a_part_must_be_a_regular_file(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path, other: Path, how: str
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    part = part_path(folder / "q3.zip", CRC)
    obstruct(part, how, other)
    with pytest.raises(CliError) as caught:
        fetch(make_download(), folder)
    assert str(caught.value) == refusal(part, how)
    assert server.requests == []
    assert list(folder.iterdir()) == [part]


@pytest.mark.parametrize("how", OBSTACLES)
def test_a_part_of_a_receipt_must_be_a_regular_file(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path, other: Path, how: str
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    part = part_path(receipt_path(folder / "q3.zip"), CRC)
    obstruct(part, how, other)
    with pytest.raises(CliError) as caught:
        fetch(make_download(), folder, has_receipts=True)
    assert str(caught.value) == refusal(part, how)
    assert len(server.requests) == 1, "the receipt is not requested"
    assert not receipt_path(folder / "q3.zip").exists()


def test_an_existing_part_of_a_receipt_is_replaced(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(serve, lambda exchange: serve(exchange, receipt(), '"r"'))
    part_path(receipt_path(tmp_path / "q3.zip"), CRC).write_bytes(b"x" * 100)
    fetch(make_download(), tmp_path, has_receipts=True)
    assert (tmp_path / "q3.receipt.json").read_bytes() == receipt()


def test_a_fifo_at_the_path_of_a_receipt_is_not_read(
    make_download: MakeDownload, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(serve, lambda exchange: serve(exchange, receipt(), '"r"'))
    os.mkfifo(tmp_path / "q3.receipt.json")
    with pytest.raises(CliError, match=r"q3\.receipt\.json already exists"):
        fetch(make_download(), tmp_path, has_receipts=True)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Limit the size of files to 100,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
def test_a_write_error_names_the_file(make_download: MakeDownload, tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"q3\.zip.*\.part cannot be written"):
        fetch(make_download(), tmp_path)


def test_paths_for_the_output_option(make_download: MakeDownload, tmp_path: Path) -> None:
    download = make_download()
    assert download.paths(None) == [Path("q3.zip")]
    assert download.paths(str(tmp_path)) == [tmp_path / "q3.zip"]
    assert download.paths(f"{tmp_path}/new/") == [tmp_path / "new" / "q3.zip"]
    assert download.paths(f"{tmp_path}/my.zip") == [tmp_path / "my.zip"]
    download.job["archives"] *= 2
    assert download.paths(f"{tmp_path}/new") == [tmp_path / "new" / "q3.zip"] * 2
    (tmp_path / "file").touch()
    with pytest.raises(CliError, match="is not a folder. The job has 2 archives"):
        download.paths(f"{tmp_path}/file")
    download.job["status"] = "RUNNING"
    with pytest.raises(CliError, match="is RUNNING: it has no archive"):
        download.paths(None)


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=\"_.zip\"; filename*=UTF-8''gr%C3%B6%C3%9Fe.zip", "größe.zip"),
        ("attachment; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "_.._etc_passwd"),
        ("attachment; filename*=UTF-8''C:%5Cx%1B.zip", "C:_x_x1b.zip"),
        ("attachment; filename*=UTF-8''...", "archive.zip"),
        ("", "key.zip"),
    ],
)
def test_file_names_cannot_leave_the_folder(disposition: str, name: str) -> None:
    url = f"http://h/x?response-content-disposition={quote(disposition, safe='')}"
    assert file_name(url, "zips/key.zip") == name
