"""Files to upload, and their keys."""

import os
import socket
from pathlib import Path

import pytest

from zipjobs_cli.errors import CliError
from zipjobs_cli.uploads.local_files import LocalFile, find_files


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


def keys(*paths: Path, prefix: str = "in/") -> list[str]:
    return [file.key for file in find_files(paths, prefix)]


def test_the_key_of_a_file_is_prefix_and_name(tmp_path: Path) -> None:
    write(tmp_path, "deep/down/größe.pdf")
    path = tmp_path / "deep/down/größe.pdf"
    assert find_files([path], "in/") == [LocalFile(path, "in/größe.pdf", 21)]
    assert keys(path, prefix="") == ["größe.pdf"]


def test_files_of_a_folder_are_sorted_and_keep_their_path(tmp_path: Path) -> None:
    write(tmp_path, "b.pdf", "a/z.pdf", "a/b/c.pdf", "a.pdf", ".hidden")
    assert keys(tmp_path) == ["in/.hidden", "in/a.pdf", "in/b.pdf", "in/a/z.pdf", "in/a/b/c.pdf"]


def test_a_file_that_is_given_twice_counts_once(
    tmp_path: Path,
) -> None:
    write(tmp_path, "one/a.pdf", "two/b.pdf")
    assert keys(tmp_path / "one", tmp_path / "two/b.pdf", tmp_path / "one/a.pdf") == [
        "in/a.pdf",
        "in/b.pdf",
    ]


def test_relative_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.pdf", "sub/b.pdf")
    monkeypatch.chdir(tmp_path / "sub")
    assert keys(Path()) == ["in/b.pdf"]
    assert keys(Path("..")) == ["in/a.pdf", "in/sub/b.pdf"]


def test_two_files_with_the_same_key_are_an_error(tmp_path: Path) -> None:
    write(tmp_path, "one/a.pdf", "two/a.pdf")
    with pytest.raises(CliError, match=r"one/a\.pdf and .*two/a\.pdf have the same key: in/a\.pdf"):
        find_files([tmp_path / "one", tmp_path / "two"], "in/")


def test_links_to_files_are_followed_but_not_to_folders(tmp_path: Path) -> None:
    write(tmp_path, "in/a.pdf", "else/b.pdf")
    (tmp_path / "in/link.pdf").symlink_to(tmp_path / "else/b.pdf")
    (tmp_path / "in/folder").symlink_to(tmp_path / "else")
    (tmp_path / "in/broken").symlink_to(tmp_path / "nowhere")
    assert keys(tmp_path / "in") == ["in/a.pdf", "in/link.pdf"]


def test_special_files_are_ignored_in_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.pdf")
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("socket")
        os.mkfifo("pipe")
        assert keys(tmp_path) == ["in/a.pdf"]
        with pytest.raises(CliError, match="socket is not a file or a folder"):
            find_files([Path("socket")], "in/")


def test_missing_paths_and_empty_folders_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=f"{tmp_path}/gone does not exist"):
        find_files([tmp_path / "gone"], "in/")
    with pytest.raises(CliError, match=f"No files in {tmp_path}"):
        find_files([tmp_path], "in/")


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read all folders")
def test_an_unreadable_folder_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "closed/a.pdf")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(CliError, match="closed cannot be read: Permission denied"):
            find_files([tmp_path], "in/")
    finally:
        (tmp_path / "closed").chmod(0o700)
