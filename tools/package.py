"""Build the Lambda package ``build/lambda.zip``: ``python -m tools.package``.

The package contains wheels for the declared architecture and fixed timestamps, so the same sources
give the same bytes. If the runtime's Python version is installed, the package also contains
bytecode. Bytecode halves a cold start, because Lambda cannot store what it compiles.
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
"""The licenses of software that a wheel contains without its license."""

LOCK = ROOT / "handlers" / "requirements.lock"
"""The versions and hashes of all wheels, for all architectures. ``make lock`` writes it."""

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC_TAGS = ("2014", "_2_17", "_2_26", "_2_28", "_2_34")
"""The wheel tags that run on Amazon Linux 2023, which has glibc 2.34."""

UNSHIPPED = ("__pycache__", "*.pyc", "*.pyi", "bin", "tests", "RECORD")
"""Files that are not shipped. RECORD depends on the path of the Python that built the package."""

SERVICES = ("dynamodb", "events", "s3", "sqs", "sts")
"""The AWS services that functions call, and STS, from which botocore may get credentials.

botocore describes about 400 services, which would be two thirds of the package.
"""

TIMESTAMP = (2020, 1, 1, 0, 0, 0)


def install(folder: Path, runtime: str, architecture: str) -> None:
    """Install the locked wheels for ``runtime`` and ``architecture`` into ``folder``."""
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
    """Fill ``folder`` with everything that a function needs, and nothing else.

    Returns True if the folder contains bytecode, for which the runtime's Python must be installed.
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
    """Compile the sources in ``folder``. Return False if the runtime's Python is not installed."""
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


def installed_python(runtime: str = RUNTIME) -> tuple[str, str]:
    """Return the version and path of the runtime's Python, or else of this one."""
    if (python := python_of(runtime)) is not None:
        return runtime, python
    return HERE, sys.executable


def python_of(runtime: str) -> str | None:
    """Return the path of a Python of this version (this one, on the PATH, or pyenv's), or None."""
    if runtime == HERE:
        return sys.executable
    # pyenv's commands on the PATH work only for its selected versions.
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    version = runtime.removeprefix("python")
    found = sorted(pyenv.glob(f"{version}.*/bin/{runtime}"))
    return next(filter(_works, [shutil.which(runtime), *map(str, found)]), None)


def _works(python: str | None) -> bool:
    """Return True if the command works. Version managers have commands for missing versions."""
    if python is None:
        return False
    done = subprocess.run([python, "-I", "-c", ""], check=False, capture_output=True)  # noqa: S603
    return done.returncode == 0


def pack(folder: Path, archive: Path) -> None:
    """Zip ``folder`` in the order of names, with fixed timestamps and modes."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            member = zipfile.ZipInfo(path.relative_to(folder).as_posix(), TIMESTAMP)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o100644 << 16
            package.writestr(member, path.read_bytes())


def main() -> None:
    """Build the package for the runtime and architecture of the Pulumi program."""
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
        print(f"No bytecode: install {options.runtime} to make cold starts faster.")  # noqa: T201


if __name__ == "__main__":
    main()
