"""Builds what is shipped to Lambda: ``python -m infra.package`` makes ``build/lambda.zip``.

Wheels for the declared architecture only, nothing native compiled here, fixed timestamps: the same
sources give the same bytes. Where the runtime's Python is at hand, its bytecode is shipped with the
sources, and halves a cold start: Lambda could not keep what it compiles.
"""

import argparse
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

RUNTIME = "python3.13"
ARCHITECTURE = "arm64"

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_ZIP = ROOT / "build" / "lambda.zip"
SOURCES = ("handlers", "zipjobs")
REQUIREMENTS = ROOT / "handlers" / "requirements.txt"

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
    """Put the dependencies' wheels for ``runtime`` on ``architecture`` into ``folder``."""
    machine = MACHINES[architecture]
    platforms = [f"--platform=manylinux{tag}_{machine}" for tag in GLIBC_TAGS]
    python = f"--python-version={runtime.removeprefix('python')}"
    subprocess.run(  # noqa: S603  (fixed arguments)
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-compile", "--only-binary=:all:", "--implementation=cp", python, *platforms),
            *("--target", str(folder), "--requirement", str(REQUIREMENTS)),
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
    for pattern in UNSHIPPED:
        for path in sorted(folder.rglob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for service in (folder / "botocore" / "data").iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)
    return bytecode and add_bytecode(folder, runtime)


def add_bytecode(folder: Path, runtime: str) -> bool:
    """Compile what is in ``folder``, if there is a Python here that is the runtime's."""
    python = _python(runtime)
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


def _python(runtime: str) -> str | None:
    """The path of a Python of this version."""
    if runtime == f"python{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    found = shutil.which(runtime)
    if found is None:
        return None
    # Some version managers have commands for versions that are not there.
    answers = subprocess.run([found, "-c", ""], check=False, capture_output=True)  # noqa: S603
    return found if answers.returncode == 0 else None


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
