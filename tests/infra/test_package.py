"""The Lambda package: complete, for the declared architecture, and the same every time."""

import os
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from infra.package import ARCHITECTURE, RUNTIME, pack, stage

HANDLERS = ("enqueue", "status", "zipper", "dead_letter")
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[os.uname().machine]


ELF_AARCH64 = 183


def elf_machine(binary: Path) -> int:
    """``e_machine`` of an ELF file."""
    header = binary.read_bytes()[:20]
    assert header[:4] == b"\x7fELF"
    return int.from_bytes(header[18:20], "little")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package for this machine and this Python, so that it can be imported here."""
    folder = tmp_path_factory.mktemp("package") / "lambda"
    stage(folder, HERE, MACHINE)
    return folder


@pytest.mark.parametrize("handler", HANDLERS)
def test_every_handler_imports_from_the_package_alone(package: Path, handler: str) -> None:
    script = (
        f"import sys; sys.path = [{str(package)!r}] + [p for p in sys.path if 'site-packages' "
        f"not in p]; import handlers.{handler} as h, zipjobs, boto3; assert callable(h.handler); "
        f"assert all(m.__file__.startswith({str(package)!r}) for m in (h, zipjobs, boto3))"
    )
    subprocess.run([sys.executable, "-I", "-B", "-c", script], check=True, cwd="/", env={})


def test_two_builds_have_the_same_bytes(
    package: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = tmp_path_factory.mktemp("again") / "lambda"
    stage(again, HERE, MACHINE)
    pack(package, tmp_path / "one.zip")
    pack(again, tmp_path / "two.zip")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.zip", "two.zip"))
    assert sha256(one).hexdigest() == sha256(two).hexdigest()


def test_the_declared_architecture_gets_its_own_binaries_and_no_caches(tmp_path: Path) -> None:
    folder = tmp_path / "lambda"
    stage(folder, RUNTIME, ARCHITECTURE)
    pack(folder, tmp_path / "lambda.zip")
    with zipfile.ZipFile(tmp_path / "lambda.zip") as archive:
        names = archive.namelist()
    binaries = sorted(folder.rglob("*.so"))
    assert binaries
    assert {elf_machine(binary) for binary in binaries} == {ELF_AARCH64}
    assert not [name for name in names if name.endswith(".pyc") or "__pycache__" in name]
    assert {f"handlers/{handler}.py" for handler in HANDLERS} <= set(names)
