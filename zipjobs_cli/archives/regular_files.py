"""Open files for writing in folders that other users can write to.

Another user can create a link, a FIFO or a device at a predictable path. These functions do not
follow links, and do not block on FIFOs.
"""

import os
import stat
from pathlib import Path
from typing import BinaryIO

from zipjobs_cli.errors import CliError

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT
_FLAGS_OF_SOME_PLATFORMS = ("O_NOFOLLOW", "O_CLOEXEC", "O_NONBLOCK", "O_BINARY")


def open_regular(path: Path, is_new: bool = False) -> BinaryIO:
    """Open a regular file for reading and appending, and create it if it does not exist.

    ``is_new`` deletes an existing file first, so that the new one is empty and owned by this user.

    Raises CliError if ``path`` is a link, a FIFO, a device or a folder, or has several hard links,
    and OSError if the file cannot be opened.
    """
    flags = _FLAGS
    for name in _FLAGS_OF_SOME_PLATFORMS:
        flags |= getattr(os, name, 0)
    if is_new:
        _delete(path)
        flags |= os.O_EXCL
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError:  # the error for links and folders depends on the platform
        _check_path(path)
        raise
    try:
        _check(path, os.fstat(descriptor))
    except CliError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "a+b")


def size_of(file: BinaryIO) -> int:
    """Return the size of an open file, in bytes."""
    return os.fstat(file.fileno()).st_size


def _delete(path: Path) -> None:
    _check_path(path)
    path.unlink(missing_ok=True)


def _check_path(path: Path) -> None:
    """Raise CliError if ``path`` exists and is not a regular file with one hard link."""
    if os.path.lexists(path):
        _check(path, path.lstat())


def _check(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CliError(f"{path} is not a regular file. Delete it and try again.")
    if status.st_nlink > 1:
        raise CliError(f"{path} has more than one hard link. Delete it and try again.")
