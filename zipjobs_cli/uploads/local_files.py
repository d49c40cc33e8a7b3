"""Which files a bulk upload is about, and the key of each."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from zipjobs_cli.errors import CliError


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file of ``size`` bytes, and the key that its object has, or is to have."""

    path: Path
    key: str
    size: int


def find_files(paths: Iterable[Path], prefix: str) -> list[LocalFile]:
    """The files among ``paths``, and those below the folders among them.

    A file's key is ``prefix`` and its name; that of one in a folder ``prefix`` and its path from
    there on. What is neither file nor folder, such as a socket, is left out of a folder; so are
    links to other folders.

    Raises CliError if a path is not there or cannot be looked into, if there are no files, or if
    two would have the same key.
    """
    paths = list(paths)
    found: dict[str, LocalFile] = {}
    for path, name in _named(paths):
        key = prefix + name
        known = found.setdefault(key, LocalFile(path, key, _size(path)))
        if known.path != path and not known.path.samefile(path):
            raise CliError(f"{known.path} and {path} would both become {key}.")
    if not found:
        raise CliError(f"There are no files in {', '.join(map(str, paths))}.")
    return list(found.values())


def _named(paths: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Each file, and its name below the prefix."""
    for path in paths:
        if path.is_file():
            yield path, path.name
        elif path.is_dir():
            for file in _below(path):
                yield file, file.relative_to(path).as_posix()
        elif path.exists():
            raise CliError(f"{path} is neither a file nor a folder.")
        else:
            raise CliError(f"There is no {path}.")


def _below(folder: Path) -> Iterator[Path]:
    """In the order of their names."""
    for where, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(where, name)).is_file())


def _raise(error: OSError) -> None:
    raise CliError(f"{error.filename} cannot be looked into: {error.strerror}.") from error


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.") from error
