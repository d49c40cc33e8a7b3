"""Every installed package is locked with hashes."""

import fnmatch
import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]

LOCKS = {
    "requirements-dev.txt": "requirements-dev.in",
    "requirements.txt": "requirements.in",
    "handlers/requirements.lock": "handlers/requirements.txt",
    "bench/peers/requirements.txt": "bench/peers/requirements.in",
    "tests/localstack/requirements.txt": "tests/localstack/requirements.in",
}
"""Each lock, with the file of direct requirements that `make lock` compiles into it."""

WITHOUT_LOCK = {"handlers/requirements.txt", "zipjobs_cli/requirements.txt"}
"""Direct requirements that are part of the project's metadata: see pyproject.toml."""

MADE = ("build", "out", "__pycache__")
DEV_LOCK = "requirements-dev.txt"
NPM_FOLDERS = ("bench/peers", "tests/docs/asyncapi", "tests/support/node")
SHA256 = re.compile(r"--hash=sha256:[0-9a-f]{64}")
SHA512 = re.compile(r"sha512-[A-Za-z0-9+/]{86}==")
HOST = re.compile(r"://|\b(?:registry|files)\.")

INSTALLS = re.compile(
    r"\bpip\b.{0,9}\binstall\b|\bnpm\b.{0,9}\b(?:install|i|ci|add|update|exec)\b"
    r"|\bnpx\b|\bpipx\b|\buvx\b|\buv\b.{0,9}\b(?:sync|install|tool|run)\b"
)
"""The start of a command that installs packages."""

SAFE = (
    ("--require-hashes", "--no-deps"),
    ("--no-index", "--no-deps", "--no-build-isolation"),
    ("npm", "ci", "--ignore-scripts"),
    ("npm", "--package-lock-only", "--ignore-scripts"),
)
"""Options that make a command install only packages with hashes, or download nothing."""


def sources(*patterns: str) -> list[str]:
    """Return the project's files whose names match a pattern, without generated files."""
    found = []
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [one for one in folders if one not in MADE and not one.startswith(".")]
        names = {name for pattern in patterns for name in fnmatch.filter(files, pattern)}
        found += [(Path(folder) / name).relative_to(ROOT).as_posix() for name in names]
    return sorted(found)


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def direct(path: Path) -> Iterator[tuple[str, str]]:
    """Return names and versions from a file of direct requirements and the files it includes."""
    for line in path.read_text().splitlines():
        requirement = re.sub(r"(^| +)#.*", "", line).partition(";")[0].strip()
        if requirement.startswith("-r "):
            yield from direct(path.parent / requirement.removeprefix("-r "))
        elif requirement and not requirement.startswith("-"):
            exact = re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[a-z0-9,-]+\])?==([^*\s]+)", requirement)
            assert exact, f"{path.relative_to(ROOT)}: {requirement} has no exact version"
            yield normalized(exact[1]), exact[2]


