"""The Lambda package: complete, small, for its architecture, and the same every time."""

import os
import re
import subprocess
import sys
import zipfile
from hashlib import sha256
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from infra.package import MACHINES, RUNTIME, SERVICES, pack, stage
from tests.environment import FUNCTIONS_ENVIRONMENT

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = sorted(path.stem for path in (ROOT / "handlers").glob("[a-z]*.py"))
HERE = f"python{sys.version_info.major}.{sys.version_info.minor}"
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[os.uname().machine]
MOST_BYTES = 20_000_000

UNCHECKED_HASH = 0b01
"""A .pyc's second word: "Deterministic pycs", PEP 552."""

ELF_MACHINES = {"arm64": 183, "x86_64": 62}


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


def run(package: Path, script: str, environment: dict[str, str] | None = None) -> str:
    """Run a script that can import the package and the standard library; return its output."""
    only = f"import sys; sys.path = [{str(package)!r}] + [p for p in sys.path if 'site-packages' "
    return subprocess.run(
        [sys.executable, "-I", "-B", "-c", f"{only} not in p]\n{script}"],
        check=True,
        cwd="/",
        env=environment or {},
        stdout=subprocess.PIPE,
        text=True,
    ).stdout


@pytest.mark.parametrize("handler", HANDLERS)
def test_every_handler_imports_from_the_package_alone(package: Path, handler: str) -> None:
    script = (
        f"import handlers.{handler} as h, zipjobs, boto3; assert callable(h.handler); "
        f"assert all(m.__file__.startswith({str(package)!r}) for m in (h, zipjobs, boto3))"
    )
    run(package, script)


def imported(package: Path, handler: str) -> set[str]:
    """The modules that Lambda's import of a function comes to."""
    script = f"import handlers.{handler}; print(*sys.modules)"
    return set(run(package, script).split())


@pytest.mark.parametrize("handler", ["zipper", "dead_letter", "sweeper"])
def test_who_answers_no_requests_imports_nothing_for_that(package: Path, handler: str) -> None:
    modules = imported(package, handler)
    assert not [name for name in modules if "event_handler" in name]
    assert not [name for name in modules if name.startswith("zipjobs.api")]


def test_the_bytecode_of_the_runtime_is_shipped_where_its_python_is(package: Path) -> None:
    """Every source has its own, whose validity nothing but its version decides."""
    for source in package.rglob("*.py"):
        compiled = Path(cache_from_source(str(source)))
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == UNCHECKED_HASH, source


@pytest.mark.parametrize("handler", ["enqueue", "status"])
def test_who_takes_jobs_in_or_shows_them_imports_nothing_that_makes_archives(
    package: Path, handler: str
) -> None:
    modules = imported(package, handler)
    assert not [name for name in modules if name.startswith(("zipjobs.archive", "zipjobs.running"))]
    assert not modules & {"isal", "zipstream"}


@pytest.mark.parametrize(
    "root",
    [
        *("wiring.submitting", "wiring.answering", "running.wiring.zipping"),
        *("running.wiring.canceling", "running.wiring.ending", "running.wiring.sweeping"),
    ],
)
def test_the_package_has_the_services_that_functions_call(package: Path, root: str) -> None:
    """Each client is made, from the package's own description of its service."""
    run(package, f"import zipjobs.running.wiring; zipjobs.{root}()", FUNCTIONS_ENVIRONMENT)


def test_no_other_service_is_called_and_none_is_shipped(package: Path) -> None:
    roots = (ROOT / "zipjobs" / "wiring.py", ROOT / "zipjobs" / "running" / "wiring.py")
    text = "".join(root.read_text() for root in roots)
    called = set(re.findall(r'client\("(\w+)"', text))
    assert called | {"sts"} == set(SERVICES)
    data = package / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == set(SERVICES)


def test_two_builds_have_the_same_bytes(
    package: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = tmp_path_factory.mktemp("again") / "lambda"
    stage(again, HERE, MACHINE)
    pack(package, tmp_path / "one.zip")
    pack(again, tmp_path / "two.zip")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.zip", "two.zip"))
    assert sha256(one).hexdigest() == sha256(two).hexdigest()


@pytest.mark.parametrize("architecture", sorted(MACHINES))
def test_each_architecture_gets_its_own_binaries(tmp_path: Path, architecture: str) -> None:
    folder, archive = tmp_path / "lambda", tmp_path / "lambda.zip"
    stage(folder, RUNTIME, architecture)
    pack(folder, archive)
    with zipfile.ZipFile(archive) as package:
        names = package.namelist()
    binaries = sorted(folder.rglob("*.so"))
    assert binaries
    assert {elf_machine(binary) for binary in binaries} == {ELF_MACHINES[architecture]}
    bytecode = {name.rsplit(".", 2)[1] for name in names if name.endswith(".pyc")}
    assert bytecode <= {RUNTIME.replace("python3.", "cpython-3")}
    assert {f"handlers/{handler}.py" for handler in HANDLERS} <= set(names)
    assert archive.stat().st_size < MOST_BYTES
