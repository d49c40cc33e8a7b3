"""Find the local files to upload, and the key of each."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zipjobs_cli.errors import CliError


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of ``size`` bytes, and the key of its object."""

    path: Path
    key: str
    size: int


def find_files(paths: Iterable[Path], prefix: str) -> list[LocalFile]:
    """Return all files in ``paths`` and in the folders among them.

    The key is ``prefix`` and the file name, or for files in a folder, the path relative to the
    folder. In folders, links to folders and special files such as sockets are ignored.

    Raises CliError if a path does not exist or cannot be read, if there are no files, or if two
    files have the same key.
    """
    paths = list(paths)
    files: dict[str, LocalFile] = {}
    for path, name in _named(paths):
        key = prefix + name
        known = files.setdefault(key, LocalFile(path, key, _size(path)))
        if known.path != path and not known.path.samefile(path):
            raise CliError(f"{known.path} and {path} have the same key: {key}.")
    if not files:
        raise CliError(f"No files in {', '.join(map(str, paths))}.")
    return list(files.values())


def _named(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield each file with its name relative to the prefix."""
    for path in paths:
        if path.is_file():
            yield path, path.name
        elif path.is_dir():
            for file in _walk(path):
                yield file, file.relative_to(path).as_posix()
        elif path.exists():
            raise CliError(f"{path} is not a file or a folder.")
        else:
            raise CliError(f"{path} does not exist.")


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders, sorted by name."""
    for parent, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(parent, name)).is_file())


def _raise(error: OSError) -> None:
    raise CliError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.") from error
