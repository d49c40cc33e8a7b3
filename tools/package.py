"""Builds what is shipped to Lambda: ``python -m tools.package`` makes ``build/lambda.zip``.

Wheels for the declared architecture only, nothing native compiled here, fixed timestamps: the same
sources give the same bytes. Where the runtime's Python is at hand, its bytecode is shipped with the
sources, and halves a cold start: Lambda could not keep what it compiles.
"""

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from infra.functions.runtime import ARCHITECTURE, PACKAGE_ZIP, RUNTIME

HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("handlers", "zipjobs")
LICENSES = ROOT / "tools" / "licenses"
"""Licenses of software that a wheel contains without them."""

LOCK = ROOT / "handlers" / "requirements.lock"
"""Every wheel by version and hash, for all architectures. ``make lock`` writes it."""

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC_TAGS = ("2014", "_2_17", "_2_26", "_2_28", "_2_34")
"""Wheel tags that run on the runtime's Amazon Linux 2023, which has glibc 2.34."""

UNSHIPPED = ("__pycache__", "*.pyc", "*.pyi", "bin", "tests", "RECORD")
"""RECORD holds hashes of bin scripts, and with them the path of the Python that built."""

SERVICES = ("dynamodb", "events", "s3", "sqs", "sts")
"""The AWS services that functions call, and the one that botocore may get credentials from.

botocore describes some 400 in its ``data``, which is two thirds of a package that has them all.
"""

TIMESTAMP = (2020, 1, 1, 0, 0, 0)


def install(folder: Path, runtime: str, architecture: str) -> None:
    """Put the wheels that are locked into ``folder``, those for ``runtime`` on ``architecture``."""
    machine = MACHINES[architecture]
    platforms = [f"--platform=manylinux{tag}_{machine}" for tag in GLIBC_TAGS]
    python = f"--python-version={runtime.removeprefix('python')}"
    subprocess.run(  # noqa: S603  (fixed arguments)
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-compile", "--only-binary=:all:", "--implementation=cp", python, *platforms),
            *("--no-deps", "--require-hashes", "--requirement", str(LOCK)),
            *("--target", str(folder)),
        ],
        check=True,
    )


def stage(
    folder: Path,
    runtime: str = RUNTIME,
    architecture: str = ARCHITECTURE,
    *,
    bytecode: bool = True,
) -> bool:
    """Fill ``folder`` with all that a function needs to run, and nothing else.

    Returns whether ``bytecode`` is there too, which takes a Python of the runtime's version.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    install(folder, runtime, architecture)
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name)
    shutil.copytree(LICENSES, folder / LICENSES.name)
    for pattern in UNSHIPPED:
        for path in sorted(folder.rglob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for service in (folder / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    return bytecode and add_bytecode(folder, runtime)


def add_bytecode(folder: Path, runtime: str) -> bool:
    """Compile what is in ``folder``, if there is a Python here that is the runtime's."""
    python = python_of(runtime)
    if python is None:
        return False
    subprocess.run(  # noqa: S603  (fixed arguments)
        [
            *(python, "-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(folder), "-p", "/var/task", str(folder)),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return True


def at_hand(runtime: str = RUNTIME) -> tuple[str, str]:
    """The version and the path of a Python to try a package with: the runtime's, or else this."""
    if (python := python_of(runtime)) is not None:
        return runtime, python
    return HERE, sys.executable


def python_of(runtime: str) -> str | None:
    """The path of a Python of this version, or None: this one, one on the PATH, or pyenv's."""
    if runtime == HERE:
        return sys.executable
    # pyenv's commands answer only for the versions that it is told to use.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    version = runtime.removeprefix("python")
    found = sorted(pyenv.glob(f"{version}.*/bin/{runtime}"))
    return next(filter(_answers, [shutil.which(runtime), *map(str, found)]), None)


def _answers(python: str | None) -> bool:
    """Whether there is one: version managers have commands for versions that are not there."""
    if python is None:
        return False
    answer = subprocess.run([python, "-I", "-c", ""], check=False, capture_output=True)  # noqa: S603
    return answer.returncode == 0


def pack(folder: Path, archive: Path) -> None:
    """Zip ``folder``, in name order, with fixed timestamps and modes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), TIMESTAMP)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            package.writestr(member, path.read_bytes())


def main() -> None:
    """Build the package for the runtime and architecture that the Pulumi program declares."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--architecture", choices=sorted(MACHINES), default=ARCHITECTURE)
    parser.add_argument("--runtime", default=RUNTIME)
    parser.add_argument("--output", type=Path, default=PACKAGE_ZIP)
    options = parser.parse_args()
    folder = options.output.with_suffix("")
    has_bytecode = stage(folder, options.runtime, options.architecture)
    pack(folder, options.output)
    size = options.output.stat().st_size / 1e6
    print(f"{options.output} ({size:.1f} MB, {options.runtime} on {options.architecture})")  # noqa: T201
    if not has_bytecode:
        print(f"Without bytecode: there is no {options.runtime} here. Cold starts are slower.")  # noqa: T201


if __name__ == "__main__":
    main()
