"""Other people's ZIP readers, to judge our archives by."""

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

Contents = dict[str, bytes]
HERE = Path(__file__).resolve().parent


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}; CI must have every reader")
        pytest.skip(reason)
    return path


def _run(*command: str | Path, stdin: Path | None = None, cwd: Path | None = None) -> None:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    with (stdin or Path(os.devnull)).open("rb") as source:
        done = subprocess.run(
            command, stdin=source, cwd=cwd, env=environment, capture_output=True, check=False
        )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()


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
    _run(_tool("bsdtar"), "-xf", "-", "-C", folder, stdin=archive)
    return _files(folder)


def by_python(archive: Path, folder: Path) -> Contents:
    """CPython's zipfile."""
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def by_java_zip_input_stream(archive: Path, folder: Path) -> Contents:
    """Java's streaming reader, which refuses STORED entries with data descriptors."""
    folder.mkdir()
    _run(_tool("java"), HERE / "java" / "Unzip.java", "stream", archive, folder)
    return _files(folder)


def by_java_zip_file(archive: Path, folder: Path) -> Contents:
    """Java's seeking reader."""
    folder.mkdir()
    _run(_tool("java"), HERE / "java" / "Unzip.java", "file", archive, folder)
    return _files(folder)


def by_jar(archive: Path, folder: Path) -> Contents:
    """The JDK's jar tool."""
    folder.mkdir()
    _run(_tool("jar"), "xf", archive, cwd=folder)
    return _files(folder)


def by_yauzl(archive: Path, folder: Path) -> Contents:
    """Node's usual reader, fetched from npm once."""
    scripts = HERE.parent / "build" / "readers"
    if not (scripts / "node_modules" / "yauzl").exists():
        scripts.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "node" / "package.json", scripts)
        _run(_tool("npm"), "install", "--silent", "--no-audit", "--no-fund", cwd=scripts)
    shutil.copy(HERE / "node" / "unzip.mjs", scripts)
    folder.mkdir()
    _run(_tool("node"), scripts / "unzip.mjs", archive, folder)
    return _files(folder)


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
