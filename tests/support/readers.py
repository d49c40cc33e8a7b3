"""Read archives with ZIP readers of other projects."""

import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from isal.isal_zlib import crc32

from tests.support.npm import install_locked

Contents = dict[str, bytes]
HERE = Path(__file__).resolve().parent
BUILD = HERE.parent / "build" / "readers"
ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8"}
PIECE_BYTES = 1 << 20


class Sum(NamedTuple):
    """Size and CRC-32 of a body; ``crc32`` is None if it was listed but not read."""

    size: int
    crc32: int | None


Sums = dict[str, Sum]
"""Sums by name, in the order of the archive."""


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; CI must have every reader")
        pytest.skip(reason)
    return path


def _run(*command: str | Path, stdin: IO[bytes] | None = None, cwd: Path | None = None) -> str:
    """Run a command that must succeed; return its output."""
    done = subprocess.run(
        command,
        stdin=stdin or subprocess.DEVNULL,
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return done.stdout.decode()


@contextmanager
def _piped(archive: Path) -> Iterator[IO[bytes]]:
    """Yield the archive as a pipe, which is not seekable."""
    with subprocess.Popen(["cat", archive], stdout=subprocess.PIPE) as cat:
        assert cat.stdout is not None
        yield cat.stdout


def _files(folder: Path) -> Contents:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def by_unzip(archive: Path, folder: Path) -> Contents:
    """Info-ZIP, which tests first and then extracts."""
    _run(_tool("unzip"), "-tq", archive)
    _run(_tool("unzip"), "-q", archive, "-d", folder)
    return _files(folder)


def by_7z(archive: Path, folder: Path) -> Contents:
    """7-Zip."""
    _run(_tool("7z"), "t", archive)
    _run(_tool("7z"), "x", "-y", f"-o{folder}", archive)
    return _files(folder)


def by_bsdtar_from_a_pipe(archive: Path, folder: Path) -> Contents:
    """libarchive's streaming reader, which sees local headers only."""
    folder.mkdir()
    with _piped(archive) as pipe:
        _run(_tool("bsdtar"), "-xf", "-", "-C", folder, stdin=pipe)
    return _files(folder)


def by_python(archive: Path, folder: Path) -> Contents:
    """CPython's zipfile."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def by_java_zip_input_stream(archive: Path, folder: Path) -> Contents:
    """Java's streaming reader, which refuses STORED entries with data descriptors."""
    folder.mkdir()
    _java("stream", archive, folder)
    return _files(folder)


def by_java_zip_file(archive: Path, folder: Path) -> Contents:
    """Java's seeking reader."""
    folder.mkdir()
    _java("file", archive, folder)
    return _files(folder)


def _java(*arguments: str | Path) -> str:
    return _run(_tool("java"), "-cp", _classes(), "Unzip", *arguments)


@cache
def _classes() -> Path:
    """Compile our Java program. Return the folder of its classes."""
    classes = BUILD / "java"
    _run(_tool("javac"), "-d", classes, HERE / "java" / "Unzip.java")
    return classes


def by_jar(archive: Path, folder: Path) -> Contents:
    """The JDK's jar tool."""
    folder.mkdir()
    _run(_tool("jar"), "xf", archive, cwd=folder)
    return _files(folder)


def by_yauzl(archive: Path, folder: Path) -> Contents:
    """Node's usual reader. It does not check CRC-32, so our script does."""
    folder.mkdir()
    _node(archive, folder)
    return _files(folder)


def _node(*arguments: Path) -> str:
    """Run our script with yauzl, which is installed once."""
    _tool("npm")
    install_locked(HERE / "node", BUILD)
    shutil.copy(HERE / "node" / "unzip.mjs", BUILD)
    return _run(_tool("node"), BUILD / "unzip.mjs", *arguments)


READERS: list[Callable[[Path, Path], Contents]] = [
    by_unzip,
    by_7z,
    by_bsdtar_from_a_pipe,
    by_python,
    by_java_zip_input_stream,
    by_java_zip_file,
    by_jar,
    by_yauzl,
]


# The same readers, for archives that are too large to extract.


def _columns(listing: str, size: int, name: int) -> dict[str, int]:
    """Return sizes by name, from these columns of a listing. The name is the last column."""
    rows = (line.split(maxsplit=name) for line in listing.splitlines())
    return {row[name]: int(row[size]) for row in rows}


def _sum(body: IO[bytes], size: int) -> Sum:
    """Return the sum of the next ``size`` bytes of a stream, or of fewer if it ends."""
    total, left = 0, size
    while left and (piece := body.read(min(left, PIECE_BYTES))):
        total = crc32(piece, total)
        left -= len(piece)
    return Sum(size - left, total)


def _sums(sizes: dict[str, int], *command: str | Path, stdin: IO[bytes] | None = None) -> Sums:
    """Return the sums of bodies that a command prints one after another. It must succeed."""
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(
            command,
            stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=ENVIRONMENT,
        ) as process,
    ):
        assert process.stdout is not None
        sums = {name: _sum(process.stdout, size) for name, size in sizes.items()}
        rest = process.stdout.read(1)
        status = process.wait()
        errors.seek(0)
        assert (status, rest) == (0, b""), errors.read().decode()
    return sums