def requirements(lock: str) -> list[str]:
    """Return the requirements of a lock, one per line, without comments and global options."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line and line != "--only-binary :all:"]


def versions(lock: str) -> dict[str, str]:
    """Return the versions of a lock. Each package has one version for all platforms."""
    found: dict[str, str] = {}
    for requirement in requirements(lock):
        exact = re.match(r"([a-z0-9-]+)==([^\s;*]+)(?: |$)", requirement)
        assert exact, f"{lock}: {requirement.split(' --hash')[0]} has no exact version"
        assert exact[1] not in found, f"{lock}: {exact[1]} has two versions"
        found[exact[1]] = exact[2]
    return found


def npm_packages(folder: str) -> dict[str, dict[str, Any]]:
    """Return the packages in a package-lock.json, by path."""
    lock = json.loads((ROOT / folder / "package-lock.json").read_text())
    assert lock["lockfileVersion"] >= 3
    packages: dict[str, dict[str, Any]] = lock["packages"]
    return packages


def test_every_file_of_requirements_is_a_lock_or_has_one() -> None:
    files = set(sources("requirements*"))
    assert files == {*LOCKS, *LOCKS.values(), *WITHOUT_LOCK}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_a_version_and_a_hash(lock: str) -> None:
    assert versions(lock)
    assert [one for one in requirements(lock) if not SHA256.search(one)] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_contain_no_index_and_no_local_path(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert re.findall(r"https?:|index-url|find-links|file:| /\S+", text) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_allow_only_wheels(lock: str) -> None:
    """Building a package would download its build dependencies without hashes."""
    assert (ROOT / lock).read_text().count("\n--only-binary :all:\n") == 1


@pytest.mark.parametrize(("lock", "source"), LOCKS.items())
def test_direct_requirements_have_the_same_version_in_their_lock(lock: str, source: str) -> None:
    asked = dict(direct(ROOT / source))
    assert asked
    locked = versions(lock)
    assert {name: locked.get(name) for name in asked} == asked, "run make lock"


@pytest.mark.parametrize("lock", ["handlers/requirements.lock", "requirements.txt"])
def test_shipped_packages_have_the_versions_of_the_tests(lock: str) -> None:
    tested = versions(DEV_LOCK)
    assert {name: tested.get(name) for name in versions(lock)} == versions(lock), "run make lock"


def test_the_project_is_built_by_the_locked_setuptools() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    locked = versions(DEV_LOCK)["setuptools"]
    assert project["build-system"]["requires"] == [f"setuptools=={locked}"]


def test_every_folder_of_npm_packages_has_a_lock() -> None:
    folders = {str(Path(name).parent) for name in sources("package.json")}
    assert folders == set(NPM_FOLDERS)
    assert {str(Path(name).parent) for name in sources("package-lock.json")} == folders


@pytest.mark.parametrize("folder", NPM_FOLDERS)
def test_every_locked_npm_package_has_a_version_and_a_hash(folder: str) -> None:
    packages = {path: one for path, one in npm_packages(folder).items() if path}
    assert packages
    assert [path for path, one in packages.items() if not one.get("version")] == []
    unhashed = [
        path for path, one in packages.items() if not SHA512.fullmatch(one.get("integrity", ""))
    ]
    assert unhashed == []


@pytest.mark.parametrize("folder", NPM_FOLDERS)
def test_npm_locks_contain_no_host(folder: str) -> None:
    assert HOST.findall((ROOT / folder / "package-lock.json").read_text()) == []
    assert [path for path, one in npm_packages(folder).items() if "resolved" in one] == []


@pytest.mark.parametrize("folder", NPM_FOLDERS)
def test_npm_packages_have_the_same_version_in_their_lock(folder: str) -> None:
    asked = json.loads((ROOT / folder / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"[\d.]+", version) for version in asked.values())
    packages = npm_packages(folder)
    assert packages[""]["dependencies"] == asked
    assert {name: packages[f"node_modules/{name}"]["version"] for name in asked} == asked


def commands(name: str) -> Iterator[str]:
    """Return the commands of a file that install packages, each on one line.

    In Python, a list of arguments is read as a command, without quotes, brackets and line ends.
    """
    text = (ROOT / name).read_text().replace("\\\n", " ")
    if name.endswith(".py"):
        text = re.sub(r'"""(?:.|\n)*?"""', "", text)
        text = re.sub(r"[\"',*()\[\]]", " ", re.sub(r",\n\s*", ", ", text))
    for line in text.splitlines():
        command = line.partition("#")[0]
        if INSTALLS.search(re.sub(r" +", " ", command)):
            yield " ".join(command.split())


def is_safe(command: str) -> bool:
    return any(all(option in command.split() for option in options) for options in SAFE)


def test_every_install_command_requires_hashes() -> None:
    here = Path(__file__).relative_to(ROOT).as_posix()
    files = [".ci/run", *sources("*.py", "*.sh", "Makefile")]
    found = {(name, command) for name in files if name != here for command in commands(name)}
    assert {name for name, _ in found} == {
        *("Makefile", "bench/measure.py", "tools/package.py", "tests/support/npm.py")
    }
    assert [one for one in found if not is_safe(one[1])] == []


@pytest.mark.parametrize(
    "command",
    [
        "pip install -r requirements.txt",
        "python -m pip install --require-hashes -r requirements.txt",
        "pip install --no-deps -e .",
        "npm install --ignore-scripts",
        "npm ci",
    ],
)
def test_an_unsafe_command_is_noticed(command: str) -> None:
    assert INSTALLS.search(command)
    assert not is_safe(command)
