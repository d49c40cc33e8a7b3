"""Downloads: resumed, checked, and never made of two archives."""

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

from tests.support.http_server import Answer, Exchange, ScriptedServer, error, response, say
from zipjobs_cli.archives import resumable_download as fetching
from zipjobs_cli.archives.job_download import ChecksumMismatch, Download, file_name
from zipjobs_cli.archives.receipt import receipt_path
from zipjobs_cli.archives.resumable_download import Changed, part_path
from zipjobs_cli.errors import CliError

if TYPE_CHECKING:
    from zipjobs_cli.client.api import Api
    from zipjobs_cli.client.job import Job

CONTENT = random.Random(1).randbytes(300_000)
CRC = f"{zlib.crc32(CONTENT):08x}"
ETAG = '"one-1"'
JOB = "0f4bebbb-8ec9-5ce3-9c4a-bbb0e981fc8e"


def served(exchange: Exchange, content: bytes = CONTENT, etag: str = ETAG) -> None:
    """As S3 serves an object."""
    headers = exchange.request.headers
    if headers.get("if-match", etag) != etag:
        exchange.send(error(412, "PreconditionFailed"))
        return
    first = int(headers["range"].removeprefix("bytes=").rstrip("-")) if "range" in headers else 0
    if first >= len(content):
        exchange.send(error(416, "InvalidRange"))
        return
    told = {"ETag": etag}
    if first:
        told["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
    exchange.send(response(content[first:], 206 if first else 200, told))


def cut_off(after: int) -> Answer:
    """The first so many bytes of what is asked for, and then nothing."""

    def answer(exchange: Exchange) -> None:
        first = int(exchange.request.headers.get("range", "bytes=0-")[6:-1])
        rest = CONTENT[first:]
        told = {"ETag": ETAG}
        if first:
            told["Content-Range"] = f"bytes {first}-{len(CONTENT) - 1}/{len(CONTENT)}"
        status = 206 if first else 200
        exchange.send(response(rest[:after], status, told, length=len(rest)))
        exchange.hang_up()

    return answer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    monkeypatch.setattr(fetching, "PAUSES_SECONDS", (0.0,) * 3)
    server = ScriptedServer(served)
    yield server
    server.close()


@dataclass
class Asked:
    """Plays the API: tells the job with links of its own each time."""

    job: "Job"
    renewed: list[str] = field(default_factory=list)

    def get(self, job_id: str) -> "Job":
        assert job_id == JOB
        self.renewed.append(job_id)
        (archive,) = self.job["archives"]
        url = archive["downloadUrl"].partition("#")[0]
        return cast("Job", {**self.job, "archives": [{**archive, "downloadUrl": f"{url}&new=1"}]})


Begin = Callable[..., Download]


@pytest.fixture
def begin(server: ScriptedServer) -> Begin:
    """A download of a job with one archive, which the server serves."""

    def begin(api: Any = None, is_forced: bool = False, **changed: object) -> Download:
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
        api = api or Asked(cast("Job", job))
        return Download(cast("Api", api), cast("Job", job), is_forced)

    return begin


def fetched(download: Download, folder: Path, **options: bool) -> Path:
    """Where the archive is; the bytes that were told are those that are there."""
    told: list[int] = []
    download.on_bytes = told.append
    (one,) = download.fetch(download.places(f"{folder}/"), **options)
    assert one.path.read_bytes() == CONTENT
    assert sum(told) == len(CONTENT)
    assert list(folder.glob("*.part")) == []
    return one.path


def test_an_archive_gets_the_name_that_its_link_gives(begin: Begin, tmp_path: Path) -> None:
    assert fetched(begin(), tmp_path / "new") == tmp_path / "new" / "q3.zip"


def test_a_download_goes_on_where_it_broke_off(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), cut_off(2000), say(error(503, "SlowDown")), served)
    fetched(begin(), tmp_path)
    asked = [request.headers.get("range") for request in server.requests]
    assert asked == [None, "bytes=1000-", "bytes=3000-", "bytes=3000-"]
    assert {request.headers["if-match"] for request in server.requests} == {ETAG}