def sums_by_unzip(archive: Path, folder: Path) -> Sums:
    """Info-ZIP, which checks CRC-32 while it reads."""
    unzip = _tool("unzip")
    return _sums(_columns(_run(unzip, "-Zs", archive, "*"), 3, 8), unzip, "-p", archive)


def sums_by_7z(archive: Path, folder: Path) -> Sums:
    """7-Zip."""
    lines = _run(_tool("7z"), "l", "-slt", "-ba", archive).splitlines()
    fields = [line.partition(" = ") for line in lines]
    names = [value for field, _, value in fields if field == "Path"]
    sizes = [int(value) for field, _, value in fields if field == "Size"]
    return _sums(dict(zip(names, sizes, strict=True)), _tool("7z"), "x", "-so", archive)


def sums_by_bsdtar_from_a_pipe(archive: Path, folder: Path) -> Sums:
    """libarchive's streaming reader."""
    bsdtar = _tool("bsdtar")
    with _piped(archive) as pipe:
        sizes = _columns(_run(bsdtar, "-tvf", "-", stdin=pipe), 4, 8)
    with _piped(archive) as pipe:
        return _sums(sizes, bsdtar, "-xOf", "-", stdin=pipe)


def sums_by_python(archive: Path, folder: Path) -> Sums:
    """CPython's zipfile, which checks CRC-32 at the end of a body."""
    sums = {}
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            with opened.open(info) as body:
                sums[info.filename] = _sum(body, info.file_size)
                assert not body.read(1)
    return sums


def _printed(sums: str) -> Sums:
    """Parse the output of our Java and Node programs: size, CRC-32 and name on each line."""
    rows = (line.split(maxsplit=2) for line in sums.splitlines())
    return {name: Sum(int(size), int(crc, 16)) for size, crc, name in rows}


def sums_by_java_zip_input_stream(archive: Path, folder: Path) -> Sums:
    """Java's streaming reader."""
    return _printed(_java("stream", archive))


def sums_by_java_zip_file(archive: Path, folder: Path) -> Sums:
    """Java's seeking reader."""
    return _printed(_java("file", archive))


def sums_by_jar(archive: Path, folder: Path) -> Sums:
    """The JDK's jar tool. It extracts the last three entries, and only lists the others."""
    sizes = _columns(_run(_tool("jar"), "tvf", archive), 0, 7)
    last = list(sizes)[-3:]
    folder.mkdir()
    _run(_tool("jar"), "xf", archive, *last, cwd=folder)
    sums = {name: Sum(size, None) for name, size in sizes.items()}
    for name, body in _files(folder).items():
        sums[name] = Sum(len(body), crc32(body))
    return sums


def sums_by_yauzl(archive: Path, folder: Path) -> Sums:
    """Node's usual reader."""
    return _printed(_node(archive))


SUMMING_READERS: list[Callable[[Path, Path], Sums]] = [
    sums_by_unzip,
    sums_by_7z,
    sums_by_bsdtar_from_a_pipe,
    sums_by_python,
    sums_by_java_zip_input_stream,
    sums_by_java_zip_file,
    sums_by_jar,
    sums_by_yauzl,
]
