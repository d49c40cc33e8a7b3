"""Empty objects whose keys end with a slash show folders: they are never files."""

import io
import json
import zipfile
from typing import Any

import pytest

from tests.integration.worker_setup import Workers, error_of
from zipjobs.jobs.job import Status
from zipjobs.worker.segment_plan import WorkerQuota

PHOTOS = {"photos/": b"", "photos/cat.txt": b"cat"}


def put(workers: Workers, objects: dict[str, bytes]) -> None:
    for key, body in objects.items():
        workers.s3.put_object(Bucket="src", Key=key, Body=body)


def names_of(workers: Workers, request: Any) -> list[str]:
    assert workers.run_all(request).status is Status.READY
    return workers.member_names()


def put_lists(workers: Workers) -> None:
    """Store lists of the photos, and an inventory, without sizes."""
    bodies = {
        "list.jsonl": "".join(json.dumps({"key": key}) + "\n" for key in PHOTOS),
        "list.csv": "".join(f"src,{key},\n" for key in PHOTOS),
        "data.csv": "".join(f'"src","{key}"\n' for key in PHOTOS),
        "manifest.json": json.dumps(
            {
                "destinationBucket": "arn:aws:s3:::src",
                "fileFormat": "CSV",
                "fileSchema": "Bucket, Key",
                "files": [{"key": "data.csv"}],
            }
        ),
    }
    put(workers, {key: body.encode() for key, body in bodies.items()})


WAYS: dict[str, dict[str, Any]] = {
    "keys": {"keys": list(PHOTOS)},
    "entries": {"entries": [{"key": key} for key in PHOTOS]},
    "prefix": {"prefix": "photos/"},
    "JSON Lines": {"entriesFrom": "s3://src/list.jsonl"},
    "CSV": {"entriesFrom": "s3://src/list.csv"},
    "inventory": {"entriesFrom": "s3://src/manifest.json"},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("on_duplicate", ["suffix", "fail"])
def test_a_folder_marker_is_left_out(workers: Workers, way: str, on_duplicate: str) -> None:
    put(workers, PHOTOS)
    put_lists(workers)
    request = {**WAYS[way], "naming": "path", "onDuplicate": on_duplicate}
    assert names_of(workers, request) == ["photos/cat.txt"]


@pytest.mark.parametrize("way", WAYS)
def test_the_folder_of_a_marker_with_files_needs_no_entry(workers: Workers, way: str) -> None:
    put(workers, PHOTOS)
    put_lists(workers)
    request = {**WAYS[way], "naming": "path", "emptyFolders": "keep"}
    assert names_of(workers, request) == ["photos/cat.txt"]


@pytest.mark.parametrize("max_bytes", [None, 64 * 1024**2], ids=["one worker", "planned"])
def test_empty_folders_are_kept_on_request(workers: Workers, max_bytes: int | None) -> None:
    workers.quota = WorkerQuota(entries=1)
    put(workers, {"t/a/": b"", "t/b/": b"", "t/b/c/": b"", "t/b/c/x.txt": b"x", "t/d.txt": b"d"})
    request = {"prefix": "t/", "naming": "relative", "emptyFolders": "keep"}
    assert names_of(workers, request | {"maxArchiveBytes": max_bytes}) == [
        "b/c/x.txt",
        "d.txt",
        "a/",
    ]
    with zipfile.ZipFile(io.BytesIO(workers.target())) as archive:
        folder = archive.getinfo("a/")
        assert folder.is_dir()
        assert (folder.external_attr >> 16, folder.file_size) == (0o040755, 0)
    assert [entry["name"] for entry in workers.receipt()["entries"]] == archive.namelist()


def test_an_empty_folder_can_have_a_name(workers: Workers) -> None:
    put(workers, {"x/": b"", "one": b"1"})
    request = {
        "entries": [{"key": "x/", "name": "Drafts/2026"}, {"key": "one"}],
        "naming": "path",
        "emptyFolders": "keep",
    }
    assert names_of(workers, request) == ["one", "Drafts/2026/"]


@pytest.mark.parametrize(
    ("on_duplicate", "expected"), [("suffix", ["x", "x (2)/"]), ("fail", ["x"])]
)
def test_a_file_with_the_name_of_an_empty_folder(
    workers: Workers, on_duplicate: str, expected: list[str]
) -> None:
    put(workers, {"x/": b"", "x": b"file"})
    request = {
        "keys": ["x/", "x"],
        "naming": "path",
        "emptyFolders": "keep",
        "onDuplicate": on_duplicate,
    }
    assert names_of(workers, request) == expected


@pytest.mark.parametrize("way", ["keys", "prefix"])
def test_an_object_with_bytes_is_a_file_beside_its_folder(workers: Workers, way: str) -> None:
    put(workers, {"bar/": b"bytes", "bar/in.txt": b"in"})
    ways: Any = {"keys": {"keys": ["bar/", "bar/in.txt"]}, "prefix": {"prefix": "bar"}}
    naming = {"naming": "path", "onDuplicate": "fail"}
    assert names_of(workers, ways[way] | naming) == ["bar_", "bar/in.txt"]


def test_only_folder_markers(workers: Workers) -> None:
    put(workers, {"t/a/": b"", "t/b/": b""})
    error = error_of(workers.run_all({"prefix": "t/", "naming": "path"}))
    assert error.code == "INVALID_REQUEST"
    assert error.message.startswith("All objects are folder markers")
    assert "emptyFolders to keep" in error.message


@pytest.mark.parametrize(("on_missing", "names"), [("skip", ["x"]), ("fail", None)])
def test_a_missing_folder_marker_is_a_missing_object(
    workers: Workers, on_missing: str, names: list[str] | None
) -> None:
    put(workers, {"x": b"x"})
    request = {"keys": ["gone/", "x", "gone.txt"], "onMissing": on_missing}
    job = workers.run_all(request)
    missing = job.error.objects if job.error else job.skipped_objects
    assert missing == ("s3://src/gone/", "s3://src/gone.txt")
    assert names is None or workers.member_names() == names
