"""Opening files for writing: no links, and only regular files."""

import os
import socket
import stat
from pathlib import Path

import pytest

from zipjobs_cli.archives import regular_files
from zipjobs_cli.archives.regular_files import open_regular, size_of
from zipjobs_cli.errors import CliError


def test_files_are_created_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with open_regular(path) as file:
        assert size_of(file) == 0
        file.write(b"one")
    with open_regular(path) as file:
        assert size_of(file) == 3
        file.seek(0)
        assert file.read() == b"one"
        file.seek(0)
        file.write(b"two")
    assert path.read_bytes() == b"onetwo"


def test_is_new_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with path.open("rb") as old, open_regular(path, is_new=True) as file:
        file.write(b"new")
        file.flush()
        assert old.read() == b"old"
    assert path.read_bytes() == b"new"


def test_the_umask_applies_and_descriptors_are_not_inherited(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with open_regular(tmp_path / "file") as file:
            assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o640
            assert not os.get_inheritable(file.fileno())
    finally:
        os.umask(before)


@pytest.mark.parametrize("is_new", [False, True])
def test_sockets_are_rejected(
    tmp_path: Path, is_new: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(CliError, match="^socket is not a regular file"):
            open_regular(Path("socket"), is_new)
    assert Path("socket").is_socket()


def test_devices_are_rejected() -> None:
    with pytest.raises(CliError, match="^/dev/null is not a regular file"):
        open_regular(Path("/dev/null"))
    assert Path("/dev/null").is_char_device()


def test_a_link_created_during_the_call_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "file", tmp_path / "other"
    other.write_bytes(b"mine")
    path.write_bytes(b"old")
    delete = regular_files._delete

    def delete_and_link(path: Path) -> None:
        delete(path)
        path.symlink_to(other)

    monkeypatch.setattr(regular_files, "_delete", delete_and_link)
    with pytest.raises(CliError, match="is not a regular file"):
        open_regular(path, is_new=True)
    assert other.read_bytes() == b"mine"


def test_other_errors_are_os_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing" / "file")


def test_rejected_files_are_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"")
    (tmp_path / "link").hardlink_to(path)
    opened: list[int] = []
    closed: list[int] = []
    really_open, really_close = os.open, os.close

    def open_file(path: Path, flags: int, mode: int) -> int:
        opened.append(really_open(path, flags, mode))
        return opened[-1]

    def close_file(descriptor: int) -> None:
        closed.append(descriptor)
        really_close(descriptor)

    monkeypatch.setattr(os, "open", open_file)
    monkeypatch.setattr(os, "close", close_file)
    with pytest.raises(CliError, match="has more than one hard link"):
        open_regular(path)
    monkeypatch.undo()
    assert len(opened) == 1
    assert set(opened) <= set(closed)