def test_the_next_one_goes_on_with_a_part_that_is_there(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    part_path(tmp_path / "q3.zip", CRC).write_bytes(CONTENT[:123_456])
    fetched(begin(), tmp_path)
    (request,) = server.requests
    assert request.headers["range"] == "bytes=123456-"


def test_a_part_that_is_whole_is_only_checked(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    part_path(tmp_path / "q3.zip", CRC).write_bytes(CONTENT)
    fetched(begin(), tmp_path)
    assert server.requests == []


@pytest.mark.parametrize("spoiled", [b"x" * 100, CONTENT + b"more", b"y" * len(CONTENT)])
def test_a_part_that_was_spoiled_is_fetched_anew(
    begin: Begin, tmp_path: Path, spoiled: bytes
) -> None:
    part_path(tmp_path / "q3.zip", CRC).write_bytes(spoiled)
    fetched(begin(), tmp_path)


def test_an_archive_that_has_changed_is_not_mixed_in(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), lambda exchange: served(exchange, bytes(300_000), '"two-1"'))
    with pytest.raises(Changed, match="was replaced"):
        fetched(begin(), tmp_path)
    assert not (tmp_path / "q3.zip").exists()


def test_whoever_does_not_know_ranges_sends_it_all_again(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), say(response(CONTENT, 200, {"ETag": ETAG})))
    fetched(begin(), tmp_path)


def test_a_link_that_died_is_made_anew(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), say(error(403, "AccessDenied")), served)
    download = begin()
    fetched(download, tmp_path)
    assert cast("Asked", download.api).renewed == [JOB]
    assert [request.target.endswith("&new=1") for request in server.requests] == [
        False,
        False,
        True,
    ]


def test_a_new_link_that_is_dead_too_is_the_end(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(say(error(403, "AccessDenied")))
    with pytest.raises(CliError, match=r"cannot be fetched: AccessDenied \(HTTP 403\)"):
        fetched(begin(), tmp_path)
    assert len(server.requests) == 2


def test_an_archive_that_is_gone_is_a_sentence(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(say(error(404, "NoSuchKey")))
    with pytest.raises(CliError, match="not there any more"):
        fetched(begin(), tmp_path)


def test_it_gives_up_where_nothing_comes_and_keeps_what_came(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(cut_off(1000), lambda exchange: exchange.reset())
    with pytest.raises(CliError, match="The download broke off"):
        fetched(begin(), tmp_path)
    assert part_path(tmp_path / "q3.zip", CRC).read_bytes() == CONTENT[:1000]


def test_what_is_not_what_the_job_made_is_not_kept(begin: Begin, tmp_path: Path) -> None:
    with pytest.raises(
        ChecksumMismatch, match=f"q3.zip came as 300,000 bytes with CRC-32 {CRC}; the job"
    ):
        fetched(begin(crc32="00000000"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_not_fetched(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    fetched(begin(), tmp_path)
    server.follow(say(error(404, "NoSuchKey")))
    fetched(begin(), tmp_path)


def test_another_file_is_replaced_only_if_it_is_said_so(begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "q3.zip").write_text("mine")
    with pytest.raises(CliError, match=r"q3\.zip is there, and is another. --force replaces"):
        fetched(begin(), tmp_path)
    assert (tmp_path / "q3.zip").read_text() == "mine"
    fetched(begin(is_forced=True), tmp_path)


def receipt(crc32: str = CRC) -> bytes:
    archive = {"size": len(CONTENT), "crc32": crc32, "entries": 0}
    return json.dumps({"version": "1", "archive": archive, "entries": []}).encode()


def test_the_receipt_comes_too(begin: Begin, server: ScriptedServer, tmp_path: Path) -> None:
    server.follow(served, lambda exchange: served(exchange, receipt(), '"r"'))
    fetched(begin(), tmp_path, has_receipts=True)
    assert (tmp_path / "q3.receipt.json").read_bytes() == receipt()


def test_a_receipt_that_is_there_is_replaced_only_if_it_is_said_so(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    there = tmp_path / "q3.receipt.json"
    there.write_bytes(b"of another archive")
    server.follow(served, *[lambda exchange: served(exchange, receipt(), '"r"')] * 2)
    with pytest.raises(CliError, match="--force"):
        fetched(begin(), tmp_path, has_receipts=True)
    assert there.read_bytes() == b"of another archive"
    fetched(begin(is_forced=True), tmp_path, has_receipts=True)
    assert there.read_bytes() == receipt()


def test_a_receipt_of_another_archive_is_not_kept(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(served, lambda exchange: served(exchange, receipt("00000000"), '"r"'))
    with pytest.raises(ChecksumMismatch, match="is the receipt of another archive"):
        fetched(begin(), tmp_path, has_receipts=True)
    assert not (tmp_path / "q3.receipt.json").exists()


def test_a_full_disk_is_told_beforehand(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    with pytest.raises(CliError, match=r"has room for .* bytes, and 1,000,000,000,000,000,000"):
        fetched(begin(size=10**18), tmp_path)
    assert server.requests == []
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_a_part_that_exists(begin: Begin, tmp_path: Path) -> None:
    part = part_path(tmp_path / "q3.zip", CRC)
    part.write_bytes(CONTENT[:1000])
    room = f"{10**18 - 1000:,} are needed"
    with pytest.raises(CliError, match=room):
        fetched(begin(size=10**18), tmp_path)
    assert part.read_bytes() == CONTENT[:1000]


OTHER = b"a file of somebody's own"
OBSTACLES = ("link", "dangling link", "FIFO", "hard link", "folder")


def obstruct(path: Path, how: str, other: Path) -> None:
    """Put at ``path`` what is not a regular file with one name."""
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
    """A file that nothing may write to, in a folder in which nothing may appear."""
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
    begin: Begin, server: ScriptedServer, tmp_path: Path, other: Path, how: str
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    part = part_path(folder / "q3.zip", CRC)
    obstruct(part, how, other)
    with pytest.raises(CliError) as caught:
        fetched(begin(), folder)
    assert str(caught.value) == refusal(part, how)
    assert server.requests == []
    assert list(folder.iterdir()) == [part]


@pytest.mark.parametrize("how", OBSTACLES)
def test_a_part_of_a_receipt_must_be_a_regular_file(
    begin: Begin, server: ScriptedServer, tmp_path: Path, other: Path, how: str
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    part = part_path(receipt_path(folder / "q3.zip"), CRC)
    obstruct(part, how, other)
    with pytest.raises(CliError) as caught:
        fetched(begin(), folder, has_receipts=True)
    assert str(caught.value) == refusal(part, how)
    assert len(server.requests) == 1, "the receipt is not fetched"
    assert not receipt_path(folder / "q3.zip").exists()


def test_a_part_of_a_receipt_that_exists_is_replaced(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(served, lambda exchange: served(exchange, receipt(), '"r"'))
    part_path(receipt_path(tmp_path / "q3.zip"), CRC).write_bytes(b"x" * 100)
    fetched(begin(), tmp_path, has_receipts=True)
    assert (tmp_path / "q3.receipt.json").read_bytes() == receipt()


def test_a_fifo_in_place_of_a_receipt_is_not_read(
    begin: Begin, server: ScriptedServer, tmp_path: Path
) -> None:
    server.follow(served, lambda exchange: served(exchange, receipt(), '"r"'))
    os.mkfifo(tmp_path / "q3.receipt.json")
    with pytest.raises(CliError, match=r"q3\.receipt\.json is there, and is another. --force"):
        fetched(begin(), tmp_path, has_receipts=True)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may get larger than 100,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("full_disk")
def test_a_disk_that_fills_up_is_a_sentence(begin: Begin, tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"q3\.zip.*\.part cannot be written: File too large"):
        fetched(begin(), tmp_path)


def test_where_the_output_goes(begin: Begin, tmp_path: Path) -> None:
    download = begin()
    assert download.places(None) == [Path("q3.zip")]
    assert download.places(str(tmp_path)) == [tmp_path / "q3.zip"]
    assert download.places(f"{tmp_path}/new/") == [tmp_path / "new" / "q3.zip"]
    assert download.places(f"{tmp_path}/my.zip") == [tmp_path / "my.zip"]
    download.job["archives"] *= 2
    assert download.places(f"{tmp_path}/new") == [tmp_path / "new" / "q3.zip"] * 2
    (tmp_path / "file").touch()
    with pytest.raises(CliError, match="is no folder, and the job has 2 archives"):
        download.places(f"{tmp_path}/file")
    download.job["status"] = "RUNNING"
    with pytest.raises(CliError, match="is RUNNING: it has no archive"):
        download.places(None)


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
def test_a_name_cannot_lead_astray(disposition: str, name: str) -> None:
    url = f"http://h/x?response-content-disposition={quote(disposition, safe='')}"
    assert file_name(url, "zips/key.zip") == name
